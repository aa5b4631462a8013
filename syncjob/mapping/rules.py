"""Value rules of gateway maps, compiled once into plain functions: from a record and its joins to one typed value.

A rule is a small group of words (`from`, `as`, `lookup`, ...); a list of rules gives the first value that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, TypeAlias

from syncjob import moment
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.mapping import conversions, soundness, sources, tables
from syncjob.mapping.counting import Counts, What
from syncjob.mapping.files import MapFile
from syncjob.mapping.paths import Paths, Read, Scope
from syncjob.model import Reference
from syncjob.yamlfile import Node

Value: TypeAlias = Callable[[Scope], Any]  # the type wanted by the caller, or None
Note: TypeAlias = Callable[[What], None]

CONDITIONS = ("when", "needs", "valid_from")  # when a rule counts
RULE_WORDS = (
    *("from", "as", "currency", "zone", "fold", "lookup", "otherwise", "refuse", "default", "value"),
    *("when", "needs", "valid_from", "prefixes", "with"),
)
MAKES = {  # conversion -> the type of value it makes
    "text": "text",
    "id": "text",
    "guest": "text",
    "money": "money",
    "decimal": "money",
    "items_total": "money",
    "fees": "list of fees",
    "service_periods": "list of services",
    "unix_seconds": "instant",
    "iso_instant": "instant",
    "local_time": "instant",
    "day": "instant",
    "document_numbers": "list of references",
    "gateway_number": "list of references",
}
REFERENCES = ("text", "document_numbers", "gateway_number")  # what a rule of `references` may make of a value
_BELONGS = {  # conversion -> the words that go with it
    "money": ("currency",),
    "decimal": ("currency",),
    "guest": ("with",),
    "text": ("default",),
    "id": ("default",),
    "local_time": ("zone", "fold"),
    "day": ("zone",),
}
NOTHING = "nothing"  # in a lookup: known, and deliberately without effect
RETRY = "then run: syncjob held retry"


class Rules:
    """Compiles the rules of one block of a gateway's map."""

    def __init__(self, file: MapFile, paths: Paths, counts: Counts) -> None:
        """`counts` is told what the rules did that a reader of the summary must know."""
        self._gateway = file.of
        self._map = file.name
        self._file = file
        self._paths = paths
        self._counts = counts

    def value(self, node: Node, wanted: str, field: str = "") -> Value:
        """A function for one value of the wanted type, as in MAKES; it gives None where nothing is there.

        `field` is ours that the value stands in, as it is counted; without it nothing is counted.
        """
        rules = tuple(self._one(rule, wanted, field) for rule in node.one_or_more())
        soundness.reachable(node.one_or_more())
        if len(rules) == 1:
            return rules[0]

        def first(scope: Scope) -> object:
            for rule in rules:
                found = rule(scope)
                if found is not None:
                    return found
            return None

        return first

    def references(self, node: Node) -> Callable[[Scope], tuple[Reference, ...]]:
        """A function for all document numbers that a record names, each with its place, strongest place first."""
        rules = tuple(self._reference(rule) for rule in node.sequence())

        def found(scope: Scope) -> tuple[Reference, ...]:
            named: dict[str, Reference] = {}
            for rule in rules:
                for reference in rule(scope):
                    named.setdefault(reference.text, reference)
            return tuple(named.values())

        return found

    def condition(self, words: Mapping[str, Node]) -> Callable[[Scope], bool] | None:
        """The `when`, `needs` and `valid_from` of a rule or block as one test, or None where there are none."""
        tests: list[Callable[[Scope], bool]] = []
        if "valid_from" in words:
            tests.append(_is_since(soundness.valid_from(words["valid_from"])))
        if "when" in words:
            when = words["when"]
            for path, allowed in soundness.some(when, "condition").items():
                soundness.distinct(allowed)
                at = Node(when.key_place(path), path)
                name, read = self._paths.reader(at)
                sources.compared(self._paths, at, allowed.one_or_more())
                tests.append(_is_one_of(name, read, frozenset(one.text() for one in allowed.one_or_more())))
        if "needs" in words:
            soundness.distinct(words["needs"])
        for path_node in words["needs"].one_or_more() if "needs" in words else ():
            tests.append(_is_there(self._paths.reader(path_node)[1]))
        if not tests:
            return None
        if len(tests) == 1:
            return tests[0]
        return lambda scope: all(test(scope) for test in tests)

    def choice(self, node: Node, allowed: Mapping[str, object], field: str = "") -> Value:
        """A function for one word of a closed list, by lookup or as a fixed value; an unlisted value is refused.

        `nothing` may be among the allowed words, with the value it stands for. Of several rules the first that counts decides.
        """
        rules = node.one_or_more()
        choices = tuple((self.condition(rule.mapping()), self._choice(rule, allowed, field)) for rule in rules)
        soundness.reachable(rules)
        if choices[0][0] is None:
            return choices[0][1]
        name = field.rpartition(".")[2] or "this field"

        def first(scope: Scope) -> object:
            for counts, value in choices:
                if counts is None or counts(scope):
                    return value(scope)
            cure = f"add a rule without a condition to {self._map}:{node.place.line}, {RETRY}"
            raise RecordRefused(f"no rule of {name} counts for it", cure=cure)

        return first

    def table(self, node: Node) -> Node:
        """What a lookup lists: the words written in place, or those of the table that it names."""
        return self._file.table(node) if isinstance(node.content, str) else node

    def _choice(self, rule: Node, allowed: Mapping[str, object], field: str) -> Value:
        words = rule.mapping(["from", "lookup", "otherwise", "refuse", "default", "value", *CONDITIONS])
        if "value" in words:
            _only(words, "value", *CONDITIONS)
            fixed = allowed[words["value"].choice(allowed)]
            return lambda _: fixed
        for needed in ("from", "lookup"):
            if needed not in words:
                raise rule.wrong(f"{needed}: is missing here", "add from: and lookup:, or value: with one fixed word")
        return self._lookup(words, field, allowed)

    def _one(self, rule: Node, wanted: str, field: str) -> Value:
        words = rule.mapping(RULE_WORDS)
        compiled = self._unconditional(rule, words, wanted, field)
        condition = self.condition(words)
        if condition is None:
            return compiled
        return lambda scope: compiled(scope) if condition(scope) else None

    def _unconditional(self, rule: Node, words: Mapping[str, Node], wanted: str, field: str) -> Value:
        if "value" in words:
            _only(words, "value", *CONDITIONS)
            text = words["value"].text()
            if wanted != "text":
                raise words["value"].wrong(f"a fixed text is no {wanted}", "read it from a field with from:")
            return lambda _: text
        if "from" not in words:
            raise rule.wrong("the rule has no from and no value", "add from: with a path, or value: with a fixed text")
        if "lookup" in words:
            _only(words, "from", "lookup", "otherwise", "refuse", "default", *CONDITIONS)
            if wanted != "text":
                raise words["lookup"].wrong(f"a lookup gives text, which is no {wanted}", "write as: instead")
            return self._lookup(words, field)
        if "otherwise" in words:
            cure = "add a lookup:, or write default: for what an absent field means"
            raise words["otherwise"].wrong("otherwise: is what a word becomes that the lookup does not list", cure)
        if wanted == "instant" and "as" not in words and words["from"].content == "landed.as_of":
            _only(words, "from", *CONDITIONS)
            return self._paths.landed(words["from"])[1]
        conversion = words["as"].choice(MAKES) if "as" in words else "text"
        if MAKES[conversion] != wanted:
            fitting = " or ".join(name for name, makes in MAKES.items() if makes == wanted)
            why = f"as: {conversion} makes no {wanted}" if "as" in words else f"without as: it is text, which is no {wanted}"
            raise words.get("as", rule).wrong(why, f"write as: {fitting}")
        return self._converted(rule, words, conversion, field)

    def _converted(self, rule: Node, words: Mapping[str, Node], conversion: str, field: str) -> Value:
        _only(words, "from", "as", *CONDITIONS, *_BELONGS.get(conversion, ()))
        if conversion in conversions.LISTS:
            parts = conversions.PARTS[conversion]
            reader = self._paths.reader(words["from"], parts=parts)
            sources.listing(self._paths, words["from"], parts)
            return conversions.LISTS[conversion](self._gateway, *reader)
        name, read = self._first(words["from"], is_id=conversion == "id")
        for path in words["from"].one_or_more():
            if path.text().startswith("landed.") and MAKES[conversion] != "text":
                why = f"{path.text()} is text, of which as: {conversion} makes nothing"
                raise path.wrong(why, "name a field of the record")
        if MAKES[conversion] == "money":
            return self._amount(rule, words, conversion, name, read, field)
        sources.readable(self._paths, words["from"], conversion, field)
        if conversion == "guest":
            full_name = self._first(words["with"])[1] if "with" in words else None
            if full_name is not None:
                sources.readable(self._paths, words["with"], "text", "name")
            return conversions.guest(self._paths.index(words["from"].one_or_more()[0]), name, read, full_name)
        if conversion == "unix_seconds":
            return conversions.unix_seconds(name, read)
        if conversion == "iso_instant":
            return conversions.iso_instant(name, read)
        if conversion in ("local_time", "day"):
            where = zone_of(rule, words, f"{conversion} has no offset")
            if conversion == "day":
                return conversions.day(name, read, where)
            later = "fold" in words and words["fold"].choice(("earlier", "later")) == "later"
            return conversions.local_time(name, read, where, later=later)
        if "default" not in words:
            return conversions.text(name, read)
        return conversions.text_or(name, read, words["default"].text(), partial(self._note(field), What.DEFAULTED))

    def _amount(self, rule: Node, words: Mapping[str, Node], conversion: str, name: str, read: Read, field: str) -> Value:
        if "currency" not in words:
            raise rule.wrong("an amount stands here without its currency", "add currency: with the path of its currency")
        self._beside(words["from"], words["currency"])
        sources.readable(self._paths, words["from"], conversion, field)
        currency = self._first(words["currency"])[1]
        if conversion == "decimal":
            return conversions.decimal(name, read, currency)
        return conversions.money(self._gateway, name, read, currency)

    def _beside(self, amount: Node, currency: Node) -> None:
        """An amount and its currency stand in one record: the charge's currency says nothing about a line of the balance."""
        soundness.is_read(currency)
        places = {self._paths.index(path) for path in amount.one_or_more()}
        for path in currency.one_or_more():
            self._paths.reader(path)
            if {self._paths.index(path)} != places:
                why = f"{path.text()} stands in another record than the amount"
                raise path.wrong(why, "name the currency beside the amount; of several amounts, give each a rule of its own")
        sources.currency(self._paths, amount, currency)

    def _first(self, node: Node, *, is_id: bool = False) -> tuple[str, Read]:
        """The reader of one path, or of the first of several where something stands."""
        soundness.distinct(node)
        readers = [self._paths.reader(path, is_id=is_id) for path in node.one_or_more()]
        if len(readers) == 1:
            return readers[0]
        reads = tuple(read for _, read in readers)

        def first(scope: Scope) -> object:
            for read in reads:
                found = read(scope)
                if found is not None and found != "":
                    return found
            return None

        return " or ".join(name for name, _ in readers), first

    # ------------------------------------------------------------ lookups

    def _lookup(self, words: Mapping[str, Node], field: str, allowed: Mapping[str, object] | None = None) -> Value:
        """A lookup that makes text or, where words are allowed, what one of them stands for."""
        soundness.distinct(words["from"])
        readers = tuple(self._paths.reader(path) for path in words["from"].one_or_more())
        sources.worded(self._paths, words["from"])
        listed = self.table(words["lookup"])
        soundness.some(listed, "word")

        def becomes(node: Node) -> object:
            return node.text() if allowed is None else allowed[node.choice(allowed)]

        table = {key: becomes(one) for key, one in listed.mapping().items()}
        refused = {key: why.text() for key, why in words["refuse"].mapping().items()} if "refuse" in words else {}
        for key in refused:
            if key in table:
                raise words["refuse"].mapping()[key].wrong(f"{key!r} stands in lookup and in refuse", "keep one of them")
        for node in (listed, words["refuse"]) if "refuse" in words else (listed,):
            if node is not listed or listed is words["lookup"]:  # a table may serve several maps
                sources.listed(self._paths, words["from"], node)
        if "default" in words:
            words["default"].choice(listed.mapping())
        default = words["default"].text() if "default" in words else None
        has_otherwise = "otherwise" in words
        otherwise = becomes(words["otherwise"]) if has_otherwise else None
        note = self._note(field)

        def look(scope: Scope) -> object:
            for name, read in readers:
                raw = read(scope)
                if raw is None or raw == "":
                    continue
                key = conversions.word(name, raw)
                if key in table:
                    return table[key]
                if has_otherwise and key not in refused:
                    note(What.OTHERWISE)
                    return otherwise
                raise self._unlisted(name, key, refused, [other for other, later in readers if later(scope) == raw], listed)
            if default is not None:
                note(What.DEFAULTED)
                return table[default]
            names = " and ".join(name for name, _ in readers)
            raise RecordRefused(f"{names} is missing, which {self._map} looks up", cure="ask the gateway's support")

        return look

    def _unlisted(
        self, name: str, key: str, refused: Mapping[str, str], saying_the_same: Sequence[str], listed: Node
    ) -> RecordRefused:
        # A new kind of movement has the same new word in both of its fields: name the one that people know.
        what = f"{(saying_the_same or [name])[-1]} is {key!r}, which {self._map if key in refused else listed.place.file}"
        if key in refused:
            cure = f"book it by hand, or list it in the lookup of your own {self._map}, {RETRY}"
            return RecordRefused(f"{what} refuses: {refused[key]}", cure=cure)
        return RecordRefused(f"{what} does not list", cure=f"{tables.cure(listed, key)}, {RETRY}")

    def _note(self, field: str) -> Note:
        return partial(self._counts.note, field) if field else _unnoted

    def _reference(self, rule: Node) -> Callable[[Scope], Sequence[Reference]]:
        words = rule.mapping(RULE_WORDS, ["from"])
        condition = self.condition(words)
        soundness.distinct(words["from"])
        readers = tuple(self._paths.reader(path) for path in words["from"].one_or_more())
        sources.readable(self._paths, words["from"], "document_numbers", "")
        as_what = words["as"].choice(REFERENCES) if "as" in words else "text"
        if as_what == "document_numbers":
            _only(words, "from", "as", "prefixes", *CONDITIONS)
            if "prefixes" not in words:
                raise rule.wrong("document_numbers does not know how a number begins", "add prefixes: such as [INV-]")
            soundness.distinct(words["prefixes"])
            find = conversions.document_numbers([one.text() for one in words["prefixes"].one_or_more()])
        else:
            _only(words, "from", "as", *CONDITIONS)
            find = conversions.whole_text

        def references(scope: Scope) -> Sequence[Reference]:
            if condition is not None and not condition(scope):
                return ()
            for name, read in readers:
                raw = read(scope)
                if raw is None or raw == "":
                    continue
                if type(raw) is not str:
                    raise RecordRefused(f"{name} is {conversions.kind_of(raw)}, not text")
                place, of_gateway = name.removeprefix("origin."), as_what == "gateway_number"
                return [Reference(text, place, of_gateway) for text in find(raw)]
            return ()

        return references


