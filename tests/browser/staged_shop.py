"""The application that these tests are served. When it goes on, and how, is the test's to say.

Test and application share a folder, the stage. What the test says there is a file, and is looked for until it is
there:

- ``orders.half``, ``orders.up``, ``orders.fails``, ``orders.dies``: of the start and the life of the order history;
- ``index.up``: of the start of what is built on it;
- ``USER.hears_on``: of an answer to this user, where the question said "slowly" (after its beginning) or
  "silently" (before it).

What happens once (``half``, ``fails``, ``dies``) takes its file away; the others hold until the test takes them back.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import attrs
import msgspec
import trio

from chatcore import (
    Answer,
    Application,
    Evidence,
    Phase,
    Recommendation,
    Run,
    ServiceGraph,
    StartReporter,
    UserMessage,
)
from chatcore.protocol.messages import Covered

LOOK_EVERY_SECONDS = 0.02
SECRET = "postgresql://shop:hunter2@database/orders"

HOSTILE = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'
LABEL = f"search index {HOSTILE}"

services = ServiceGraph()


def stage() -> Path:
    return Path(os.environ["SHOP_STAGE"])


def said(word: str) -> bool:
    return (stage() / word).exists()


def takes(word: str) -> bool:
    """Whether the test has said this; it is taken away."""
    if not said(word):
        return False
    (stage() / word).unlink()
    return True


async def told(word: str) -> None:
    while not said(word):  # noqa: ASYNC110  another process says it
        await trio.sleep(LOOK_EVERY_SECONDS)


class Orders:
    """The order history."""


class Index:
    """What is built on it."""


@services.provide(phase=Phase.DATABASE, label="order history", weight=2)
async def orders(start: StartReporter) -> AsyncIterator[Orders]:
    while not said("orders.up"):
        if takes("orders.half"):
            start.advance(0.5, "half of the orders are read")
        if takes("orders.fails"):
            raise RuntimeError(SECRET)
        await trio.sleep(LOOK_EVERY_SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(die_when_told)
        yield Orders()
        nursery.cancel_scope.cancel()


async def die_when_told() -> None:
    await told("orders.dies")
    takes("orders.dies")
    raise RuntimeError(SECRET)


@services.provide(phase=Phase.SERVICES, label=LABEL)
async def index(orders: Orders) -> AsyncIterator[Index]:
    await told("index.up")
    yield Index()


# --- answers --------------------------------------------------------------------------------------------------------

Rows: TypeAlias = list[list[str | float | None]]

BEGINNING = "## Orders\n\nYou have **three** orders, one of them [late](https://example.org/late)."
REST = (
    "\n\n| order | placed | article | shipped with | total |\n|:--|:--|:--|:--|--:|\n"
    "| A-1 | 2026-10-01 | kettle, stainless steel | parcel service | 49.90 |\n"
    "| A-2 | 2026-10-07 | reading lamp with two arms | parcel service | 120.00 |\n"
    "| A-3 | 2026-11-02 | chair | forwarding agent | 310.50 |\n"
)
ROWS: Rows = [["A-1", "kettle", 49.9], ["A-2", "reading lamp", 120.0], ["A-3", None, 310.5]]


def evidence(query: str, columns: list[str], rows: Rows) -> Evidence:
    return Evidence(
        id="q1",
        tool="find_orders",
        query=query,
        parameters={"customer": "ann"},
        columns=columns,
        rows=rows,
        row_count=len(rows),
        sha256=hashlib.sha256(msgspec.json.encode(rows)).hexdigest(),
        data_version="orders@7",
    )


async def list_orders(message: UserMessage, run: Run) -> Answer:
    await run.thinking("Looking through the order history")
    async with run.tool("find_orders", customer="ann", limit=3) as call:
        found = evidence("SELECT number, article, total FROM orders", ["number", "article", "total"], ROWS)
        if "silently" in message.content:
            await told(f"{run.context.user_id}.hears_on")
        call.summary = "3 orders"
    await run.say(BEGINNING)
    if "slowly" in message.content:
        await told(f"{run.context.user_id}.hears_on")
    await run.say(REST)
    advice = Recommendation(
        text="Order *together*",
        baseline=25.0,
        projected=15.0,
        saving=10.0,
        unit="EUR",
        basis="what_if",
        assumptions=["`total` stays"],
    )
    return Answer(
        insights=["The `chair` is the dearest."],
        recommendations=[advice],
        action_items=["Ask: \u201cHow many unicorns?\u201d", "Order *less*."],
        evidence=[found, *([model_usage()] if "model" in message.content else [])],
    )


def model_usage() -> Evidence:
    """What the analyst's engine with a model accounts for."""
    columns = ["model", "turns", "counted_turns", "prompt_tokens", "completion_tokens", "cost", "currency", "price_of"]
    row: list[str | float | None] = ["tiny", 2, 2, 1234, 56, 0.00123456, "$", "shop/tiny"]
    return msgspec.structs.replace(evidence("SELECT", columns, [row]), id="model_usage", tool="model_usage")


