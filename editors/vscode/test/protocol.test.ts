// The protocol layer of vscode-languageclient against the real server, started as the extension starts it.
// MLINT_PYTHON names a Python that mlint[lsp] is installed for.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  CodeActionRequest, CodeActionResolveRequest, ConfigurationRequest, createProtocolConnection,
  DidChangeNotebookDocumentNotification, DidChangeTextDocumentNotification, DidOpenNotebookDocumentNotification,
  DidOpenTextDocumentNotification, DocumentDiagnosticRequest, ExitNotification, HoverRequest, InitializedNotification,
  InitializeRequest, NotebookCellKind, RegistrationRequest, ShutdownRequest, StreamMessageReader, StreamMessageWriter,
  type CodeAction, type Diagnostic, type InitializeResult, type ProtocolConnection, type Registration, type TextEdit,
} from "vscode-languageserver-protocol/node";

import { candidates, findServer, ownEnvironment, pythonOf } from "../src/interpreter";
import manifest from "../package.json";

const python = process.env["MLINT_PYTHON"] ?? "python3";
const MODULE = "import torch\n\n\ndef f(x):\n    # \u{1F525}\n    return torch.log(torch.softmax(x, dim=1))  # noqa: ML503\n";

const folder = mkdtempSync(join(tmpdir(), "mlint-vscode-"));
const file = pathToFileURL(join(folder, "loss.py")).href;
const registered: Registration[] = [];
let server: ChildProcess;
let connection: ProtocolConnection;
let met: InitializeResult;

/** The settings as VS Code gives them out: every one that the manifest declares, with its default. */
function defaults(): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(manifest.contributes.configuration.properties)) {
    const name = key.slice("mlint.".length);
    if (!name.includes(".")) {
      settings[name] = (value as { default: unknown }).default;
    }
  }
  return settings;
}

function applied(text: string, edits: TextEdit[]): string {
  const lines = text.split("\n");
  const offset = (line: number, character: number): number =>
    lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0) + character;
  for (const { range, newText } of [...edits].reverse()) {
    text = text.slice(0, offset(range.start.line, range.start.character)) + newText
      + text.slice(offset(range.end.line, range.end.character));
  }
  return text;
}

async function pulled(uri: string): Promise<Diagnostic[]> {
  const report = await connection.sendRequest(DocumentDiagnosticRequest.type, { textDocument: { uri } });
  assert.equal(report.kind, "full");
  return report.kind === "full" ? report.items : [];
}

async function offered(uri: string, line: number, only?: string[]): Promise<CodeAction[]> {
  const place = { line, character: 18 };
  const context = only === undefined ? { diagnostics: [] } : { diagnostics: [], only };
  const range = { start: place, end: place };
  return (await connection.sendRequest(CodeActionRequest.type, { textDocument: { uri }, range, context })) as CodeAction[];
}

async function done(action: CodeAction, uri: string, text: string): Promise<string> {
  assert.equal(action.edit, undefined);
  const resolved = await connection.sendRequest(CodeActionResolveRequest.type, action);
  const [change] = resolved.edit?.documentChanges ?? [];
  assert.ok(change !== undefined && "edits" in change && change.textDocument.uri === uri, "the edit is for the text");
  return applied(text, change.edits as TextEdit[]);
}

before(async () => {
  writeFileSync(join(folder, "mlint.toml"), 'extend-select = ["ML3"]\n');
  const found = await findServer({ configured: python, selected: undefined, folders: [folder], storage: folder });
  assert.ok(found !== undefined, `mlint[lsp] is not installed for ${python}`);
  server = spawn(found.command, found.args, { stdio: ["pipe", "pipe", "inherit"] });
  connection = createProtocolConnection(
    new StreamMessageReader(server.stdout!), new StreamMessageWriter(server.stdin!),
  );
  connection.onRequest(ConfigurationRequest.type, ({ items }) => items.map(() => defaults()));
  connection.onRequest(RegistrationRequest.type, ({ registrations }) => void registered.push(...registrations));
  connection.listen();
  met = await connection.sendRequest(InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    workspaceFolders: [{ uri: pathToFileURL(folder).href, name: "folder" }],
    initializationOptions: { settings: defaults() },
    capabilities: {
      general: { positionEncodings: ["utf-16"] },
      textDocument: {
        diagnostic: { dynamicRegistration: true },
        publishDiagnostics: { codeDescriptionSupport: true, tagSupport: { valueSet: [1, 2] } },
        codeAction: { dataSupport: true, resolveSupport: { properties: ["edit"] } },
      },
      notebookDocument: { synchronization: {} },
      workspace: {
        configuration: true, workspaceFolders: true, workspaceEdit: { documentChanges: true },
        didChangeConfiguration: { dynamicRegistration: true },
        didChangeWatchedFiles: { dynamicRegistration: true },
        diagnostics: { refreshSupport: true },
      },
    },
  });
  await connection.sendNotification(InitializedNotification.type, {});
});

