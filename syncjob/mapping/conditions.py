"""When a rule of a target map counts: what its `when:` asks of typed names, and from which business date on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from syncjob import places
from syncjob.errors import RecordRefused
from syncjob.mapping import soundness
from syncjob.mapping.fitting import country_code
from syncjob.mapping.happening import NAMES, WORDS, checked
from syncjob.money import is_currency
from syncjob.yamlfile import Node, Place

Condition = Callable[[Mapping[str, object]], bool]
_Test = tuple[str, Callable[[object], object], frozenset[object]]

_WORDLESS = ("money", "date", "instant", "address")
WORDED = tuple(name for name, type in NAMES.items() if type not in _WORDLESS)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def condition(words: Mapping[str, Node]) -> Condition | None:
    """Whether a rule counts for what happened; None where it always does."""
    tests = _tests(words["when"]) if "when" in words else ()
    since = valid_from(words["valid_from"]) if "valid_from" in words else None
    if since is None and not tests:
        return None
    if since is None and len(tests) == 1:
        ((only, check, values),) = tests
        return lambda happening: check(happening.get(only)) in values

    def counts(happening: Mapping[str, object]) -> bool:
        if since is not None and _day(happening) < since:
            return False
        return all(check(happening.get(name)) in values for name, check, values in tests)

    return counts


def valid_from(node: Node) -> date:
    """The business date from which on a rule counts."""
    text = node.text()
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise node.wrong(f"{text!r} is no calendar day", "write one such as 2026-01-31")


def word(name: str, node: Node) -> object:
    """A word that a name may hold, as it is handed over. Raises Misconfigured for one that its type does not know."""
    type, text = NAMES[name], node.text()
    if name in WORDS:
        node.choice(WORDS[name])
    if type == "flag":
        return node.flag()
    if type == "currency" and not is_currency(text):
        near = text.upper()
        raise node.wrong(f"{text!r} is no currency", f"write {near}" if is_currency(near) else "write a code such as EUR")
    if type == "country":
        return country_code(node)
    if type == "subdivision" and places.subdivision_name(text) is None:
        raise node.wrong(f"{text!r} is no code of a country's part", "write one such as US-CA")
    if type == "email" and "@" not in text:
        raise node.wrong(f"{text!r} is not an e-mail address", "write one such as office@example.com")
    return text


def said(name: str, key: str, place: Place) -> None:
    """Check a word that stands as a key of a lookup, at its place."""
    word(name, Node(place, key, quoted=True))


def _tests(node: Node) -> tuple[_Test, ...]:
    for name in soundness.some(node, "condition"):
        Node(node.key_place(name), name).choice(WORDED)
    for values in node.mapping().values():
        soundness.distinct(values)
    asked = node.mapping().items()
    return tuple((name, checked(name), frozenset(word(name, one) for one in values.one_or_more())) for name, values in asked)


def _day(happening: Mapping[str, object]) -> date:
    day = happening.get("date")
    if type(day) is not date:
        raise RecordRefused("a rule of the map counts from a day on, and this document has no date", cure="report it")
    return day
