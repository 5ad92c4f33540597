"""Attacks on a real server, and what they cost someone else.

``python -m bench.attacks`` plays every attack of :mod:`bench.attack_catalogue` on one ``chatcore serve``, one after
another, and prints for each how its connections ended, by how much the server's resident memory grew at its peak, and
the round trips of a client that pings meanwhile. What is measured: bench/README.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from cyclopts import App

from bench.attack_catalogue import ATTACKS, Attack, Attacker
from bench.hostile import AUDIENCE, SECRET, Target, request, token
from bench.processes import ROOT, Cores, chatcore, quiet, serving
from bench.results import median, percentile, save, show

PLAY_SECONDS = 60.0
"""For one attack; none takes half of it."""

SETTLE_SECONDS = 0.2
"""Of pings before an attack and after it."""

MOVED_BYTES = 20_000_000
MOVED_SECONDS = 0.05
"""What an attack may cost: of memory, and of others' round trips."""

SETTINGS = {
    "CHATCORE_AUTH": "jwt",
    "CHATCORE_JWT_SECRET": SECRET,
    "CHATCORE_JWT_AUDIENCE": AUDIENCE,
    "CHATCORE_PING_SECONDS": "2",
    "CHATCORE_PONG_TIMEOUT_SECONDS": "3",
    "CHATCORE_COMPRESSION": "true",
    "CHATCORE_LOG_FORMAT": "json",
}
"""Of the server under attack: the defaults, but for who may come in, for pings that do not take half a minute, and for
compression, which it agrees upon with those who want it."""


@attrs.frozen
class Finding:
    """What came of an attack.

    Args:
        ends: how its connections ended, as they saw it.
        counted: how the server counted the WebSockets that ended meanwhile.
        memory_bytes: by how much its resident memory grew, at its peak.
        round_trips: of someone else's pings, in seconds.
        unanswered: pings that were not.
        seconds: that it took.
    """

    ends: dict[str, int]
    counted: dict[str, int]
    memory_bytes: int
    round_trips: list[float]
    unanswered: int
    seconds: float

    def row(self, name: str) -> list[str]:
        """Of the table."""
        trips = [1e3 * value for value in (median(self.round_trips), percentile(self.round_trips, 0.99))]
        ends = ", ".join(f"{count} × {end}" for end, count in sorted(self.ends.items()))
        worst = 1e3 * max(self.round_trips)
        return [
            name,
            ends,
            f"{self.memory_bytes / 1e6:.1f}",
            *(f"{value:.1f}" for value in (*trips, worst, self.seconds)),
        ]


COLUMNS = ("attack", "ended", "memory MB", "others' p50 ms", "p99 ms", "max ms", "seconds")


def make_keys(folder: Path) -> tuple[dict[str, str], bytes]:
    """The settings for an issuer's key, written to a folder, and that key in PEM, as everybody may have it."""
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"kid": "key-1"})
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": [{**key.as_dict(private=False), "use": "sig"}]}))
    return {**SETTINGS, "CHATCORE_JWKS": str(path)}, key.as_pem(private=False)


async def measure(attack: Attack, target: Target, pid: int) -> Finding:
    """Play an attack, with someone else watching."""
    if attack.prepare is not None:
        await attack.prepare(target)
    async with witnessed(target, f"witness of {attack.name}") as seen:
        before, memory = await outcomes(target), reset_peak(pid)
        began_at = trio.current_time()
        ends = await play(attack, target)
        seconds = trio.current_time() - began_at
        await trio.sleep(SETTLE_SECONDS)
        grown = memory_bytes(pid, "VmHWM") - memory
        counted = await outcomes(target) - before
    return Finding(dict(ends), dict(counted), grown, seen["round_trips"], seen["unanswered"], seconds)


