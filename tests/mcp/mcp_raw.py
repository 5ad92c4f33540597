"""An MCP server without the SDK, which starts at once and misbehaves as its arguments say.

``mute`` never answers; ``hostile`` has tools that no model can be offered, and one whose result is not what it says;
``noisy`` writes lines that are no messages before each that is one; ``dies FILE`` ends at the first call of its tool,
once: the next process finds the file and goes on.
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


def nested(depth: int) -> dict[str, Any]:
    return {"not": nested(depth - 1)} if depth else {}


def hostile() -> list[dict[str, Any]]:
    said = {"type": "object", "properties": {"text": {"type": "string", "pattern": "^(a+)+$"}}}
    chain = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(400)} | {"d400": SHAPE}
    shapes: dict[str, dict[str, Any]] = {
        "large": {"description": "x" * 1_000_000},
        "deep": nested(150),
        "defs": {"$defs": [1, 2]},
        "chain": {"$ref": "#/$defs/d0", "$defs": chain},
        "slow": SHAPE,
    }
    made = [
        {"name": name, "description": "d" * 100_000, "inputSchema": {"type": "object", **shape}}
        for name, shape in shapes.items()
    ]
    made[-1]["outputSchema"] = said
    return made


def tools() -> list[dict[str, Any]]:
    if sys.argv[1] == "hostile":
        return hostile()
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
    if sys.argv[1] == "hostile":
        return {"content": [], "structuredContent": {"text": text}}
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
