"""A block of a gateway's map: rules about one record type, the records joined to it, and when the block counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from syncjob.errors import Problem, RecordRefused
from syncjob.mapping import soundness, sources
from syncjob.mapping.counting import Counts
from syncjob.mapping.files import MapFile
from syncjob.mapping.keep import Keeping
from syncjob.mapping.paths import Paths, Read, Scope
from syncjob.mapping.rules import RETRY, Rules, Value
from syncjob.model import Record, Refusal, Stream
from syncjob.yamlfile import Node

ASK = "compare the record with the gateway's own page, and ask its support"
Known: TypeAlias = dict[tuple[str, str], Record]  # the newest version of each record of a subject, held ones too


@dataclass(frozen=True, slots=True)
class Join:
    """How a record of the same subject is found: its types, the text to look for, the field to compare, and which count."""

    index: int
    types: tuple[str, ...]
    wanted: Value
    where: Read | None
    only: Callable[[Scope], bool] | None

    def find(self, scope: Scope, known: Known) -> list[Record]:
        """The joined record by its id, or all whose field equals the wanted text."""
        wanted = self.wanted(scope)
        if not wanted:
            return []
        if self.where is None:
            for type in self.types:
                found = known.get((type, wanted))
                if found is None:
                    continue
                if found.problem is not None:
                    # Without it nobody knows the customer, the number paid for, or that the customer saw another currency.
                    raise RecordRefused(f"its {type} {wanted} is held itself", cure=f"settle that first, {RETRY}")
                return [found]
            return []
        found_all = [one for one in known.values() if one.type in self.types and self.where((None, one)) == wanted]
        return found_all if self.only is None else [one for one in found_all if self.only((None, one))]


class Block:
    """A group of rules about one record type."""

    what = ""  # movement, fact or person: what the rules make of a record
    types: Mapping[str, str] = {}  # field -> type of value
    kinds: Mapping[str, object] = {}  # the words that `kind` may come to
    required: Iterable[str] = ()  # fields that must be there

    def __init__(self, file: MapFile, node: Node, keeping: Keeping, counts: Counts, words: Sequence[str]) -> None:
        self._file, self._counts = file, counts
        self._asked: dict[str, Value] = {}
        self.place = node.place
        self.words = node.mapping(["record", "when", "needs", "joins", *words], ["record"])
        self.record = keeping.known_type(self.words["record"])
        self.paths = Paths(keeping.fields, self.record, keeping.personal)
        self.rules = Rules(file, self.paths, counts)
        self.joins = [self._join(name, join, keeping) for name, join in self._join_nodes(keeping.fields.by_type[self.record])]
        self.applies = self.rules.condition(self.words)

    def held_at(self, scope: Scope) -> str:
        """Which field refuses the record, as it is counted; the record type alone where only all of them together do."""
        if not self._asked:  # compiled once more, so that nothing is counted twice
            mapped = {name: of for name, of in self.types.items() if name in self.words}
            self._asked = {name: self.rules.value(self.words[name], of) for name, of in mapped.items()}
            if "kind" in self.words:
                self._asked["kind"] = self.rules.choice(self.words["kind"], self.kinds)
        for name, value in self._asked.items():
            try:
                if value(scope) is None and name in self.required:
                    return f"{self.record}.{name}"
            except RecordRefused:
                return f"{self.record}.{name}"
        return self.record

    def _join_nodes(self, fields: Iterable[Sequence[str]]) -> Iterator[tuple[str, Node]]:
        if "joins" in self.words:
            for name, join in self.words["joins"].mapping().items():
                soundness.joinable(self.words["joins"], name, fields)
                yield name, join

    def _join(self, name: str, node: Node, keeping: Keeping) -> Join:
        words = node.mapping(["from", "record", "where", "only"], ["from", "record"])
        soundness.distinct(words["record"])
        types = tuple(keeping.known_type(one) for one in words["record"].one_or_more())
        wanted = self.rules.value(Node(node.place, {"from": words["from"], "as": Node(node.place, "id")}), "text")
        sources.joined(self.paths, words["from"], () if "where" in words else types)
        where = only = None
        if "only" in words and "where" not in words:
            raise words["only"].wrong("only: chooses among the records that where: finds", "add where:")
        if "where" in words:
            if len(types) > 1:
                raise words["where"].wrong("where: compares a field of one record type", "name one type at record:")
            joined = Paths(keeping.fields, types[0], keeping.personal)
            where = joined.reader(words["where"], is_id=True)[1]
            if "only" in words:
                only = Rules(self._file, joined, self._counts).condition({"when": words["only"]})
            self.paths.also(joined)
        return Join(self.paths.join(name, types), types, wanted, where, only)

    def bare(self, stream: Stream, record: Record) -> list[Any]:
        """The scope of a record before its joins."""
        return [stream, record, *[None] * len(self.joins)]

    def scopes(self, stream: Stream, record: Record, known: Known) -> tuple[list[Any] | None, list[list[Any]]]:
        """The record with its joins, or None where the block does not apply; further ones where a join found several."""
        scope = self.bare(stream, record)
        further: list[list[Any]] = []
        for join in self.joins:
            found = join.find(scope, known)
            if found:
                scope[join.index] = found[0]
                further += [[*scope[: join.index], other, *scope[join.index + 1 :]] for other in found[1:]]
        if self.applies is not None and not self.applies(scope):
            return None, []
        return scope, further

    def value(self, name: str, wanted: str, *, required: bool = False, holds: str = "") -> Value:
        """The compiled rule of a field; a field without a rule is absent, a required one is refused.

        `holds` says what it is of ours, where its name does not: the id of a person is that of a customer.
        """
        if name not in self.words:
            return absent
        value = self.rules.value(self.words[name], wanted, f"{self.record}.{holds or name}")
        soundness.ids_are_read(name, self.words[name])
        if not required:
            return value

        def present(scope: Scope) -> object:
            found = value(scope)
            if found is None:
                raise RecordRefused(f"{name} is missing", cure=ASK)
            return found

        return present


def absent(_: Scope) -> None:
    """The rule of a field that the map does not mention."""


def problem(stream: Stream, record: Record, refused: RecordRefused) -> Problem:
    """Why a record is held, with its cure."""
    return Problem(f"{record.type} {record.id}", stream.source, str(refused), refused.cure or ASK)


def refusal(stream: Stream, record: Record, refused: RecordRefused) -> Refusal:
    """A held record of which no price is known."""
    return Refusal(record.type, record.id, problem(stream, record, refused))
