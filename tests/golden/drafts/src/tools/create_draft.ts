import type { Tool } from "../generated/contract.ts";
import type { Json } from "../generated/session.ts";

/** Start a draft and give its first text. */
export default (async (args, { session }) => {
  // Replace these lines: they keep the arguments of every call in the session.
  const calls = [...((await session.get<Json[]>("calls")) ?? []), args as Json];
  await session.set("calls", calls);
  return {
    structuredContent: {
      words: 0,
    },
  };
}) satisfies Tool<"create_draft">;