async def play(attack: Attack, target: Target) -> Counter[str]:
    """Let every connection of an attack act; how they ended."""
    ends: Counter[str] = Counter()

    async def act(number: int) -> None:
        ends[await attack.act(Attacker(target, f"mallory {number} of {attack.name}", number))] += 1

    with trio.fail_after(PLAY_SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(attack.clients):
                nursery.start_soon(act, number)
    return ends


@asynccontextmanager
async def witnessed(target: Target, user: str) -> AsyncIterator[dict[str, Any]]:
    """Have a user ping within the block; what :mod:`bench.witness` says of it is there after it."""
    command = [sys.executable, "-m", "bench.witness", str(target.port), token(user)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    seen: dict[str, Any] = {}
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        said = await process.stdout.receive_some()
        assert said.strip() == b"ready", said
        await trio.sleep(SETTLE_SECONDS)
        yield seen
        await process.stdin.aclose()
        with trio.fail_after(PLAY_SECONDS):
            told = b"".join([bytes(part) async for part in process.stdout])
        seen |= json.loads(told)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def memory_bytes(pid: int, what: str) -> int:
    """``VmRSS``, the resident memory of a process, or ``VmHWM``, the most it had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


def reset_peak(pid: int) -> int:
    """Have ``VmHWM`` begin at what is resident now, which is returned."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory_bytes(pid, "VmHWM")


async def outcomes(target: Target) -> Counter[str]:
    """How many WebSockets have ended in which way, as the server counts them."""
    lines = (await metrics(target)).splitlines()
    name = "chatcore_connections_total{outcome="
    return Counter({line.split('"')[1]: int(float(line.split()[-1])) for line in lines if line.startswith(name)})


async def metrics(target: Target) -> str:
    """What ``/metrics`` answers."""
    async with target.line() as line:
        await line.send(request("/metrics", "Connection: close"))
        return (await line.rest()).partition(b"\r\n\r\n")[2].decode()


def wrong_with(attack: Attack, finding: Finding, together: int = 1) -> list[str]:
    """What is not as it has to be, however busy the machine is, where so many attacks were under way at once."""
    wrong = []
    if not attack.ends.issuperset(finding.ends):
        wrong.append(f"ended in {finding.ends} instead of {set(attack.ends)}")
    if attack.counted is not None and finding.counted.get(attack.counted, 0) < attack.clients:
        wrong.append(f"counted as {finding.counted} instead of {attack.counted}")
    if finding.unanswered:
        wrong.append(f"{finding.unanswered} pings of someone else were not answered")
    if finding.memory_bytes > MOVED_BYTES * together:
        wrong.append(f"memory moved by {finding.memory_bytes / 1e6:.1f} MB")
    return wrong


async def run(names: tuple[str, ...], folder: Path) -> dict[str, Finding]:
    settings, public_key = make_keys(folder)
    findings: dict[str, Finding] = {}
    async with serving(chatcore("bench.attack_app:app"), settings, Cores.apart()) as server:
        target = Target(server.port, public_key)
        async with witnessed(target, "first"):  # what a first client costs once is not measured
            pass
        for attack in ATTACKS:
            if not names or attack.name in names:
                await quiet(server)
                findings[attack.name] = await measure(attack, target, server.pid)
                print("  ".join(findings[attack.name].row(attack.name)), flush=True)
    return findings


def main(*names: str) -> int:
    """Play the attacks.

    Args:
        names: of attacks; all of them unless given.

    Returns:
        1 where an attack ended in another way than it has to, or moved memory or a round trip too far.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        findings = trio.run(run, names, Path(folder))
    show("attacks", COLUMNS, [finding.row(name) for name, finding in findings.items()])
    saved = save("attacks", {}, {name: attrs.asdict(finding) for name, finding in findings.items()})
    print(f"written to {saved.relative_to(ROOT)}")
    wrong = {each.name: wrong_with(each, findings[each.name]) for each in ATTACKS if each.name in findings}
    for name, faults in wrong.items():
        if max(findings[name].round_trips) > MOVED_SECONDS:
            faults.append("others waited")
        print(*(f"{name}: {fault}\n" for fault in faults), sep="", end="")
    return int(any(wrong.values()))


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()
