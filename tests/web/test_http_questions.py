"""What an agent offers to be asked, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import trio
from asgi_client import HttpClient, shop, site_of

from chatcore import Application, Phase, ServiceGraph
from chatcore.agents import openings
from chatcore.agents.openings import LONGEST_CHARACTERS, MOST_OFFERED
from chatcore.context import UserExecutionContext
from chatcore.testing.agents import ScriptedAgent
from scenes import AGENT

PATH = "/api/agents/orders/questions"


class Offering(ScriptedAgent):
    """Offers what it is asked about by this user."""

    async def opening_questions(self, context: UserExecutionContext) -> Sequence[str]:
        if context.user_id == "slow":
            await trio.sleep_forever()
        return [
            "",
            "\ud83d",
            f"Where is the order of {context.user_id}?",
            "x" * (LONGEST_CHARACTERS + 1),
            *map(str, range(20)),
        ]


def offering() -> Application:
    services = ServiceGraph()

    @services.provide(phase=Phase.SERVICES, label="orders")
    async def orders() -> AsyncIterator[Offering]:
        yield Offering()

    return Application(services, agents={"orders": Offering})


async def started(client: HttpClient) -> None:
    await client.until("/health/ready", lambda reply: reply.status == 200, query={"start": "true"})


async def test_each_user_is_offered_what_the_agent_can_be_asked(tmp_path: Path) -> None:
    async with site_of(offering(), tmp_path) as client:
        before = await client.get(PATH)
        await started(client)
        told = await client.get(PATH, query={"user_id": "bob"})
        unknown = await client.get("/api/agents/nobody/questions")
    assert (before.status, before.json) == (200, {"questions": []}), "nothing is promised before there is an agent"
    assert told.json["questions"] == ["Where is the order of bob?", *"01234"]
    assert len(told.json["questions"]) == MOST_OFFERED
    assert (unknown.status, unknown.code) == (404, "AGENT_NOT_FOUND")


async def test_an_agent_that_thinks_too_long_offers_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "OFFERED_WITHIN_SECONDS", 0.01)
    async with site_of(offering(), tmp_path) as client:
        await started(client)
        slow = await client.get(PATH, query={"user_id": "slow"})
    assert (slow.status, slow.json) == (200, {"questions": []})


async def test_an_agent_need_not_offer_any(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await started(client)
        reply = await client.get(f"/api/agents/{AGENT}/questions")
    assert (reply.status, reply.json) == (200, {"questions": []})
