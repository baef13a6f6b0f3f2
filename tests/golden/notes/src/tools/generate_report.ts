import type { Tool } from "../generated/contract.ts";

/** Generate a report. */
export default (async (args) => {
  // Replace this line: it shows that the call arrives.
  return JSON.stringify(args);
}) satisfies Tool<"generate_report">;
