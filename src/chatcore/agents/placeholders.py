"""Where a text is placeholder content, however it is dressed up (guarantees.md, 46). Pure.

A text is read as a person reads it once it is rendered: without marks of emphasis, quotation marks, invisible
characters, tags and the targets of links, with entities and look-alike letters as what they show, and with any space
as one. Where nothing in it can be part of a placeholder that is told at a fraction of that cost.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

import attrs

PLACEHOLDERS: Final = (
    "Agent processed your message:",
    "Processing your message:",
    "FallbackAgentHandler",
    "EmergencyWebSocketManager",
    "emergency_mode",
    "degraded functionality",
    "response_generator",
    "ChatAgent",
)
"""What servers of this kind have answered with instead of an agent (guarantees.md, 46)."""

LONGEST: Final = max(map(len, PLACEHOLDERS))

_LOOK_ALIKES: Final[Mapping[str, str]] = {
    "a": "аɑαАᴀ", "b": "ЬВʙ", "c": "сϲСᴄᏟ", "d": "ԁᴅ", "e": "еЕᴇ", "f": "ϝғꜰ", "g": "ɡցɢ", "h": "һНʜ",
    "i": "іıİІΙιɪ", "k": "КкΚκKᴋ", "l": "ӏІʟ", "m": "мМᴍ", "n": "ոΝɴ", "o": "оοОΟᴏ", "p": "рρРΡᴘ", "r": "гᴦʀ",
    "s": "ѕſЅꜱ", "t": "тТΤτᴛ", "u": "υսᴜ", "w": "ԝѡᴡ", "y": "уүУΥʏ", ":": "：∶ː꞉︓﹕", "_": "＿‿",
}  # fmt: skip
"""Characters that nobody tells from those of a placeholder, and letters that are equal to them in another case."""


def _drawn_letters() -> Iterator[tuple[int, str]]:
    """Letters drawn otherwise, as in bold for formulas or in a circle."""
    for code in chain(range(0x2100, 0x2150), range(0x24B6, 0x24EA), range(0x1D400, 0x1D7CC), range(0x1F130, 0x1F150)):
        letter = unicodedata.normalize("NFKC", chr(code)).lower()
        if len(letter) == 1 and "a" <= letter <= "z":
            yield code, letter


_FOLD: Final = (
    {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
    | {code: chr(code - 0xFEE0).lower() for code in range(0xFF01, 0xFF5F)}  # full width
    | dict(_drawn_letters())
    | {ord(other): shown for shown, others in _LOOK_ALIKES.items() for other in others}
)
_FOREIGN: Final = re.compile(
    "[" + "".join(chr(code) for code in _FOLD if 127 < code < 0x10000) + "\U00010000-\U0010ffff]"
)
"""Some of it is folded. Beyond the first plane it is one range: a pattern goes through a list of those one by one."""

INVISIBLE: Final = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufff9-\ufffb\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff"
)
_BLANK: Final = "\u2800\u3164\u115f\u1160\uffa0"
_QUOTES: Final = '"“”„«»'
TAG: Final = (
    r"</?(?:a|b|bdi|bdo|big|br|cite|code|del|dfn|div|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|q|s|samp|small"
    r"|span|strike|strong|sub|sup|td|th|tr|tt|u|ul|var|wbr)\b[^<>]*>|<!--.*?-->"
)
_TARGET: Final = r"(?:<[^<>\n]*>|[^()\s<>]*(?:\([^()\s]*\)[^()\s]*)?)"
LINK: Final = rf"\]\({_TARGET}(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)|\]\[[^\[\]\n]*\]"
_ENTITY: Final = r"&(?:\#[xX][0-9a-fA-F]{1,8}|\#[0-9]{1,9}|[A-Za-z][A-Za-z0-9]{1,31});"
_DRESS: Final = re.compile(
    rf"""(?P<entity>{_ENTITY}) | (?P<escape>\\[!-/:-@\[-`{{-~]) | \\(?=[\r\n]) | (?P<blank>[\s{_BLANK}]+)
    | {TAG} | {LINK} | [*~`\[{_QUOTES}{INVISIBLE}]+ | \] | (?<![^\W_])_+ | _+(?![^\W_]) | ^>""",
    re.VERBOSE | re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
"""What a text is dressed up with. Underscores within a word are its own."""
_SIGN: Final = re.compile(rf"[\s{_BLANK}&\\<\[\]*~`{_QUOTES}{INVISIBLE}_>]")
"""What each of it begins with."""
_UNPLAIN: Final = re.compile(
    rf"[\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000{_BLANK}"
    rf"&\\<\[\]*~`{_QUOTES}{INVISIBLE}_>]|  "
)
"""… but for single spaces."""
_BLANKS: Final = re.compile(rf"[\s{_BLANK}]+")
_UNSEEN: Final = re.compile(rf"[{INVISIBLE}]+")
_UNFINISHED: Final = re.compile(r"(?:&\#?\w{0,31}|<[^<>]*|\](?:\([^\n]{0,500}|\[[^\[\]\n]{0,500})?|\\)\Z")
"""What the next characters may make dress of."""
_UNFINISHED_LETTER: Final = re.compile(r"&(?:\#[xX]?[0-9a-fA-F]{0,9})?\Z")

_PLAIN_WORDS: Final = [words.translate(_FOLD) for words in PLACEHOLDERS]


def _characters(words: str) -> list[str]:
    """A pattern for each character; an underscore may have been taken for a mark."""
    return ["_?" if character == "_" else re.escape(character) for character in words]


def _whole(words: str) -> str:
    """A pattern for these words; letters right after them make other words, unless a colon ends them."""
    return "".join(_characters(words)) + (r"(?!\w)" if words[-1].isalnum() else "")


def _begun(words: str) -> str:
    """A pattern for any beginning of these words at the end of a text."""
    first, *rest = _characters(words)
    return first + "".join(rf"(?:\Z|{character}" for character in rest) + r"\Z" + ")" * len(rest)


_FIRST: Final = "[" + "".join(sorted({words[0] for words in _PLAIN_WORDS})) + "]"
_PLACEHOLDER: Final = re.compile(rf"(?={_FIRST})(?<!\w)(?:{'|'.join(map(_whole, _PLAIN_WORDS))})")
_BEGUN: Final = re.compile(rf"(?={_FIRST})(?<!\w)(?:{'|'.join(map(_begun, _PLAIN_WORDS))})")

_SQUEEZED: Final = re.compile(rf"[\s{_BLANK}{INVISIBLE}*~`\[\]{_QUOTES}_>\\]+")
_SQUEEZE_ASCII: Final = {
    **{code: code + 32 for code in range(ord("A"), ord("Z") + 1)},
    **{code: None for code in range(128) if _SQUEEZED.match(chr(code))},
}
_PIECES: Final = tuple(_SQUEEZED.sub("", words) for words in _PLAIN_WORDS)
_WITHOUT_UNDERSCORE: Final = frozenset(words.replace("_", "") for words in _PLAIN_WORDS if "_" in words)
_TAG_OR_LINK: Final = re.compile(rf"{TAG}|{LINK}", re.DOTALL | re.IGNORECASE)


@attrs.frozen
class Plain:
    """What a text shows, in lower case.

    Args:
        text: the characters.
        starts: where each begins in the text that was read.
        ends: where each ends there.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


@attrs.frozen
class Found:
    """A placeholder.

    Args:
        start: where it begins in the text.
        end: where it ends there.
        words: as they stand there.
        shown: as they are read.
    """

    start: int
    end: int
    words: str
    shown: str


def plain(text: str, begin: int = 0, end: int | None = None) -> Plain:
    """What a part of a text shows."""
    end = len(text) if end is None else end
    part = text[begin:end]
    if "<!--" in part:
        text = text[:begin] + comments_closed(part)
    if _UNPLAIN.search(part) is None:
        return Plain(part.translate(_FOLD), range(begin, end), range(begin + 1, end + 1))
    shown: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = begin
    for dress in _dress(text, begin, end):
        shown.append(text[at : dress.start()])
        starts += range(at, dress.start())
        ends += range(at + 1, dress.start() + 1)
        left = _left(dress)
        shown.append(left)
        starts += [dress.start()] * len(left)
        ends += [dress.end()] * len(left)
        at = dress.end()
    shown.append(text[at:end])
    starts += range(at, end)
    ends += range(at + 1, end + 1)
    return _spaced(Plain("".join(shown).translate(_FOLD), starts, ends))


def comments_closed(text: str) -> str:
    """The text, as long as it is, with nothing that begins a comment where none ends: each would be read to the end."""
    last = text.rfind("-->") + 1
    return text if text.find("<!--", last) < 0 else text[:last] + text[last:].replace("<!--", "<!==")


def _dress(text: str, begin: int, end: int) -> Iterator[re.Match[str]]:
    """As ``_DRESS.finditer``, many times as fast where there is little of it."""
    at = begin
    while (sign := _SIGN.search(text, at, end)) is not None:
        dress = _DRESS.match(text, sign.start(), end)
        at = sign.end() if dress is None else dress.end()
        if dress is not None:
            yield dress


def _left(dress: re.Match[str]) -> str:
    """What is seen of it."""
    if dress["blank"] is not None:
        return " "
    if dress["escape"] is not None:
        return dress["escape"][1]
    if dress["entity"] is None:
        return ""
    decoded = html.unescape(dress["entity"])
    return " " if _BLANKS.fullmatch(decoded) else "" if _UNSEEN.fullmatch(decoded) else decoded


_SPACES: Final = re.compile(" {2,}")


def _spaced(read: Plain) -> Plain:
    """With one space where several have come together."""
    if "  " not in read.text:
        return read
    kept = [i for i, character in enumerate(read.text) if character != " " or read.text[i - 1 : i] != " "]
    text = "".join(read.text[i] for i in kept)
    return Plain(text, [read.starts[i] for i in kept], [read.ends[i] for i in kept])


def find_placeholders(text: str) -> Iterator[Found]:
    """The placeholders of a text."""
    if not may_hold_placeholder(text):
        return
    read = plain(text)
    for match in _PLACEHOLDER.finditer(read.text):
        start, end = read.starts[match.start()], read.ends[match.end() - 1]
        words = text[start:end]
        if match.group() not in _WITHOUT_UNDERSCORE or "_" in words:
            yield Found(start, end, words, match.group())


def may_hold_placeholder(text: str) -> bool:
    """False where there is none, told without reading the text character by character."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text or "](" in text or "][" in text:
        text = _TAG_OR_LINK.sub("", comments_closed(text))
    if text.isascii():
        squeezed = text.translate(_SQUEEZE_ASCII)
    else:
        shown = text.translate(_FOLD) if _FOREIGN.search(text) else text.casefold()
        squeezed = _SQUEEZED.sub("", shown)
    return any(piece in squeezed for piece in _PIECES)


def find_begun(text: str, begin: int) -> int | None:
    """Where, from ``begin`` on, something begins that the next characters may make a placeholder of."""
    places = [_begun_before(len(text), text, begin)]
    unfinished = _UNFINISHED.search(text, begin)
    if unfinished is not None:
        places.append(_begun_before(unfinished.start(), text, begin))
    letter = _UNFINISHED_LETTER.search(text, begin)
    places.append(letter.start() if letter is not None else None)
    return min((place for place in places if place is not None), default=None)


def _begun_before(end: int, text: str, begin: int) -> int | None:
    """The same, where what follows ``end`` will turn out to be dress."""
    window = 2 * LONGEST
    while True:
        low = max(begin, end - window)
        read = plain(text, max(low - 1, 0), end)
        if low == begin or len(read.text) > LONGEST + 2:
            break
        window *= 2
    match = _BEGUN.search(read.text, bisect_left(read.starts, low))
    return read.starts[match.start()] if match is not None else None


_HEADS: Final = tuple(sorted({words[:3] for words in _PLAIN_WORDS}))
_MAY_BE_DRESS: Final = r"[*~`\[\]\"<&\\_]|(?!\w)[^\x00-\x7f]"


def _letters(*letters: str) -> str:
    """A class of all that are taken for one of these."""
    return "[" + "".join(letters) + "".join(chr(c) for c, shown in _FOLD.items() if _shown(shown) in letters) + "]"


def _shown(folded: int | str) -> str:
    return chr(folded) if isinstance(folded, int) else folded


def _head(words: str) -> str:
    """A pattern of what follows the first letter of a placeholder, as far as it is there, or dress in it."""
    first, second, third = map(_letters, words)
    return rf"(?<={first})(?:\Z|{_MAY_BE_DRESS}|{second}(?:\Z|{_MAY_BE_DRESS}|{third}))"


def _stirring(openers: str) -> re.Pattern[str]:
    """It begins with one class, which is searched for at once, and looks back from there."""
    firsts = _letters(*(words[0] for words in _HEADS))
    heads = "|".join(map(_head, _HEADS))
    return re.compile(rf"[{openers}{firsts[1:]}(?:(?<=[{openers}])|(?<![^\W_].)(?:{heads}))")


STIRRING: Final = _stirring("&>`" + _QUOTES)
"""Where a text may begin a placeholder, a quotation or code. A part without any of it changes nothing of what is
decided, where all before it is decided; words of any language hardly ever have it."""
STIRRING_IN_CODE: Final = _stirring("&`")
"""The same within a block of code, where there are no quotations."""
