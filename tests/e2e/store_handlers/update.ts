import type { Tool } from "../generated/contract.ts";
import type { Json } from "../generated/session.ts";

// Adds to a number, or what else `how` says; and tells how often it tried.
export default (async ({ key, how, by = 1, ...options }, { session }) => {
  let attempts = 0;
  let before: Json | undefined;
  const value = await session.update<Json, Json | undefined>(
    key,
    (found) => {
      attempts += 1;
      before = found;
      if (how === "remove") return undefined;
      if (how === "throw") throw new Error("no change after all");
      return Number(found ?? 0) + by;
    },
    options,
  );
  return JSON.stringify({ value, before, attempts });
}) satisfies Tool<"update">;
