"""Value rules of target maps, compiled once into plain functions: from what happened to one field of a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from syncjob.errors import RecordRefused
from syncjob.mapping import conditions, fitting, reaching, soundness, tables, typed
from syncjob.mapping.counting import Counts, What
from syncjob.mapping.fields import Field, Schema
from syncjob.mapping.files import MapFile
from syncjob.mapping.fitting import Note
from syncjob.mapping.happening import ACCOUNTS, NAMES, as_text, described, plainly
from syncjob.mapping.spelled import SPELLINGS
from syncjob.mapping.typed import Happening
from syncjob.model import Address, DocumentKind, Json, Role
from syncjob.money import Money
from syncjob.yamlfile import Node, complaint

Text: TypeAlias = "Callable[[Happening], str | None]"
Make: TypeAlias = Callable[[Happening], Json]

FIELD_WORDS = (
    *("from", "value", "join", "between", "lookup", "otherwise", "as", "default", "when", "valid_from", "cut"),
    *("same_currency", "role"),
)
_WHEN = ("when", "valid_from")
_PART_WORDS = ("from", "value", "lookup", "otherwise", "as", "default", *_WHEN)
_JOINED = ("text", "list", "texts", "id")
_THEIRS = ("books customer", "crm contact")  # ids that a person may choose in the target: the customer of all walk-ins
_KNOWN_OF_THEM = ("email", "phone")  # a fixed one would be everybody's
_WRITTEN = ("value", "default", "lookup", "otherwise")
_AMOUNT = "write from: with the name of the amount"
RETRY = "then run: syncjob held retry"


class Filling:
    """Compiles the rules of one kind of document against the fields that the target has for it."""

    def __init__(self, file: MapFile, schema: Schema, kind: DocumentKind, node: Node, counts: Counts) -> None:
        """`counts` is told what the rules did that a reader of the summary must know."""
        self._file = file
        self._fields = schema.fields(kind)
        self._schema = schema.file
        self._kind = kind
        self._node = node
        self.counts = counts
        self._rules = node.mapping(self._fields)

    def makers(self) -> tuple[tuple[str, Make], ...]:
        """A function for each field that the map fills, in the map's order."""
        for field in self._fields.values():
            if field.required and field.name not in self._rules:
                why = f"{field.name!r} is not filled, and {self._schema} says that it must be"
                raise self._node.wrong(why, f"add a line {field.name}: ...")
        soundness.some(self._node, "field")
        return tuple((name, self._maker(self._fields[name], rule)) for name, rule in self._rules.items())

    def values(self) -> tuple[tuple[str, Field, Node], ...]:
        """Every value that the map makes by rules of its own, as field, `field.name` or `field 2`, with its field and rules."""
        found: list[tuple[str, Field, Node]] = []
        for name, rule in self._rules.items():
            field = self._fields[name]
            if field.type == "list":
                found += [(f"{name} {number}", field, one) for number, one in enumerate(rule.sequence(), start=1)]
            elif field.type == "texts":
                found += [(f"{name}.{key}", field, one) for key, one in rule.mapping().items()]
            else:
                found.append((name, field, rule))
        return tuple(found)

    def rule(self, field: Field, rule: Node, where: str) -> Make:
        """One rule as a function; `where` is the field as the counts name it."""
        note = partial(self.counts.note, f"{self._kind.value}.{where}")
        make = self._of_type(field, rule, note)
        counts = conditions.condition(rule.mapping())
        if counts is None:
            return make
        return lambda happening: make(happening) if counts(happening) else None

    def table(self, node: Node) -> Node:
        """What a lookup lists: the words written in place, or those of the table that it names."""
        return self._file.table(node) if isinstance(node.content, str) else node

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
            makes = tuple(self._listed(field, one, field.name) for one in rule.sequence())
            rule.one_or_more()
            return lambda happening: [made for make in makes if (made := make(happening)) is not None]
        if field.type == "texts":
            self._named(field, rule)
            named = tuple((name, self._listed(field, one, f"{field.name}.{name}")) for name, one in rule.mapping().items())
            return lambda happening: {name: made for name, make in named if (made := make(happening)) is not None}
        return self._listed(field, rule, field.name)

    def _named(self, field: Field, rule: Node) -> None:
        for name in rule.mapping():
            if field.names is not None and not field.names.like.fullmatch(name):
                why = f"{name!r} is no name that {self._schema} allows here"
                raise complaint(rule.key_place(name), why, f"write {field.names.says}")

    def _listed(self, field: Field, rule: Node, where: str) -> Make:
        """The rules of a value: the first that counts and has a value wins."""
        rules = rule.one_or_more()
        makes = tuple(self.rule(field, one, where) for one in rules)
        for one in rules:
            typed.known(self._kind, one)
        if len(makes) == 1:
            return makes[0]
        reaching.reachable(rules)

        def first(happening: Happening) -> Json:
            for make in makes:
                made = make(happening)
                if made is not None:
                    return made
            return None

        return first

    def _of_type(self, field: Field, rule: Node, note: Note) -> Make:
        if field.type == "money":
            return self._amount(field, rule)
        if field.type in ("currency", "date", "instant"):
            if field.type == "currency":
                _never_written(rule, "a currency is read from what happened, never written into a map", _AMOUNT, _WRITTEN)
            words = rule.mapping(["from", *_WHEN], ["from"])
            read = typed.reader(typed.names(field, words["from"]))
            return lambda happening: None if (value := read(happening)) is None else plainly(field.type, value)
        if field.type == "flag":
            text = self._text(field, rule, rule.mapping(_worded(FIELD_WORDS, "cut", "as", "join", "between")), note)
            return lambda happening: None if (made := text(happening)) is None else made == "yes"
        if field.type == "role":
            return self._account(field, rule, note)
        if field.type == "address":
            return self._address(field, rule, note)
        return self._fitted(field, rule, note)

    # ------------------------------------------------------------ amounts

    def _amount(self, field: Field, rule: Node) -> Make:
        _never_written(rule, "an amount is taken from what happened, never written into a map", _AMOUNT, _WRITTEN)
        words = rule.mapping(["from", "same_currency", *_WHEN], ["from"])
        read = typed.reader(typed.names(field, words["from"]))
        beside = self._rules.get(field.currency)
        if beside is None:
            why = f"{field.name!r} is an amount, and its currency field {field.currency!r} is not filled"
            raise rule.wrong(why, f"add a line {field.currency}: {{from: ...}} with the name of the same amount")
        currency = self._listed(self._fields[field.currency], beside, field.currency)
        leave_out = "same_currency" in words and words["same_currency"].flag()
        if not leave_out:
            typed.one_currency(field, words["from"], beside.one_or_more())
        way = self._direction(field, rule, words["from"]) if field.direction else None
        name = field.name

        def amount(happening: Happening) -> str | None:
            value = read(happening)
            if not isinstance(value, Money):
                return None
            if (other := currency(happening)) != value.currency:
                if leave_out:
                    return None
                why = f"{name} is {value}, but the currency beside it is {other or 'nothing'}"
                raise RecordRefused(why, cure=f"write same_currency: yes at {name} to leave it out, or map another amount")
            return plainly("money", value if way is None else _unsigned(name, value, way(happening)))

        return amount

    def _direction(self, field: Field, rule: Node, amount: Node) -> typed.Read:
        """Which way the money went, where the target's field for it says so too."""
        typed.one_direction(field, rule, amount, self._rules)
        said = self._listed(self._fields[field.direction], self._rules[field.direction], field.direction)
        return lambda happening: happening.get("direction") if said(happening) is not None else None

    # ------------------------------------------------------------ accounts and addresses

    def _account(self, field: Field, rule: Node, note: Note) -> Make:
        """The account that plays a role, by accounts.csv; a map never writes an account's code."""
        cure = "write role: with its role, such as fees; accounts.csv says which account plays it"
        _never_written(rule, "an account's code is never written into a map", cure, ("value",))
        words = rule.mapping(["role", "from", "lookup", "otherwise", "default", *_WHEN])
        name = field.name
        if "role" in words:
            _only(words, "role", *_WHEN)
            only = words["role"].choice(role.value for role in Role)
        role = self._text(field, rule, words, note) if "role" not in words else lambda _: only

        def account(happening: Happening) -> str | None:
            played, accounts = role(happening), happening.get(ACCOUNTS)
            if played is None:
                return None
            if not callable(accounts):
                raise RecordRefused(f"{name} is the account of {played}, and planning hands none over", cure="report it")
            return str(accounts(Role(played)))

        return account

    def _address(self, field: Field, rule: Node, note: Note) -> Make:
        words = rule.mapping(["from", "cut", *_WHEN], ["from"])
        read = typed.reader(typed.names(field, words["from"]))
        body = fitting.addressed(field, note, cut=_is_cut(words))
        return lambda happening: body(value) if isinstance(value := read(happening), Address) else None

    # ------------------------------------------------------------ texts

    def _fitted(self, field: Field, rule: Node, note: Note) -> Text:
        """A text that fits its field."""
        words = rule.mapping(FIELD_WORDS)
        cut = _is_cut(words)
        if "cut" in words and field.type in fitting.WHOLE and cut:
            why = f"{field.name!r} is {fitting.WHOLE[field.type]}, and half of it would be another one"
            raise words["cut"].wrong(why, "remove cut: from the rule")
        text = self._text(field, rule, words, note)
        fitted = fitting.fitter(replace(field, type="text") if "as" in words else field, note, cut=cut)

        def fit(happening: Happening) -> str | None:
            made = text(happening)
            return None if made is None else fitted(made)

        quick = fitting.is_quick(field)
        if quick is None or not words.keys() <= {"from", "cut", *_WHEN}:
            return fit
        names = [one.text() for one in words["from"].one_or_more()]
        if any(NAMES[name] in ("money", "date", "instant", "flag") for name in names):
            return fit
        return _as_it_is(names, quick, fit)

    def _text(self, field: Field, rule: Node, words: Mapping[str, Node], note: Note) -> Text:
        kinds = [word for word in ("from", "value", "join") if word in words]
        if len(kinds) != 1:
            raise rule.wrong("exactly one of from:, value: and join: must stand here", "keep the one that is meant")
        return {"from": self._from, "value": self._value, "join": self._join}[kinds[0]](field, words, note)

    def _value(self, field: Field, words: Mapping[str, Node], note: Note) -> Text:
        del note  # a fixed text is what the map says: there is nothing to count
        _only(words, "value", *_WHEN, "cut")
        text = self._literal(field, words, "value")
        return lambda _: text

    def _from(self, field: Field, words: Mapping[str, Node], note: Note) -> Text:
        if "lookup" in words:
            return self._looked_up(field, words, note)
        if "otherwise" in words:
            cure = "add a lookup:, or write default: for where nothing stands"
            raise words["otherwise"].wrong("otherwise: is what a word becomes that the lookup does not list", cure)
        _only(words, "from", *(() if "as" in words else ("lookup",)), "as", "default", *_WHEN, "cut")
        spelling = words["as"].choice(typed.SPELLS.get(field.type, ())) if "as" in words else ""
        read = typed.reader(typed.names(field, words["from"], spelling=spelling))
        spell = SPELLINGS[spelling].text if spelling else as_text
        if "default" not in words:
            return lambda happening: spell(value) if (value := read(happening)) is not None else None
        default = self._literal(field, words, "default")

        def text(happening: Happening) -> str:
            value = read(happening)
            if value is None:
                note(What.DEFAULTED)
                return default
            return spell(value)

        return text

    def _looked_up(self, field: Field, words: Mapping[str, Node], note: Note) -> Text:
        _only(words, "from", "lookup", "otherwise", "default", *_WHEN, "cut")
        names = typed.names(field, words["from"], lookup=True)
        read = typed.reader(names)
        node, cut = words["lookup"], _is_cut(words)
        table = self.table(node)
        for key in soundness.some(table, "word") if table is node and len(names) == 1 else ():
            conditions.said(names[0], key, table.key_place(key))
        texts = {key: fitting.literal(field, one, cut=cut) for key, one in table.mapping().items()}
        default = self._literal(field, words, "default") if "default" in words else None
        otherwise = self._literal(field, words, "otherwise") if "otherwise" in words else None
        where = f"the lookup of {field.name} in {self._file.name}" if table is node else table.place.file

        def looked_up(happening: Happening) -> str | None:
            value = read(happening)
            if value is None:
                if default is not None:
                    note(What.DEFAULTED)
                return default
            key = as_text(value)
            text = texts.get(key)
            if text is None:
                if otherwise is None:
                    cure = f"{tables.cure(table, key)}, {RETRY}"
                    raise RecordRefused(f"{key!r} is not listed in {where}", cure=cure)
                note(What.OTHERWISE)
                return otherwise
            return text

        return looked_up

    def _join(self, field: Field, words: Mapping[str, Node], note: Note) -> Text:
        _only(words, "join", "between", *_WHEN, "cut")
        if field.type not in _JOINED or field.of:
            why = f"join: makes a text of several, and {field.name!r} wants {described(field.type)}"
            raise words["join"].wrong(why, "map the one name that holds it")
        between = words["between"].text() if "between" in words else " "
        parts = tuple(self._part(field, part, note) for part in words["join"].sequence())
        if not parts:
            raise words["join"].wrong("the list is empty", "write at least one part")
        return lambda happening: between.join([made for part in parts if (made := part(happening))]) or None

    def _part(self, field: Field, part: Node, note: Note) -> Text:
        words = part.mapping(_PART_WORDS)
        text = self._text(replace(field, type="text") if "value" in words else field, part, words, note)
        counts = conditions.condition(words)
        return text if counts is None else lambda happening: text(happening) if counts(happening) else None

    def _literal(self, field: Field, words: Mapping[str, Node], word: str) -> str:
        """A text that the map itself says, under one of its words."""
        if field.type == "id" and not set(field.of) & set(_THEIRS):
            why = f"{field.name!r} is an id, which {word}: would make the same for different documents"
            raise words[word].wrong(why, "read it from what happened with from:")
        if word == "value" and (field.type in _KNOWN_OF_THEM or (field.of and field.type == "text")):
            why = f"{field.name!r} is taken from what happened, never written into a map"
            raise words[word].wrong(why, f"write from: {field.of[0] if field.of else 'with the name that holds it'}")
        return fitting.literal(field, words[word], cut=_is_cut(words))


