import type { Tool } from "../generated/contract.ts";

// Keeps many values.
export default (async ({ count }, { session }) => {
  for (let from = 0; from < count; from += 50) {
    const keys = Array.from(
      { length: Math.min(50, count - from) },
      (_, at) => `scattered ${from + at}`,
    );
    await Promise.all(keys.map((key) => session.set(key, key)));
  }
  return "kept";
}) satisfies Tool<"scatter">;
