"""What a language model may use: the analyst's tools, checked and in words. None of them writes anything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Sheet
from chatcore.agents.analyst.intents.base import Draft, IntentKind
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.one_currency import mixed_currencies, told_in_one
from chatcore.agents.analyst.planner import leans_on_earlier, plan
from chatcore.agents.analyst.request import Intent, Period, Refusal, Stretch
from chatcore.agents.analyst.sql_tool import RUN_SQL, run_sql_tool
from chatcore.agents.analyst.toolbox import INTENT_TIMEOUT_SECONDS, RUN_INTENT, DescribeTable, ListTables, tools_for
from chatcore.agents.tools import Tool, ToolError, ToolRegistry, ToolResult
from chatcore.protocol.messages import Recommendation

ANSWER_QUESTION = "answer_question"

MAX_QUESTION_CHARACTERS = 2_000
"""A question that is to be understood by its words has far fewer."""

MOST_LISTED = 10_000
"""Groups or rows that an intent may ask for: all of them come into memory, whatever is shown."""

VALUES_SHOWN = 20
"""Values of a column that a model is told, commonest first."""


class AnswerQuestion(msgspec.Struct, frozen=True):
    """What ``answer_question`` takes."""

    question: Annotated[
        str, msgspec.Meta(max_length=MAX_QUESTION_CHARACTERS, description="A short question in plain English.")
    ]


async def _none() -> Sequence[str]:
    return ()


@attrs.frozen
class ModelTools:
    """The tools over one ledger, for one question.

    Args:
        ledger: what is asked.
        more: tools of others; what they say is proven by nothing.
        earlier: the user's questions before this one, oldest first.
        recommendations: those that came out, for the answer.
    """

    ledger: Ledger
    more: Sequence[Tool[Any]] = ()
    earlier: Callable[[], Awaitable[Sequence[str]]] = _none
    _asked: list[str] = attrs.field(factory=list, init=False)
    recommendations: list[Recommendation] = attrs.field(factory=list)

    def registry(self) -> ToolRegistry:
        """The shared tools, with those replaced that a model needs to be told more by."""
        shared = tools_for(self.ledger).tools
        run_intent = shared[RUN_INTENT].function
        own: tuple[Tool[Any], ...] = (
            Tool(
                "list_tables",
                "Lists the tables: their rows, the period they cover, their columns",
                ListTables,
                self._list,
            ),
            Tool(
                "describe_table",
                "Says of each column its type, its meaning and its values",
                DescribeTable,
                self._describe,
            ),
            Tool(
                ANSWER_QUESTION, _ANSWER_QUESTION, AnswerQuestion, self._answering(run_intent), INTENT_TIMEOUT_SECONDS
            ),
            Tool(RUN_INTENT, _kinds_described(), Intent, self._running(run_intent), INTENT_TIMEOUT_SECONDS),
        )
        all_of_them = {**shared, **{tool.name: tool for tool in own}, RUN_SQL: run_sql_tool(self.ledger)}
        return ToolRegistry([*all_of_them.values(), *self.more])

    @property
    def _catalogue(self) -> Catalogue:
        return self.ledger.catalogue

    async def _list(self, _: ListTables) -> ToolResult:
        tables = {table.name: _table_facts(table) for table in self._catalogue.tables}
        return ToolResult(tables, ", ".join(tables))

    async def _describe(self, asked: DescribeTable) -> ToolResult:
        table = _table_named(asked.table, self._catalogue, "describe_table")
        return ToolResult({c.name: _column_facts(c) for c in table.columns}, f"{len(table.columns)} columns")

    def _answering(self, run_intent: RunIntent) -> Callable[[AnswerQuestion], Awaitable[ToolResult]]:
        async def answer_question(asked: AnswerQuestion) -> ToolResult:
            planned = plan(asked.question, self._catalogue, await self._before(asked.question))
            self._asked.append(asked.question)
            if isinstance(planned, Refusal):
                return ToolResult(_refused(planned), f"no answer: {planned.reason}")
            return await self._worded(planned, await run_intent(planned))

        return answer_question

    async def _before(self, question: str) -> Sequence[str]:
        """What a question leans on: the user's own before it, then what the model has asked about this one."""
        if not leans_on_earlier(question, self._catalogue):
            return ()
        return [*await self.earlier(), *self._asked]

    def _running(self, run_intent: RunIntent) -> RunIntent:
        async def run_checked(intent: Intent) -> ToolResult:
            check_intent(intent, self._catalogue)
            return await self._worded(intent, await run_intent(intent))

        return run_checked

    async def _worded(self, intent: Intent, found: ToolResult) -> ToolResult:
        """The rows, and what the analyst itself says of them: it names what is odd about them."""
        sheets = {name: Sheet(evidence) for name, evidence in found.value.items()}
        mixed = mixed_currencies(intent, self._catalogue)
        worded = mixed or KINDS[intent.kind].word(intent, told_in_one(intent, self._catalogue), sheets)
        if isinstance(worded, Refusal):
            return attrs.evolve(found, value=_refused(worded))
        self.recommendations.extend(each for each in worded.recommendations if each not in self.recommendations)
        return attrs.evolve(found, value={**_drafted(worded), "results": found.value})


