// Calls every new handler of a project with no arguments, and prints what each returns: file -> result.
import { readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [project] = process.argv.slice(2);
const returned = {};
for (const file of readdirSync(`${project}/src/tools`)) {
  const module = await import(pathToFileURL(`${project}/src/tools/${file}`).href);
  returned[file.slice(0, -".ts".length)] = await module.default({}, {});
}
console.log(JSON.stringify(returned));
