"""Value rules of target maps, compiled once into plain functions: from what happened to one field of a document."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import TypeAlias

from syncjob.errors import RecordRefused
from syncjob.mapping import soundness
from syncjob.mapping.fields import Field
from syncjob.mapping.happening import NAMES, as_text, checked, plainly
from syncjob.model import Json
from syncjob.money import Money
from syncjob.yamlfile import Node

Happening: TypeAlias = "Mapping[str, object]"
Read: TypeAlias = Callable[[Happening], object]
Text: TypeAlias = "Callable[[Happening], str | None]"
Make: TypeAlias = Callable[[Happening], Json]

FIELD_WORDS = ("from", "value", "join", "between", "lookup", "as", "default", "when", "cut", "same_currency")
_FITS = {"money": "money", "currency": "money", "date": "date", "instant": "instant"}  # field type -> value type
_CURES = {
    ("date", "instant"): "an instant lies on different days in different zones: map date, the company's own day",
    ("instant", "date"): "a day has no hour: map occurred",
    ("money", "text"): "map an amount: gross, net, fee, presented, settled, refunded, open, total or paid",
}
SIDES = {  # amounts of which it is certain whose currency they are in
    **dict.fromkeys(("gross", "fee", "net", "settled"), "that the gateway settles in"),
    **dict.fromkeys(("presented", "refunded"), "that the customer saw"),
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ELLIPSIS = "…"


class Filling:
    """Compiles the rules of one kind of document against the fields that the target has for it."""

    def __init__(self, fields: Mapping[str, Field], schema: str, node: Node) -> None:
        """`schema` is the field schema's name as complaints call it."""
        self._fields = fields
        self._schema = schema
        self._node = node
        self._rules = node.mapping(fields)

    def makers(self) -> tuple[tuple[str, Make], ...]:
        """A function for each field that the map fills, in the map's order."""
        for field in self._fields.values():
            if field.required and field.name not in self._rules:
                why = f"{field.name!r} is not filled, and {self._schema} says that it must be"
                raise self._node.wrong(why, f"add a line {field.name}: ...")
        soundness.some(self._node, "field")
        return tuple((name, self._maker(self._fields[name], rule)) for name, rule in self._rules.items())

    def _maker(self, field: Field, rule: Node) -> Make:
        make = self._made(field, rule)
        if not field.required:
            return make
        name, schema = field.name, self._schema

        def present(happening: Happening) -> Json:
            made = make(happening)
            if made is None:
                raise RecordRefused(f"{name} must be filled, says {schema}, but nothing is there to fill it with")
            return made

        return present

    def _made(self, field: Field, rule: Node) -> Make:
        if field.type == "list":
            makes = tuple(self._fitted(field, one) for one in rule.sequence())
            rule.one_or_more()
            return lambda happening: [made for make in makes if (made := make(happening)) is not None]
        if field.type == "texts":
            named = tuple((name, self._fitted(field, one)) for name, one in rule.mapping().items())
            return lambda happening: {name: made for name, make in named if (made := make(happening)) is not None}
        if field.type == "money":
            return self._amount(field, rule)
        if field.type in _FITS:
            words = rule.mapping(["from"], ["from"])
            read = self._read(words["from"], field)
            return lambda happening: None if (value := read(happening)) is None else plainly(field.type, value)
        return self._fitted(field, rule)

    def _amount(self, field: Field, rule: Node) -> Make:
        words = rule.mapping(["from", "same_currency"], ["from"])
        read = self._read(words["from"], field)
        beside = self._rules.get(field.currency)
        if beside is None:
            why = f"{field.name!r} is an amount, and its currency field {field.currency!r} is not filled"
            raise rule.wrong(why, f"add a line {field.currency}: {{from: ...}} with the name of the same amount")
        self._in_one_currency(field, words, beside)
        currency = self._read(beside.mapping(["from"], ["from"])["from"], self._fields[field.currency])
        leave_out = "same_currency" in words and words["same_currency"].flag()
        name = field.name

        def amount(happening: Happening) -> str | None:
            value, other = read(happening), currency(happening)
            if not isinstance(value, Money):
                return None
            if not isinstance(other, Money) or other.currency != value.currency:
                if leave_out:
                    return None
                why = f"{name} is {value}, but the currency beside it is of {other or 'nothing'}"
                raise RecordRefused(why, cure=f"write same_currency: yes at {name} to leave it out, or map another amount")
            return plainly("money", value)

        return amount

    def _in_one_currency(self, field: Field, words: Mapping[str, Node], beside: Node) -> None:
        """What the gateway settles and what the customer saw may be of two currencies, of which only one is written down."""
        if "same_currency" in words and words["same_currency"].flag():
            return
        of_currency = beside.mapping(["from"], ["from"])["from"].one_or_more()
        sides = {side for one in of_currency if (side := SIDES.get(one.text()))}
        for one in words["from"].one_or_more():
            side = SIDES.get(one.text())
            if side is not None and sides and side not in sides:
                why = f"{one.text()} is in the currency {side}, and {field.currency!r} beside it is not"
                raise one.wrong(why, "add same_currency: yes to leave it out where they differ, or map another amount")

    def _read(self, node: Node, field: Field) -> Read:
        """A reader of the first name where something stands; every name must be of a type that fits the field."""
        names = [one.choice(NAMES) for one in node.one_or_more()]
        soundness.distinct(node)
        wanted = _FITS.get(field.type)
        for name, one in zip(names, node.one_or_more(), strict=True):
            if wanted is not None and NAMES[name] != wanted:
                cure = _CURES.get((wanted, NAMES[name]), f"map a name of that type: {', '.join(_named(wanted))}")
                raise one.wrong(f"{name!r} is {_article(NAMES[name])}, and {field.name!r} wants {_article(wanted)}", cure)
        checks = tuple((name, checked(name)) for name in names)
        if len(checks) == 1:
            ((only, check),) = checks
            return lambda happening: check(happening.get(only))

        def first(happening: Happening) -> object:
            for name, check in checks:
                value = check(happening.get(name))
                if value is not None:
                    return value
            return None

        return first

    def _fitted(self, field: Field, rule: Node) -> Text:
        """A text that fits its field: on one line, not too long, an e-mail address or a listed word where that is asked."""
        words = rule.mapping(FIELD_WORDS)
        text = self._text(field, rule, words)
        name, most = field.name, field.most
        cut = "cut" in words and words["cut"].flag()
        if cut and field.type in ("id", "email", "enum"):
            why = f"{name!r} is {_article(field.type)}, and half of it would be another one"
            raise words["cut"].wrong(why, "remove cut: from the rule")
        allowed = frozenset(field.values) if field.type == "enum" else None
        is_email = field.type == "email"

        def fitted(happening: Happening) -> str | None:
            made = text(happening)
            if made is None:
                return None
            if not made.isprintable():
                made = one_line(made)
            if len(made) > most:
                if not cut:
                    cure = f"write cut: yes at {name} in the map to shorten it"
                    raise RecordRefused(f"{name} has {len(made)} characters, and {most} fit", cure=cure)
                made = made[: most - 1].rstrip() + _ELLIPSIS
            if allowed is not None and made not in allowed:
                raise RecordRefused(f"{name} is {made!r}, which is not one of {', '.join(field.values)}")
            if is_email and _EMAIL.fullmatch(made) is None:
                raise RecordRefused(f"{name} is not an e-mail address", cure="correct it at the gateway")
            return made or None

        if words.keys() != {"from"} or allowed is not None or is_email:
            return fitted
        names = [one.text() for one in words["from"].one_or_more()]
        if len(names) > 1 or NAMES[names[0]] != "text":
            return fitted
        (only,) = names

        def as_it_is(happening: Happening) -> str | None:
            """What most fields are: the text itself, where nothing about it needs a second look."""
            value = happening.get(only)
            if value is None or (type(value) is str and len(value) <= most and value.isprintable()):
                return value or None
            return fitted(happening)

        return as_it_is

    def _text(self, field: Field, rule: Node, words: Mapping[str, Node]) -> Text:
        kinds = [word for word in ("from", "value", "join") if word in words]
        if len(kinds) != 1:
            raise rule.wrong("exactly one of from:, value: and join: must stand here", "keep the one that is meant")
        make = {"from": self._from, "value": self._value, "join": self._join}[kinds[0]](field, words)
        tests = self._conditions(words["when"]) if "when" in words else ()
        if not tests:
            return make
        return lambda happening: make(happening) if all(happening.get(name) in values for name, values in tests) else None

    def _conditions(self, node: Node) -> tuple[tuple[str, frozenset[object]], ...]:
        texts = [name for name, type in NAMES.items() if type == "text"]
        for name in soundness.some(node, "condition"):
            Node(node.key_place(name), name).choice(texts)
        return tuple((name, frozenset(one.text() for one in values.one_or_more())) for name, values in node.mapping().items())

    def _value(self, field: Field, words: Mapping[str, Node]) -> Text:
        _only(words, "value", "when", "cut")
        text = words["value"].text()
        _fits(field, words["value"], words)
        return lambda _: text

    def _from(self, field: Field, words: Mapping[str, Node]) -> Text:
        _only(words, "from", "lookup", "as", "default", "when", "cut")
        read = self._read(words["from"], field)
        default = words["default"].text() if "default" in words else None
        if "default" in words:
            _fits(field, words["default"], words)
        if "as" in words:
            words["as"].choice(["words"])
            _only(words, "from", "as", "default", "when", "cut")
            return lambda happening: _spoken(as_text(value)) if (value := read(happening)) is not None else default
        if "lookup" not in words:
            return lambda happening: as_text(value) if (value := read(happening)) is not None else default
        table = soundness.some(words["lookup"], "word")
        for one in table.values():
            _fits(field, one, words)
        texts = {key: one.text() for key, one in table.items()}
        place = f"{field.name} in {words['from'].place.file}"

        def looked_up(happening: Happening) -> str | None:
            value = read(happening)
            if value is None:
                return default
            key = as_text(value)
            if key not in texts:
                cure = "add it to the lookup, then run: syncjob held retry"
                raise RecordRefused(f"{key!r} is not listed in the lookup of {place}", cure=cure)
            return texts[key]

        return looked_up

    def _join(self, field: Field, words: Mapping[str, Node]) -> Text:
        _only(words, "join", "between", "when", "cut")
        between = words["between"].text() if "between" in words else " "
        parts = []
        for part in words["join"].sequence():
            inner = part.mapping(["from", "value", "lookup", "as", "default", "when"])
            parts.append(self._text(field, part, inner))
        if not parts:
            raise words["join"].wrong("the list is empty", "write at least one part")
        return lambda happening: between.join([made for part in parts if (made := part(happening))]) or None


