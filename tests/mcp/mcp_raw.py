"""An MCP server without the SDK, which starts at once and misbehaves as its arguments say.

``mute`` never answers; ``noisy`` writes lines that are no messages before each that is one; ``dies FILE`` ends at the
first call of its tool, once: the next process finds the file and goes on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SHAPE = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def write(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def tools() -> list[dict[str, Any]]:
    names = ["echo", "not a name", "echo", "x" * 39, *(f"tool-{i}" for i in range(100))]
    return [{"name": name, "description": "d" * 2_000, "inputSchema": SHAPE} for name in names]


def answer(method: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        info = {"name": "raw", "version": "1"}
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": tools()}
    if method == "tools/call":
        return called(parameters["arguments"]["text"])
    return None


def called(text: str) -> dict[str, Any]:
    if sys.argv[1] == "dies" and not Path(sys.argv[2]).exists():
        Path(sys.argv[2]).touch()
        sys.exit(3)
    if text == "long":
        sys.stdout.write("x" * 5_000_000 + "\n")
    return {"content": [{"type": "text", "text": text}, {"type": "image", "data": "", "mimeType": "image/png"}]}


def main() -> None:
    sys.stderr.write("what a server says for itself\n")
    for line in sys.stdin:
        if sys.argv[1] == "mute":
            continue
        message = json.loads(line)
        if sys.argv[1] == "noisy":
            sys.stdout.write("starting up\n{}\n\n" + "x" * 5_000_000 + "\n")
        if "id" not in message:
            continue
        result = answer(message["method"], message.get("params") or {})
        known = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
        write({"jsonrpc": "2.0", "id": message["id"], **known})


main()
