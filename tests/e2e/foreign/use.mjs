// A server of mcp-use, as its starter has it.

import { MCPServer } from "mcp-use";
import { z } from "zod";

const server = new MCPServer({ name: "weather", version: "1.0.0" });

server.tool(
  {
    name: "get_weather",
    description: "Get the weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    annotations: { readOnlyHint: true },
  },
  async ({ city }) => ({ content: [{ type: "text", text: `Sunny in ${city}` }] }),
);

await server.listen(Number(process.env.PORT));
