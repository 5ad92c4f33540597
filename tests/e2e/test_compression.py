"""Two clients of one start, of which one has its messages compressed: both are told the same, each its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e_server import served
from websockets.sync.client import ClientConnection, connect

OWN = ("user_id", "timestamp", "elapsed_seconds", "eta_seconds")
SECONDS = 60.0


@contextmanager
def attending(address: str, user: str, compression: str | None) -> Iterator[ClientConnection]:
    with connect(f"{address.replace('http', 'ws', 1)}/ws?user_id={user}", compression=compression) as client:
        yield client


def until_ready(client: ClientConnection) -> list[dict[str, Any]]:
    frames = [json.loads(client.recv(SECONDS))]
    while frames[-1].get("event") != "ready":
        frames.append(json.loads(client.recv(SECONDS)))
    return frames


def ask(client: ClientConnection, content: str) -> list[dict[str, Any]]:
    client.send(json.dumps({"type": "user_message", "message_id": "m1", "content": content}))
    frames = [json.loads(client.recv(SECONDS))]
    while not frames[-1]["type"].startswith(("agent_completed", "agent_failed")):
        frames.append(json.loads(client.recv(SECONDS)))
    return frames


def step(frame: dict[str, Any]) -> tuple[str, str]:
    return frame["service"], frame["status"]


def shared(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name not in OWN}


def test_who_has_messages_compressed_is_told_the_same_as_who_has_not(tmp_path: Path) -> None:
    with (
        served(tmp_path, E2E_STEP_SECONDS="0.3", CHATCORE_COMPRESSION="true") as server,
        attending(server.address, "ann", "deflate") as ann,
        attending(server.address, "bob", None) as bob,
    ):
        assert [extension.name for extension in ann.protocol.extensions] == ["permessage-deflate"]
        assert bob.protocol.extensions == []
        heard = {"ann": until_ready(ann), "bob": until_ready(bob)}
        for user, frames in heard.items():
            assert {frame["user_id"] for frame in frames} == {user}
        assert heard["ann"][-1]["connection_id"] != heard["bob"][-1]["connection_id"]
        told = [{step(frame): shared(frame) for frame in frames if frame.get("service")} for frames in heard.values()]
        both = told[0].keys() & told[1].keys()
        assert len(both) > 1, "a client that connects late on a busy machine has missed the first of them"
        assert all(told[0][each] == told[1][each] for each in both)
        question = "How many orders do I have? " * 50
        answers = [ask(client, question)[-1] for client in (ann, bob)]
        assert [answer["type"] for answer in answers] == ["agent_completed", "agent_completed"]
        assert answers[0]["answer"] == answers[1]["answer"]
