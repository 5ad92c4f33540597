"""No answer without a ready generation and a live agent behind it (guarantees.md, 44), read off the source.

Who can make a generation is held in ``tests/initialization/test_services.py``. Here: no name stands for a substitute,
and an agent is run only by what was given a generation. Both checks are shown to bite.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "chatcore"
SUBSTITUTE = re.compile(r"fall_?back|mock|emergency|dummy|stub|fake|degraded", re.IGNORECASE)
RUNS_AN_AGENT = "respond"
GENERATION = "ReadyServices"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def served_modules() -> dict[str, ast.Module]:
    """Every module but those of ``chatcore.testing``, by its path."""
    paths = [path for path in SOURCE.rglob("*.py") if "testing" not in path.relative_to(SOURCE).parts]
    return {str(path.relative_to(SOURCE)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def names(tree: ast.Module) -> Iterator[str]:
    """What a module names by itself: classes, functions, arguments and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | Function):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def substitutes(path: str, tree: ast.Module) -> list[str]:
    """The names of a module that stand for a substitute."""
    return [name for name in [Path(path).stem, *names(tree)] if SUBSTITUTE.search(name)]


def runners(tree: ast.Module) -> list[Function]:
    """The functions that run an agent."""
    return [node for node in ast.walk(tree) if isinstance(node, Function) and any(map(_runs_an_agent, ast.walk(node)))]


def _runs_an_agent(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == RUNS_AN_AGENT


def needs_a_generation(function: Function) -> bool:
    """Whether it cannot be called without one: a parameter is a generation, is never None and has no default."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    needed += [one for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return any(one.annotation is not None and ast.unparse(one.annotation) == GENERATION for one in needed)


def callers(name: str) -> set[str]:
    """The modules that call a function by this name."""
    return {
        path
        for path, tree in served_modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
    }


def test_nothing_is_named_as_a_substitute() -> None:
    assert {path: found for path, tree in served_modules().items() if (found := substitutes(path, tree))} == {}


def test_an_agent_is_run_only_by_what_was_given_a_generation() -> None:
    found = [function for tree in served_modules().values() for function in runners(tree)]
    assert found, "somebody runs agents"
    assert [function.name for function in found if not needs_a_generation(function)] == []


def test_a_generation_is_made_by_the_manager_alone() -> None:
    assert callers(GENERATION) == {"services.py"}
    assert callers("seal_services") == {"initialization/manager.py"}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("agents/planted.py", "class FallbackAgentHandler: ..."),
        ("agents/planted.py", "async def emergency_answer(): ..."),
        ("agents/planted.py", "def respond(message, use_mock=False): ..."),
        ("agents/planted.py", "for dummy in (): ..."),
        ("agents/fall_back.py", ""),
    ],
)
def test_a_substitute_is_found(path: str, source: str) -> None:
    assert substitutes(path, ast.parse(source))


@pytest.mark.parametrize(
    ("parameters", "held"),
    [
        ("message", False),
        ("ready: ReadyServices | None", False),
        ("ready: ReadyServices = ANY", False),
        ("*, ready: ReadyServices = ANY", False),
        ("message, ready: ReadyServices", True),
        ("message=None, *, ready: ReadyServices", True),
    ],
)
def test_a_runner_without_a_generation_is_found(parameters: str, held: bool) -> None:
    (function,) = runners(ast.parse(f"async def run({parameters}): return await agent.respond(message, run)"))
    assert needs_a_generation(function) is held