RunIntent = Callable[[Intent], Awaitable[ToolResult]]

_ANSWER_QUESTION = (
    "Answers a short, plain English question about the tables, such as 'What did we spend by model in May 2025?', with "
    "figures and what is odd about them; or says why there is no answer, and what has one. Try this first."
)


def check_intent(intent: Intent, catalogue: Catalogue) -> None:
    """Whether an intent that nobody planned can be run.

    Raises:
        ToolError: names what there is not, and what there is.
    """
    kind = KINDS.get(intent.kind)
    if kind is None:
        raise ToolError(RUN_INTENT, f"there is no kind {intent.kind!r}; there are {', '.join(KINDS)}")
    table = _table_named(intent.table, catalogue, RUN_INTENT)
    columns = [column.name for column in table.columns]
    for name in filter(None, (intent.by, intent.column, *(each.column for each in intent.filters))):
        if name not in columns:
            raise ToolError(RUN_INTENT, f"{table.name!r} has no column {name!r}; it has {', '.join(columns)}")
    if intent.limit is not None and not 1 <= intent.limit <= MOST_LISTED:
        raise ToolError(RUN_INTENT, f"limit must be from 1 to {MOST_LISTED:,}")
    try:
        msgspec.convert(intent.options, kind.options)
        stretches: list[Period | Stretch] = [*intent.periods]
        stretches += [each for period in intent.periods for each in period.without]
        for day in (day for each in stretches for day in (each.start, each.end) if day is not None):
            dt.date.fromisoformat(day)
    except ValueError as error:
        raise ToolError(RUN_INTENT, str(error)) from None


def _table_named(name: str, catalogue: Catalogue, tool: str) -> Table:
    tables = {table.name: table for table in catalogue.tables}
    if name not in tables:
        raise ToolError(tool, f"there is no table {name!r}; there are {', '.join(tables)}")
    return tables[name]


def _kinds_described() -> str:
    """What ``run_intent`` does, and each kind with what only it takes."""
    lines = [f"- {kind.name}: {kind.description}{_options_described(kind)}" for kind in KINDS.values()]
    return "Runs one kind of question with exact parameters. Kinds:\n" + "\n".join(lines)


def _options_described(kind: IntentKind) -> str:
    names = kind.options.__struct_fields__
    if not names:
        return ""
    _, definitions = msgspec.json.schema_components([kind.options])
    shapes = definitions[kind.options.__name__]["properties"]
    return " (options: " + ", ".join(f"{name} {_shape(shapes[name])}" for name in names) + ")"


def _shape(shape: Mapping[str, Any]) -> str:
    if "enum" in shape:
        return " | ".join(map(str, shape["enum"]))
    if "anyOf" in shape:
        return " | ".join(_shape(each) for each in shape["anyOf"])
    return str(shape.get("type", "object"))


def _table_facts(table: Table) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "covers": [table.covered_from, table.covered_to],
        "columns": [column.name for column in table.columns],
    }


def _column_facts(column: Column) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": column.type}
    if column.meaning is not Meaning.UNKNOWN:
        facts |= {"meaning": column.meaning, "meaning_is": "told" if column.told else "guessed"}
    if column.values:
        facts |= {"values": list(column.values[:VALUES_SHOWN]), "distinct": column.distinct}
    return facts


def _drafted(draft: Draft) -> dict[str, Any]:
    told: dict[str, Any] = {"answer": "".join(draft.parts)}
    beside = {"insights": draft.insights, "action_items": draft.action_items, "recommendations": draft.recommendations}
    return told | {name: each for name, each in beside.items() if each}


def _refused(refusal: Refusal) -> dict[str, Any]:
    return {
        "refused": refusal.reason,
        "why": refusal.text,
        "missing": refusal.missing,
        "questions_with_an_answer": refusal.alternatives,
    }
