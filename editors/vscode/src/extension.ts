// Starts the language server and shows what it says; everything about code is the server's.
import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions } from "vscode-languageclient/node";

import { findServer, install, type Places } from "./interpreter";
import { onInterpreterSelected, selectedInterpreter } from "./python";
import { SELECTOR } from "./selector";

const INSTALL = "Install mlint for this editor";

let client: LanguageClient | undefined;
let output: vscode.LogOutputChannel;
let turn: Promise<void> = Promise.resolve();

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  output = vscode.window.createOutputChannel("mlint", { log: true });
  const restart = (): Promise<void> => inTurn(() => restarted(context));
  context.subscriptions.push(
    output,
    vscode.commands.registerCommand("mlint.restart", restart),
    vscode.commands.registerCommand("mlint.showOutput", () => output.show()),
    vscode.commands.registerCommand("mlint.install", () => installed(context, restart)),
    vscode.commands.registerCommand("mlint.fixAll", fixAll),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (["mlint.interpreter", "mlint.workspaceDiagnostics"].some((key) => event.affectsConfiguration(key))) {
        void restart();
      }
    }),
  );
  const selected = await onInterpreterSelected(() => void restart());
  if (selected !== undefined) {
    context.subscriptions.push(selected);
  }
  await restart();
}

export async function deactivate(): Promise<void> {
  await inTurn(stopped);
}

/** One start or stop after the other, however quickly they are asked for. */
function inTurn(work: () => Promise<void>): Promise<void> {
  turn = turn.then(work, work);
  return turn;
}

async function places(context: vscode.ExtensionContext): Promise<Places> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return {
    configured: vscode.workspace.getConfiguration("mlint").get<string>("interpreter", ""),
    selected: await selectedInterpreter(folders[0]?.uri),
    folders: folders.map((folder) => folder.uri.fsPath),
    storage: context.globalStorageUri.fsPath,
  };
}

async function stopped(): Promise<void> {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function restarted(context: vscode.ExtensionContext): Promise<void> {
  await stopped();
  const where = await places(context);
  const server = await findServer(where);
  if (server === undefined) {
    void notFound(where);
    return;
  }
  output.info(`${server.command} ${server.args.join(" ")} (${server.from})`);
  const options: LanguageClientOptions = {
    documentSelector: SELECTOR,
    outputChannel: output,
    initializationOptions: { settings: vscode.workspace.getConfiguration("mlint") },
  };
  client = new LanguageClient("mlint", "mlint", { command: server.command, args: server.args }, options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    output.error(String(error));
    void vscode.window.showErrorMessage(`mlint does not start with ${server.command}; see its output.`);
  }
}

async function notFound(where: Places): Promise<void> {
  if (where.configured !== "") {
    void vscode.window.showErrorMessage(
      `mlint is not installed for ${where.configured}, or without its server: python -m pip install "mlint[lsp]"`,
    );
    return;
  }
  const answer = await vscode.window.showWarningMessage(
    "mlint is not installed for the workspace's interpreter, or without its server (mlint[lsp]).",
    INSTALL,
  );
  if (answer === INSTALL) {
    await vscode.commands.executeCommand("mlint.install");
  }
}

async function installed(context: vscode.ExtensionContext, restart: () => Promise<void>): Promise<void> {
  const where = await places(context);
  const progress = { location: vscode.ProgressLocation.Notification, title: "Installing mlint for this editor" };
  const wrong = await vscode.window.withProgress(progress, () => install(where, "mlint[lsp]"));
  if (wrong !== undefined) {
    output.error(wrong);
    void vscode.window.showErrorMessage("mlint could not be installed; see its output.");
    return;
  }
  await restart();
}

async function fixAll(): Promise<void> {
  if (vscode.window.activeTextEditor === undefined) {
    return;
  }
  await vscode.commands.executeCommand("editor.action.codeAction", { kind: "source.fixAll.mlint", apply: "first" });
}
