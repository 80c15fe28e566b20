// Which program is the server: looked for in the workspace's own Python first, then in the editor's.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** How the server is started, and where that was found, for the output. */
export interface Server {
  command: string;
  args: string[];
  from: string;
}

/** Where to look. */
export interface Places {
  /** The setting `mlint.interpreter`. */
  configured: string;
  /** What the Python extension says is the workspace's interpreter. */
  selected: string | undefined;
  /** The workspace folders. */
  folders: string[];
  /** The folder that the editor keeps for the extension. */
  storage: string;
}

const READY = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('mlint', 'pygls', 'lsprotocol'))))";
const PATIENCE = 20_000;

/** The Python of a virtual environment. */
export function pythonOf(environment: string, platform: string = process.platform): string {
  return platform === "win32" ? join(environment, "Scripts", "python.exe") : join(environment, "bin", "python");
}

/** The environment that the extension makes for itself. */
export function ownEnvironment(storage: string): string {
  return join(storage, "environment");
}

/** The interpreters to ask, best first. A configured one is the only one. */
export function candidates(places: Places): { python: string; from: string }[] {
  if (places.configured !== "") {
    return [{ python: places.configured, from: "the setting mlint.interpreter" }];
  }
  const found: { python: string; from: string }[] = [];
  if (places.selected !== undefined && places.selected !== "") {
    found.push({ python: places.selected, from: "the workspace's interpreter" });
  }
  for (const folder of places.folders) {
    for (const name of [".venv", "venv"]) {
      const python = pythonOf(join(folder, name));
      if (existsSync(python)) {
        found.push({ python, from: `${name} of the workspace` });
      }
    }
  }
  const own = pythonOf(ownEnvironment(places.storage));
  if (existsSync(own)) {
    found.push({ python: own, from: "the environment of the extension" });
  }
  return found;
}

/** Runs a program; its exit code and output, whatever becomes of it. */
export function run(command: string, args: string[], patience = PATIENCE): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: patience, windowsHide: true }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });
}

/** The server to start; undefined where mlint is nowhere installed with what the server needs. */
export async function findServer(places: Places): Promise<Server | undefined> {
  for (const { python, from } of candidates(places)) {
    // -I: nothing of the workspace takes the place of a module.
    if ((await run(python, ["-I", "-c", READY])).code === 0) {
      return { command: python, args: ["-I", "-m", "mlint", "server"], from };
    }
  }
  if (places.configured === "" && (await run("mlint", ["server", "--version"])).code === 0) {
    return { command: "mlint", args: ["server"], from: "the path" };
  }
  return undefined;
}

/** Makes the extension's own environment and installs the server there; what went wrong, or undefined. */
export async function install(places: Places, requirement: string): Promise<string | undefined> {
  const environment = ownEnvironment(places.storage);
  const bases = [places.selected, process.platform === "win32" ? "py" : "python3", "python"];
  let wrong = "no Python was found";
  for (const base of bases) {
    if (base === undefined || base === "") {
      continue;
    }
    const made = await run(base, ["-I", "-m", "venv", environment], 5 * PATIENCE);
    if (made.code !== 0) {
      wrong = made.output.trim() || `${base} cannot be run`;
      continue;
    }
    const pip = ["-I", "-m", "pip", "install", "--disable-pip-version-check", "--upgrade", requirement];
    const installed = await run(pythonOf(environment), pip, 30 * PATIENCE);
    return installed.code === 0 ? undefined : installed.output.trim();
  }
  return wrong;
}
