"""Opens the file in python-lsp-server, writes down what mlint says in it, and applies its fixes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

file = Path(os.environ["DRIVE_FILE"])
out = Path(os.environ["DRIVE_OUT"])
server = subprocess.Popen(["pylsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
assert server.stdin is not None
assert server.stdout is not None


def send(method: str, params: Any, number: int | None = None) -> None:
    """Write a notification, or a request with a number."""
    assert server.stdin is not None
    message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
    body = json.dumps(message).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    server.stdin.flush()


def read() -> dict[str, Any]:
    """The next message."""
    assert server.stdout is not None
    length = 0
    while line := server.stdout.readline().strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    if not length:
        sys.exit("the server has ended")
    message: dict[str, Any] = json.loads(server.stdout.read(length))
    return message


def answer(number: int) -> Any:
    """The answer to a request."""
    while True:
        message = read()
        if message.get("id") == number and "method" not in message:
            return message.get("result")


def findings() -> list[dict[str, Any]]:
    """What mlint says in the next diagnostics."""
    while True:
        message = read()
        if message.get("method") == "textDocument/publishDiagnostics":
            return [one for one in message["params"]["diagnostics"] if one.get("source") == "mlint"]


def under(text: str, where: dict[str, Any]) -> str:
    """The text of a range in one line, whose columns are units of UTF-16."""
    line: bytes = text.split("\n")[where["start"]["line"]].encode("utf-16-le")
    return line[2 * where["start"]["character"] : 2 * where["end"]["character"]].decode("utf-16-le")


uri, text = file.as_uri(), file.read_text(encoding="utf-8")
send("initialize", {"processId": None, "rootUri": file.parent.as_uri(), "capabilities": {}}, 1)
answer(1)
send("initialized", {})
send("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "python", "version": 1, "text": text}})
lines = []
for one in findings():
    lines.append(f"found {one['code']} {one['range']['start']['line'] + 1}: {under(text, one['range'])}")
everything = {"start": {"line": 0, "character": 0}, "end": {"line": text.count("\n"), "character": 0}}
asked = {"textDocument": {"uri": uri}, "range": everything, "context": {"diagnostics": []}}
send("textDocument/codeAction", asked, 2)
action = next(action for action in answer(2) if action["kind"] == "source.fixAll.mlint")
[edit] = action["edit"]["changes"][uri]
rows = text.split("\n")
number = edit["range"]["start"]["line"]
row = rows[number].encode("utf-16-le")
start, end = (2 * edit["range"][name]["character"] for name in ("start", "end"))
rows[number] = row[:start].decode("utf-16-le") + edit["newText"] + row[end:].decode("utf-16-le")
text = "\n".join(rows)
file.write_text(text, encoding="utf-8")
about = {"uri": uri, "version": 2}
send("textDocument/didChange", {"textDocument": about, "contentChanges": [{"text": text}]})
lines.append(f"left {len(findings())}")
out.write_text("\n".join(lines) + "\n", encoding="utf-8")
send("shutdown", None, 3)
answer(3)
send("exit", None)
server.wait(timeout=20)
