"""Does what a page of the documentation tells its reader to do, for real, and compares what comes out.

A block of a page is done when an HTML comment stands right above it:

- ``file: NAME``: save it under that name;
- ``run``, ``run: exit N``, ``run: until it fails with "WORD"``: run its commands;
- ``serve``: stop the server that runs, which must exit with 0, and start this one;
- ``start``: start it and go on;
- ``prints``: what the last command printed holds these lines, in order; ``…`` stands for anything;
- ``finishes``: the same of the command that was started, which must end with 0.

The server is moved off port 8000, so that it can run beside another.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import trio

BLOCK = re.compile(r"^<!-- (?P<do>[a-z]+)(?:: (?P<how>.+?))? -->\n```\w+\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)(?=\s)")
STEP_SECONDS = 60.0
"""A command that takes longer hangs; the slowest of them, a retried start, takes about ten."""


@attrs.frozen
class Step:
    """One block of a page."""

    do: str
    how: str | None
    text: str


def steps_of(page: Path) -> list[Step]:
    """What a page tells its reader to do."""
    text = page.read_text(encoding="utf-8")
    return [Step(found["do"], found["how"], found["text"]) for found in BLOCK.finditer(text)]


STOP = Step("stop", None, "")


@attrs.define
class Walkthrough:
    """A reader in an empty folder.

    Args:
        folder: that folder.
        nursery: where what is left running lives.
    """

    folder: Path
    nursery: trio.Nursery
    port: str = "8000"
    printed: str = ""
    log: str = ""
    server: trio.Process | None = None
    started: str | None = None
    finished: trio.Event = attrs.field(factory=trio.Event)

    async def follow(self, steps: list[Step]) -> None:
        """Do every step, and stop the server at the end."""
        for step in [*steps, STOP]:
            with trio.move_on_after(STEP_SECONDS) as limit:
                await getattr(self, f"do_{step.do}")(step)
            assert not limit.cancelled_caught, f"hangs: {step}; the server said:\n{self.log}"

    async def do_file(self, step: Step) -> None:
        """Save a file."""
        (self.folder / str(step.how)).write_text(self.moved(step.text), encoding="utf-8")

    async def do_run(self, step: Step) -> None:
        """Run commands; each must end as it should."""
        word = re.search(r'"(.+)"', step.how or "")
        status = int(step.how.removeprefix("exit ")) if step.how and word is None else 0
        for command in step.text.splitlines():
            result = await self.call(command)
            while word is not None and word[1] not in self.printed:
                result = await self.call(command)
            assert word is not None or result.returncode == status, f"{command}: {result.stderr.decode()}"

    async def do_serve(self, step: Step) -> None:
        """Start a server; it has announced its address when this returns."""
        await self.do_stop(step)
        assigned, command = environment_of(self.moved(step.text).replace(f"127.0.0.1:{self.port}", "127.0.0.1:0"))
        self.server = await trio.lowlevel.open_process(
            command,
            cwd=self.folder,
            env=self.environment() | assigned,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.server.stdout is not None
        self.printed = await self.nursery.start(self._read, self.server.stdout)
        self.port = ADDRESS.findall(self.printed)[0]

    async def _read(self, output: trio.abc.ReceiveStream, task_status: trio.TaskStatus[str]) -> None:
        """Read what a server prints, for as long as it runs; started with what it printed up to its address."""
        self.log, announced = "", False
        async with output:
            async for part in output:
                self.log += part.decode()
                if not announced and ADDRESS.search(self.log):
                    announced = True
                    task_status.started(self.log)

    async def do_start(self, step: Step) -> None:
        """Start a command and go on."""
        self.finished = trio.Event()
        self.nursery.start_soon(self._finish, step.text)

    async def _finish(self, command: str) -> None:
        result = await self.call(command, keep=False)
        assert result.returncode == 0, result.stderr.decode()
        self.started = result.stdout.decode()
        self.finished.set()

    async def do_prints(self, step: Step) -> None:
        """Compare what the last command printed."""
        assert_printed(self.moved(step.text), self.printed)

    async def do_finishes(self, step: Step) -> None:
        """Compare what the started command printed in the end."""
        await self.finished.wait()
        assert_printed(step.text, str(self.started))

    async def call(self, command: str, *, keep: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run one command to its end."""
        result = await trio.run_process(
            ["bash", "-c", self.moved(command)],
            cwd=self.folder,
            env=self.environment(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if keep:
            self.printed = result.stdout.decode()
        return result

    async def do_stop(self, _: Step) -> None:
        """Stop the server as Ctrl-C does."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            assert await self.server.wait() == 0
            self.server = None

    async def leave(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.server is not None:
            with trio.CancelScope(shield=True):
                self.server.kill()
                await self.server.wait()

    def moved(self, text: str) -> str:
        """A text with the port of the server that runs in place of 8000."""
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        text = re.sub(r"\bchatcore serve\b(?!.*--bind)", f"chatcore serve --bind 127.0.0.1:{self.port}", text)
        return re.sub(r"\bchatcore (chat|status)\b", rf"chatcore \1 --url http://127.0.0.1:{self.port}", text)

    @staticmethod
    def environment() -> dict[str, str]:
        """The reader's: the environment that has chatcore is active, and nothing is set."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CHATCORE_", "PYTEST", "PYTHONUNBUFFERED"))
        }
        return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}


def environment_of(line: str) -> tuple[dict[str, str], list[str]]:
    """The assignments at the beginning of a command, and the command."""
    words = shlex.split(line.replace("\\\n", " "))
    assigned = {}
    while "=" in words[0]:
        name, _, assigned[name] = words.pop(0).partition("=")
    return assigned, words


def assert_printed(wanted: str, printed: str) -> None:
    """Each line that is wanted is there, after the one before it."""
    lines = iter(printed.splitlines())
    for want in wanted.splitlines():
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in want.split("…")))
        assert any(pattern.search(line) for line in lines), f"{want!r} is not printed, or not here:\n{printed}"
