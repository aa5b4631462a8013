"""A gateway's map: from landed records to movements, life-cycle facts and people. Pure: same records, same reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, TypeVar

from syncjob.errors import Problem, RecordRefused
from syncjob.mapping import files, soundness
from syncjob.mapping.files import MapFile
from syncjob.mapping.keep import Keeping
from syncjob.mapping.paths import Fields, Paths, Read, Scope
from syncjob.mapping.rules import NOTHING, RETRY, Rules, Value
from syncjob.model import (
    NO_ADDRESS,
    Address,
    Fact,
    FactKind,
    Fee,
    Kept,
    Kind,
    Person,
    Reading,
    Record,
    Reference,
    Refusal,
    Stream,
    Transaction,
)
from syncjob.money import Money, declare_gateway, from_gateway
from syncjob.yamlfile import Node

_MOVEMENT = {  # field -> (type of value, whether it must be there)
    "id": ("text", True),
    "type": ("text", True),
    "bucket": ("text", True),
    "held_in": ("text", False),
    "origin": ("text", False),
    "parent": ("text", False),
    "occurred": ("instant", True),
    "effective": ("instant", True),
    "available": ("instant", False),
    "gross": ("money", True),
    "fees": ("list of fees", False),
    "fee": ("money", False),
    "net": ("money", True),
    "presented": ("money", False),
    "customer": ("text", False),
    "description": ("text", False),
}
_FACT = {
    "occurred": ("instant", True),
    "amount": ("money", False),
    "customer": ("text", False),
    "due": ("instant", False),
    "reason": ("text", False),
}
ADDRESS_PARTS = ("line1", "line2", "postal_code", "city", "subdivision", "country")
_PERSON = dict.fromkeys(("id", "name", "email", "phone", "company", "country"), "text")
_MOVEMENT_TYPES = {name: wanted for name, (wanted, _) in _MOVEMENT.items()}
_FACT_TYPES = {name: wanted for name, (wanted, _) in _FACT.items()}
_KINDS = {kind.value: kind for kind in Kind}
_FACT_KINDS = {**{kind.value: kind for kind in FactKind}, NOTHING: None}
_REVERSES = {
    Kind.PAYMENT_FAILURE: Kind.PAYMENT,
    Kind.REFUND_FAILURE: Kind.REFUND,
    Kind.DISPUTE_REVERSAL: Kind.DISPUTE,
    Kind.PAYOUT_FAILURE: Kind.PAYOUT,
}
_ASK = "compare the record with the gateway's own page, and ask its support"
Known = dict[tuple[str, str], Record]  # the newest version of each record of a subject, held ones too


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

    def __init__(self, gateway: str, source: str, node: Node, keeping: Keeping, words: Sequence[str]) -> None:
        self._gateway, self._source = gateway, source
        self.place = node.place
        self.words = node.mapping(["record", "when", "needs", "joins", *words], ["record"])
        self.record = keeping.known_type(self.words["record"])
        self.paths = Paths(keeping.fields, self.record, keeping.personal)
        self.rules = Rules(gateway, source, self.paths)
        self.joins = [self._join(name, join, keeping) for name, join in self._join_nodes(keeping.fields.by_type[self.record])]
        self.applies = self.rules.condition(self.words)

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
        where = only = None
        if "only" in words and "where" not in words:
            raise words["only"].wrong("only: chooses among the records that where: finds", "add where:")
        if "where" in words:
            if len(types) > 1:
                raise words["where"].wrong("where: compares a field of one record type", "name one type at record:")
            joined = Paths(keeping.fields, types[0], keeping.personal)
            where = joined.reader(words["where"], is_id=True)[1]
            if "only" in words:
                only = Rules(self._gateway, self._source, joined).condition({"when": words["only"]})
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

    def records(self, readable: Mapping[str, Sequence[Record]]) -> Sequence[Record]:
        """The records that the block is about."""
        return readable.get(self.record, ())

    def value(self, name: str, wanted: str, *, required: bool = False) -> Value:
        """The compiled rule of a field; a field without a rule is absent, a required one is refused."""
        if name not in self.words:
            return _absent
        value = self.rules.value(self.words[name], wanted)
        soundness.ids_are_read(name, self.words[name])
        if not required:
            return value

        def present(scope: Scope) -> object:
            found = value(scope)
            if found is None:
                raise RecordRefused(f"{name} is missing", cure=_ASK)
            return found

        return present


def _absent(_: Scope) -> None:
    return None


def _none(_: Scope) -> tuple[Reference, ...]:
    return ()


class _Movements(Block):
    """The rules for money movements: one Transaction for each record of the posting feed."""

    what = "movement"
    types = _MOVEMENT_TYPES
    kinds = _KINDS

    def __init__(self, gateway: str, source: str, node: Node, keeping: Keeping) -> None:
        super().__init__(gateway, source, node, keeping, ["kind", "references", *_MOVEMENT])
        node.mapping(None, ["kind", *(name for name, (_, required) in _MOVEMENT.items() if required)])
        self.kind = self.rules.choice(self.words["kind"], self.kinds)
        fields = {name: self.value(name, wanted, required=required) for name, (wanted, required) in _MOVEMENT.items()}
        for check in (soundness.amounts_agree, soundness.times_are_the_gateways, soundness.words_are_listed):
            check(self.words)
        self.id, self.type, self.bucket, self.held_in = (fields[name] for name in ("id", "type", "bucket", "held_in"))
        self.origin, self.parent, self.customer = fields["origin"], fields["parent"], fields["customer"]
        self.occurred, self.effective, self.available = fields["occurred"], fields["effective"], fields["available"]
        self.gross, self.fees, self.fee, self.net = fields["gross"], fields["fees"], fields["fee"], fields["net"]
        self.presented, self.description = fields["presented"], fields["description"]
        self.references = self.rules.references(self.words["references"]) if "references" in self.words else _none
        self.rate_source = f"{gateway}: amount and settled amount as stated"

    def transaction(self, stream: Stream, subject: str, scope: Scope, further: Sequence[Scope]) -> Transaction:
        """One movement, exact or refused: gross less the fees named must be the net."""
        gross, net, fees = self.gross(scope), self.net(scope), self.fees(scope) or ()
        self._closes(gross, net, fees, self.fee(scope))
        presented = self.presented(scope)
        if presented is None or presented.currency == gross.currency:
            presented = None
        elif (presented.minor < 0) != (gross.minor < 0):
            presented = -presented
        references = self.references(scope)
        for other in further:
            known = {reference.text for reference in references}
            references += tuple(one for one in self.references(other) if one.text not in known)
        return Transaction(
            stream=stream,
            id=self.id(scope),
            kind=self.kind(scope),
            type=self.type(scope),
            subject=subject,
            bucket=self.bucket(scope),
            held_in=self.held_in(scope) or "",
            origin=self.origin(scope) or "",
            parent=self.parent(scope) or "",
            occurred=self.occurred(scope),
            effective=self.effective(scope),
            available=self.available(scope),
            gross=gross,
            fees=fees,
            net=net,
            presented=presented,
            rate_source=self.rate_source if presented is not None else "",
            customer=self.customer(scope) or "",
            references=references,
            description=self.description(scope) or "",
        )

    def _closes(self, gross: Money, net: Money, fees: Sequence[Fee], fee: Money | None) -> None:
        currency, total = gross.currency, 0
        for one in fees:
            if one.amount.currency != currency:
                raise RecordRefused(f"a fee is {one.amount}, but the movement is in {currency}", cure=_ASK)
            total += one.amount.minor
        if net.currency != currency or gross.minor - total != net.minor:
            raise RecordRefused(f"gross {gross} less the fees named, {Money(total, currency)}, is not net {net}", cure=_ASK)
        if fee is not None and (fee.currency != currency or fee.minor != total):
            raise RecordRefused(f"the fees named come to {Money(total, currency)}, but the fee is {fee}", cure=_ASK)

    def refusal(self, stream: Stream, record: Record, refused: RecordRefused) -> Refusal:
        """The held movement with what of its price can be read, so that the reconciliation can name it."""
        scope = self.bare(stream, record)
        return Refusal(
            record.type,
            record.id,
            _problem(stream, record, refused),
            effective=_readable(self.effective, scope),
            net=_readable(self.net, scope),
            bucket=_readable(self.bucket, scope) or "",
        )


class _Facts(Block):
    """The rules for one life-cycle fact of one record type."""

    what = "fact"
    types = _FACT_TYPES
    kinds = _FACT_KINDS

    def __init__(self, gateway: str, source: str, node: Node, keeping: Keeping) -> None:
        super().__init__(gateway, source, node, keeping, ["kind", "detail", *_FACT])
        node.mapping(None, ["kind", *(name for name, (_, required) in _FACT.items() if required)])
        self.kind = self.rules.choice(self.words["kind"], self.kinds)
        fields = {name: self.value(name, wanted, required=required) for name, (wanted, required) in _FACT.items()}
        self.occurred, self.amount, self.due = fields["occurred"], fields["amount"], fields["due"]
        self.customer, self.reason = fields["customer"], fields["reason"]
        details = self.words["detail"].mapping().items() if "detail" in self.words else ()
        soundness.words_are_listed(self.words)
        self.details = tuple((name, self.rules.value(rule, "text")) for name, rule in details)

    def fact(self, stream: Stream, subject: str, record: Record, known: Known) -> Fact | None:
        """The fact that a record tells now, or None where its state is known to tell none."""
        scope, _ = self.scopes(stream, record, known)
        kind = self.kind(scope) if scope is not None else None
        if kind is None or scope is None:
            return None
        detail = {name: rule(scope) for name, rule in self.details}
        return Fact(
            stream=stream,
            id=record.id,
            kind=kind,
            subject=subject,
            occurred=self.occurred(scope),
            amount=self.amount(scope),
            customer=self.customer(scope) or "",
            due=self.due(scope),
            reason=self.reason(scope) or "",
            detail={name: text for name, text in detail.items() if text is not None},
        )


class _People(Block):
    """The rules for who paid, as one record type tells it."""

    what = "person"
    types = _PERSON

    def __init__(self, gateway: str, source: str, node: Node, keeping: Keeping) -> None:
        super().__init__(gateway, source, node, keeping, ["address", *_PERSON])
        node.mapping(None, ["id"])
        fields = {name: self.value(name, "text") for name in _PERSON}
        self.id = fields.pop("id")
        self.fields = tuple(fields.items())
        parts = self.words["address"].mapping(ADDRESS_PARTS) if "address" in self.words else {}
        self.address = tuple((name, self.rules.value(rule, "text")) for name, rule in parts.items())

    def person(self, stream: Stream, record: Record, known: Known) -> Person | None:
        """The person, or None where the record does not say who it was."""
        scope, _ = self.scopes(stream, record, known)
        id = self.id(scope) if scope is not None else None
        if not id or scope is None:
            return None
        parts = {name: rule(scope) or "" for name, rule in self.address}
        texts = {name: rule(scope) or "" for name, rule in self.fields}
        address = Address(**parts) if any(parts.values()) else NO_ADDRESS
        return Person(stream=stream, id=id, as_of=record.as_of, address=address, **texts)


def _problem(stream: Stream, record: Record, refused: RecordRefused) -> Problem:
    return Problem(f"{record.type} {record.id}", stream.source, str(refused), refused.cure or _ASK)


def _readable(value: Value, scope: Scope) -> Any:
    try:
        return value(scope)
    except RecordRefused:
        return None


_AnyBlock = TypeVar("_AnyBlock", bound=Block)


class GatewayMap:
    """A gateway's map, compiled: `keep` is what of its records is kept, `read` is what they mean."""

    def __init__(self, file: MapFile) -> None:
        """Check the whole map; raises Misconfigured with file, line and column."""
        words = file.root.mapping(["gateway", "keep", "personal", "movements", "facts", "people"], ["gateway", "movements"])
        self.name = words["gateway"].choice([file.of])
        _decimals_are_known(words["gateway"], file.schema)
        self.digest = file.digest
        self._map = file.name
        self._keeping = Keeping(Fields.load(file.schema, file.of), words.get("keep"), words.get("personal"))
        self._movements = self._blocks(_Movements, words.get("movements"))
        _each_once(self._movements)
        self._facts = self._blocks(_Facts, words.get("facts"))
        self._people = self._blocks(_People, words.get("people"))
        self.keep: dict[str, Kept] = self._keeping.kept()

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        """All that one subject's records say, from the newest version of each; what cannot be read is refused by name."""
        known, refusals = self._known(stream, records)
        readable: dict[str, list[Record]] = {}
        for record in known.values():
            if record.problem is None:
                readable.setdefault(record.type, []).append(record)
        transactions: list[Transaction] = []
        facts: list[Fact] = []
        people: list[tuple[int, Person]] = []
        for movements in self._movements:
            for record in movements.records(readable):
                try:
                    scope, further = movements.scopes(stream, record, known)
                    if scope is not None:
                        transactions.append(movements.transaction(stream, subject, scope, further))
                except RecordRefused as refused:
                    refusals.setdefault((record.type, record.id), movements.refusal(stream, record, refused))
        for block in self._facts:
            for record in block.records(readable):
                try:
                    fact = block.fact(stream, subject, record, known)
                except RecordRefused as refused:
                    refusals.setdefault((record.type, record.id), _refusal(stream, record, refused))
                else:
                    facts += [fact] if fact is not None else []
        for rank, who in enumerate(self._people):
            for record in who.records(readable):
                try:
                    person = who.person(stream, record, known)
                except RecordRefused as refused:
                    refusals.setdefault((record.type, record.id), _refusal(stream, record, refused))
                else:
                    people += [(rank, person)] if person is not None else []
        return Reading(_reversing(transactions), tuple(facts), _once(people), tuple(refusals.values()))

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
                why = f"{self._map} knows no records of type {record.type!r}"
                refusals[key] = _refusal(stream, record, RecordRefused(why, cure=f"list the type under keep:, {RETRY}"))
        return newest, refusals

    def _blocks(self, make: Callable[[str, str, Node, Keeping], _AnyBlock], node: Node | None) -> tuple[_AnyBlock, ...]:
        blocks = [make(self.name, self._map, one, self._keeping) for one in node.one_or_more()] if node is not None else []
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


