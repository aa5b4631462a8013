"""A gateway's map: from landed records to movements, life-cycle facts and people. Pure: same records, same reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import TypeVar

from syncjob.errors import RecordRefused
from syncjob.mapping import facts, files, movements, people
from syncjob.mapping.blocks import Block, Known, refusal
from syncjob.mapping.counting import Counts, What
from syncjob.mapping.drift import Watch, enums
from syncjob.mapping.facts import Facts
from syncjob.mapping.files import MapFile
from syncjob.mapping.keep import Keeping
from syncjob.mapping.movements import Movements
from syncjob.mapping.paths import Fields
from syncjob.mapping.people import ADDRESS_PARTS as ADDRESS_PARTS
from syncjob.mapping.people import People
from syncjob.mapping.rules import RETRY
from syncjob.model import Fact, Kept, Person, Reading, Record, Refusal, Stream, Transaction
from syncjob.money import declare_gateway, from_gateway
from syncjob.yamlfile import Node

_MOVEMENT, _FACT, _PERSON = movements.FIELDS, facts.FIELDS, people.FIELDS
_KINDS, _FACT_KINDS = movements.KINDS, facts.KINDS
_AnyBlock = TypeVar("_AnyBlock", bound=Block)


class _Counts(Counts):
    """The counts of one gateway's map: the records that were read are added up apart, since each passes here."""

    __slots__ = ("records",)

    def __init__(self, map: str) -> None:
        super().__init__(map)
        self.records: dict[str, int] = {}  # of each type that a block is about

    def drain(self) -> dict[tuple[str, What], int]:
        """What was counted since the last time, by (field, what)."""
        for type, read in self.records.items():
            if read:
                self.note(type, What.READ, read)
                self.records[type] = 0
        return super().drain()


