"""The evidence of a stored answer, as a person takes it along: a chart to look at, rows for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
import trio
from quart import Response
from werkzeug.exceptions import NotFound

from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.messages import AgentCompleted, Evidence
from chatcore.threads.model import MAX_PAGE_ITEMS
from chatcore.threads.service import ThreadService
from chatcore.web import drawing, shapes
from chatcore.web.charts import Chart, chart_of, foremost

_SAFE: Final = {"x-content-type-options": "nosniff", "cache-control": "no-store"}

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


async def evidence_of(store: ThreadService, user_id: str, run_id: str) -> Sequence[Evidence]:
    """The evidence of the answer of one of the user's runs; none where it has no answer.

    Raises:
        RequestRefused: ``RUN_NOT_FOUND``.
    """
    run, after = await store.run(user_id, run_id), 0
    while True:
        page = await store.events(user_id, run.thread_id, after_seq=after, limit=MAX_PAGE_ITEMS, run_id=run_id)
        for event in page.items:
            if event.type == "agent_completed":
                completed = decode_server_frame(event.frame)
                assert isinstance(completed, AgentCompleted)  # noqa: S101  its type said so
                return completed.answer.evidence
        if page.next is None:
            return ()
        after = int(page.next)


async def item_of(store: ThreadService, user_id: str, run_id: str, evidence_id: str) -> Evidence:
    """One item of it.

    Raises:
        RequestRefused: ``RUN_NOT_FOUND``.
        NotFound: there is none with this id.
    """
    for item in await evidence_of(store, user_id, run_id):
        if item.id == evidence_id:
            return item
    raise NotFound


def listed(evidence: Sequence[Evidence]) -> shapes.EvidenceList:
    """What there is of an answer's evidence, and what of it is worth looking at."""
    first = foremost(evidence)
    return shapes.EvidenceList(
        evidence=[
            shapes.EvidenceShape(id=item.id, row_count=item.row_count, chart=_shape(chart_of(item)))
            for item in evidence
        ],
        foremost=None if first is None else first.id,
    )


def _shape(chart: Chart | None) -> shapes.ChartShape | None:
    if chart is None:
        return None
    description = drawing.describe(chart)
    return shapes.ChartShape(kind=chart.kind, title=chart.title, description=description, columns=list(chart.columns))


async def svg_response(item: Evidence, column: str | None, width: int) -> Response:
    """The chart of an item.

    Raises:
        NotFound: a table says it better.
    """
    drawn = await trio.to_thread.run_sync(partial(_svg, item, column, width))
    if drawn is None:
        raise NotFound
    headers = _SAFE | {"content-security-policy": drawing.CONTENT_POLICY}
    return Response(drawn.encode(), content_type="image/svg+xml; charset=utf-8", headers=headers)


def _svg(item: Evidence, column: str | None, width: int) -> str | None:
    chart = chart_of(item, column)
    return None if chart is None else drawing.draw(chart, width)


async def csv_response(item: Evidence, name: str) -> Response:
    """The rows of an item, as a file to be saved.

    Args:
        item: of an answer.
        name: of the file, without what a header or a file system could mistake.
    """
    body = await trio.to_thread.run_sync(partial(csv_text, item))
    headers = _SAFE | {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(
        body.encode("utf-8", "replace"), content_type="text/csv; charset=utf-8; header=present", headers=headers
    )


def csv_text(item: Evidence) -> str:
    """The rows as CSV (RFC 4180), under the names of their columns; no text in it is taken for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([_cell(name) for name in item.columns])
    writer.writerows([_cell(value) for value in row] for row in item.rows)
    return out.getvalue()


def _cell(value: Any) -> str | int | float:
    """A number as it is, no value as an empty cell, a text guarded, and anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text


def file_name(run_id: str, evidence_id: str) -> str:
    """What a downloaded item is called: letters, digits, dots, dashes and underscores."""
    return "".join(
        one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in f"{run_id}-{evidence_id}"
    )
