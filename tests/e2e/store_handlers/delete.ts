import type { Tool } from "../generated/contract.ts";

export default (async ({ key }, { session }) => {
  await session.delete(key);
  return "deleted";
}) satisfies Tool<"delete">;
