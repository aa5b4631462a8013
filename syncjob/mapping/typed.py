"""Which of what happened may stand in which field of a target: an amount in an amount, a day in a day, the right kind of id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from syncjob.mapping import soundness
from syncjob.mapping.fields import Field
from syncjob.mapping.happening import KNOWN, NAMES, OF, TYPES, WORDS, checked, described, named
from syncjob.mapping.spelled import SPELLINGS
from syncjob.model import DocumentKind
from syncjob.yamlfile import Node

Happening: TypeAlias = "Mapping[str, object]"
Read: TypeAlias = Callable[[Happening], object]

_WORDLESS = ("money", "date", "instant", "address")
_ANY = tuple(dict.fromkeys(type for type in NAMES.values() if type != "address"))
_WORDS = ("text", "enum", "direction", "country", "subdivision", "currency", "flag")
ACCEPTS: Mapping[str, Sequence[str]] = {  # type of field -> types of what happened that fit as they are
    **dict.fromkeys(("text", "list", "texts"), _ANY),
    "id": ("id", "text"),
    "enum": _WORDS,
    "currency": ("money", "currency"),
    "role": (),
    **{type: (type,) for type in ("money", "date", "instant", "email", "phone", "country", "subdivision", "direction", "flag")},
    "address": ("address",),
}
SPELLS: Mapping[str, Sequence[str]] = {  # type of field -> the spellings whose text fits
    **dict.fromkeys(("text", "list", "texts"), tuple(SPELLINGS)),
    "enum": tuple(name for name in SPELLINGS if name != "one_line"),
    "country": ("country_name", "country_code3"),
    "subdivision": ("subdivision_name", "subdivision_short"),
}
_SIGNED = ("gross", "net", "presented", "settled")  # as the movement's direction
_CURES = {
    ("date", "instant"): "an instant lies on different days in different zones: map date, the company's own day",
    ("instant", "date"): "a day has no hour: map occurred",
    ("text", "address"): "write as: one_line",
    ("role", "text"): "write role: with one of the roles, or a lookup: that turns words into roles",
}
_SIDES = {  # amounts of which it is certain whose currency they are in
    **dict.fromkeys(("gross", "fee", "net", "settled", "settled_currency"), "that the gateway settles in"),
    **dict.fromkeys(("presented", "refunded", "presented_currency"), "that the customer saw"),
}


def names(field: Field, node: Node, *, lookup: bool = False, spelling: str = "") -> tuple[str, ...]:
    """The names that a rule reads. Raises Misconfigured for one that the field cannot hold, with what it can."""
    found = tuple(one.choice(NAMES) for one in node.one_or_more())
    soundness.distinct(node)
    for name, one in zip(found, node.one_or_more(), strict=True):
        if spelling:
            _can_be_spelled(name, one, spelling)
            _held(name, one, field)
        elif lookup:
            if NAMES[name] in _WORDLESS:
                why = f"{name!r} is {described(NAMES[name])}, and a lookup turns words into words"
                raise one.wrong(why, "remove lookup:, or map a name that holds a word")
        else:
            _fits(name, one, field)
    return found


def known(kind: DocumentKind, rule: Node) -> None:
    """Complain about a name that nothing ever stands behind in documents of a kind; for a whole rule that was compiled."""
    there = KNOWN.get(kind)
    words = rule.mapping()
    if there is None:
        return
    read = list(words["from"].one_or_more()) if "from" in words else []
    asked = [Node(words["when"].key_place(name), name) for name in words["when"].mapping()] if "when" in words else []
    for one in (*read, *asked):
        if one.text() not in there:
            type = NAMES[one.text()]
            fitting = [name for name in named(type) if name in there] or sorted(there)
            why = f"{one.text()!r} is never known of {_whose([kind.value])}, so this would always be empty"
            raise one.wrong(why, f"map one that is: {', '.join(fitting)}")
    for part in words["join"].sequence() if "join" in words else ():
        known(kind, part)


def _can_be_spelled(name: str, node: Node, spelling: str) -> None:
    of = SPELLINGS[spelling].of
    if NAMES[name] not in of:
        why = f"{name!r} is {described(NAMES[name])}, and as: {spelling} writes {described(of[0])}"
        raise node.wrong(why, f"map a name of that type: {', '.join(named(*of))}")


def _fits(name: str, node: Node, field: Field) -> None:
    type, accepted = NAMES[name], ACCEPTS[field.type]
    if type not in accepted:
        wanted = "text" if field.type in ("list", "texts") else field.type
        fitting = f"map one of that type: {', '.join(named(*accepted))}"
        cure = _CURES.get((wanted, type)) or _CURES.get((wanted, "text"), fitting)
        raise node.wrong(f"{name!r} is {described(type)}, and {field.name!r} wants {_wanted(field)}", cure)
    if field.of and field.type == "id":
        _owned(name, node, field)
    else:
        _held(name, node, field)
    words = WORDS.get(name, ())
    if words and field.values and not set(words) & set(field.values):
        why = f"{name!r} is one of {', '.join(words)}, and {field.name!r} takes only {', '.join(field.values)}"
        raise node.wrong(why, "add a lookup: that turns the one into the other")


def _held(name: str, node: Node, field: Field) -> None:
    if field.of and field.type != "id" and name not in field.of:
        what = "the amount that" if NAMES[name] == "money" else "what"
        raise node.wrong(f"{name!r} is not {what} {field.name!r} holds", f"map {' or '.join(field.of)}")


def _owned(name: str, node: Node, field: Field) -> None:
    if NAMES[name] == "text":
        raise node.wrong(f"{name!r} is a text, and {field.name!r} wants the id of {_whose(field.of)}", "map an id")
    if OF[name] not in field.of:
        right = ", ".join(other for other, whose in OF.items() if whose in field.of)
        why = f"{name!r} is the id of {_whose([OF[name]])}, and {field.name!r} wants that of {_whose(field.of)}"
        raise node.wrong(why, f"map {right}, or turn it into one with a lookup:")


def _whose(owners: Sequence[str]) -> str:
    return " or ".join(f"an {owner}" if owner[0] in "aeiou" else f"a {owner}" for owner in owners)


def _wanted(field: Field) -> str:
    if field.type in ("list", "texts"):
        return "texts"
    return "an account role" if field.type == "role" else described(field.type)


def one_currency(field: Field, amount: Node, currencies: Sequence[Node]) -> None:
    """What the gateway settles and what the customer saw may be of two currencies, of which only one is written down."""
    of_currency = [one.text() for rule in currencies for one in rule.mapping()["from"].one_or_more()]
    sides = {side for name in of_currency if (side := _SIDES.get(name))}
    for one in amount.one_or_more():
        side = _SIDES.get(one.text())
        if side is not None and sides and side not in sides:
            why = f"{one.text()} is in the currency {side}, and {field.currency!r} beside it is not"
            raise one.wrong(why, "add same_currency: yes to leave it out where they differ, or map another amount")


def one_direction(field: Field, rule: Node, amount: Node, rules: Mapping[str, Node]) -> None:
    """An amount without a sign has its direction beside it, and a sign that is the movement's."""
    if field.direction not in rules:
        why = f"{field.name!r} is written without a sign, and its direction field {field.direction!r} is not filled"
        raise rule.wrong(why, f"add a line {field.direction}: {{from: direction}}")
    for one in rules[field.direction].one_or_more():
        for word in ("value", "default", "otherwise"):
            if word in one.mapping():
                why = f"the direction of {field.name!r} is read from what happened, never written into a map"
                raise one.mapping()[word].wrong(why, "write from: direction, with a lookup: where the target has its own words")
    for one in amount.one_or_more():
        if one.text() not in _SIGNED:
            why = f"{one.text()} does not have the sign of the movement, and {field.name!r} is written without one"
            raise one.wrong(why, f"map {' or '.join(_SIGNED)}")


def reader(names: Sequence[str]) -> Read:
    """A function that reads the first of these names where something stands; None where nothing does."""
    if len(names) > 1:
        return _first(tuple(map(_one, names)))
    return _one(names[0])


def _one(name: str) -> Read:
    wanted, check = TYPES[NAMES[name]], checked(name)
    if wanted is str:
        # A value of the right type needs no second call: this runs some hundred thousand times in a run.
        return lambda happening: value if type(value := happening.get(name)) is str and value else check(value)
    if NAMES[name] == "address":
        return lambda happening: check(happening.get(name))
    return lambda happening: value if type(value := happening.get(name)) is wanted else check(value)


def _first(reads: Sequence[Read]) -> Read:
    def first(happening: Happening) -> object:
        for read in reads:
            value = read(happening)
            if value is not None:
                return value
        return None

    return first
