"""The OpenAPI document says what the routes do: every row of the table, and every value of every shape."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from struct_values import values_of

from chatcore.errors import CATALOGUE, ErrorCode, InvalidMessage, RequestRefused
from chatcore.web.openapi import BESIDES, ProblemDetails, openapi
from chatcore.web.problems import CONTENT_TYPE, Problem
from chatcore.web.routes import ROUTES, Api, Route

DOCUMENT = openapi(ROUTES)
SHAPES = sorted(
    {shape for route in ROUTES for shape in (route.body, route.answer) if isinstance(shape, type)},
    key=lambda shape: shape.__name__,
)


def name_of(route: Route) -> str:
    """The row's name in test reports."""
    return f"{route.method} {route.path}"


def operation(route: Route) -> Any:
    """What the document says of a row."""
    path = re.sub(r"<(\w+)>", r"{\1}", route.path)
    return DOCUMENT["paths"][path][route.method.lower()]


def validator(schema: dict[str, Any]) -> Any:
    """Validates against a schema of the document."""
    return jsonschema.Draft202012Validator(schema | {"components": DOCUMENT["components"]})


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_every_row_of_the_table_is_in_it(route: Route) -> None:
    assert operation(route)["summary"] == route.summary
    assert str(route.status) in operation(route)["responses"]


def test_nothing_else_is_in_it_but_the_liveness_probe() -> None:
    said = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    rows = {name_of(route).replace("<", "{").replace(">", "}") for route in ROUTES}
    assert said == rows | {"GET /health/live"}


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_each_row_says_its_parameters(route: Route) -> None:
    parameters = {(one["in"], one["name"]) for one in operation(route)["parameters"]}
    in_path = {("path", name) for name in re.findall(r"<(\w+)>", route.path)}
    assert parameters >= in_path | {("query", name) for name, _ in route.query}


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_each_row_says_how_it_fails(route: Route) -> None:
    assert CONTENT_TYPE in operation(route)["responses"]["default"]["content"]


def test_operations_have_names_of_their_own() -> None:
    names = Counter(one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values())
    assert max(names.values()) == 1


def test_what_stands_beside_the_table_belongs_to_a_row() -> None:
    assert set(BESIDES) <= {route.handler for route in ROUTES}
    assert all(hasattr(Api, route.handler) for route in ROUTES)


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_each_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_what_is_encoded_is_allowed(shape: type[msgspec.Struct], data: st.DataObject) -> None:
    value = data.draw(values_of(shape))
    schema = DOCUMENT["components"]["schemas"][shape.__name__]
    validator(schema).validate(msgspec.json.decode(msgspec.json.encode(value)))


@pytest.mark.parametrize("code", ErrorCode, ids=str)
def test_each_refusal_is_a_problem_as_described(code: ErrorCode) -> None:
    schema = validator(DOCUMENT["components"]["schemas"][ProblemDetails.__name__])
    for refusal in (
        RequestRefused(code),
        RequestRefused(code, retry_after_seconds=1.5),
        InvalidMessage("content", "text"),
    ):
        body = msgspec.json.decode(Problem.of(refusal).body())
        schema.validate(body)
        assert set(body) <= set(ProblemDetails.__struct_fields__)
        assert body["status"] == CATALOGUE[refusal.error_code].http_status


def test_a_problem_that_only_http_knows_is_as_described() -> None:
    schema = validator(DOCUMENT["components"]["schemas"][ProblemDetails.__name__])
    schema.validate(msgspec.json.decode(Problem(404, "Not Found").body()))
    assert not schema.is_valid({"detail": "only this"})


def test_readiness_is_an_answer_with_503_too() -> None:
    responses = DOCUMENT["paths"]["/health/ready"]["get"]["responses"]
    assert responses["503"]["content"] == responses["200"]["content"]
    assert "Retry-After" in responses["503"]["headers"]
    assert responses["503"]["description"] != responses["200"]["description"]


def test_a_stream_is_told() -> None:
    answer = DOCUMENT["paths"]["/api/threads/{thread_id}/events"]["get"]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "text/event-stream"}


def test_a_body_without_a_needed_field_may_be_left_out() -> None:
    assert DOCUMENT["paths"]["/api/threads"]["post"]["requestBody"]["required"] is False
    assert DOCUMENT["paths"]["/api/threads/{thread_id}/messages"]["post"]["requestBody"]["required"] is True
