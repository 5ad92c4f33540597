"""The engine against llama.cpp's own server over a tiny model of chance: ``nox -s llm``.

It is skipped where the package xllamacpp, which brings that server, is not installed. ``LLAMA_PYTHON`` may name an
interpreter of another environment that has it, with ``gguf`` and ``numpy``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from llm_scenes import KEY, Log

from chatcore.agents.llm.client import LanguageModel, open_language_model
from chatcore.agents.llm.failures import ModelUnavailable
from chatcore.builtin import application_of
from chatcore.protocol import messages as m
from chatcore.settings import Settings
from chatcore.testing.servers import serving

PYTHON = os.environ.get("LLAMA_PYTHON", sys.executable)
HERE = Path(__file__).parent
START_SECONDS = 120
CONTEXT = 512
"""Tokens of one conversation, prompt and answer; a byte each. Where they end, the answer does."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "LLAMA_PYTHON" not in os.environ and find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
    ),
]

ASKED = [{"role": "user", "content": "hello"}]


@attrs.frozen
class LlamaServer:
    """A real server of a model."""

    process: subprocess.Popen[bytes]
    settings: dict[str, Any]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def make_model(path: Path, *how: str) -> Path:
    subprocess.run([PYTHON, HERE / "tiny_model.py", path, *how], check=True, timeout=START_SECONDS)
    return path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start(model: Path, port: int, context: int) -> subprocess.Popen[bytes]:
    """The server of a model; it says what it does into a file beside the model."""
    command = [PYTHON, str(HERE / "llama_server.py"), str(model), str(port), str(context)]
    with model.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


@asynccontextmanager
async def llama(model: Path, context: int = CONTEXT) -> AsyncIterator[LlamaServer]:
    port = free_port()
    process = start(model, port, context)
    settings = {
        "llm_base_url": f"http://127.0.0.1:{port}/v1",
        "llm_api_key": KEY,
        "llm_model": "tiny",
        "llm_timeout_seconds": 60.0,
    }
    try:
        with trio.fail_after(START_SECONDS):
            while not await listens(port):
                assert process.poll() is None, model.with_suffix(".log").read_text(errors="replace")
                await trio.sleep(0.2)
        yield LlamaServer(process, settings)
    finally:
        process.kill()
        process.wait()


async def listens(port: int) -> bool:
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port):
            return True
    except OSError:
        return False


@asynccontextmanager
async def asking(server: LlamaServer, **changes: Any) -> AsyncIterator[LanguageModel]:
    async with open_language_model(Settings(**{**server.settings, **changes})) as model:
        yield model


async def test_it_talks_is_cancelled_and_dies(tmp_path: Path) -> None:
    model_file = make_model(tmp_path / "tiny.gguf", "endless")
    with trio.fail_after(300):
        async with llama(model_file) as server, asking(server) as model:
            reply = await model.reply(ASKED, [])
            assert reply.cut
            assert len(reply.text) > CONTEXT / 2

            with trio.move_on_after(0.3) as given_up:
                while True:
                    await model.reply(ASKED, [])
            assert given_up.cancelled_caught
            again = await model.reply(ASKED, [])
            assert again.cut, "the slot of the cancelled one is free"

            async with trio.open_nursery() as nursery:
                failed: list[ModelUnavailable] = []

                async def until_it_dies() -> None:
                    try:
                        while True:
                            await model.reply(ASKED, [])
                    except ModelUnavailable as error:
                        failed.append(error)

                nursery.start_soon(until_it_dies)
                await trio.sleep(0.3)
                await trio.to_thread.run_sync(server.kill)
            assert [error.retryable for error in failed] == [True]


async def test_the_analyst_stays_honest_with_a_model_that_talks_nonsense(tmp_path: Path) -> None:
    async with llama(make_model(tmp_path / "tiny.gguf"), context=32_768) as server:
        settings = {**server.settings, "data": ("sample",), "llm_timeout_seconds": 120.0}
        log = Log()
        application = application_of(Settings(**settings))
        with trio.fail_after(600):
            async with serving(application, recorder=log, **settings) as served, served.connect() as chat:
                run = await chat.send("What did we spend in total?")
                events = [event async for event in run]
    end = events[-1]
    assert isinstance(end, m.AgentCompleted), end
    assert (end.provenance.engine, end.provenance.model) == ("llm", "tiny")
    assert KEY not in repr(log.lines)
