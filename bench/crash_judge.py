"""What has to be true after any number of kills: the log against what clients sent and heard. Pure."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.crash_clients import ENDS, Frame, Tab, User
from chatcore.errors import IllegalRunEvent
from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.run import RunGrammar

Log = Mapping[str, Sequence[Frame]]
"""The events of each thread, in order."""


def judge(users: Sequence[User], tabs: Sequence[Tab], log: Log, messages: Sequence[Frame]) -> list[str]:
    """Everything that is wrong, in words.

    Args:
        users: that sent.
        tabs: that watched.
        log: of all threads of these users.
        messages: as the server lists them, of all those threads.
    """
    faults = [fault for tab in tabs for fault in tab.faults]
    for user in users:
        faults += _messages_faults(user, messages)
    for thread_id, events in log.items():
        faults += [f"{fault} in the log of {thread_id}" for fault in _log_faults(events)]
    faults += _runs_faults(users, log)
    for tab in tabs:
        faults += _heard_faults(tab, log)
        faults += [fault for thread_id in tab.watches for fault in _taken_faults(tab, thread_id, log)]
    return faults


def ends(log: Log) -> Counter[str]:
    """How runs ended: the type of the event, and the code of a failure."""
    last = (event for events in log.values() for event in events if event["type"] in ENDS)
    return Counter(" ".join(filter(None, (event["type"], event.get("error_code")))) for event in last)


def _messages_faults(user: User, messages: Sequence[Frame]) -> Iterator[str]:
    """Each message is there once, and was acknowledged with one run however often it was sent."""
    kept = Counter(message["message_id"] for message in messages if message["role"] == "user")
    for message_id in user.sent:
        if kept[message_id] != 1:
            yield f"{message_id} is kept {kept[message_id]} times"
        told = {(frame["thread_id"], frame["run_id"]) for frame in user.accepted.get(message_id, ())}
        if len(told) != 1:
            yield f"{message_id} was acknowledged as {told}"


def _log_faults(events: Sequence[Frame]) -> Iterator[str]:
    expected, grammars = 1, dict[str, RunGrammar]()
    for event in events:
        if event.get("first_seq", event["seq"]) != expected:
            yield f"{event['type']} {event['seq']} where {expected} is next"
        expected = event["seq"] + 1
        grammar = grammars.setdefault(event["run_id"], RunGrammar())
        try:
            grammar.advance(decode_server_frame(json.dumps(event)))  # type: ignore[arg-type]  # an event of a run
        except IllegalRunEvent as error:
            yield str(error)
    yield from (f"{run_id} has no end" for run_id, grammar in grammars.items() if not grammar.ended)
    yield from _spelling_faults(events)


def _spelling_faults(events: Iterable[Frame]) -> Iterator[str]:
    """What the deltas of a completed run spell is its answer; ``agent_restarted`` voids what was before it."""
    spelled: dict[str, str] = {}
    for event in events:
        text = spelled.get(event["run_id"], "")
        if event["type"] == "agent_delta":
            spelled[event["run_id"]] = text[: event["offset"]] + event["text"]
        elif event["type"] == "agent_restarted":
            spelled[event["run_id"]] = ""
        elif event["type"] == "agent_completed" and event["answer"]["text"] != text:
            yield f"{event['run_id']} spells {text!r}, and its answer is {event['answer']['text']!r}"


def _runs_faults(users: Sequence[User], log: Log) -> Iterator[str]:
    """Acknowledged runs, and no others, with one end each."""
    acknowledged = {run_id for user in users for run_id in user.runs}
    ended = Counter(event["run_id"] for events in log.values() for event in events if event["type"] in ENDS)
    yield from (f"{run_id} has {ended[run_id]} ends" for run_id in acknowledged if ended[run_id] != 1)
    begun = {event["run_id"] for events in log.values() for event in events}
    yield from (f"{run_id} was never acknowledged" for run_id in begun - acknowledged)


def _heard_faults(tab: Tab, log: Log) -> Iterator[str]:
    """Nothing was ever heard under a number that stands for something else in the log."""
    lasts = {thread_id: [event["seq"] for event in events] for thread_id, events in log.items()}
    for heard in tab.heard:
        events = log[heard["thread_id"]]
        place = bisect_left(lasts[heard["thread_id"]], heard.get("first_seq", heard["seq"]))
        for event in events[place:]:
            if event.get("first_seq", event["seq"]) > heard["seq"]:
                break
            if not _same(heard, event):
                yield f"{tab.user.name} heard {heard}, and the log has {event}"


def _same(heard: Frame, kept: Frame) -> bool:
    """Whether an event may have become this one of the log. A delta may have been merged, or lost to an empty one."""
    if heard["type"] != "agent_delta" or kept["type"] != "agent_delta":
        return heard == kept
    if (heard["run_id"], heard["epoch"]) != (kept["run_id"], kept["epoch"]):
        return False
    start = max(heard["offset"], kept["offset"])
    end = min(heard["offset"] + len(heard["text"]), kept["offset"] + len(kept["text"]))
    return start >= end or _cut(heard, start, end) == _cut(kept, start, end)


def _cut(delta: Frame, start: int, end: int) -> str:
    text: str = delta["text"]
    return text[start - delta["offset"] : end - delta["offset"]]


def _taken_faults(tab: Tab, thread_id: str, log: Log) -> Iterator[str]:
    """What a tab took, from one connection to the next, is the whole thread, and spells its answers."""
    watch, last = tab.watches[thread_id], log[thread_id][-1]["seq"]
    if watch.seq != last:
        yield f"{tab.user.name} saw {thread_id} to {watch.seq} of {last}"
    yield from (f"{fault}, as {tab.user.name} saw it" for fault in _spelling_faults(watch.taken))
    seen = Counter(event["seq"] for event in watch.taken)
    yield from (f"{tab.user.name} saw {seq} of {thread_id} twice" for seq, times in seen.items() if times > 1)
