"""The HTTP API (protocol.md, 2): each route is a row of one table, with its shapes; Quart and OpenAPI read that table.

Who asks has been decided by :mod:`.admission` before a request comes here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import msgspec
import trio
from quart import Response, request

from chatcore.agents.openings import openings_of
from chatcore.context import UserExecutionContext
from chatcore.delivery.outbox import Outbox
from chatcore.errors import ErrorCode, InvalidMessage, RequestRefused
from chatcore.ids import new_id
from chatcore.initialization.lifecycle import State
from chatcore.protocol import messages as m
from chatcore.server import Server
from chatcore.web import evidence, idempotency, requests, shapes
from chatcore.web.drawing import USUAL_WIDTH
from chatcore.web.events import EventStream
from chatcore.web.health import readiness
from chatcore.web.problems import retry_after
from chatcore.web.rendering import MOST_RENDERED, Renderer
from chatcore.web.status import live_status


@attrs.frozen(kw_only=True)
class Route:
    """One row.

    Args:
        method: of HTTP.
        path: with ``<name>`` for what is given on to the handler.
        handler: the method of :class:`Api`.
        summary: one sentence.
        body: the shape of the request's body.
        answer: the shape of a successful answer, or its media type.
        status: of a successful answer.
        query: parameters with what they mean.
    """

    method: str
    path: str
    handler: str
    summary: str
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | str | None = None
    status: int = 200
    query: tuple[tuple[str, str], ...] = ()


_PAGED = (("limit", f"items, at most {requests.MOST_ITEMS}"), ("cursor", "`next` of the page before"))

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/health/ready",
        handler="ready",
        summary="Whether an agent can really answer; 503 with Retry-After while not.",
        answer=shapes.Readiness,
        query=(("start", "`true` starts the services as a first connection would"),),
    ),
    Route(
        method="GET",
        path="/health/startup",
        handler="ready",
        summary="The same, for a start-up probe.",
        answer=shapes.Readiness,
        query=(("start", "`true` starts the services as a first connection would"),),
    ),
    Route(method="GET", path="/metrics", handler="metrics_text", summary="Prometheus metrics.", answer="text/plain"),
    Route(
        method="GET",
        path="/status.json",
        handler="status",
        summary="What the status page shows: the timeline of the current attempt and the state now.",
        answer="application/json",
    ),
    Route(
        method="POST",
        path="/render",
        handler="render",
        summary="Markdown as safe HTML, for the chat page.",
        body=shapes.Markdown,
        answer=shapes.Rendered,
    ),
    Route(
        method="GET",
        path="/api/threads",
        handler="threads",
        summary="The user's threads, all or those in which a text occurs.",
        answer=shapes.ThreadList,
        query=(
            ("query", "a text that the title or a message holds, in whatever case"),
            ("order", "`created`, the newest first, unless `active`: the one with the newest message first"),
            *_PAGED,
        ),
    ),
    Route(
        method="POST",
        path="/api/threads",
        handler="open_thread",
        summary="Open a thread.",
        body=shapes.NewThread,
        answer=shapes.ThreadShape,
        status=201,
    ),
    Route(
        method="GET",
        path="/api/threads/<thread_id>",
        handler="thread",
        summary="One thread.",
        answer=shapes.ThreadShape,
    ),
    Route(
        method="PATCH",
        path="/api/threads/<thread_id>",
        handler="rename_thread",
        summary="Give a thread another title.",
        body=shapes.NewTitle,
        answer=shapes.ThreadShape,
    ),
    Route(
        method="DELETE",
        path="/api/threads/<thread_id>",
        handler="delete_thread",
        summary="Cancel what runs or waits on a thread, and delete it with everything in it.",
        status=204,
    ),
    Route(
        method="GET",
        path="/api/threads/<thread_id>/messages",
        handler="messages",
        summary="The messages of a thread, the oldest first.",
        answer=shapes.MessageList,
        query=_PAGED,
    ),
    Route(
        method="POST",
        path="/api/threads/<thread_id>/messages",
        handler="post_message",
        summary="Send a message; honours Idempotency-Key.",
        body=shapes.NewMessage,
        answer=shapes.PostedMessage,
        status=202,
    ),
    Route(
        method="GET",
        path="/api/threads/<thread_id>/events",
        handler="events",
        summary="The events of a thread after a position; server-sent events with Accept: text/event-stream.",
        answer=shapes.EventList,
        query=(("after", "the last `seq` that is known"), _PAGED[0]),
    ),
    Route(
        method="POST",
        path="/api/runs/<run_id>/cancel",
        handler="cancel",
        summary="Cancel a run.",
        answer=shapes.CancelledRun,
        status=202,
    ),
    Route(
        method="GET",
        path="/api/runs/<run_id>/evidence",
        handler="evidence",
        summary="The evidence of a run's answer, and which of it can be looked at as a chart.",
        answer=shapes.EvidenceList,
    ),
    Route(
        method="GET",
        path="/api/runs/<run_id>/evidence/<evidence_id>.svg",
        handler="evidence_chart",
        summary="The chart of one item; 404 where a table says it better.",
        answer="image/svg+xml",
        query=(("column", "what is drawn, if not what is chosen"), ("width", "in CSS pixels")),
    ),
    Route(
        method="GET",
        path="/api/runs/<run_id>/evidence/<evidence_id>.csv",
        handler="evidence_rows",
        summary="The rows of one item as a file; a text that a spreadsheet would take for a formula begins with '.",
        answer="text/csv",
    ),
    Route(
        method="GET",
        path="/api/agents/<agent>/questions",
        handler="questions",
        summary="Questions that an agent offers to begin with; none while it is not ready, or where it offers none.",
        answer=shapes.QuestionList,
    ),
    Route(
        method="POST",
        path="/api/tickets",
        handler="issue_ticket",
        summary="A ticket for one WebSocket: for a browser, which cannot send a header with it.",
        answer=shapes.IssuedTicket,
    ),
)


@attrs.frozen
class Api:
    """The handlers. Each returns its answer's shape, or a response of its own.

    Args:
        server: that is running.
        renderer: of Markdown.
    """

    server: Server
    renderer: Renderer = attrs.field(factory=Renderer)

    async def ready(self) -> Response:
        """Readiness; it can also be what wants the services started."""
        server = self.server
        if request.args.get("start") == "true" and not server.draining:
            server.manager.request_start()
        state = server.state
        body = readiness(server.manager.snapshot(), state, server.wrong)
        if state is State.READY:
            return json_response(200, body)
        return json_response(503, body, {"retry-after": retry_after(server.retry_after_seconds)})

    async def metrics_text(self) -> Response:
        """Prometheus' text format."""
        return Response(self.server.recorder.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    async def status(self) -> dict[str, Any]:
        """For the status page and ``chatcore status``."""
        return live_status(self.server)

    async def render(self) -> shapes.Rendered:
        """Safe HTML."""
        body = await requests.body(shapes.Markdown)
        if len("\n".join(body.texts)) > MOST_RENDERED:
            raise InvalidMessage("texts", requests.EXPECTED["texts"])
        return shapes.Rendered(html=await self.renderer.render(requests.user(), body.texts, inline=body.inline))

    async def threads(self) -> shapes.ThreadList:
        """The user's threads."""
        order = requests.order()
        query = request.args.get("query", "").strip()
        store = await self.server.keeper.opened()
        cursor = request.args.get("cursor")
        page = await store.threads(requests.user(), query=query, order=order, limit=requests.limit(), cursor=cursor)
        return shapes.ThreadList(threads=[shapes.ThreadShape.of(thread) for thread in page.items], next=page.next)

    async def open_thread(self) -> shapes.ThreadShape:
        """A new thread."""
        store = await self.server.keeper.opened()
        body = await requests.body(shapes.NewThread, empty=shapes.NewThread())
        return shapes.ThreadShape.of(await store.create_thread(requests.user(), body.title))

    async def thread(self, thread_id: str) -> shapes.ThreadShape:
        """One thread."""
        store = await self.server.keeper.opened()
        return shapes.ThreadShape.of(await store.thread(requests.user(), thread_id))

    async def rename_thread(self, thread_id: str) -> shapes.ThreadShape:
        """Another title."""
        title = (await requests.body(shapes.NewTitle)).title
        store = await self.server.keeper.opened()
        await store.rename_thread(requests.user(), thread_id, title)
        return shapes.ThreadShape.of(await store.thread(requests.user(), thread_id))

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a thread; who watches it sees its runs end first."""
        store = await self.server.keeper.opened()
        await store.thread(requests.user(), thread_id)
        await self.server.supervisor.give_up_thread(thread_id)
        await store.delete_thread(requests.user(), thread_id)

    async def messages(self, thread_id: str) -> shapes.MessageList:
        """The messages of a thread."""
        store = await self.server.keeper.opened()
        page = await store.messages(
            requests.user(), thread_id, limit=requests.limit(), cursor=request.args.get("cursor")
        )
        return shapes.MessageList(messages=list(page.items), next=page.next)

    async def post_message(self, thread_id: str) -> shapes.PostedMessage:
        """Send a message."""
        body = await requests.body(shapes.NewMessage)
        key = idempotency.key_of(request.headers.get("Idempotency-Key"))
        message = m.UserMessage(
            message_id=requests.valid("message_id", body.message_id or key or new_id("msg")),
            content=requests.valid("content", body.content),
            thread_id=thread_id,
            agent=requests.valid("agent", body.agent),
        )
        if len(message.content.encode()) > self.server.settings.max_message_bytes:
            raise RequestRefused(ErrorCode.MESSAGE_TOO_LARGE)
        self.server.take_message(requests.user())
        accepted: list[m.MessageAccepted] = []
        await self.server.supervisor.submit(UserExecutionContext(user_id=requests.user()), message, accepted.append)
        if accepted[0].duplicate and body.message_id is None:
            await self._check_same_request(message, accepted[0].run_id)
        return shapes.PostedMessage(
            run_id=accepted[0].run_id,
            thread_id=accepted[0].thread_id,
            message_id=accepted[0].message_id,
            duplicate=accepted[0].duplicate,
        )

    async def _check_same_request(self, message: m.UserMessage, run_id: str) -> None:
        """Refuse a key that came with another request before."""
        store = await self.server.keeper.opened()
        first = await store.run(requests.user(), run_id)
        agent = message.agent or next(iter(self.server.supervisor.agents))
        if (first.thread_id, first.content, first.agent) != (message.thread_id, message.content, agent):
            raise idempotency.KeyReused()

    async def events(self, thread_id: str) -> shapes.EventList | Response:
        """The events of a thread, as JSON or as a stream."""
        store = await self.server.keeper.opened()
        thread = await store.thread(requests.user(), thread_id)
        if "text/event-stream" in request.headers.get("Accept", ""):
            after = requests.last_event_id()
            resume = m.Resume(thread_id=thread_id, after_seq=after)
            self.server.connections.check_room(requests.user())
            outbox = Outbox(self.server.outbox_bytes)
            parts = (store, self.server.bridge, requests.identity(), resume, outbox, self.server.connections)
            return _stream(EventStream(*parts))
        await self.server.bridge.settle(thread_id)
        page = await store.events(requests.user(), thread_id, after_seq=requests.after(), limit=requests.limit())
        events = [msgspec.json.decode(event.frame) for event in page.items]
        return shapes.EventList(events=events, epoch=thread.epoch, next=page.next)

    async def cancel(self, run_id: str) -> shapes.CancelledRun:
        """Cancel a run."""
        await self.server.supervisor.cancel(requests.user(), run_id)
        return shapes.CancelledRun(run_id=run_id)

    async def evidence(self, run_id: str) -> shapes.EvidenceList:
        """What an answer rests on."""
        found = await evidence.evidence_of(await self.server.keeper.opened(), requests.user(), run_id)
        return await trio.to_thread.run_sync(evidence.listed, found)

    async def evidence_chart(self, run_id: str, evidence_id: str) -> Response:
        """One item of it to look at."""
        width = requests.whole("width", request.args.get("width"), USUAL_WIDTH)
        item = await evidence.item_of(await self.server.keeper.opened(), requests.user(), run_id, evidence_id)
        return await evidence.svg_response(item, request.args.get("column"), width)

    async def evidence_rows(self, run_id: str, evidence_id: str) -> Response:
        """One item of it to take along."""
        item = await evidence.item_of(await self.server.keeper.opened(), requests.user(), run_id, evidence_id)
        return await evidence.csv_response(item, evidence.file_name(run_id, evidence_id))

    async def questions(self, agent: str) -> shapes.QuestionList:
        """What an agent can be asked."""
        kind = self.server.supervisor.agents.get(agent)
        if kind is None:
            raise RequestRefused(ErrorCode.AGENT_NOT_FOUND)
        context = UserExecutionContext(user_id=requests.user())
        return shapes.QuestionList(questions=await openings_of(self.server.manager.ready, kind, context))

    async def issue_ticket(self) -> shapes.IssuedTicket:
        """A ticket for who asks; it ends with their token at the latest."""
        ticket, identity, office = new_id("ticket"), requests.identity(), self.server.tickets
        office.issue(ticket, identity, trio.current_time())
        left = identity.expires_at - time.time()
        return shapes.IssuedTicket(ticket=ticket, expires_in_seconds=max(0.0, min(office.seconds, left)))


Handler = Callable[..., Awaitable[Any]]


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON response that no cache keeps."""
    given = {"cache-control": "no-store"} | (headers or {})
    return Response(msgspec.json.encode(body), status=status, headers=given, content_type="application/json")


def _stream(body: EventStream) -> Response:
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    response = Response(body, headers=headers, content_type="text/event-stream")
    response.timeout = None
    return response
