// The TypeScript SDK v1 client, which knows the 2025 revisions only.

import { main, require } from "./scenario.mjs";

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

await main(async ({ url, headers }, fetch) => {
  const client = new Client({ name: "contract-v1", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { fetch, requestInit: { headers } });
  await client.connect(transport);
  return { client, transport, era: "legacy", version: transport.protocolVersion };
});