def zone_of(node: Node, words: Mapping[str, Node], why: str) -> tzinfo:
    """The zone that a rule names under `zone:`; raises Misconfigured where it names none, or one that nobody knows."""
    if "zone" not in words:
        raise node.wrong(f"{why}, and no zone is named", "add zone: such as Europe/Berlin, the one that the gateway means")
    try:
        return moment.zone(words["zone"].text())
    except Misconfigured as wrong:
        raise words["zone"].wrong(str(wrong)) from None


def _unnoted(_: What) -> None:
    """Nobody counts who only asks."""


def _only(words: Mapping[str, Node], *allowed: str) -> None:
    for word in words:
        if word not in allowed:
            others = ", ".join(other for other in words if other != word)
            raise words[word].wrong(f"{word}: does not go with {others}", f"remove it; here go {', '.join(allowed)}")


def _is_since(since: datetime) -> Callable[[Scope], bool]:
    return lambda scope: scope[1].occurred >= since


def _is_one_of(name: str, read: Read, allowed: frozenset[str]) -> Callable[[Scope], bool]:
    def test(scope: Scope) -> bool:
        raw = read(scope)
        return raw is not None and conversions.word(name, raw) in allowed

    return test


def _is_there(read: Read) -> Callable[[Scope], bool]:
    def test(scope: Scope) -> bool:
        return read(scope) not in (None, "", [], ())

    return test
