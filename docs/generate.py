"""Fills the generated parts of the pages from the code: ``python docs/generate.py``; with ``--check`` it only compares.

A generated part stands between ``<!-- from the code: NAME -->`` and ``<!-- end -->``; what is around it is written by
hand. So no table of the reference can be out of date without ``--check`` failing.
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import attrs
import msgspec

import chatcore
import chatcore.client
from chatcore import cli, metrics
from chatcore.agents.analyst.kinds import FAMILIES
from chatcore.errors import CATALOGUE, CloseCode, ErrorCode
from chatcore.initialization import breaker, lifecycle
from chatcore.protocol import connection, run
from chatcore.protocol.asyncapi import CLIENT_FRAMES, SERVER_FRAMES, asyncapi, tag_of
from chatcore.protocol.schemas import plain
from chatcore.settings import PREFIX, Settings
from chatcore.web.openapi import openapi
from chatcore.web.routes import ROUTES

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- from the code: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Schema = Mapping[str, Any]
Transitions = Mapping[tuple[Any, Any], Any]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def code(value: object) -> str:
    """A value as code; nothing for nothing."""
    return f"`{value}`" if value not in (None, "", ()) else ""


def yes(value: bool) -> str:
    """A boolean in words."""
    return "yes" if value else "no"


# --- frames and shapes ----------------------------------------------------------------------------------------------


def frames(kinds: Iterable[type[msgspec.Struct]]) -> str:
    """Each frame: when it is sent, and its fields."""
    schemas = asyncapi()["components"]["schemas"]
    return "\n".join(shape(tag_of(kind), schemas[kind.__name__]) for kind in kinds)


def frame_parts() -> str:
    """What frames are made of."""
    schemas = asyncapi()["components"]["schemas"]
    apart = {ErrorCode.__name__, *(kind.__name__ for kind in (*CLIENT_FRAMES, *SERVER_FRAMES))}
    return "\n".join(shape(name, schemas[name]) for name in sorted(set(schemas) - apart))


def shape(name: str, schema: Schema) -> str:
    """A heading, a description and a table of fields."""
    rows = [
        [code(field), words(kind), "" if field in schema["required"] else "optional", kind.get("description", "")]
        for field, kind in schema["properties"].items()
    ]
    return f"#### {name}\n\n{schema['description']}\n\n" + table(["field", "type", "", ""], rows)


def words(schema: Schema) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "[error code](errors.md)" if name == ErrorCode.__name__ else f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(code(choice) for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {words(schema['items'])}" if "items" in schema else "list"
    return str(schema.get("type", "any value"))


# --- HTTP -----------------------------------------------------------------------------------------------------------


def routes() -> str:
    """Every route."""
    rows = [
        [code(method.upper()), code(path), operation["summary"], request(operation), answer(operation)]
        for path, operations in openapi(ROUTES)["paths"].items()
        for method, operation in operations.items()
    ]
    return table(["", "path", "", "takes", "answers"], rows)


def request(operation: Schema) -> str:
    """The body, query and headers of a request."""
    given = [code(one["name"]) for one in operation.get("parameters", ()) if one["in"] != "path"]
    if "requestBody" in operation:
        given.insert(0, words(operation["requestBody"]["content"]["application/json"]["schema"]))
    return ", ".join(given)


def answer(operation: Schema) -> str:
    """The status and the shape of a good answer."""
    status, response = next(iter(operation["responses"].items()))
    kinds = [
        words(one["schema"]) if "$ref" in one.get("schema", ()) else code(kind)
        for kind, one in response.get("content", {}).items()
    ]
    return ", ".join([status, *kinds])


def http_shapes() -> str:
    """The shapes that routes take and give."""
    schemas = openapi(ROUTES)["components"]["schemas"]
    return "\n".join(shape(name, schemas[name]) for name in sorted(schemas) if name != ErrorCode.__name__)


# --- codes, settings, metrics, commands -----------------------------------------------------------------------------


def error_codes() -> str:
    """The catalogue."""
    rows = [
        [
            code(error),
            meaning.message,
            yes(meaning.retryable),
            "the connection stays" if meaning.close is None else f"close {int(meaning.close)}",
            str(meaning.http_status),
        ]
        for error, meaning in CATALOGUE.items()
    ]
    return table(["`error_code`", "words", "retryable", "then", "HTTP"], rows)


def close_codes() -> str:
    """The close codes, and the errors that end in them."""
    rows = []
    for close in CloseCode:
        before = [code(error) for error, meaning in CATALOGUE.items() if meaning.close is close]
        rows.append([code(int(close)), close.name, yes(close.reconnect), ", ".join(before)])
    return table(["code", "name", "connect again", "after"], rows)


def settings() -> str:
    """Every setting."""
    kinds = typing.get_type_hints(Settings)
    rows = [
        [code(key.name), code(PREFIX + key.name.upper()), kind(kinds[key.name]), default(key), key.metadata["doc"]]
        for key in attrs.fields(Settings)
    ]
    return table(["key", "environment", "kind", "default", ""], rows)


def kind(annotation: Any) -> str:
    """A setting's type in words."""
    if typing.get_origin(annotation) is Literal:
        return " or ".join(code(choice) for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return "list"
    known = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return known.get(annotation) or known[typing.get_args(annotation)[0]]


def default(key: attrs.Attribute[Any]) -> str:
    """A setting's default, as TOML has it; a list as the environment has it."""
    if isinstance(key.default, tuple):
        return code(", ".join(key.default))
    return code(str(key.default).lower() if isinstance(key.default, bool) else key.default)


def metric_names() -> str:
    """Every metric."""
    rows = [
        [code(name), instrument.__name__.removeprefix("Batch").lower(), ", ".join(map(code, labels)), doc]
        for instrument, name, doc, labels, _ in metrics.METRICS.values()
    ]
    return table(["name", "kind", "labels", ""], rows)


def questions() -> str:
    """Every kind of question that the analyst answers by itself."""
    rows = [[family, code(kind.name), kind.description] for family, kinds in FAMILIES.items() for kind in kinds]
    return table(["about", "kind", "what it finds out"], rows)


def commands() -> str:
    """Every command with its flags."""
    return cli.build_cli().generate_docs(heading_level=2).rstrip() + "\n"


# --- states ---------------------------------------------------------------------------------------------------------


def machine(steps: Transitions, drawn: str | None = None) -> str:
    """One state machine: its diagram and its table."""
    rows = [[code(state), str(what), code(after)] for (state, what), after in steps.items()]
    return f"```mermaid\n{drawn or diagram(steps)}```\n\n" + table(["in", "on", "goes to"], rows)


def diagram(steps: Transitions) -> str:
    """A table as a Mermaid state diagram; steps between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, what), after in steps.items():
        arrows.setdefault((str(state), str(after)), []).append(str(what))
    first = next(iter(steps))[0]
    lines = [f"    {state} --> {after}: {', '.join(what)}" for (state, after), what in arrows.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {first}", *lines]) + "\n"


def run_states() -> str:
    """The grammar of a run, by the names of its events."""
    return machine({(state, tag_of(event)): after for (state, event), after in run.TRANSITIONS.items()})


# --- Python ---------------------------------------------------------------------------------------------------------


def names_of(module: ModuleType) -> str:
    """Every public name of a module, with its docstring."""
    public = [name for name in module.__all__ if not name.startswith("__")]
    return "\n".join(described(name, getattr(module, name)) for name in public)


def described(name: str, value: Any) -> str:
    """A public name: what it is, its values where it is an enumeration, and its methods."""
    lines = [f"### {name}\n", listed(value), ""]
    if isinstance(value, enum.EnumType):
        lines += [", ".join(code(member) for member in value.__members__), ""]
    for method, function in public_methods(value):
        lines += [f"#### {name}.{method}\n", f"```python\n{signature(method, function)}\n```\n", listed(function), ""]
    return "\n".join(lines)


def public_methods(value: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The methods that a class documents itself."""
    for name, found in vars(value).items() if isinstance(value, type) else ():
        if inspect.isfunction(found) and not name.startswith("_") and found.__doc__:
            yield name, found


def signature(name: str, function: Callable[..., Any]) -> str:
    """How a method is called."""
    called = re.sub(r"\(self(?:, )?", "(", str(inspect.signature(function)))
    called = re.sub(r"(: |-> )'([^']+)'", r"\1\2", called)  # annotations are kept as text
    return ("async def " if inspect.iscoroutinefunction(function) else "def ") + name + called


def listed(value: object) -> str:
    """A docstring as Markdown, its arguments and exceptions as lists."""
    text = plain(inspect.getdoc(value) or "")
    text = re.sub(r"\n {6,}(?=\S)", " ", text)
    text = re.sub(r"^ {4}(\w[\w, ]*): ", r"- `\1`: ", text, flags=re.MULTILINE)
    return re.sub(r"^(Args|Raises|Returns):$", r"\1:\n", text, flags=re.MULTILINE)


# --- writing --------------------------------------------------------------------------------------------------------

PARTS: Mapping[str, Callable[[], str]] = {
    "client frames": lambda: frames(CLIENT_FRAMES),
    "server frames": lambda: frames(SERVER_FRAMES),
    "parts of frames": frame_parts,
    "routes": routes,
    "shapes": http_shapes,
    "error codes": error_codes,
    "close codes": close_codes,
    "settings": settings,
    "metrics": metric_names,
    "questions": questions,
    "commands": commands,
    "services diagram": lambda: f"```mermaid\n{lifecycle.mermaid()}```\n",
    "services states": lambda: machine(lifecycle.TRANSITIONS, lifecycle.mermaid()),
    "breaker states": lambda: machine(breaker.TRANSITIONS),
    "connection states": lambda: machine(connection.TRANSITIONS, connection.mermaid()),
    "run states": run_states,
    "names of chatcore": lambda: names_of(chatcore),
    "names of the client": lambda: names_of(chatcore.client),
}


def filled(text: str) -> str:
    """A page with its generated parts as the code has them now."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found['name']]().rstrip()}\n\n{found[3]}", text)


def main(arguments: Sequence[str]) -> int:
    """Fill every page, or with ``--check`` say which differ.

    Returns:
        the exit code: 1 where a page differs and was only checked.
    """
    differ = False
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            differ = True
            sys.stdout.write(f"{page.relative_to(DOCS.parent)} differs from the code\n")
            if "--check" not in arguments:
                page.write_text(filled(text), encoding="utf-8")
    return 1 if differ and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
