"""Why a document says what it says: each rule of a target's map is asked once more, so that the one that decided is named.

The compiled map is not touched by this: `TargetMap.body` runs as fast as if nobody could ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncjob.errors import RecordRefused
from syncjob.mapping import conditions, typed
from syncjob.mapping.counting import What
from syncjob.mapping.fields import Field
from syncjob.mapping.filling import Filling
from syncjob.mapping.happening import as_text
from syncjob.model import Json
from syncjob.yamlfile import Node, Place

_LOST = {What.CUT: "cut to what fits", What.REPLACED: "with characters replaced that the target does not take"}


@dataclass(frozen=True, slots=True)
class Told:
    """One value of a document: the rule that decided, which names of what happened it read, and what became of them."""

    field: str  # payee; meta.gateway for a text under a name, links 2 for the second of a list
    value: Json  # None where nothing stands
    place: Place  # of the rule, or of the line of its lookup or default
    names: tuple[str, ...] = ()
    how: str = ""
    refused: str = ""  # why there is no value, where the document is held


def told(filling: Filling, happening: Mapping[str, object]) -> tuple[Told, ...]:
    """Every value that a map makes of what happened, in the map's order; what holds the document is told in its place."""
    return tuple(_value(filling, label, field, rule, happening) for label, field, rule in filling.values())


def _value(filling: Filling, label: str, field: Field, node: Node, happening: Mapping[str, object]) -> Told:
    rules = node.one_or_more()
    for number, rule in enumerate(rules, start=1):
        which = f"rule {number} of {len(rules)}" if len(rules) > 1 else ""
        filling.counts.drain()
        try:
            value = filling.rule(field, rule, label)(happening)
        except RecordRefused as refused:
            return Told(label, None, rule.place, tuple(_read(rule, happening)), which, refused=str(refused))
        if value is not None:
            whats = {what for _, what in filling.counts.drain()}
            place, how = _how(filling, rule, happening, whats)
            return Told(label, value, place, tuple(_read(rule, happening)), _joined(how, which, *_lost(whats)))
    refused_by = ""
    if field.required:
        refused_by = f"{field.name} must be filled, and nothing is there to fill it with"
    return Told(label, None, rules[0].place, tuple(_asked(rules)), _why_nothing(rules, happening), refused_by)


def _how(filling: Filling, rule: Node, happening: Mapping[str, object], whats: set[What]) -> tuple[Place, str]:
    """The line that decided and what it says."""
    words = rule.mapping()
    if "value" in words:
        return words["value"].place, "a fixed text"
    if "role" in words:
        return words["role"].place, f"the account that plays the role {words['role'].text()}"
    if "join" in words:
        return rule.place, "joined"
    if What.DEFAULTED in whats:
        return words["default"].place, "the default, since nothing stands there"
    if What.OTHERWISE in whats:
        return words["otherwise"].place, "what the map writes otherwise, since the word is in no lookup"
    if "lookup" in words:
        key = as_text(typed.reader([one.text() for one in words["from"].one_or_more()])(happening))
        table = filling.table(words["lookup"])
        return table.key_place(key), f"lookup {key}: {table.mapping()[key].text()}"
    return rule.place, f"as {words['as'].text()}" if "as" in words else ""


def _lost(whats: set[What]) -> Iterator[str]:
    return (said for what, said in _LOST.items() if what in whats)


def _read(rule: Node, happening: Mapping[str, object]) -> Iterator[str]:
    """The names that a rule took its value from."""
    words = rule.mapping()
    for part in words["join"].sequence() if "join" in words else (rule,):
        inner = part.mapping()
        counts = conditions.condition(inner)
        if "from" in inner and (counts is None or counts(happening)):
            found = (one.text() for one in inner["from"].one_or_more() if _stands(one.text(), happening))
            yield from list(found)[:1]


def _asked(rules: Sequence[Node]) -> Iterator[str]:
    for rule in rules:
        words = rule.mapping()
        for part in words["join"].sequence() if "join" in words else (rule,):
            if "from" in part.mapping():
                yield from (one.text() for one in part.mapping()["from"].one_or_more())


def _stands(name: str, happening: Mapping[str, object]) -> bool:
    value = happening.get(name)
    return value is not None and value != "" and (value is False or bool(value) or type(value) is not str)


def _why_nothing(rules: Sequence[Node], happening: Mapping[str, object]) -> str:
    counting = []
    for rule in rules:
        counts = conditions.condition(rule.mapping())
        if counts is None or counts(happening):
            counting.append(rule)
    if not counting:
        which = "the rule" if len(rules) == 1 else f"all {len(rules)} rules"
        return f"when: or valid_from: of {which} said no"
    if any("same_currency" in rule.mapping() and list(_read(rule, happening)) for rule in counting):
        return "left out, since its currency is not the one beside it"
    return f"nothing stands at {' or '.join(dict.fromkeys(_asked(counting)))}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
