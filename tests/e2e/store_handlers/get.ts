import type { Tool } from "../generated/contract.ts";

export default (async ({ key }, { session }) =>
  JSON.stringify({ value: await session.get(key) })) satisfies Tool<"get">;
