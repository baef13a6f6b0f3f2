// Prints what the generated modules of many projects export, as one JSON document: folder -> values.
// Node strips the types itself, so this is TypeScript read by a real parser of it.
import { readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [root] = process.argv.slice(2);
const read = (project, path) =>
  import(pathToFileURL(`${root}/${project}/${path}`).href);

const found = {};
for (const project of readdirSync(root)) {
  const [{ tools }, { server, transport }, { readEnv }] = await Promise.all(
    ["contract", "config", "env"].map((name) => read(project, `src/generated/${name}.ts`)),
  );
  const files = readdirSync(`${root}/${project}/src/tools`);
  const handlers = await Promise.all(files.map((file) => read(project, `src/tools/${file}`)));
  found[project] = {
    tools: Object.values(tools),
    server,
    transport,
    env: readEnv((name) => (name.startsWith("SECRET") ? "set" : undefined)),
    handlers: handlers.map((module) => typeof module.default),
  };
}
console.log(JSON.stringify(found));
