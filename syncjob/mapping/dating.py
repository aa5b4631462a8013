"""Which instant of a movement decides its business date: `date: effective`, or the first of several that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from syncjob.mapping.rules import zone_of
from syncjob.yamlfile import Node

FIELDS = {"effective": "effective", "occurred": "occurred", "available": "available", "payout": "paid_out"}  # word -> field
_ALWAYS = ("effective", "occurred")


class Dated(NamedTuple):
    """A field that may decide the date, the zone of the day ("": that of the books), and where the map says so."""

    field: str
    zone: str
    node: Node


def dating(words: Mapping[str, Node]) -> tuple[Dated, ...]:
    """The fields that decide a movement's business date, first choice first.

    Raises Misconfigured for one that the block does not fill, or that is never reached.
    """
    if "date" not in words:
        return ()
    found: list[Dated] = []
    for item in words["date"].one_or_more():
        for one in _items(item):
            field = one.field
            if field not in words:
                cure = f"add a line {field}: {{from: ..., as: ...}}, or name another instant"
                raise one.node.wrong(f"no rule here fills {field}, by which the date would be decided", cure)
            if any(before.field == field for before in found):
                raise one.node.wrong(f"{one.node.text()!r} stands twice in this list", "keep one of them")
            if found and found[-1].field in _ALWAYS:
                why = f"{one.node.text()} is never reached: {found[-1].field} is there in every movement"
                raise one.node.wrong(why, "remove it, or put it first")
            found.append(one)
    return tuple(found)


def is_usual(choices: tuple[Dated, ...]) -> bool:
    """Whether the day on which the balance moved decides, in the books' zone, as it does where a map says nothing."""
    return not choices or (choices[0].field == "effective" and not choices[0].zone)


def _items(item: Node) -> list[Dated]:
    if isinstance(item.content, str):
        return [Dated(FIELDS[item.choice(FIELDS)], "", item)]
    words = item.mapping(["of", "zone"], ["of"])
    zone = ""
    if "zone" in words:
        zone_of(item, words, "")
        zone = words["zone"].text()
    return [Dated(FIELDS[one.choice(FIELDS)], zone, one) for one in words["of"].one_or_more()]
