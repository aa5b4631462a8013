"""What came compared with what a case expects: each difference with the place where the case says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncjob import moment
from syncjob.errors import RecordRefused
from syncjob.mapping import casetext
from syncjob.mapping.cases import money
from syncjob.mapping.casetext import Item, Spelled
from syncjob.yamlfile import Node, Place

NOTHING = "nothing"
_MONEY = re.compile(r"-?[0-9.]+ +[A-Z]{3}", re.ASCII)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a case expects otherwise: where it says so, what it is about, what was expected and what came."""

    place: Place
    about: tuple[str, str]  # ("movement", "txn_1Example"); ("held", "charge ch_1Example")
    field: str  # gross; address.line1; "" for the whole
    expected: str
    came: str


def meaning(means: Node, held: Node, came: Mapping[str, Sequence[Item]], refused: Sequence[Item]) -> list[Difference]:
    """How the movements, facts and people that came, and what is held, differ from what a gateway's case expects."""
    words = means.mapping(["movements", "facts", "people"])
    found: list[Difference] = []
    of = (("movement", "movements", casetext.MOVEMENT), ("fact", "facts", casetext.FACT), ("person", "people", casetext.PERSON))
    for what, name, allowed in of:
        node = words.get(name, Node(means.place, ()))
        items = came.get(name, ())
        found += _list(what, node, items, allowed, lambda one: one.get("id", ""))
    return found + _held(held, refused)


def documents(node: Node, held: Node, came: Sequence[Item], refused: Sequence[Item]) -> list[Difference]:
    """How the documents that came, and what is held, differ from what a target's case expects."""
    return _list("document", node, came, casetext.DOCUMENT, lambda one: one.get("key", "")) + _held(held, refused)


def _held(node: Node, refused: Sequence[Item]) -> list[Difference]:
    return _list("held", node, refused, casetext.HELD, lambda one: one.get("record", ""))


def _list(
    what: str, node: Node, came: Sequence[Item], allowed: Sequence[str], named: Callable[[Mapping[str, object]], object]
) -> list[Difference]:
    """Items are told apart by their name; those left over on both sides are compared in their order."""
    nodes = node.sequence()
    said = [{key: one.content for key, one in each.mapping(allowed).items()} for each in nodes]
    left = dict(enumerate(came))
    pairs: list[tuple[Node, int | None]] = []
    for each, words in zip(nodes, said, strict=True):
        pairs.append((each, next((place for place, one in left.items() if named(one) == named(words)), None)))
        left.pop(pairs[-1][1], None) if pairs[-1][1] is not None else None
    found: list[Difference] = []
    for each, place in pairs:
        if place is None and left:
            place = next(iter(left))
            left.pop(place)
        if place is None:
            name = str(named({key: one.content for key, one in each.mapping().items()}) or "")
            found.append(Difference(each.place, (what, name), "", f"this {_noun(what)}", NOTHING))
        else:
            found += _fields(each, came[place], (what, str(named(came[place]))), "")
    for one in left.values():
        found.append(Difference(node.place, (what, str(named(one))), "", NOTHING, _short(one)))
    return found


def _noun(what: str) -> str:
    return "held record" if what == "held" else what


def _fields(node: Node, came: Mapping[str, Spelled], about: tuple[str, str], prefix: str) -> Iterator[Difference]:
    words = node.mapping()
    for name in dict.fromkeys([*words, *came]):
        field = f"{prefix}.{name}" if prefix else name
        if name not in words:
            yield Difference(node.place, about, field, NOTHING, _short(came[name]))
        else:
            yield from _value(words[name], came.get(name), about, field)


def _value(node: Node, came: Spelled, about: tuple[str, str], field: str) -> Iterator[Difference]:
    if isinstance(node.content, dict) and isinstance(came, Mapping):
        yield from _fields(node, came, about, field)
    elif isinstance(node.content, tuple) and isinstance(came, (list, tuple)):
        for number, (one, other) in enumerate(zip(node.content, came, strict=False), start=1):
            yield from _value(one, other, about, f"{field} {number}")
        for number, one in enumerate(node.content[len(came) :], start=len(came) + 1):
            yield Difference(one.place, about, f"{field} {number}", _short(_said(one)), NOTHING)
        for number, other in enumerate(came[len(node.content) :], start=len(node.content) + 1):
            yield Difference(node.place, about, f"{field} {number}", NOTHING, _short(other))
    elif came is None or not isinstance(node.content, str) or isinstance(came, (Mapping, list, tuple)):
        yield Difference(node.place, about, field, _short(_said(node)), NOTHING if came is None else _short(came))
    elif normal(node.content) != normal(str(came)):
        yield Difference(node.place, about, field, node.content, str(came))


def _said(node: Node) -> Spelled:
    if isinstance(node.content, dict):
        return {name: _said(one) for name, one in node.content.items()}
    return [_said(one) for one in node.content] if isinstance(node.content, tuple) else node.content


def _short(value: Spelled) -> str:
    """A value on one line, as people read it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(one)}" for name, one in value.items())
    return ", ".join(_short(one) for one in value) if isinstance(value, (list, tuple)) else str(value)


def normal(text: str) -> str:
    """A text as it is compared: 100 EUR is 100.00 EUR, 10:00+01:00 is 09:00Z, and a posting may be set in columns."""
    head, _, tail = text.rpartition("  ")
    if head.strip() and _MONEY.fullmatch(tail.strip()):
        return f"{head.strip()}  {normal(tail.strip())}"
    try:
        if _MONEY.fullmatch(text):
            return str(money(text))
        if _INSTANT.fullmatch(text):
            return moment.iso(moment.from_text(text))
    except RecordRefused:
        pass
    return text
