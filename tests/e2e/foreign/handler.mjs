// A server of mcp-handler, as its README begins, behind an adapter from Node's HTTP to Request and Response.

import { createServer } from "node:http";
import { Readable } from "node:stream";
import { createMcpHandler } from "mcp-handler";
import { z } from "zod";

const handler = createMcpHandler((server) => {
  server.registerTool(
    "roll_dice",
    {
      description: "Roll a die.",
      inputSchema: z.object({ sides: z.number().int().min(2) }),
      annotations: { readOnlyHint: true },
    },
    async ({ sides }) => ({ content: [{ type: "text", text: `One of ${sides}` }] }),
  );
});

createServer(async (incoming, outgoing) => {
  const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method,
    headers: incoming.headers,
    ...(hasBody && { body: Readable.toWeb(incoming), duplex: "half" }),
  });
  const response = await handler(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body) Readable.fromWeb(response.body).pipe(outgoing);
  else outgoing.end();
}).listen(Number(process.env.PORT));
