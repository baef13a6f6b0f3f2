import type { Tool } from "../generated/contract.ts";

// Keeps a value whose JSON has so many bytes of UTF-8, or checks that it is kept.
export default (async ({ key, bytes, unit, check }, { session }) => {
  const room = bytes - 2;
  const size = new TextEncoder().encode(unit).length;
  const value = unit.repeat(room / size) + "-".repeat(room % size);
  if (!check) {
    await session.set(key, value);
    return "kept";
  }
  const kept = await session.get<string>(key);
  return kept === value ? "intact" : `another, of ${kept?.length} characters`;
}) satisfies Tool<"fill">;
