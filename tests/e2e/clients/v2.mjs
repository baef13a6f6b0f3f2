// The TypeScript SDK v2 client, as a 2025 client (legacy), as one that finds the era by itself (auto), or at one revision.

import { main, require } from "./scenario.mjs";

const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");

await main(async ({ url, headers, mode }, fetch) => {
  const negotiation = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  const client = new Client(
    { name: "contract-v2", version: "1.0.0" },
    { versionNegotiation: { mode: negotiation } },
  );
  const transport = new StreamableHTTPClientTransport(new URL(url), { fetch, requestInit: { headers } });
  await client.connect(transport);
  return { client, transport, era: client.getProtocolEra(), version: client.getNegotiatedProtocolVersion() };
});
