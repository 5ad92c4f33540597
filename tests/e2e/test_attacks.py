"""Attacks on the real command: each ends in its stated code, costs little memory, and nobody else is kept waiting.

The bounds on time have room for a machine that does other things too; ``python -m bench.attacks`` has the strict ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import trio
from e2e_server import ROOT, Process, served

sys.path.insert(0, str(ROOT))

from bench.attack_catalogue import ATTACKS, Attack
from bench.attacks import Finding, make_keys, measure, wrong_with
from bench.hostile import Target
from bench.results import median

MEDIAN_SECONDS = 1.0
"""Of others' round trips; a millisecond or two on an idle machine."""


@pytest.fixture(scope="module")
def under_attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Target]]:
    """One server for all of them: what one leaves behind, the next one meets."""
    folder = tmp_path_factory.mktemp("attacked")
    settings, public_key = make_keys(folder)
    with served(folder, "bench.attack_app:app", **settings) as server:
        yield server, Target(int(server.address.rpartition(":")[2]), public_key)


def assert_withstood(attack: Attack, finding: Finding, together: int = 1) -> None:
    figures = "  ".join(finding.row(attack.name))
    sys.stdout.write(f"{figures}\n")
    assert wrong_with(attack, finding, together) == []
    assert median(finding.round_trips) < MEDIAN_SECONDS, figures


@pytest.mark.parametrize("attack", [each for each in ATTACKS if not each.slow], ids=lambda attack: attack.name)
async def test_an_attack_is_withstood(under_attack: tuple[Process, Target], attack: Attack) -> None:
    server, target = under_attack
    assert_withstood(attack, await measure(attack, target, server.popen.pid))


@pytest.mark.slow
async def test_attacks_that_take_their_time_are_withstood_all_at_once(under_attack: tuple[Process, Target]) -> None:
    server, target = under_attack
    slow = [attack for attack in ATTACKS if attack.slow]
    async with trio.open_nursery() as nursery:

        async def withstand(attack: Attack) -> None:
            """What the server's memory moves by is of all of them: by themselves ``bench.attacks`` measures it."""
            assert_withstood(attack, await measure(attack, target, server.popen.pid), len(slow))

        for attack in slow:
            nursery.start_soon(withstand, attack)


def test_after_all_of_them_the_server_is_well_and_its_log_tells_no_secret(under_attack: tuple[Process, Target]) -> None:
    server, _ = under_attack
    assert server.get("/health/ready")[0] == 200
    assert "Traceback" not in server.log
    assert "eyJ" not in server.log, "no token, right or wrong"
