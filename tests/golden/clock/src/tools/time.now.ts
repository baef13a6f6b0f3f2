import type { Tool } from "../generated/contract.ts";

/** The time in a zone. */
export default (async (args) => {
  // Replace this line: it shows that the call arrives.
  return {
    structuredContent: {
      time: "1970-01-01T00:00:00Z",
      offset_minutes: -840,
    },
  };
}) satisfies Tool<"time.now">;
