import type { Tool } from "../generated/contract.ts";
import type { Json } from "../generated/session.ts";

/** Append text to the current draft. */
export default (async (args, { session }) => {
  // Replace these lines: they keep the arguments of every call in the session.
  const calls = await session.update<Json[]>("calls", (before = []) => [
    ...before,
    args as Json,
  ]);
  return JSON.stringify(calls);
}) satisfies Tool<"add_to_draft">;
