"""``chatcore status``: readiness and the timeline of the start, in the terminal."""

from __future__ import annotations

import http.client
import sys
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
import trio

from chatcore.cli_text import duration, one_line, printable
from chatcore.client import Address

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

TIMEOUT_SECONDS: Final = 5.0
"""A server answers these requests from memory; longer is a network or a server that hangs."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Far more than any status, far less than memory."""

BAR_CELLS: Final = 48
"""The widest bar: with label and time it fits a terminal of 100 columns."""

LABEL_CELLS: Final = 32
"""The widest label."""

READY: Final = 200
NOT_READY: Final = 503


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One bar. Seconds are counted from the beginning of the attempt; None where it has not come to that."""

    name: str
    label: str
    phase: str
    state: str
    started_seconds: float | None = None
    ended_seconds: float | None = None
    duration_seconds: float | None = None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why no agent can answer."""

    error_code: str
    message: str
    service: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/status.json`` and, for its first fields, ``/health/ready`` say."""

    state: str
    progress: int
    attempt: int
    generation: int
    services: list[Service]
    reason: Reason | None = None
    instance_id: str | None = None
    uptime_seconds: float | None = None
    eta_seconds: float | None = None
    attempt_elapsed_seconds: float | None = None
    connections: dict[str, int] = {}
    runs: dict[str, int] = {}


@attrs.frozen
class _Answer:
    status: int
    body: bytes


async def status(url: str, as_json: bool) -> int:
    """Show how a server is.

    Args:
        url: ``http(s)://HOST:PORT`` or ``ws(s)://HOST:PORT[/ws]``.
        as_json: print the readiness as JSON instead of a timeline.

    Returns:
        0 if the server is ready, else 1.

    Raises:
        ConfigurationError: when ``url`` is no address of a server.
    """
    address = Address.parse(url)
    try:
        with trio.fail_after(2 * TIMEOUT_SECONDS):
            readiness = await _get(address, "/health/ready")
            if readiness.status not in (READY, NOT_READY):
                return _fail(f"{address.authority} answered {readiness.status}: it is no chatcore server")
            known = _read(readiness.body)
            details = readiness if as_json else await _get(address, "/status.json")
    except (OSError, http.client.HTTPException, trio.TooSlowError):
        return _fail(f"{address.authority} cannot be reached")
    except msgspec.MsgspecError:
        return _fail(f"{address.authority} did not answer as a chatcore server")
    if as_json:
        sys.stdout.write(printable(msgspec.json.format(readiness.body, indent=2).decode()) + "\n")
    else:
        _show(_details(details) or known)
    return 0 if readiness.status == READY else 1


async def _get(address: Address, path: str) -> _Answer:
    return await trio.to_thread.run_sync(_fetch, address, path, abandon_on_cancel=True)


def _fetch(address: Address, path: str) -> _Answer:
    """One GET. The standard library's client, in a thread, is all that two small requests need."""
    kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        return _Answer(response.status, response.read(MAX_BYTES))
    finally:
        connection.close()


def _read(body: bytes) -> Status:
    return msgspec.json.decode(body, type=Status)


def _details(answer: _Answer) -> Status | None:
    """What is known beyond the readiness; None where the server does not tell."""
    try:
        return _read(answer.body) if answer.status == READY else None
    except msgspec.MsgspecError:
        return None


def _fail(words: str) -> int:
    sys.stderr.write(f"chatcore: {printable(words)}\n")
    return 1


# --- drawing --------------------------------------------------------------------------------------------------------

_COLOURS: Final = {
    "ready": "green",
    "starting": "yellow",
    "initializing": "yellow",
    "recovering": "yellow",
    "draining": "yellow",
    "failed": "red",
    "unavailable": "red",
}
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def bar(start: float, end: float, total: float, cells: int) -> str:
    """A bar from ``start`` to ``end`` on a scale from 0 to ``total``, in block characters, to an eighth of a cell.

    Args:
        start: where it begins, in the unit of ``total``.
        end: where it ends; a bar is never thinner than an eighth of a cell.
        total: what the whole width stands for, more than 0.
        cells: the width in characters.
    """
    steps = len(_EIGHTHS) - 1
    first = min(round(start / total * cells * steps), cells * steps - 1)
    last = min(max(round(end / total * cells * steps), first + 1), cells * steps)
    return "".join(_cell(first - n * steps, last - n * steps) for n in range(cells)).rstrip()


def _cell(first: int, last: int) -> str:
    """One character of a bar that covers the eighths ``first`` to ``last`` of this cell.

    There are blocks that grow from the left in eighths, but from the right only the half and the whole.
    """
    steps = len(_EIGHTHS) - 1
    if last <= 0 or first >= steps:
        return " "
    if first <= 0:
        return _EIGHTHS[min(last, steps)]
    if last < steps:
        return _EIGHTHS[last - first]
    return "▐" if first >= steps // 2 else "█"


def _show(known: Status) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_headline(known), soft_wrap=True)
    for line in _facts(known):
        console.print(line, markup=False, soft_wrap=True)
    if known.services:
        console.print()
        _timeline(console, known)


def _headline(known: Status) -> Text:
    from rich.text import Text

    line = Text(one_line(known.state), style=f"bold {_COLOURS.get(known.state, 'default')}")
    if known.state in ("initializing", "recovering"):
        line.append(f"  {known.progress} %", style="default")
        if known.eta_seconds is not None:
            line.append(f", about {duration(known.eta_seconds)} left", style="default")
    return line


def _facts(known: Status) -> list[str]:
    facts = [f"attempt {known.attempt}, generation {known.generation}"]
    if known.reason is not None:
        subject = [one_line(known.reason.service)] if known.reason.service is not None else []
        facts.insert(
            0, ": ".join([*subject, f"{one_line(known.reason.message)} ({one_line(known.reason.error_code)})"])
        )
    if known.uptime_seconds is not None:
        facts[-1] += f", up {duration(known.uptime_seconds)}"
    for title, counts in (("connections", known.connections), ("runs", known.runs)):
        if counts:
            facts.append(f"{title}: " + ", ".join(f"{count} {one_line(name)}" for name, count in counts.items()))
    return facts


def _timeline(console: Console, known: Status) -> None:
    """A bar a service, to scale, in the order of the start."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    total = _extent(known)
    labels = [one_line(service.label, LABEL_CELLS) for service in known.services]
    width = min(LABEL_CELLS, max(map(cell_len, labels)))
    cells = max(8, min(BAR_CELLS, console.width - width - 24))
    for label, service in zip(labels, known.services, strict=True):
        style = _COLOURS.get(service.state, "dim")
        line = Text(set_cell_size(label, width) + "  ")
        line.append(f"{_bar_of(service, total, cells):<{cells}}", style=style)
        line.append(f"  {duration(service.duration_seconds):>8}  ")
        line.append(one_line(service.state), style=style)
        console.print(line, soft_wrap=True)
    if total > 0:
        scale = f"0{duration(total):>{cells - 1}}"
        console.print(Text(" " * (width + 2) + scale, style="dim"), soft_wrap=True)


def _bar_of(service: Service, total: float, cells: int) -> str:
    if service.started_seconds is None or total <= 0:
        return ""
    end = service.ended_seconds if service.ended_seconds is not None else total
    return bar(service.started_seconds, end, total, cells)


def _extent(known: Status) -> float:
    """The seconds that the width stands for: all of the attempt; 0 where nothing has begun."""
    times: list[Any] = [known.attempt_elapsed_seconds]
    times += [at for service in known.services for at in (service.started_seconds, service.ended_seconds)]
    return max((at for at in times if at is not None), default=0.0)
