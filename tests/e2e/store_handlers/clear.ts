import type { Tool } from "../generated/contract.ts";

export default (async (_, { session }) => {
  await session.clear();
  return "cleared";
}) satisfies Tool<"clear">;
