"""Readings and documents spelled as cases write them: amounts as 48.25 EUR, instants and days in ISO 8601, nothing empty."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeAlias

from syncjob.model import Delivery, Fact, Json, Person, Reading, Refusal, Transaction
from syncjob.moment import from_seconds, iso
from syncjob.money import Money

Spelled: TypeAlias = "str | int | bool | Sequence[Spelled] | Mapping[str, Spelled] | None"
Item: TypeAlias = "dict[str, Spelled]"  # one movement, fact, person, document or held record
# Whose it is and when it was seen are said once for the whole case.
_UNSAID = ("stream", "subject", "as_of")
MOVEMENT, FACT, PERSON = (
    tuple(field.name for field in dataclasses.fields(of) if field.name not in _UNSAID) for of in (Transaction, Fact, Person)
)
DOCUMENT = ("kind", "key", "needs", "date", "fields", "postings")
HELD = ("record", "why", "amount")


def meaning(reading: Reading) -> dict[str, list[Item]]:
    """What a gateway's records mean: movements, facts and people, those that there are."""
    said = {
        "movements": [_item(one) for one in reading.transactions],
        "facts": [_item(one) for one in reading.facts],
        "people": [_item(one) for one in reading.people],
    }
    return {name: items for name, items in said.items() if items}


def held(refusals: Sequence[Refusal]) -> list[Item]:
    """Records that are held, each with its sentence, and its amount where that can be read."""
    return [
        {"record": f"{one.type} {one.id}", "why": one.problem.why, **({"amount": str(one.net)} if one.net is not None else {})}
        for one in refusals
    ]


def document(one: Delivery) -> Item:
    """A document with every field of its body that is filled."""
    body = dict(one.body)
    postings = [_posting(posting) for posting in _rows(body.pop("postings", ()))]
    day = one.date.isoformat() if one.date is not None else None
    if body.get("date") == day:
        body.pop("date", None)
    said: Item = {"kind": one.kind.value, "key": one.key, "needs": dict(one.needs), "date": day}
    said |= {"fields": _plain(body), "postings": postings}
    return {name: value for name, value in said.items() if not _empty(value)}


def _rows(value: Json) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, list) else ()


def _posting(posting: Mapping[str, Any]) -> str:
    """A posting as a journal writes it."""
    return f"{posting['account']}  {posting['amount']} {posting['currency']}"


def _item(value: object) -> Item:
    """The fields of a frozen value that are filled and not what they are without a word."""
    said: Item = {}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        one = getattr(value, field.name)
        if field.name not in _UNSAID and one != field.default:
            said[field.name] = _spelled(one)
    return {name: one for name, one in said.items() if not _empty(one)}


def _spelled(value: object) -> Spelled:
    if isinstance(value, Money):
        return str(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [_spelled(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _spelled(one) for name, one in value.items()}
    if dataclasses.is_dataclass(value):
        return _item(value)
    return None if value is None else str(value)


def _plain(value: Json) -> Spelled:
    """A body's value without what is empty in it."""
    if isinstance(value, Mapping):
        return {name: inner for name, one in value.items() if not _empty(inner := _plain(one))}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return _spelled(value)


def _empty(value: Spelled) -> bool:
    return value is None or value in ("", [], {}, ())


# ---------------------------------------------------------------- as a file

# Bare text begins with a letter, digit or mark that means nothing in YAML, and holds nothing that ends it or begins a remark.
# On one line with others a comma, bracket or colon ends it, too (older readers mind any colon).
_BARE = re.compile(r"(?:[^\W_]|[+/(]|-(?=[0-9]))(?:[^\x00-\x1f\x7f-\x9f#:\\]|:(?=\S)|(?<=\S)#)*")
_BARE_AMONG_OTHERS = re.compile(r"(?:[^\W_]|[+/(]|-(?=[0-9]))(?:[^\x00-\x1f\x7f-\x9f,\[\]{}#:\\]|(?<=\S)#)*")
_NUMBER = re.compile(r"-?[0-9]+", re.ASCII)
_WORDS = ("true", "false", "null", "Null", "NULL", "~")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSEEN = re.compile(r"[\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff]")
_WIDTH = 100  # characters of a group of fields that stands on one line
_FIELDS_MAX = 6
_SECONDS = re.compile(r"(^|_)(created|at|on|by|date|start|end|until)$")  # how vendors call a field with Unix seconds


def lines(value: Mapping[str, Spelled], indent: int = 0, *, typed: bool = False) -> Iterator[str]:
    """A mapping as the lines of a YAML file. In what stands under `records`, text that looks like a number is quoted."""
    pad = " " * indent
    for name, one in value.items():
        key, of_record = _scalar(name, typed=False), typed or name == "records"
        if isinstance(one, Mapping) and not _on_one_line(one, of_record):
            yield f"{pad}{key}:"
            yield from lines(one, indent + 2, typed=of_record)
        elif isinstance(one, (list, tuple)) and not _on_one_line(one, of_record):
            yield f"{pad}{key}:"
            yield from _items(one, indent + 2, of_record)
        elif isinstance(one, (Mapping, list, tuple)):
            yield f"{pad}{key}: {_flow(one, of_record)}"
        else:
            yield f"{pad}{key}: {_scalar(one, typed=of_record)}{_remark(name, one)}"


def _items(value: Sequence[Spelled], indent: int, typed: bool) -> Iterator[str]:
    pad = " " * indent
    for one in value:
        if isinstance(one, Mapping) and not _on_one_line(one, typed):
            first, *rest = lines(one, indent + 2, typed=typed)
            yield f"{pad}- {first.lstrip()}"
            yield from rest
        elif isinstance(one, (Mapping, list, tuple)):
            yield f"{pad}- {_flow(one, typed)}"
        else:
            yield f"{pad}- {_scalar(one, typed=typed)}"


def _remark(name: str, value: Spelled) -> str:
    """Unix seconds once more as people read them."""
    if type(value) is not int or not _SECONDS.search(name) or not 10**9 <= value < 4 * 10**9:
        return ""
    return f"  # {iso(from_seconds(value))}"


def _on_one_line(value: Mapping[str, Spelled] | Sequence[Spelled], typed: bool) -> bool:
    """Whether a group is small enough for one line: a few plain values, no group inside. Postings stand one to a line."""
    within = value.values() if isinstance(value, Mapping) else value
    plain = all(not isinstance(one, (Mapping, list, tuple)) and "  " not in str(one) for one in within)
    return not value or (plain and len(value) <= _FIELDS_MAX and len(_flow(value, typed)) <= _WIDTH)


def _flow(value: Spelled, typed: bool) -> str:
    if isinstance(value, Mapping):
        said = (f"{_scalar(name, typed=False, among=True)}: {_flow(one, typed)}" for name, one in value.items())
        return "{" + ", ".join(said) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(one, typed) for one in value) + "]"
    return _scalar(value, typed=typed, among=True)


def _scalar(value: Spelled, *, typed: bool, among: bool = False) -> str:
    """A single value; `typed` text that could be taken for a number or a word of JSON is quoted, `among` others on its line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    text = _CONTROL.sub(" ", str(value))
    if "\n" in text or "\t" in text or _UNSEEN.search(text):
        return _UNSEEN.sub(lambda odd: f"\\u{ord(odd[0]):04x}", json.dumps(text, ensure_ascii=False))
    bare = (_BARE_AMONG_OTHERS if among else _BARE).fullmatch(text)
    if bare and text == text.strip() and text not in _WORDS and not (typed and _NUMBER.fullmatch(text)):
        return text
    return "'" + text.replace("'", "''") + "'"
