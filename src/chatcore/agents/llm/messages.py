"""The conversation with a model, in the shapes of the API. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from chatcore.agents.llm.reply import Reply
from chatcore.protocol.messages import ThreadMessage

Message: TypeAlias = dict[str, Any]

HISTORY_MESSAGES = 12
"""Earlier messages of the thread that a model is told: six questions and their answers."""

HISTORY_CHARACTERS = 12_000
"""Of all of them; about three thousand tokens."""

HISTORY_EACH = 4_000
"""Characters of one of them."""


def instructed(text: str) -> Message:
    """What the agent tells the model before anything else."""
    return {"role": "system", "content": text}


def asked(text: str) -> Message:
    """What the user says."""
    return {"role": "user", "content": text}


def replied(reply: Reply) -> Message:
    """What the model said, as it is reminded of it."""
    message: Message = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.calls
        ]
    elif not reply.text:
        message["content"] = ""
    return message


def found(call_id: str, text: str) -> Message:
    """What came out of a tool."""
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def remembered(history: Sequence[ThreadMessage]) -> list[Message]:
    """The end of a thread, bounded: what was asked and what was answered, oldest first. What failed is left out."""
    kept: list[Message] = []
    room = HISTORY_CHARACTERS
    told = [each for each in history if each.content and (each.role == "user" or each.status == "completed")]
    for message in reversed(told[-HISTORY_MESSAGES:]):
        text = shortened(message.content, min(HISTORY_EACH, room))
        room -= len(text)
        if text:
            kept.append(asked(text) if message.role == "user" else {"role": "assistant", "content": text})
    return kept[::-1]


def shortened(text: str, most: int) -> str:
    """The beginning of a text, marked where it was cut."""
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…" if most > 0 else ""
