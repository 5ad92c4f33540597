"""What a request says: its body, its parameters and who asks, each checked and in its type."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast, get_args

import msgspec
from quart import request

from chatcore.auth.claims import Identity
from chatcore.errors import InvalidMessage
from chatcore.protocol.codec import RULES, UNREADABLE, faulty_field
from chatcore.threads.model import MAX_TITLE_CHARACTERS, ThreadOrder
from chatcore.web.admission import IDENTITY_KEY
from chatcore.web.rendering import MOST_RENDERED

S = TypeVar("S", bound=msgspec.Struct)

PAGE_ITEMS = 50
"""Items of a list unless the request says otherwise."""

MOST_ITEMS = 500
"""Items of a list at most: a page of a long thread stays under a megabyte."""

EXPECTED: Mapping[str, str] = MappingProxyType(
    {field: rule.expected for field, rule in RULES.items()}
    | {
        "body": "a JSON object in valid Unicode that is not deeply nested",
        "title": f"a text of at most {MAX_TITLE_CHARACTERS} characters",
        "texts": f"a list of texts, of at most {MOST_RENDERED} characters together",
        "inline": "true or false",
    }
)
"""What a body and its fields must be, in words: the wire's own where it has the field too."""


def identity() -> Identity:
    """Who asks, as :mod:`.admission` found."""
    return cast("Identity", request.scope["state"][IDENTITY_KEY])


def user() -> str:
    """The id of who asks."""
    return identity().user_id


async def body(shape: type[S], *, empty: S | None = None) -> S:
    """The request's body as ``shape``; ``empty``, if it is given, where there is none.

    Raises:
        InvalidMessage: names the field that is wrong.
    """
    raw = await request.get_data()
    if not raw and empty is not None:
        return empty
    try:
        return msgspec.json.decode(raw, type=shape)
    except UNREADABLE as error:
        field = faulty_field(error) or "body"
        raise InvalidMessage(field, EXPECTED[field]) from None


def valid(field: str, value: Any) -> Any:
    """The value, if the wire would take it in this field.

    Raises:
        InvalidMessage: it would not.
    """
    if not RULES[field].holds(value):
        raise InvalidMessage(field, RULES[field].expected)
    return value


def order() -> ThreadOrder:
    """In which order threads are asked for."""
    given = request.args.get("order", "created")
    if given not in get_args(ThreadOrder):
        raise InvalidMessage("order", " or ".join(get_args(ThreadOrder)))
    return cast("ThreadOrder", given)


def limit() -> int:
    """How many items are asked for."""
    asked = whole("limit", request.args.get("limit"), PAGE_ITEMS)
    if asked == 0:
        raise InvalidMessage("limit", "a whole number from 1 on")
    return min(MOST_ITEMS, asked)


def after() -> int:
    """The last event that is known."""
    return whole("after", request.args.get("after"), 0)


def last_event_id() -> int:
    """The same, of a reader of server-sent events that comes again."""
    return whole("Last-Event-ID", request.headers.get("Last-Event-ID"), after())


def whole(name: str, text: str | None, absent: int) -> int:
    """The number that ``text`` is.

    Raises:
        InvalidMessage: it is no whole number that is not negative.
    """
    if text is None:
        return absent
    if not text.isdecimal() or not text.isascii() or len(text) > 15:
        raise InvalidMessage(name, "a whole number that is not negative")
    return int(text)
