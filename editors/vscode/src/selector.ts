// The texts that the server is told about.
import type { DocumentFilter, NotebookCellTextDocumentFilter } from "vscode-languageserver-protocol";

/** Python in files, in texts without a file and in notebooks; and configurations, where codes have pages to show. */
export const SELECTOR: (DocumentFilter | NotebookCellTextDocumentFilter)[] = [
  { scheme: "file", language: "python" },
  { scheme: "untitled", language: "python" },
  { notebook: "*", language: "python" },
  { scheme: "file", pattern: "**/{mlint,.mlint,pyproject}.toml" },
];
