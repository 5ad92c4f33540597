"""What signing costs on the writer's path, in time of the processor: ``python -m bench.signing``."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import msgspec

from chatcore.protocol.messages import UserMessage
from chatcore.threads.commands import Commands
from chatcore.threads.database import Database, open_database
from chatcore.threads.model import StoredEvent
from chatcore.threads.signing import Signer, signer_of
from chatcore.threads.statements import FIND_LAST_EVENT

EVENTS = 300
ROUNDS = 20


class Unsigned:
    """Signs nothing."""

    def sign(self, *_: Any) -> None:
        """No MAC."""


def microseconds(database: Database, signer: Signer, name: str) -> tuple[float, float]:
    """What an append of one event takes, and the query for the MAC before it."""

    def command(given: Commands) -> tuple[float, float]:
        commands = Commands(given._transaction, signer)
        accepted = commands.accept_message("ann", UserMessage(message_id=name, content="How much?"), "agent", 0.0)
        commands.start_run(accepted.run_id, 1, 0.0)
        frame = msgspec.json.encode({"text": "x" * 400})
        began = time.thread_time()
        for seq in range(1, EVENTS + 1):
            event = StoredEvent(seq=seq, first_seq=seq, run_id=accepted.run_id, type="agent_thinking", frame=frame)
            commands.append_events(accepted.thread_id, [event], 0.0)
        appended = (time.thread_time() - began) / EVENTS * 1e6
        began = time.thread_time()
        for _ in range(EVENTS):
            given._transaction.find(FIND_LAST_EVENT, thread_id=accepted.thread_id, before=EVENTS)
        return appended, (time.thread_time() - began) / EVENTS * 1e6

    (outcome,) = database.commit([command])
    if outcome.error is not None:
        raise outcome.error
    return cast("tuple[float, float]", outcome.value)


def main() -> None:
    """Print both, and the difference."""
    signed, unsigned = signer_of("k" * 64), cast("Signer", Unsigned())
    with TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder, 'chat.db')}", readers=1)
        rounds = [
            (*microseconds(database, signed, f"s{number}"), *microseconds(database, unsigned, f"u{number}"))
            for number in range(ROUNDS)
        ]
        database.close()
    least = [min(column) for column in zip(*rounds, strict=True)]
    print(f"an append of one event: {least[0]:.1f} µs; without its MACs {least[2]:.1f} µs")
    print(f"the query for the MAC before it, in both: {min(least[1], least[3]):.1f} µs")


if __name__ == "__main__":
    main()