after(async () => {
  await connection.sendRequest(ShutdownRequest.type);
  const ended = new Promise((resolve) => server.once("exit", resolve));
  await connection.sendNotification(ExitNotification.type);
  assert.equal(await ended, 0);
  connection.dispose();
  rmSync(folder, { recursive: true });
});

test("what the server says it can do is what the extension uses", () => {
  assert.equal(met.serverInfo?.name, "mlint");
  assert.equal(met.capabilities.positionEncoding, "utf-16");
  assert.deepEqual(met.capabilities.codeActionProvider, {
    codeActionKinds: ["quickfix", "source.fixAll.mlint"], resolveProvider: true,
  });
  assert.ok(met.capabilities.diagnosticProvider?.interFileDependencies);
  assert.equal(met.capabilities.diagnosticProvider?.workspaceDiagnostics, false, "off by default in this editor");
  assert.ok(met.capabilities.notebookDocumentSync !== undefined);
});

test("findings, quick fixes, all safe fixes and the page of a rule", async () => {
  await connection.sendNotification(DidOpenTextDocumentNotification.type, {
    textDocument: { uri: file, languageId: "python", version: 1, text: MODULE },
  });
  const found = await pulled(file);
  assert.deepEqual(found.map((one) => one.code), ["ML501", "ML001"]);
  assert.match(found[0]?.codeDescription?.href ?? "", /log-of-softmax/);
  assert.deepEqual(registered.map((one) => one.method).sort(), [
    "workspace/didChangeConfiguration", "workspace/didChangeWatchedFiles",
  ]);

  const [fix, line] = await offered(file, 5);
  assert.ok(fix?.isPreferred);
  assert.match(await done(fix, file, MODULE), /return torch\.log_softmax\(x, dim=1\) {2}# noqa: ML503/);
  assert.match(await done(line!, file, MODULE), /# noqa: ML503, ML501/);
  const [all] = await offered(file, 0, ["source.fixAll.mlint"]);
  assert.match(await done(all!, file, MODULE), /return torch\.log_softmax\(x, dim=1\)\n$/);

  const hover = await connection.sendRequest(HoverRequest.type, {
    textDocument: { uri: file }, position: { line: 5, character: 60 },
  });
  assert.ok(hover !== null && "value" in (hover.contents as object));
  assert.match((hover.contents as { value: string }).value, /^# log-one-plus \(ML503\)/);

  await connection.sendNotification(DidChangeTextDocumentNotification.type, {
    textDocument: { uri: file, version: 2 }, contentChanges: [{ text: "import torch\n" }],
  });
  assert.deepEqual(await pulled(file), []);
});

test("a notebook is one module, reported by cell", async () => {
  const uri = pathToFileURL(join(folder, "train.ipynb")).href;
  const cell = (number: number): string => uri.replace("file:", "vscode-notebook-cell:") + `#${number}`;
  const texts = ["%matplotlib inline\nimport torch\n", "x = torch.zeros(3)", "y = torch.log(torch.softmax(x, 0))"];
  await connection.sendNotification(DidOpenNotebookDocumentNotification.type, {
    notebookDocument: {
      uri, notebookType: "jupyter-notebook", version: 1, cells: texts.map((_, n) => ({ kind: NotebookCellKind.Code, document: cell(n) })),
    },
    cellTextDocuments: texts.map((text, n) => ({ uri: cell(n), languageId: "python", version: 1, text })),
  });
  assert.deepEqual(await pulled(cell(0)), []);
  const [found] = await pulled(cell(2));
  assert.equal(found?.code, "ML501");
  assert.deepEqual(found?.range.start, { line: 0, character: 4 });
  const [fix] = await offered(cell(2), 0);
  assert.equal(await done(fix!, cell(2), texts[2]!), "y = torch.log_softmax(x, 0)");
  await connection.sendNotification(DidChangeNotebookDocumentNotification.type, {
    notebookDocument: { uri, version: 2 },
    change: { cells: { textContent: [{ document: { uri: cell(2), version: 2 }, changes: [{ text: "y = x" }] }] } },
  });
  assert.deepEqual(await pulled(cell(2)), []);
});

test("where the server is looked for", () => {
  const own = pythonOf(ownEnvironment(folder));
  mkdirSync(join(own, ".."), { recursive: true });
  writeFileSync(own, "");
  const inside = pythonOf(join(folder, ".venv"));
  mkdirSync(join(inside, ".."), { recursive: true });
  writeFileSync(inside, "");
  const places = { configured: "", selected: "/chosen/python", folders: [folder], storage: folder };
  assert.deepEqual(candidates(places).map((one) => one.python), ["/chosen/python", inside, own]);
  assert.deepEqual(candidates({ ...places, configured: "/this/one" }).map((one) => one.python), ["/this/one"]);
  assert.equal(pythonOf("env", "win32").replaceAll("\\", "/"), "env/Scripts/python.exe");
});

test("a Python without mlint is passed over", async () => {
  const none = { configured: process.execPath, selected: undefined, folders: [], storage: folder };
  assert.equal(await findServer(none), undefined);
});
