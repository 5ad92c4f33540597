"""What ``chatcore chat`` shows: answers on standard output, everything else on standard error.

On a terminal the start and the answer that grows are drawn live, and vanish for what is final; elsewhere each step is
a line. Nothing that a server sends is read as markup, and no control character of it reaches the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs

from chatcore.cli_text import duration, one_line, printable
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentRestarted,
    AgentThinking,
    Answer,
    AnyRunEvent,
    Evidence,
    InitializationProgress,
    Initializing,
    ProgressStatus,
    Recovering,
    ToolCompleted,
    ToolExecuting,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

BAR_CELLS: Final = 30
"""The width of the progress bar, beside its words on a terminal of 80 columns."""

UNLIMITED_CELLS: Final = 1_000_000
"""The width of what is no terminal: whoever reads it there wants whole lines."""

TAIL_LINES: Final = 12
"""How much of a growing answer is drawn: what is new, on the smallest screen."""

NOTE_CHARACTERS: Final = 2000
"""Room for an insight; what is longer is no line."""

REDRAWS_PER_SECOND: Final = 8
"""Fast enough to read along."""

_STATUS_WORDS: Final[dict[ProgressStatus, str]] = {
    "started": "starting",
    "completed": "done",
    "waiting": "waiting",
    "slow": "taking longer than usual",
    "retrying": "trying again",
}
_REFUSALS: Final = {
    "no_such_column": "the data has no such column",
    "out_of_range": "the data does not cover that",
    "no_rows": "there is no data for that, which is not zero",
    "ambiguous": "the question can be read in more than one way",
    "not_supported": "this cannot be answered",
}


@attrs.define
class Screen:
    """The terminal.

    Args:
        out: standard output, for answers.
        err: standard error, for everything else.
    """

    out: Console
    err: Console
    _start: Initializing | InitializationProgress | Recovering | None = attrs.field(default=None, init=False)
    _said: list[str] = attrs.field(factory=list, init=False)

    @classmethod
    def open(cls) -> Screen:
        """The screen of this process."""
        from rich.console import Console

        out = Console(highlight=False)
        if not out.is_terminal:
            out.width = UNLIMITED_CELLS
        return cls(out, Console(stderr=True, highlight=False))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Draw live, on a terminal, for as long as the block lasts."""
        from rich.live import Live

        if not self.err.is_terminal:
            yield
            return
        live = Live(
            console=self.err,
            get_renderable=self._now,
            transient=True,
            redirect_stdout=False,
            refresh_per_second=REDRAWS_PER_SECOND,
        )
        with live:
            yield

    # --- the start --------------------------------------------------------------------------------------------------

    def starting(self, frame: Initializing | InitializationProgress | Recovering) -> None:
        """The services are being started."""
        self._start = frame
        waits = isinstance(frame, InitializationProgress) and frame.status == "waiting"
        if not self.err.is_terminal and not waits:  # elsewhere a line for each step, and none for its waiting
            self.note(start_words(frame))

    def ready(self) -> None:
        """Agents answer."""
        if self._start is not None:
            self._start = None
            self.note("ready")

    # --- a run ------------------------------------------------------------------------------------------------------

    def event(self, event: AnyRunEvent) -> None:
        """Something happened in the run."""
        match event:
            case AgentDelta():
                self._say(event)
            case AgentRestarted():
                self._said.clear()
                self.note("beginning again; what was said so far is void")
            case AgentThinking():
                self.note(event.text)
            case ToolExecuting():
                self.note(f"→ {event.tool} {_arguments(event.arguments)}")
            case ToolCompleted():
                mark = "✓" if event.status == "ok" else "✗"
                self.note(f"{mark} {event.tool}: {event.summary or event.status} ({duration(event.duration_seconds)})")
            case _:
                self._said.clear()

    def _say(self, event: AgentDelta) -> None:
        if not event.text:  # words that were said may be void from there on
            self._said = ["".join(self._said)[: event.offset]]
        self._said.append(event.text)

    def plain_answer(self, answer: Answer) -> None:
        """The answer's Markdown as it is, alone on standard output."""
        text = printable(answer.text)
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()

    def drawn_answer(self, answer: Answer) -> None:
        """The answer's Markdown, drawn; as it is where there is no terminal."""
        from chatcore.cli_drawing import drawn

        if self.out.is_terminal:
            self.out.print(drawn(answer.text))
        else:
            self.plain_answer(answer)

    def about(self, end: AgentCompleted) -> None:
        """What belongs to an answer beside its text."""
        answer, provenance = end.answer, end.provenance
        for line in _particulars(answer):
            self.note(line)
        words = [provenance.agent, provenance.engine, *([provenance.model] if provenance.model else [])]
        words += [_count(len(provenance.tool_calls), "tool call"), _count(len(answer.evidence), "query", "queries")]
        self.note(" · ".join([*words, duration(end.duration_seconds)]))

    def thread(self, thread_id: str) -> None:
        """Where a conversation can be found again."""
        self.note(f"thread {thread_id}; go on with --thread, check it with chatcore verify")

    def evidence(self, answer: Answer | None) -> None:
        """The rows that the numbers of an answer come from."""
        if answer is None or not answer.evidence:
            self.note("there is no evidence to show")
            return
        for item in answer.evidence:
            self.out.print(printable(item.query), markup=False)
            self.out.print(_evidence_table(item))
            self.out.print(_source(item), style="dim", markup=False)

    # --- words ------------------------------------------------------------------------------------------------------

    def note(self, words: str) -> None:
        """A line on standard error."""
        self.err.print(one_line(words, NOTE_CHARACTERS), style="dim", markup=False, soft_wrap=True)

    def fail(self, words: str) -> None:
        """The line that says why there is no answer."""
        self.err.print(f"chatcore: {one_line(words, NOTE_CHARACTERS)}", style="red", markup=False, soft_wrap=True)

    def prompt(self) -> None:
        """Ask for a question."""
        self.err.print("› ", style="bold", end="", markup=False)

    def _now(self) -> RenderableType:
        """What is drawn live."""
        from rich.text import Text

        from chatcore.cli_drawing import drawn

        start = self._start
        if start is not None:
            return _progress_row(start)
        lines = printable("".join(self._said)).splitlines()
        return drawn("\n".join(lines[-TAIL_LINES:])) if lines else Text("")


