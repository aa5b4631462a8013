"""One directive of ours in a month file: its text made from a document, and read back from the file."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from syncjob.errors import RecordRefused
from syncjob.model import Json
from syncjob.money import Money, plain
from syncjob.ports import Put

FIELDS = frozenset({"date", "payee", "narration", "links", "meta", "postings"})
_POSTING_FIELDS = frozenset({"account", "amount", "currency"})
_ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_ASCII_ACCOUNT = re.compile(rf"(?:{'|'.join(_ROOTS)})(?::[A-Z0-9][A-Za-z0-9-]*)+", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_META_KEY = re.compile(r"[a-z][a-z0-9_-]+", re.ASCII)
_NOT_LINK = re.compile(r"[^A-Za-z0-9_/.-]", re.ASCII)
_RESERVED = ("filename", "lineno")  # the loader keeps its own facts under these names

# What would end a string or a line, in Beancount or in an editor that a person opens the file with.
_UNSAFE = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x7f": "\u2421"}
_ESCAPES |= dict.fromkeys("\x85\u2028\u2029", "\\n")
_UNESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

_TAG = re.compile(r"(?<=\s)#([A-Za-z0-9_/.-]+)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_REVISION = re.compile(r"^\s+syncjob-revision:\s*([0-9]+)\s*$", re.MULTILINE | re.ASCII)
_NOTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\s+(?:note|custom)\s", re.ASCII)
_TRANSACTION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\s+(?:txn|[*!])\s", re.ASCII)
_POSTING = re.compile(r"\s+(?:[*!]\s+)?([^\s:;]+(?::[^\s:;]+)+)\s+(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s+([A-Z]{3})\s*(?:;.*)?")
_META = re.compile(r"\s+[a-z][A-Za-z0-9_-]+:\s")  # what is most frequent, and is no posting in any case
_NO_POSTING = re.compile(r"\s+(?:[a-z][A-Za-z0-9_-]+:|;|\^|#)")


class Block(NamedTuple):
    """One directive of ours: its document key and its lines; in the file one blank line follows. `line` is where it starts."""

    key: str
    text: str
    line: int = 0

    @property
    def date(self) -> str:
        """The directive's date, YYYY-MM-DD."""
        return self.text[:10]

    @property
    def place(self) -> tuple[str, str]:
        """Where it belongs in its file: by date, then by key."""
        return self.text[:10], self.key

    @property
    def is_note(self) -> bool:
        """Whether a note is all that is left of the document here."""
        return _NOTE.match(self.text) is not None

    @property
    def revision(self) -> int:
        """The revision that wrote it; the first one is not written out."""
        found = _REVISION.search(self.text)
        return int(found[1]) if found else 1

    @property
    def tags(self) -> list[str]:
        """The tags of its first line, without the #."""
        return _TAG.findall(_STRING.sub("", self.text.partition("\n")[0]))

    @property
    def version(self) -> str:
        """A token that changes with the content, not with the spacing that a formatter may change."""
        return hashlib.sha256(" ".join(self.text.split()).encode()).hexdigest()[:16]


# ---------------------------------------------------------------- from a document


def rendered(put: Put) -> tuple[Block, tuple[str, ...]]:
    """The transaction of a document and the accounts it uses; what cannot stand in the books is RecordRefused."""
    body = put.body
    unknown = body.keys() - FIELDS
    if unknown:
        raise RecordRefused(f"the body has {sorted(unknown)}, which the plain-text books do not know", cure="correct the map")
    day = day_of(body)
    accounts, postings = _postings(body.get("postings"))
    strings = [quoted(text) for text in (_text(body, "payee"), _text(body, "narration")) if text] or ['""']
    lines = [" ".join([f"{day} *", *strings, *_links(body.get("links"), put.key)])]
    lines += _stamp(put.key, put.revision)
    lines += _meta(body.get("meta"))
    lines += postings
    return Block(put.key, "\n".join(lines) + "\n"), accounts


