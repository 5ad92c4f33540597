"""``chatcore serve`` with a language model: set by the environment, asked over real sockets, its key kept to itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trio
from e2e_server import Heard, Process, connected, hear, served

from chatcore.testing.language_models import (
    Break,
    CallTool,
    Count,
    Pause,
    ScriptedModelServer,
    Speak,
    Turn,
    serving_model,
)

KEY = "sk-canary-of-e2e"
TOTAL = CallTool("answer_question", {"question": "What did we spend in total?"})


def settings_of(model: ScriptedModelServer) -> dict[str, str]:
    return {
        "CHATCORE_LLM_BASE_URL": model.url,
        "CHATCORE_LLM_API_KEY": KEY,
        "CHATCORE_LLM_MODEL": "scripted-1",
        "CHATCORE_LLM_TIMEOUT_SECONDS": "2",
    }


async def ask(server: Process, question: str, until: str) -> list[dict[str, Any]]:
    heard = Heard()
    async with connected(server, "ann") as socket:
        await socket.send_message(json.dumps({"type": "user_message", "message_id": question, "content": question}))
        await hear(socket, heard, until)
    return heard.frames


async def test_serve_asks_the_model_that_the_environment_names(tmp_path: Path) -> None:
    data = tmp_path / "usage.csv"
    data.write_text("ts,model,tokens,cost_usd\n2025-05-07 10:00:00,gpt-4o,100,0.5\n2025-06-07 10:00:00,o3,10,12.25\n")
    script: list[Turn] = [
        [TOTAL, Count(100, 10)],
        [Speak("You spent **$12.75**."), Count(200, 20)],
        [Speak("You spent "), Break()],
        [Speak("You spent "), Pause()],
    ]
    with trio.fail_after(60):
        async with serving_model(script) as model:
            with served(tmp_path, "--data", str(data), **settings_of(model)) as server:
                answered = await ask(server, "how much?", "agent_completed")
                died = await ask(server, "and now?", "agent_failed")
                hung = await ask(server, "and now then?", "agent_failed")
                await model.until(lambda model: model.busy == 0)
                log = server.log

    assert "language model" in {frame.get("label") for frame in answered}
    end = answered[-1]
    assert (end["provenance"]["engine"], end["provenance"]["model"]) == ("llm", "scripted-1")
    assert end["answer"]["text"] == "You spent **$12.75**."
    assert end["answer"]["insights"] == ["`scripted-1` took 2 turns, 300 tokens in and 30 tokens out."]
    for failed in (died, hung):
        assert (failed[-1]["error_code"], failed[-1]["retryable"]) == ("MODEL_UNAVAILABLE", True)
    assert "it fell silent" in log
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in log + json.dumps([*answered, *died, *hung])