def _as_it_is(names: Sequence[str], quick: Callable[[str], bool], fit: Text) -> Text:
    """What most fields are: the text itself, where nothing about it needs a second look."""
    if len(names) == 1:
        (only,) = names

        def as_it_is(happening: Happening) -> str | None:
            value = happening.get(only)
            if value is None or (type(value) is str and quick(value)):
                return value or None
            return fit(happening)

        return as_it_is

    def first_as_it_is(happening: Happening) -> str | None:
        for name in names:
            value = happening.get(name)
            if value is not None and value != "":
                return value if type(value) is str and quick(value) else fit(happening)
        return None

    return first_as_it_is


def _unsigned(name: str, amount: Money, direction: object) -> Money:
    """An amount without its sign, of which the direction beside it tells."""
    if amount.minor and direction != ("in" if amount.minor > 0 else "out"):
        why = f"{name} is {amount}, but {f'the money went {direction}' if direction else 'no direction stands beside it'}"
        raise RecordRefused(why, cure="map an amount that has the sign of the movement, such as gross")
    return -amount if amount.minor < 0 else amount


def _never_written(rule: Node, why: str, cure: str, words: Sequence[str]) -> None:
    if isinstance(rule.content, str):
        raise rule.wrong(why, cure)
    for word in words if isinstance(rule.content, dict) else ():
        if word in rule.mapping():
            raise complaint(rule.key_place(word), why, cure)


def _worded(words: Sequence[str], *without: str) -> list[str]:
    return [word for word in words if word not in without]


def _is_cut(words: Mapping[str, Node]) -> bool:
    return "cut" in words and words["cut"].flag()


def _only(words: Mapping[str, Node], *allowed: str) -> None:
    for word in words:
        if word not in allowed:
            others = ", ".join(other for other in words if other != word)
            raise words[word].wrong(f"{word}: does not go with {others}", f"remove it; here go {', '.join(allowed)}")
