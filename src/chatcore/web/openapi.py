"""The OpenAPI 3.1 document, made of the table of routes and of the shapes it names. Pure.

``/openapi.json`` shows it. What the table cannot say of a route, headers and other answers, is in :data:`BESIDES`, by
the name of its handler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from chatcore.protocol.codec import MAX_ID_CHARACTERS
from chatcore.protocol.schemas import reference, schemas_of
from chatcore.web.problems import CONTENT_TYPE
from chatcore.web.shapes import Readiness

if TYPE_CHECKING:
    from chatcore.web.routes import Route

_PARAMETER: Final = re.compile(r"<(\w+)>")

_WHOLE_NUMBERS: Final[Mapping[str, int]] = MappingProxyType({"after": 0, "limit": 1, "width": 0})
"""Query parameters that are numbers, with the least that each may be; every other one is a text."""

_DESCRIPTION: Final = """\
Conversations over HTTP, beside the WebSocket of `/asyncapi.json`. Every error is `application/problem+json` with the
`error_code` of the same catalogue. With `auth = "jwt"` the user is the `sub` of the token in
`Authorization: Bearer`; with `auth = "none"`, the query parameter `user_id`, or `anonymous`."""


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error (RFC 9457). ``error_code`` and ``retryable`` are there where the catalogue knows the error."""

    type: str
    title: str
    status: int
    detail: str
    error_code: str | msgspec.UnsetType = msgspec.UNSET
    retryable: bool | msgspec.UnsetType = msgspec.UNSET
    retry_after_seconds: float | msgspec.UnsetType = msgspec.UNSET


@attrs.frozen(kw_only=True)
class Beside:
    """What a route's row does not say.

    Args:
        headers: of the request, with what they mean.
        stream: whether the answer comes as server-sent events too.
        unready: the shape of a 503 that is an answer and no error.
    """

    headers: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    unready: type[msgspec.Struct] | None = None


BESIDES: Mapping[str, Beside] = MappingProxyType(
    {
        "ready": Beside(unready=Readiness),
        "post_message": Beside(headers=(("Idempotency-Key", "the `message_id`, where the body has none"),)),
        "events": Beside(headers=(("Last-Event-ID", "the last `seq` that a stream gave"),), stream=True),
    }
)


def openapi(routes: Sequence[Route]) -> dict[str, Any]:
    """The document, as JSON values.

    Args:
        routes: the rows of :data:`chatcore.web.routes.ROUTES`.
    """
    received = [route.body for route in routes if route.body is not None]
    sent = [route.answer for route in routes if isinstance(route.answer, type)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "chatcore", "version": "1.0.0", "description": _DESCRIPTION},
        "paths": _paths(routes),
        "components": {"schemas": schemas_of(received=received, sent=[*sent, ProblemDetails])},
    }


def _paths(routes: Sequence[Route]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {"/health/live": {"get": _LIVE}}
    for route in routes:
        operations = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        operations[route.method.lower()] = _operation(route)
    return paths


_LIVE: Final = {
    "operationId": "get_health_live",
    "summary": "200 while the event loop turns; asks no service.",
    "responses": {"200": {"description": "OK"}},
}
"""Answered before the routes are even imported, so it is none of them."""


def _operation(route: Route) -> dict[str, Any]:
    operation = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.body is not None:
        operation["requestBody"] = _request_body(route.body)
    return operation


def _request_body(shape: type[msgspec.Struct]) -> dict[str, Any]:
    needed = any(field.required for field in msgspec.structs.fields(shape))
    return {"required": needed, "content": {"application/json": {"schema": reference(shape)}}}


def _operation_id(route: Route) -> str:
    """Unique although one handler may serve two paths: the method and the words of the path."""
    return "_".join([route.method.lower(), *re.findall(r"\w+", route.path)])


def _parameters(route: Route) -> list[dict[str, Any]]:
    identifier = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": identifier} for name in _PARAMETER.findall(route.path)
    ]
    in_query = [
        {"name": name, "in": "query", "description": meaning, "schema": _query_schema(name)}
        for name, meaning in route.query
    ]
    headers = [
        {"name": name, "in": "header", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in BESIDES.get(route.handler, Beside()).headers
    ]
    return [*in_path, *in_query, *headers]


def _query_schema(name: str) -> dict[str, Any]:
    if name in _WHOLE_NUMBERS:
        return {"type": "integer", "minimum": _WHOLE_NUMBERS[name]}
    return {"type": "string"}


def _responses(route: Route) -> dict[str, Any]:
    beside = BESIDES.get(route.handler, Beside())
    responses: dict[str, Any] = {str(route.status): _response(route.answer, stream=beside.stream)}
    if beside.unready is not None:
        responses["503"] = _response(beside.unready) | {
            "description": "Not yet, or not now: what it has come to, and when to ask again",
            "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
        }
    problem = {"description": "An error", "content": {CONTENT_TYPE: {"schema": reference(ProblemDetails)}}}
    return responses | {"default": problem}


def _response(answer: type[msgspec.Struct] | str | None, *, stream: bool = False) -> dict[str, Any]:
    if answer is None:
        return {"description": "Done; no content"}
    if isinstance(answer, str):
        return {"description": "OK", "content": {answer: {}}}
    content: dict[str, Any] = {"application/json": {"schema": reference(answer)}}
    if stream:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": "OK", "content": content}
