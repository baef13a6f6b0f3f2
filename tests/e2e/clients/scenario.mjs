// What both TypeScript clients do: speak to each endpoint of the input in turn and print one report for each.
//
// The input, a JSON list of endpoints, comes on standard input. An endpoint is
// {url, headers, mode, session_by, timeout_ms, scenario}; a report holds what the client saw and judges nothing.

import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";

// The packages lie in the toolchain's folder, where an import from this file would not look.
export const require = createRequire(join(process.env.TOOLCHAIN, "package.json"));

/** `connect(endpoint, fetch)` resolves to a connected {client, transport, era, version}. */
export async function main(connect) {
  const reports = [];
  for (const endpoint of JSON.parse(await text(process.stdin))) {
    reports.push(await visit(endpoint, connect));
  }
  // A client may leave a socket or a timer behind.
  process.stdout.write(JSON.stringify(reports), () => process.exit(0));
}

async function visit(endpoint, connect) {
  const report = { exchanges: [] };
  const started = performance.now();
  const late = new Promise((_, reject) => {
    const error = new Error(`no end after ${endpoint.timeout_ms} ms`);
    setTimeout(reject, endpoint.timeout_ms, error);
  });
  try {
    await Promise.race([play(endpoint, connect, report), late]);
  } catch (error) {
    report.error = describe(error);
  }
  report.elapsed_ms = Math.round(performance.now() - started);
  return report;
}

async function play(endpoint, connect, report) {
  const record = async (url, init) => {
    const response = await fetch(url, init);
    report.exchanges.push({
      method: init?.method ?? "GET",
      status: response.status,
      type: response.headers.get("content-type"),
      sent: new Headers(init?.headers).get("mcp-session-id"),
      session: response.headers.get("mcp-session-id"),
    });
    return response;
  };
  const keep = { handle: keepByHandle, header: keepByHeader }[endpoint.session_by];
  await keep(endpoint.scenario, () => connect(endpoint, record), report);
}

/** Lists, and makes the calls that need no session. */
async function look({ client, era, version }, { pure, wrong, unknown }, report) {
  report.era = era;
  report.version = version;
  report.server = client.getServerVersion();
  report.tools = await listTools(client);
  report.pure = await client.callTool(pure);
  report.wrong = [];
  for (const call of wrong) report.wrong.push(await attempt(client, call));
  report.unknown = await attempt(client, unknown);
}

/** Keeps every session by its handle, which belongs to no connection: the last turn is over another. */
async function keepByHandle(scenario, connect, report) {
  const { name, calls, forged } = scenario.sessions;
  report.sessions = calls.map(() => ({ results: [] }));
  const rounds = calls[0].length;
  const turn = async (client, round) => {
    for (const [index, session] of report.sessions.entries()) {
      const handle = session.handle === undefined ? {} : { session_id: session.handle };
      const result = await client.callTool({ name, arguments: { ...calls[index][round], ...handle } });
      session.results.push(result);
      session.handle ??= handleOf(result);
    }
  };

  const first = await connect();
  await look(first, scenario, report);
  for (let round = 0; round < rounds - 1; round++) await turn(first.client, round);
  await first.client.close();

  const second = await connect();
  await turn(second.client, rounds - 1);
  report.forged = await attempt(second.client, forged);
  await second.client.close();
}

/** Keeps every session by a connection of its own, and ends it before the connection. */
async function keepByHeader(scenario, connect, report) {
  const { name, calls, forged } = scenario.sessions;
  report.sessions = calls.map(() => ({ results: [] }));
  const connections = [];
  for (const _ of calls) connections.push(await connect());
  await look(connections[0], scenario, report);
  for (let round = 0; round < calls[0].length; round++) {
    for (const [index, { client }] of connections.entries()) {
      report.sessions[index].results.push(await client.callTool({ name, arguments: calls[index][round] }));
    }
  }
  report.forged = await attempt(connections[0].client, forged);
  for (const { client, transport } of connections) {
    await transport.terminateSession();
    await client.close();
  }
}

async function listTools(client) {
  const tools = [];
  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? undefined : { cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return tools;
}

async function attempt(client, call) {
  try {
    return { result: await client.callTool(call) };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

function handleOf({ content }) {
  for (const block of content) {
    const found = block.type === "text" && /^session_id: (.+)$/.exec(block.text);
    if (found) return found[1];
  }
  throw new Error(`no session_id in ${JSON.stringify(content)}`);
}

function describe(error) {
  const cause = error.cause ? `\ncaused by: ${describe(error.cause)}` : "";
  return `${error.stack ?? error}${cause}`;
}