class GatewayMap:
    """A gateway's map, compiled: `keep` is what of its records is kept, `read` is what they mean."""

    def __init__(self, file: MapFile) -> None:
        """Check the whole map; raises Misconfigured with file, line and column."""
        words = file.root.mapping(["gateway", "keep", "personal", "movements", "facts", "people"], ["gateway", "movements"])
        self.name = words["gateway"].choice([file.of])
        _decimals_are_known(words["gateway"], file.schema)
        counts = _Counts(f"gateways/{self.name}")
        self.counts: Counts = counts
        self._file, self._map = file, file.name
        self._keeping = Keeping(Fields.load(file.schema, file.of), words.get("keep"), words.get("personal"))
        self._movements = self._blocks(Movements, words.get("movements"))
        movements.each_once(self._movements)
        self._facts = self._blocks(Facts, words.get("facts"))
        self._people = self._blocks(People, words.get("people"))
        self._reads = counts.records
        self._reads.update((block.record, 0) for block in self.blocks())
        self.keep: dict[str, Kept] = self._keeping.kept()
        self.watch = Watch(self.keep, enums(file.schema))
        self.digest = file.digest  # after all tables that the rules name were read

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        """All that one subject's records say, from the newest version of each; what cannot be read is refused by name."""
        known, refusals = self._known(stream, records)
        readable: dict[str, list[Record]] = {}
        for record in known.values():
            if record.problem is None:
                readable.setdefault(record.type, []).append(record)
        reads, of_type = self._reads, readable.get
        for type, found in readable.items():
            if type in reads:
                reads[type] += len(found)
        transactions: list[Transaction] = []
        told: list[Fact] = []
        persons: dict[str, Person] = {}
        for moving in self._movements:
            for record in of_type(moving.record, ()):
                try:
                    scope, further = moving.scopes(stream, record, known)
                    if scope is not None:
                        transactions.append(moving.transaction(stream, subject, scope, further))
                except RecordRefused as refused:
                    self._held(moving, stream, record, known)
                    refusals.setdefault((record.type, record.id), moving.refusal(stream, record, refused))
        for block in self._facts:
            for record in of_type(block.record, ()):
                try:
                    fact = block.fact(stream, subject, record, known)
                except RecordRefused as refused:
                    self._held(block, stream, record, known)
                    refusals.setdefault((record.type, record.id), refusal(stream, record, refused))
                else:
                    if fact is not None:
                        told.append(fact)
        for who in self._people:
            of_block: list[Person] = []
            for record in of_type(who.record, ()):
                try:
                    person = who.person(stream, record, known, persons)
                except RecordRefused as refused:
                    self._held(who, stream, record, known)
                    refusals.setdefault((record.type, record.id), refusal(stream, record, refused))
                else:
                    if person is not None:
                        of_block.append(person)
            persons |= people.newest(of_block)
        return Reading(movements.reversing(transactions), tuple(told), tuple(persons.values()), tuple(refusals.values()))

    def _held(self, block: Block, stream: Stream, record: Record, known: Known) -> None:
        """Count a held record under the field that refuses it."""
        try:
            scope, _ = block.scopes(stream, record, known)
            field = block.held_at(scope) if scope is not None else record.type
        except RecordRefused:  # another record that it needs is held itself
            field = record.type
        self.counts.note(field, What.HELD)

    def blocks(self) -> tuple[Block, ...]:
        """Every group of rules in the map's order: for whoever explains what they said."""
        return (*self._movements, *self._facts, *self._people)

    def newest(self, stream: Stream, records: Sequence[Record]) -> Known:
        """The newest version of each record, by type and id."""
        return self._known(stream, records)[0]

    def _known(self, stream: Stream, records: Sequence[Record]) -> tuple[Known, dict[tuple[str, str], Refusal]]:
        newest: Known = {}
        for record in records:
            key = (record.type, record.id)
            older = newest.get(key)
            if older is None or older.as_of <= record.as_of:
                newest[key] = record
        refusals: dict[tuple[str, str], Refusal] = {}
        for key, record in newest.items():
            if record.problem is not None:
                refusals[key] = Refusal(record.type, record.id, record.problem)
            elif record.type not in self.keep:
                self.counts.note(record.type, What.HELD)
                why = f"{self._map} knows no records of type {record.type!r}"
                refusals[key] = refusal(stream, record, RecordRefused(why, cure=f"list the type under keep:, {RETRY}"))
        return newest, refusals

    def _blocks(self, make: Callable[[MapFile, Node, Keeping, Counts], _AnyBlock], node: Node | None) -> tuple[_AnyBlock, ...]:
        blocks = [make(self._file, one, self._keeping, self.counts) for one in node.one_or_more()] if node is not None else []
        for block in blocks:
            self._keeping.add(block.paths)
        return tuple(blocks)


def load_gateway(name: str, home: FilePath | None = None) -> GatewayMap:
    """The map of a gateway: mappings/gateways/NAME.yaml of the home, or else the one that came with syncjob.

    Raises Misconfigured, with file, line, column and cure, for a map that is not right as a whole.
    """
    return GatewayMap(files.read("gateways", name, home))


def _decimals_are_known(gateway: Node, schema: Node) -> None:
    """A schema may say where its vendor's whole numbers have other decimals than ISO: `decimals: {ISK: 2, IQD: unknown}`."""
    name, said = gateway.text(), schema.mapping().get("decimals")
    try:
        if said is not None:
            odd = {code: None if one.content == "unknown" else one.whole(0, 4) for code, one in said.mapping().items()}
            declare_gateway(name, odd)
        from_gateway(name, 0, "EUR")
    except RecordRefused as wrong:
        raise (said or gateway).wrong(str(wrong), wrong.cure) from None
    except KeyError:
        cure = f"add decimals: to {schema.place.file}, {{}} where all are those of ISO 4217"
        raise gateway.wrong(f"the decimals of {name!r} are listed neither in its schema nor in money.py", cure) from None
