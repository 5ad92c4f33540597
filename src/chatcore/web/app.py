"""The HTTP application on Quart: the routes of :mod:`.routes`, the pages, and every error as a problem."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from quart import Response, send_file, send_from_directory
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from chatcore.errors import ErrorCode, RequestRefused
from chatcore.observability import describe_error
from chatcore.protocol.asyncapi import asyncapi
from chatcore.server import Server
from chatcore.settings import Settings
from chatcore.web.idempotency import REUSED, KeyReused
from chatcore.web.openapi import openapi
from chatcore.web.problems import Problem
from chatcore.web.routes import ROUTES, Api, Handler, Route, json_response

PAGES = Path(__file__).parent / "pages"

CONTENT_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)
"""Nothing from elsewhere and nothing inline: markup that got past the sanitiser would still do nothing."""

NO_CACHE = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}

BODY_SLACK = 65_536
"""Above the largest message, for the JSON around it."""


def build_app(server: Server) -> QuartTrio:
    """The application for a running server."""
    app = QuartTrio("chatcore.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = server.settings.max_message_bytes + BODY_SLACK
    api = Api(server)
    for route in ROUTES:
        view = _view(getattr(api, route.handler), route)
        app.add_url_rule(route.path, f"{route.method} {route.path}", view, methods=[route.method])
    _add_documents(app)
    _add_pages(app)
    _add_sign_in(app, server.settings)
    _add_errors(app, server)
    return app


def _view(handler: Handler, route: Route) -> Handler:
    """A Quart view: what the handler returns, in the shape of its row."""

    async def view(**given: str) -> Response:
        answer = await handler(**given)
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return _no_content(route.status)
        return json_response(route.status, answer)

    return view


def _no_content(status: int) -> Response:
    """An answer without a body, and so without a word about one (RFC 9110, section 8.6)."""
    response = Response(b"", status=status)
    for name in ("content-type", "content-length"):
        response.headers.pop(name, None)
    return response


def _add_documents(app: QuartTrio) -> None:
    async def asyncapi_document() -> Response:
        return json_response(200, asyncapi())

    async def openapi_document() -> Response:
        return json_response(200, openapi(ROUTES))

    app.add_url_rule("/asyncapi.json", "asyncapi", asyncapi_document)
    app.add_url_rule("/openapi.json", "openapi", openapi_document)


def _add_pages(app: QuartTrio) -> None:
    mimetypes.init()  # reads the system's lists, which would keep everybody waiting when the first page is asked for

    async def page(name: str) -> Response:
        response = await send_from_directory(PAGES, name)
        response.headers["content-security-policy"] = CONTENT_POLICY
        response.headers["referrer-policy"] = "no-referrer"
        response.headers.update(NO_CACHE)
        return response

    app.add_url_rule("/", "chat", page, defaults={"name": "chat.html"})
    app.add_url_rule("/status", "status", page, defaults={"name": "status.html"})
    app.add_url_rule("/static/<name>", "static", page)


def _add_sign_in(app: QuartTrio, settings: Settings) -> None:
    """``/signin.js``: with what the page gets its token; the operator's module where there is one."""

    async def sign_in() -> Response:
        if settings.auth == "none":
            return Response(b"export const signIn = null;\n", content_type="text/javascript", headers=NO_CACHE)
        response = await send_file(settings.signin or PAGES / "signin.js", mimetype="text/javascript")
        response.headers.update(NO_CACHE)
        return response

    app.add_url_rule("/signin.js", "sign_in", sign_in)


def _add_errors(app: QuartTrio, server: Server) -> None:
    async def refused(error: RequestRefused) -> Response:
        return problem_response(Problem.of(error))

    async def key_reused(error: KeyReused) -> Response:
        return problem_response(Problem(REUSED, error.public_message, error.error_code))

    async def http_error(error: HTTPException) -> Response:
        if error.code == 413:
            code = ErrorCode.MESSAGE_TOO_LARGE
            return problem_response(Problem(413, code.meaning.message, code))
        return problem_response(Problem(error.code or 500, error.name))

    async def defect(error: Exception) -> Response:
        server.recorder.log("request_failed", **describe_error(error))
        return problem_response(Problem(500, "The server failed to answer"))

    app.register_error_handler(RequestRefused, refused)
    app.register_error_handler(KeyReused, key_reused)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, defect)


def problem_response(problem: Problem) -> Response:
    """A problem as Quart's response."""
    return Response(problem.body(), status=problem.status, headers=problem.headers())
