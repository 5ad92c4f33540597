"""What an application refuses of its agents before anything starts."""

from __future__ import annotations

import pytest

from chatcore.application import Application
from chatcore.errors import ConfigurationError
from chatcore.testing.agents import ScriptedAgent, graph_of


@pytest.mark.parametrize("told", ["description", "engine", "model"])
def test_an_agent_that_tells_of_itself_what_cannot_be_sent_is_refused(told: str) -> None:
    kind = type("Odd", (ScriptedAgent,), {told: "Answers \ud83d."})
    with pytest.raises(ConfigurationError, match="cannot be sent") as refused:
        Application(graph_of(kind()), agents={"odd": kind})
    assert refused.value.field == "agents['odd']"
    str(refused.value).encode()


@pytest.mark.parametrize("name", ["", "\ud83d", "x" * 129])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name"):
        Application(graph_of(ScriptedAgent()), agents={name: ScriptedAgent})
