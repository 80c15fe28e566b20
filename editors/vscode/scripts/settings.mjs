// Writes the settings of the extension into package.json; what a project may set comes from mlint.schema.json.
// `--check` writes nothing and fails where package.json is not what it would be.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const manifest = join(here, "..", "package.json");
const schema = JSON.parse(readFileSync(join(here, "..", "..", "..", "mlint.schema.json"), "utf8"));

// What is about a run of the command line says nothing to an editor.
const COMMAND_LINE = [
  "extend", "output-format", "fix", "unsafe-fixes", "fix-only", "show-fixes", "cache-dir", "jobs", "force-exclude", "smoke",
];
const project = Object.fromEntries(Object.entries(schema.properties).filter(([key]) => !COMMAND_LINE.includes(key)));
if (JSON.stringify(project).includes("$ref")) {
  throw new Error("mlint.schema.json refers to definitions, which VS Code does not look up in settings");
}

const properties = {
  "mlint.enable": {
    type: "boolean", default: true, scope: "resource",
    markdownDescription: "Report findings.",
  },
  "mlint.interpreter": {
    type: "string", default: "", scope: "machine-overridable",
    markdownDescription:
      "The Python that runs `mlint server`. Empty: the workspace's interpreter, if mlint is installed there; else the " +
      "environment that *Install mlint for this editor* has made; else the `mlint` on the path.",
  },
  "mlint.config": {
    type: "string", default: "", scope: "resource",
    markdownDescription: "A configuration file that is used in place of those that would be found.",
  },
  "mlint.configuration": {
    type: "object", default: {}, scope: "resource", additionalProperties: false, properties: project,
    markdownDescription: "Settings as in `mlint.toml`, which come before those of the project.",
  },
  "mlint.fixAll": {
    type: "boolean", default: true, scope: "resource",
    markdownDescription: "Offer `source.fixAll.mlint`, the safe fixes, so that `editor.codeActionsOnSave` can apply them.",
  },
  "mlint.unsafeFixes": {
    type: "boolean", default: true, scope: "resource",
    markdownDescription: "Offer fixes that may change what the program does, one by one, as quick fixes that say so.",
  },
  "mlint.workspaceDiagnostics": {
    type: "boolean", default: false, scope: "window",
    markdownDescription: "Report findings in files that are not open as well. Takes effect when the server starts.",
  },
  "mlint.debounce": {
    type: "integer", default: 100, minimum: 0, maximum: 10000, scope: "resource",
    markdownDescription: "Milliseconds without a keystroke before findings are sent to a client that does not ask for them.",
  },
  "mlint.trace.server": {
    type: "string", enum: ["off", "messages", "verbose"], default: "off", scope: "window",
    markdownDescription: "What of the conversation with the server is written to the output.",
  },
};

const written = JSON.parse(readFileSync(manifest, "utf8"));
written.contributes.configuration.properties = properties;
const text = `${JSON.stringify(written, null, 2)}\n`;
if (!process.argv.includes("--check")) {
  writeFileSync(manifest, text);
} else if (readFileSync(manifest, "utf8") !== text) {
  console.error("package.json is not what mlint.schema.json gives: npm run settings");
  process.exit(1);
}
