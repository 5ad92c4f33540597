"""A slice of the fuzzing; ``nox -s fuzz`` feeds a million inputs."""

from __future__ import annotations

import pytest
from fuzz_frames import Broken, Fuzzer, Outcome, corpus_digest, feed_frames

INPUTS = 5_000


def test_nothing_that_a_client_sends_crashes_hangs_or_reads_differently_when_it_is_cut() -> None:
    fuzzer = Fuzzer(seed=1)
    fuzzer.run(INPUTS)
    assert fuzzer.fed == INPUTS
    ends = {outcome[-1] for outcome in fuzzer.outcomes}
    assert {"1002", "1007", "1009", "UserMessage", "CancelRun", "Resume", "Ping", "upgrade", "several passed"} <= ends
    assert {"invalid frame", "invalid type", "invalid content", "invalid nonce", "invalid after_seq"} <= ends
    unreached = sum(map(len, fuzzer.unreached().values()))
    assert unreached < 0.2 * len(fuzzer.lines), fuzzer.unreached()


def test_a_seed_is_the_same_inputs_each_time() -> None:
    first, again = Fuzzer(seed=7), Fuzzer(seed=7)
    for fuzzer in (first, again):
        fuzzer.run(500)
    assert corpus_digest(first) == corpus_digest(again)


def _crashes_on_a_resume(pieces: list[bytes]) -> Outcome:
    if "Resume" in feed_frames(pieces):
        raise KeyError("thread_id")
    return ()


def _depends_on_cuts(pieces: list[bytes]) -> Outcome:
    return (str(len(pieces)),)


def _hangs(pieces: list[bytes]) -> Outcome:
    raise TimeoutError


@pytest.mark.parametrize("wrong", [_crashes_on_a_resume, _depends_on_cuts, _hangs])
def test_what_is_wrong_is_found_and_the_input_is_told(wrong: object) -> None:
    with pytest.raises(Broken, match=r"input [0-9]+ of seed 3"):
        Fuzzer(seed=3, frames=wrong).run(INPUTS)  # type: ignore[arg-type]
