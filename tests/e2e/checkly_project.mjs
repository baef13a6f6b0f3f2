// Loads the checks beside it as the Checkly CLI does, has Checkly validate them, and prints what it would deploy.

import { Diagnostics, Project, Session } from "checkly/constructs";

const { default: config } = await import("./checkly.config.ts");
const project = new Project(config.logicalId, { name: config.projectName });
Session.project = project;
Session.checkFileAbsolutePath = `${import.meta.dirname}/mcp.check.ts`;
await import("./mcp.check.ts");

const diagnostics = new Diagnostics();
await project.validate(diagnostics);
const checks = Object.values(project.data.check).map((check) => check.synthesize());
console.log(JSON.stringify({ problems: diagnostics.observations.map(String), checks }));
