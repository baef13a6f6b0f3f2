import type { Tool } from "../generated/contract.ts";
import type { Json } from "../generated/session.ts";

/** Read the draft as it is. */
export default (async (args, { session }) => {
  // Replace these lines: they keep the arguments of every call in the session.
  const calls = [...((await session.get<Json[]>("calls")) ?? []), args as Json];
  await session.set("calls", calls);
  return JSON.stringify(calls);
}) satisfies Tool<"read_draft">;
