import type { Tool } from "../generated/contract.ts";
import type { Json } from "../generated/session.ts";

export default (async ({ key, value, ...options }, { session }) => {
  await session.set(key, value as Json, options);
  return "kept";
}) satisfies Tool<"set">;
