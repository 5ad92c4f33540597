"""The real server, in a process of its own, and what a test can do to it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs

HERE = Path(__file__).parent
SHOP = "staged_shop:app"
EVERYTHING_UP = ("orders.up", "index.up")
ANNOUNCED_WITHIN_SECONDS = 30
EXITS_WITHIN_SECONDS = 15


@attrs.define
class Served:
    """``chatcore serve`` over a folder, which holds its database, its log and its stage (see :mod:`staged_shop`).

    Args:
        folder: that folder; what is in it outlives the process.
        arguments: of the command.
        settings: its environment beside that.
    """

    folder: Path
    arguments: tuple[str, ...] = (SHOP,)
    address: str = "http://127.0.0.1:0"
    settings: Mapping[str, str] = attrs.field(factory=dict)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, on the port it had before; its port answers when this returns."""
        command = shutil.which("chatcore", path=str(Path(sys.executable).parent))
        assert command is not None
        with (self.folder / "server.log").open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [command, "serve", *self.arguments, "--bind", self.address.removeprefix("http://")],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        self.address = self._announcement().removeprefix("chatcore is at ")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATCORE_", "SHOP_"))}
        path = os.pathsep.join(filter(None, (str(HERE), kept.get("PYTHONPATH"))))
        return kept | {"PYTHONPATH": path, "SHOP_STAGE": str(self.stage), **self.settings}

    def _announcement(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], ANNOUNCED_WITHIN_SECONDS)
        line = self._process.stdout.readline().strip() if readable else ""
        assert line.startswith("chatcore is at "), (self.folder / "server.log").read_text(encoding="utf-8")
        return line

    def terminate(self) -> None:
        """Ask it to go away."""
        assert self._process is not None
        self._process.terminate()

    def exit_code(self) -> int:
        """Wait until it has gone by itself."""
        assert self._process is not None
        self._process.communicate(timeout=EXITS_WITHIN_SECONDS)
        code, self._process = self._process.returncode, None
        return code

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    # --- the stage --------------------------------------------------------------------------------------------------

    @property
    def stage(self) -> Path:
        """Where the shop looks for what it is told."""
        return self.folder / "stage"

    def tell(self, *words: str) -> None:
        """Say these to the shop."""
        self.stage.mkdir(exist_ok=True)
        for word in words:
            (self.stage / word).touch()

    def hold(self, *words: str) -> None:
        """Take them back."""
        for word in words:
            (self.stage / word).unlink()


class Addressed(Protocol):
    """Something that a browser can be sent to."""

    @property
    def address(self) -> str:
        """As a URL, without a path."""


class Serve(Protocol):
    """Starts a server; see the fixture ``serve``."""

    def __call__(self, *words: str, **options: Any) -> Served: ...
