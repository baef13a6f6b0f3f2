import { order } from "../faulty.ts";
import type { Tool } from "../generated/contract.ts";

export default (async ({ how }) => {
  order(how);
  return "so be it";
}) satisfies Tool<"fault">;