def _fits(field: Field, node: Node, words: Mapping[str, Node]) -> None:
    """A text that stands in the map fits its field, or no document ever would."""
    text = node.text()
    if field.type == "enum":
        node.choice(field.values)
    if len(text) > field.most and not ("cut" in words and words["cut"].flag()):
        raise node.wrong(f"{field.name!r} holds {field.most} characters, this text has {len(text)}", "shorten it")
    if field.type == "email" and _EMAIL.fullmatch(text) is None:
        raise node.wrong(f"{text!r} is not an e-mail address", "write one such as office@example.com")


def one_line(text: str) -> str:
    """A text on one line: line ends, tabs and control characters become single spaces, lone surrogates a question mark."""
    kept = (
        "?" if 0xD800 <= ord(letter) <= 0xDFFF else " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter
        for letter in text
    )
    return " ".join("".join(kept).split())


def _spoken(text: str) -> str:
    words = text.replace("_", " ")
    return words[:1].upper() + words[1:]


def _named(type: str) -> list[str]:
    return [name for name, other in NAMES.items() if other == type]


def _article(type: str) -> str:
    if type == "money":
        return "an amount"
    return f"an {type}" if type[0] in "aeio" else f"a {type}"


def _only(words: Mapping[str, Node], *allowed: str) -> None:
    for word in words:
        if word not in allowed:
            others = ", ".join(other for other in words if other != word)
            raise words[word].wrong(f"{word}: does not go with {others}", f"remove it; here go {', '.join(allowed)}")