async def decline(message: UserMessage, run: Run) -> Answer:
    alternatives = ["Which orders do I have?", "Which orders are late?"]
    await run.say("The order history has no unicorns.")
    if "do I have" in message.content:
        await run.say("\n\n- This is said here only.\n\nI can answer, for example:\n\n")
        await run.say("".join(f"- {each}\n" for each in alternatives) + "\nThis is a shop.")
    return Answer(
        answered=False,
        reason="no_such_column",
        missing=["unicorn"],
        covered=Covered(from_="2026-10-01", to="2026-11-02"),
        alternatives=alternatives,
    )


async def fail(message: UserMessage, run: Run) -> Answer:
    async with run.tool("find_orders", customer="ann"):
        raise RuntimeError(SECRET)


async def attack(message: UserMessage, run: Run) -> Answer:
    await run.thinking(HOSTILE)
    async with run.tool(HOSTILE, **{HOSTILE: HOSTILE}) as call:
        call.summary = HOSTILE
    await run.say(
        f"{HOSTILE}\n\n[press](javascript:window.harmed=1) [here](data:text/html,{HOSTILE}) [or](//evil.example/x)\n\n"
        "![picture](https://evil.example/x.png)\n\n<javascript:window.harmed=1>\n\n<iframe srcdoc='<p>'></iframe>"
        f"<style>body{{display:none}}</style><svg onload=window.harmed=1>\n\n```html\n{HOSTILE}\n```\n"
    )
    advice = Recommendation(
        text=HOSTILE, baseline=2.0, projected=1.0, saving=1.0, unit=HOSTILE, basis="ceiling", assumptions=[HOSTILE]
    )
    found = evidence(HOSTILE, [HOSTILE, "total"], [[HOSTILE, 1.0]])
    insight = f"{HOSTILE} [press](javascript:window.harmed=1) ![picture](https://evil.example/x.png)"
    return Answer(insights=[insight], recommendations=[advice], action_items=[HOSTILE], evidence=[found])


ANSWERS: dict[str, Callable[[UserMessage, Run], Awaitable[Answer]]] = {
    "unicorn": decline,
    "break": fail,
    "attack": attack,
    "orders": list_orders,
}


@attrs.frozen
class OrderAgent:
    """Answers from the order history."""

    orders: Orders
    index: Index
    description = f"Answers from the order history and the {LABEL}."

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        answer = next(answer for word, answer in ANSWERS.items() if word in message.content)
        return await answer(message, run)


@services.provide(phase=Phase.SERVICES, label="order assistant")
async def order_agent(orders: Orders, index: Index) -> AsyncIterator[OrderAgent]:
    yield OrderAgent(orders, index)


app = Application(services, agents={"orders": OrderAgent})