def start_words(frame: Initializing | InitializationProgress | Recovering) -> str:
    """A step of the start in words for a person."""
    if isinstance(frame, Recovering):
        return f"{frame.label} was lost and is being started again"
    if isinstance(frame, Initializing):
        return f"the services are starting: {frame.progress} %"
    what = f"{frame.label}: {_STATUS_WORDS[frame.status]}" if frame.label else frame.message
    left = f", about {duration(frame.eta_seconds)} left" if frame.eta_seconds is not None else ""
    return f"{what}; {frame.progress} % after {duration(frame.elapsed_seconds)}{left}"


def _progress_row(frame: Initializing | InitializationProgress | Recovering) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    percent = 0 if isinstance(frame, Recovering) else frame.progress
    row.add_row(ProgressBar(total=100, completed=percent, width=BAR_CELLS), Text(one_line(start_words(frame))))
    return row


def _arguments(arguments: dict[str, Any]) -> str:
    return one_line(", ".join(f"{name}={value!r}" for name, value in arguments.items()))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _particulars(answer: Answer) -> Iterator[str]:
    """Why there is no answer and what would have one; what an answer suggests."""
    if not answer.answered:
        yield f"not answered: {_REFUSALS.get(str(answer.reason), 'no reason was given')}"
    if answer.missing:
        yield f"missing: {', '.join(answer.missing)}"
    if answer.covered and (answer.covered.from_ or answer.covered.to):
        yield f"the data covers {answer.covered.from_ or '…'} to {answer.covered.to or '…'}"
    yield from (f"you could ask: {alternative}" for alternative in answer.alternatives or ())
    yield from (f"insight: {insight}" for insight in answer.insights)
    yield from (f"recommendation: {each.text} ({each.basis})" for each in answer.recommendations)
    yield from (f"to do: {item}" for item in answer.action_items)


def _evidence_table(item: Evidence) -> Table:
    from rich.table import Table
    from rich.text import Text

    from chatcore.cli_drawing import unshortened

    table = Table()
    numeric = [all(_is_number(cell) for row in item.rows for cell in row[n : n + 1]) for n in range(len(item.columns))]
    for column, right in zip(item.columns, numeric, strict=True):
        table.add_column(Text(one_line(column)), justify="right" if right else "left")
    for row in item.rows:
        table.add_row(*[Text(one_line("–" if cell is None else str(cell))) for cell in row])
    return unshortened(table)


def _source(item: Evidence) -> str:
    """How much of what is shown, and how to recognise it."""
    shown = "" if len(item.rows) == item.row_count else f", {len(item.rows)} of them shown"
    return one_line(f"{_count(item.row_count, 'row')}{shown}; sha256 {item.sha256[:12]}; data {item.data_version}")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
