"""Value rules of gateway maps, compiled once into plain functions: from a record and its joins to one typed value.

A rule is a small group of words (`from`, `as`, `lookup`, ...); a list of rules gives the first value that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from syncjob.errors import RecordRefused
from syncjob.mapping import conversions, soundness
from syncjob.mapping.paths import Paths, Read, Scope
from syncjob.model import Reference
from syncjob.yamlfile import Node

Value: TypeAlias = Callable[[Scope], Any]  # the type wanted by the caller, or None

RULE_WORDS = ("from", "as", "currency", "lookup", "refuse", "default", "value", "when", "needs", "prefixes", "with")
MAKES = {  # conversion -> the type of value it makes
    "text": "text",
    "id": "text",
    "guest": "text",
    "money": "money",
    "items_total": "money",
    "fees": "list of fees",
    "unix_seconds": "instant",
    "iso_instant": "instant",
    "document_numbers": "list of references",
}
NOTHING = "nothing"  # in a lookup: known, and deliberately without effect
RETRY = "then run: syncjob held retry"


class Rules:
    """Compiles the rules of one block of a gateway's map."""

    def __init__(self, gateway: str, source: str, paths: Paths) -> None:
        """`source` is the map's name as problems call it."""
        self._gateway = gateway
        self._map = source
        self._paths = paths

    def value(self, node: Node, wanted: str) -> Value:
        """A function for one value of the wanted type, as in MAKES; it gives None where nothing is there."""
        rules = tuple(self._one(rule, wanted) for rule in node.one_or_more())
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
        """The `when` and `needs` of a rule or block as one test, or None where there are none."""
        tests: list[Callable[[Scope], bool]] = []
        if "when" in words:
            when = words["when"]
            for path, allowed in soundness.some(when, "condition").items():
                soundness.distinct(allowed)
                name, read = self._paths.reader(Node(when.key_place(path), path))
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

    def choice(self, node: Node, allowed: Mapping[str, object]) -> Value:
        """A function for one word of a closed list, by lookup or as a fixed value; an unlisted value is refused.

        `nothing` may be among the allowed words, with the value it stands for.
        """
        words = node.mapping(["from", "lookup", "refuse", "default", "value"])
        if "value" in words:
            _only(words, "value")
            fixed = allowed[words["value"].choice(allowed)]
            return lambda _: fixed
        for needed in ("from", "lookup"):
            if needed not in words:
                raise node.wrong(f"{needed}: is missing here", "add from: and lookup:, or value: with one fixed word")
        table = {key: allowed[result.choice(allowed)] for key, result in words["lookup"].mapping().items()}
        return self._lookup(words, table)

    def _one(self, rule: Node, wanted: str) -> Value:
        words = rule.mapping(RULE_WORDS)
        compiled = self._unconditional(rule, words, wanted)
        condition = self.condition(words)
        if condition is None:
            return compiled
        return lambda scope: compiled(scope) if condition(scope) else None

    def _unconditional(self, rule: Node, words: Mapping[str, Node], wanted: str) -> Value:
        if "value" in words:
            _only(words, "value", "when", "needs")
            text = words["value"].text()
            if wanted != "text":
                raise words["value"].wrong(f"a fixed text is no {wanted}", "read it from a field with from:")
            return lambda _: text
        if "from" not in words:
            raise rule.wrong("the rule has no from and no value", "add from: with a path, or value: with a fixed text")
        if "lookup" in words:
            _only(words, "from", "lookup", "refuse", "default", "when", "needs")
            if wanted != "text":
                raise words["lookup"].wrong(f"a lookup gives text, which is no {wanted}", "write as: instead")
            return self._lookup(words, {key: one.text() for key, one in words["lookup"].mapping().items()})
        if wanted == "instant" and "as" not in words and words["from"].content == "landed.as_of":
            _only(words, "from", "when", "needs")
            return self._paths.landed(words["from"])[1]
        conversion = words["as"].choice(MAKES) if "as" in words else "text"
        if MAKES[conversion] != wanted:
            fitting = " or ".join(name for name, makes in MAKES.items() if makes == wanted)
            why = f"as: {conversion} makes no {wanted}" if "as" in words else f"without as: it is text, which is no {wanted}"
            raise words.get("as", rule).wrong(why, f"write as: {fitting}")
        return self._converted(rule, words, conversion)

    def _converted(self, rule: Node, words: Mapping[str, Node], conversion: str) -> Value:
        belongs = {"money": ("currency",), "guest": ("with",), "text": ("default",), "id": ("default",)}.get(conversion, ())
        _only(words, "from", "as", "when", "needs", *belongs)
        if conversion == "fees":
            return conversions.fees(self._gateway, *self._paths.reader(words["from"], parts=conversions.FEE_PARTS))
        if conversion == "items_total":
            return conversions.items_total(self._gateway, *self._paths.reader(words["from"], parts=conversions.ITEM_PARTS))
        name, read = self._first(words["from"], is_id=conversion == "id")
        for path in words["from"].one_or_more():
            if path.text().startswith("landed.") and MAKES[conversion] != "text":
                why = f"{path.text()} is text, of which as: {conversion} makes nothing"
                raise path.wrong(why, "name a field of the record")
        if conversion == "money":
            if "currency" not in words:
                raise rule.wrong("an amount stands here without its currency", "add currency: with the path of its currency")
            self._beside(words["from"], words["currency"])
            return conversions.money(self._gateway, name, read, self._first(words["currency"])[1])
        if conversion == "guest":
            full_name = self._first(words["with"])[1] if "with" in words else None
            return conversions.guest(self._paths.index(words["from"].one_or_more()[0]), name, read, full_name)
        if conversion == "unix_seconds":
            return conversions.unix_seconds(name, read)
        if conversion == "iso_instant":
            return conversions.iso_instant(name, read)
        return conversions.text(name, read, words["default"].text() if "default" in words else None)

    def _beside(self, amount: Node, currency: Node) -> None:
        """An amount and its currency stand in one record: the charge's currency says nothing about a line of the balance."""
        soundness.is_read(currency)
        places = {self._paths.index(path) for path in amount.one_or_more()}
        for path in currency.one_or_more():
            self._paths.reader(path)
            if {self._paths.index(path)} != places:
                why = f"{path.text()} stands in another record than the amount"
                raise path.wrong(why, "name the currency beside the amount; of several amounts, give each a rule of its own")

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

    def _lookup(self, words: Mapping[str, Node], table: Mapping[str, object]) -> Value:
        soundness.distinct(words["from"])
        soundness.some(words["lookup"], "word")
        readers = tuple(self._paths.reader(path) for path in words["from"].one_or_more())
        refused = {key: why.text() for key, why in words["refuse"].mapping().items()} if "refuse" in words else {}
        for key in refused:
            if key in table:
                raise words["refuse"].mapping()[key].wrong(f"{key!r} stands in lookup and in refuse", "keep one of them")
        if "default" in words:
            words["default"].choice(words["lookup"].mapping())
        default = words["default"].text() if "default" in words else None

        def look(scope: Scope) -> object:
            for name, read in readers:
                raw = read(scope)
                if raw is None or raw == "":
                    continue
                key = conversions.word(name, raw)
                if key in table:
                    return table[key]
                raise self._unlisted(name, key, refused, [other for other, later in readers if later(scope) == raw])
            if default is not None:
                return table[default]
            names = " and ".join(name for name, _ in readers)
            raise RecordRefused(f"{names} is missing, which {self._map} looks up", cure="ask the gateway's support")

        return look

    def _unlisted(self, name: str, key: str, refused: Mapping[str, str], saying_the_same: Sequence[str]) -> RecordRefused:
        # A new kind of movement has the same new word in both of its fields: name the one that people know.
        what = f"{(saying_the_same or [name])[-1]} is {key!r}, which {self._map}"
        if key in refused:
            cure = f"book it by hand, or list it in the lookup of your own {self._map}, {RETRY}"
            return RecordRefused(f"{what} refuses: {refused[key]}", cure=cure)
        return RecordRefused(f"{what} does not list", cure=f"add it to the lookup, {RETRY}")

    def _reference(self, rule: Node) -> Callable[[Scope], Sequence[Reference]]:
        words = rule.mapping(RULE_WORDS, ["from"])
        condition = self.condition(words)
        soundness.distinct(words["from"])
        readers = tuple(self._paths.reader(path) for path in words["from"].one_or_more())
        if "as" in words and words["as"].choice(["text", "document_numbers"]) == "document_numbers":
            _only(words, "from", "as", "prefixes", "when", "needs")
            if "prefixes" not in words:
                raise rule.wrong("document_numbers does not know how a number begins", "add prefixes: such as [INV-]")
            soundness.distinct(words["prefixes"])
            find = conversions.document_numbers([one.text() for one in words["prefixes"].one_or_more()])
        else:
            _only(words, "from", "as", "when", "needs")
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
                return [Reference(text, name.removeprefix("origin.")) for text in find(raw)]
            return ()

        return references


def _only(words: Mapping[str, Node], *allowed: str) -> None:
    for word in words:
        if word not in allowed:
            others = ", ".join(other for other in words if other != word)
            raise words[word].wrong(f"{word}: does not go with {others}", f"remove it; here go {', '.join(allowed)}")


def _is_one_of(name: str, read: Read, allowed: frozenset[str]) -> Callable[[Scope], bool]:
    def test(scope: Scope) -> bool:
        raw = read(scope)
        return raw is not None and conversions.word(name, raw) in allowed

    return test


def _is_there(read: Read) -> Callable[[Scope], bool]:
    def test(scope: Scope) -> bool:
        return read(scope) not in (None, "", [], ())

    return test