def retired(block: Block, word: str, revision: int) -> Block:
    """The dated note that stays where a transaction of ours was undone or moved away: what it said, and for how much."""
    read = content(block)
    moved = ", ".join(f"{account} {amount}" for account, amount in read.postings)
    story = "; ".join(piece for piece in (f"{word}: {read.narration}".rstrip(": "), moved and f"was {moved}") if piece)
    # A note stands on an account; a transaction of nothing had none.
    head = f"note {read.postings[0][0]}" if read.postings else 'custom "syncjob"'
    lines = [f"{block.date} {head} {quoted(story)}", *_stamp(block.key, revision)]
    return Block(block.key, "\n".join(lines) + "\n")


def day_of(body: Mapping[str, Json]) -> str:
    """The date of a body, YYYY-MM-DD, or RecordRefused."""
    day = body.get("date")
    if isinstance(day, str) and _is_day(day):
        return day
    raise RecordRefused(f"date is {day!r}, not a calendar day such as 2026-11-03", cure="correct the map")


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def quoted(text: str) -> str:
    """A text as a Beancount string on one line; nothing in it can end the string or the line.

    Control characters become their visible pictures (NUL is U+2400), line separators become line ends, the rest is kept.
    """
    if text.isprintable() and '"' not in text and "\\" not in text:  # as nearly all are
        return f'"{text}"'
    return f'"{_UNSAFE.sub(_escaped, text)}"'


def checked_key(key: str) -> str:
    """A document key that can stand in a text file and be found again, or RecordRefused."""
    if not key or not key.isprintable():
        raise RecordRefused(f"document key is {key!r}, which cannot stand in a text file")
    return key


@lru_cache(maxsize=4096)
def is_account(code: str) -> bool:
    """Whether Beancount takes this for an account: one of the five roots, then parts that start with a capital or a digit."""
    if _ASCII_ACCOUNT.fullmatch(code):
        return True
    root, *parts = code.split(":")
    return root in _ROOTS and bool(parts) and all(_is_part(part) for part in parts)


def _is_part(part: str) -> bool:
    kinds = [unicodedata.category(letter) for letter in part if letter != "-"]
    capital = part[:1] != "-" and bool(kinds) and kinds[0] in ("Lu", "Nd")
    return capital and all(kind == "Nd" or kind.startswith("L") for kind in kinds)


def _escaped(match: re.Match[str]) -> str:
    letter = match[0]
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return chr(0x2400 + ord(letter)) if letter < " " else "\ufffd"


def _stamp(key: str, revision: int) -> list[str]:
    stamp = [f"  syncjob: {quoted(key)}"]
    return [*stamp, f"  syncjob-revision: {revision}"] if revision > 1 else stamp


def _text(body: Mapping[str, Json], field: str) -> str:
    value = body.get(field)
    if value is None or isinstance(value, str):
        return value or ""
    raise RecordRefused(f"{field} is {value!r}, not text", cure="correct the map")


def _links(value: Json, key: str) -> list[str]:
    if value is None:
        value = []
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(link, str) for link in value):
        raise RecordRefused(f"links is {value!r}, not a list of texts", cure="correct the map")
    links = dict.fromkeys(_NOT_LINK.sub("-", str(link)) for link in value if link)
    # Beancount's own search for doubles does not look at metadata: without a link of its own, a second equal charge is one.
    pieces = key.split(":")
    links[_NOT_LINK.sub("-", "-".join(pieces[2:] or pieces))] = None
    return [f"^{link}" for link in links]


def _meta(value: Json) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise RecordRefused(f"meta is {value!r}, not names with values", cure="correct the map")
    lines = []
    for name, what in sorted(value.items()):
        if not _is_meta_name(name):
            cure = "use two or more of a-z, 0-9, - and _, and not filename, lineno or syncjob"
            raise RecordRefused(f"meta name is {name!r}, which Beancount or syncjob cannot take", cure=cure)
        if isinstance(what, bool):
            lines.append(f"  {name}: {'TRUE' if what else 'FALSE'}")
        elif isinstance(what, int):
            lines.append(f"  {name}: {what}")
        elif isinstance(what, str):
            lines.append(f"  {name}: {quoted(what)}")
        elif what is not None:
            raise RecordRefused(f"meta {name} is {what!r}, not text, a whole number, yes or no", cure="correct the map")
    return lines


