"""What the setting declares, and arguments held against a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp_types import Tool as Listed

from chatcore.agents.mcp.arguments import find_fault
from chatcore.agents.mcp.endpoints import Endpoint, endpoints_of
from chatcore.agents.mcp.offered import sorted_out
from chatcore.builtin import application_of
from chatcore.errors import ConfigurationError
from chatcore.settings import Settings, load_settings


def test_servers_are_run_or_reached() -> None:
    declared = ["files=stdio:server --root '/a b' -v", "shop = https://token@shop.example:8443/mcp"]
    assert endpoints_of(declared) == (
        Endpoint("files", command=("server", "--root", "/a b", "-v")),
        Endpoint("shop", url="https://token@shop.example:8443/mcp"),
    )
    assert "token" not in repr(endpoints_of(declared))


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("https://secret.example", "a server has no name"),
        ("My Shop=https://secret.example", "a server has no name"),
        ("shop=secret.example", "shop is neither a command nor an address"),
        ("shop=ftp://secret.example", "shop is neither a command nor an address"),
        ("shop=http://secret.example:port", "shop is neither a command nor an address"),
        ("shop=stdio:", "shop names no command"),
        ("shop=stdio:run 'secret", "shop has a quote that is not closed"),
    ],
)
def test_a_wrong_declaration_is_told_without_what_may_be_secret(declared: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        endpoints_of([declared])
    assert raised.value.field == "mcp"
    assert "secret" not in str(raised.value)


def test_names_differ() -> None:
    with pytest.raises(ConfigurationError, match="two servers are named 'a'"):
        endpoints_of(["a=https://x.example", "a=stdio:y"])


SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "depth": {"type": ["integer", "null"]},
        "weight": {"type": "number"},
        "deep": {"type": "boolean"},
        "any": {},
        "odd": True,
    },
    "required": ["path"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"path": "/", "depth": None, "weight": 1, "deep": True, "any": [1], "odd": 1}, None),
        ({}, "path is missing"),
        ({"path": 1}, "path must be string"),
        ({"path": "/", "depth": 1.5}, "depth must be integer or null"),
        ({"path": "/", "weight": True}, "weight must be number"),
        ({"path": "/", "root": 1}, "root is none of its arguments; there are path, depth, weight, deep, any, odd"),
    ],
)
def test_arguments_are_held_against_the_schema(arguments: dict[str, Any], told: str | None) -> None:
    assert find_fault(SCHEMA, arguments) == told
    assert find_fault({}, arguments) is None


def test_the_schemas_of_a_server_are_bounded_together() -> None:
    shape = {"type": "object", "description": "x" * 15_000}
    offered, refused = sorted_out("shop", [Listed(name=f"t{i}", input_schema=shape) for i in range(10)])
    assert [tool.name for tool in offered] == [f"t{i}" for i in range(8)]
    assert [each.problem for each in refused] == ["the schemas are larger than 128 KiB together"] * 2
    told = "the tool 't8' of the MCP server 'shop' is not offered: the schemas are larger than 128 KiB together"
    assert str(refused[0]) == told


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": 5}}, "its `$defs` are no schemas"),
        ({"properties": ["text"]}, "its `properties` are no object"),
        ({"required": 5}, "its `required` is no list of names"),
        ({"required": [{}]}, "its `required` is no list of names"),
    ],
)
def test_a_schema_that_is_none_is_refused(shape: dict[str, Any], told: str) -> None:
    offered, (refused,) = sorted_out("shop", [Listed(name="add", input_schema=shape)])
    assert (offered, refused.problem) == ((), told)


def test_the_setting_is_a_list_and_not_shown() -> None:
    settings = load_settings(environ={"CHATCORE_MCP": "a=stdio:x,b=https://y.example"})
    assert settings.mcp == ("a=stdio:x", "b=https://y.example")
    assert "example" not in repr(settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(mcp=("a=stdio:x",)), "mcp: its tools are for a language model"),
        (Settings(mcp=("a=stdio:no-such-command",), llm_model="m"), "mcp: a: there is no command 'no-such-command'"),
        (Settings(mcp=("a=stdio:x",), app="m:a"), "mcp: is for the built-in analyst"),
    ],
)
def test_what_cannot_be_served_is_told_before_anything_starts(settings: Settings, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        application_of(settings)
    assert told in str(raised.value)


def test_each_server_is_a_service_with_a_label_of_its_own() -> None:
    command = f"stdio:{Path(__import__('sys').executable)}"
    application = application_of(Settings(mcp=(f"a={command}", f"b-c={command}"), llm_model="m"))
    labels = {service.label: service.name for _, members in application.plan.phases() for service in members}
    assert labels["MCP server a"] == "mcp_a"
    assert labels["MCP server b-c"] == "mcp_b_c"
    assert application.plan.needs["mcp_tools"] == {"mcp_a", "mcp_b_c"}
    assert "mcp_tools" in application.plan.needs["analyst"]
