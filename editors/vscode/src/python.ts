// The interpreter that the Python extension has selected, where that extension is installed.
import * as vscode from "vscode";

interface PythonExtension {
  environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(path: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
    onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

async function environments(): Promise<PythonExtension["environments"]> {
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (extension === undefined) {
    return undefined;
  }
  return (extension.isActive ? extension.exports : await extension.activate())?.environments;
}

/** The path of the interpreter for a folder. */
export async function selectedInterpreter(folder: vscode.Uri | undefined): Promise<string | undefined> {
  try {
    const known = await environments();
    const environment = await known?.resolveEnvironment(known.getActiveEnvironmentPath(folder));
    return environment?.executable.uri?.fsPath;
  } catch {
    return undefined; // that extension has its troubles; mlint looks elsewhere
  }
}

/** Calls back when the user selects another interpreter. */
export async function onInterpreterSelected(callback: () => void): Promise<vscode.Disposable | undefined> {
  try {
    return (await environments())?.onDidChangeActiveEnvironmentPath(callback);
  } catch {
    return undefined;
  }
}