@lru_cache(maxsize=1024)
def _is_meta_name(name: str) -> bool:
    return _META_KEY.fullmatch(name) is not None and name not in _RESERVED and not name.startswith("syncjob")


def _postings(value: Json) -> tuple[tuple[str, ...], list[str]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise RecordRefused(f"postings is {value!r}, not a list", cure="correct the map")
    accounts: dict[str, None] = {}
    lines: list[str] = []
    sums: dict[str, int] = {}
    for posting in value:
        if not isinstance(posting, Mapping) or posting.keys() != _POSTING_FIELDS:
            raise RecordRefused(f"a posting is {posting!r}, not account, amount and currency", cure="correct the map")
        account, amount, currency = posting["account"], posting["amount"], posting["currency"]
        if not isinstance(account, str) or not is_account(account):
            cure = "write one such as Assets:Stripe:EUR for its role in accounts.csv"
            raise RecordRefused(f"account is {account!r}, which is no Beancount account", cure=cure)
        if not isinstance(amount, str) or not isinstance(currency, str):
            raise RecordRefused(f"amount is {amount!r} {currency!r}, not decimal text with a currency", cure="correct the map")
        minor = Money.of(amount, currency).minor
        if minor:
            accounts[account] = None
            sums[currency] = sums.get(currency, 0) + minor
            lines.append(f"  {account:<44}  {plain(minor, currency):>14} {currency}")
    wrong = [f"{plain(rest, currency)} {currency}" for currency, rest in sums.items() if rest]
    if wrong:
        raise RecordRefused(f"the postings do not balance: {', '.join(wrong)} is left over", cure="correct the map")
    return tuple(accounts), lines


# ---------------------------------------------------------------- back from the file


@dataclass(frozen=True, slots=True)
class Content:
    """What a directive of ours says: date, narration, and its postings as account and amount."""

    date: str
    narration: str
    postings: tuple[tuple[str, Money], ...]
    payee: str = ""


def content(block: Block) -> Content:
    """Read a directive of ours back; one that somebody edited into what cannot be summed is RecordRefused with its line."""
    head, *rest = block.text.rstrip("\n").split("\n")
    strings = _STRING.findall(head)
    narration = unquoted(strings[-1]) if strings else ""
    if block.is_note:
        return Content(block.date, narration, ())
    if not _TRANSACTION.match(head):
        raise RecordRefused(f"{block.key} is no transaction any more: {head!r}", place=str(block.line))
    postings = []
    for offset, line in enumerate(rest, 1):
        if _META.match(line):
            continue
        found = _POSTING.fullmatch(line)
        if found:
            postings.append((found[1], Money.of(found[2].replace(",", ""), found[3])))
        elif not _NO_POSTING.match(line):
            why = f"{line.strip()!r} of {block.key} is no posting that can be summed"
            raise RecordRefused(why, place=str(block.line + offset))
    payee = unquoted(strings[0]) if len(strings) > 1 else ""
    return Content(block.date, narration, tuple(postings), payee)


def echo(block: Block) -> Mapping[str, Json]:
    """What the books hold, in the words of the body: the date and the postings."""
    read = content(block)
    return {
        "date": read.date,
        "postings": [
            {"account": account, "amount": plain(amount.minor, amount.currency), "currency": amount.currency}
            for account, amount in read.postings
        ],
    }


def unquoted(text: str) -> str:
    """The inside of a Beancount string without its escapes."""
    return re.sub(r"\\(.)", lambda found: _UNESCAPES.get(found[1], found[1]), text) if "\\" in text else text
