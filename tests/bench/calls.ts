// Sends one request many times over to a generated server in this process, in each era of the
// protocol, and prints the median microseconds of a call as JSON. Runs in the project's folder.
import { createApp } from "./src/generated/app.ts";

const app = createApp({ read: () => undefined, hosts: [] });
const version = "2026-07-28";
const eras = {
  legacy: { headers: {}, params: {} },
  modern: {
    headers: {
      "mcp-protocol-version": version,
      "mcp-method": "tools/call",
      "mcp-name": "lookup_1",
    },
    params: {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  },
};

const [calls] = process.argv.slice(2).map(Number);
const found = {};
for (const [era, { headers, params }] of Object.entries(eras)) {
  const request = {
    method: "POST",
    headers: {
      host: "localhost",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "lookup_1", arguments: { id: "42" }, ...params },
    }),
  };
  const batches = [];
  for (let batch = 0; batch < 12; batch++) {
    const started = performance.now();
    for (let call = 0; call < calls; call++) {
      const response = await app(new Request("http://localhost/mcp", request));
      const text = await response.text();
      if (!text.includes('"text"') || text.includes("isError")) throw new Error(text);
    }
    batches.push(((performance.now() - started) * 1000) / calls);
  }
  // The first two warm the compiler up.
  found[era] = batches.slice(2).sort((a, b) => a - b)[5];
}
console.log(JSON.stringify(found));