def _each_once(movements: Sequence[_Movements]) -> None:
    """One record is one movement: of two blocks about one type, each must say when it counts."""
    for place, block in enumerate(movements):
        for before in movements[:place]:
            if block.record == before.record and (block.applies is None or before.applies is None):
                why = f"{block.record} makes a movement in the block of line {before.place.line} already"
                raise block.words["record"].wrong(why, "give both a when:, or keep one of them")


def _refusal(stream: Stream, record: Record, refused: RecordRefused) -> Refusal:
    return Refusal(record.type, record.id, _problem(stream, record, refused))


def _reversing(transactions: list[Transaction]) -> tuple[Transaction, ...]:
    """Movements that take an earlier one back name it, where the earlier one belongs to the same charge, refund or payout."""
    for place, one in enumerate(transactions):
        undone = _REVERSES.get(one.kind)
        if undone is None or not one.origin:
            continue
        for other in transactions:
            if other.kind is undone and other.origin in (one.origin, one.parent):
                transactions[place] = replace(one, reverses=other.id)
    return tuple(transactions)


def _once(people: Sequence[tuple[int, Person]]) -> tuple[Person, ...]:
    """Each person once: as the first block of the map tells them, in its newest version."""
    found: dict[str, tuple[int, Person]] = {}
    for rank, person in people:
        known = found.get(person.id)
        if known is None or (known[0] == rank and known[1].as_of < person.as_of):
            found[person.id] = (rank, person)
    return tuple(person for _, person in found.values())
