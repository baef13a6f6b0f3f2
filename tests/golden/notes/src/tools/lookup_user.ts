import type { Tool } from "../generated/contract.ts";

/** Look up a user by ID. */
export default (async (args) => {
  // Replace this line: it shows that the call arrives.
  return JSON.stringify(args);
}) satisfies Tool<"lookup_user">;
