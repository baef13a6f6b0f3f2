import type { Tool } from "../generated/contract.ts";

export default (async () => "pong") satisfies Tool<"ping">;
