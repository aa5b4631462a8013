"""The rules for money movements: each record of the posting feed becomes one Transaction, exact or held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from syncjob import yamlfile
from syncjob.errors import RecordRefused
from syncjob.mapping import soundness
from syncjob.mapping.blocks import ASK, Block, problem
from syncjob.mapping.counting import Counts
from syncjob.mapping.dating import dating, is_usual
from syncjob.mapping.files import MapFile
from syncjob.mapping.keep import Keeping
from syncjob.mapping.paths import Scope
from syncjob.mapping.rules import RETRY, Value
from syncjob.model import BUCKETS, Fee, Kind, Record, Reference, Refusal, Stream, Transaction
from syncjob.money import Money, share
from syncjob.yamlfile import Node

FIELDS = {  # field -> (type of value, whether it must be there)
    "id": ("text", True),
    "type": ("text", True),
    "bucket": ("text", True),
    "held_in": ("text", False),
    "origin": ("text", False),
    "parent": ("text", False),
    "occurred": ("instant", True),
    "effective": ("instant", True),
    "available": ("instant", False),
    "paid_out": ("instant", False),
    "gross": ("money", True),
    "fees": ("list of fees", False),
    "fee": ("money", False),
    "net": ("money", True),
    "presented": ("money", False),
    "sale_total": ("money", False),
    "sale_before_tax": ("money", False),
    "product": ("text", False),
    "services": ("list of services", False),
    "customer": ("text", False),
    "description": ("text", False),
}
TYPES = {name: wanted for name, (wanted, _) in FIELDS.items()}
KINDS = {kind.value: kind for kind in Kind}
_TAKES = {  # whether a kind takes money from the balance; others may do either
    Kind.PAYMENT: False,
    Kind.PAYMENT_FAILURE: True,
    Kind.REFUND: True,
    Kind.REFUND_FAILURE: False,
    Kind.DISPUTE: True,
    Kind.DISPUTE_REVERSAL: False,
}
_REVERSES = {
    Kind.PAYMENT_FAILURE: Kind.PAYMENT,
    Kind.REFUND_FAILURE: Kind.REFUND,
    Kind.DISPUTE_REVERSAL: Kind.DISPUTE,
    Kind.PAYOUT_FAILURE: Kind.PAYOUT,
}


class Movements(Block):
    """The rules for money movements: one Transaction for each record of the posting feed."""

    what = "movement"
    types = TYPES
    required = tuple(name for name, (_, must) in FIELDS.items() if must)
    kinds = KINDS

    def __init__(self, file: MapFile, node: Node, keeping: Keeping, counts: Counts) -> None:
        super().__init__(file, node, keeping, counts, ["kind", "references", "date", *FIELDS])
        node.mapping(None, ["kind", *(name for name, (_, required) in FIELDS.items() if required)])
        self.kind = self.rules.choice(self.words["kind"], self.kinds, f"{self.record}.kind")
        fields = {name: self.value(name, wanted, required=required) for name, (wanted, required) in FIELDS.items()}
        soundness.amounts_agree(self.words)
        soundness.never_written(self.words["type"], "the vendor's own word", ("value", "default", "lookup"))
        self._buckets()
        soundness.times_are_the_gateways(self.words)
        soundness.words_are_listed(self.words, self.rules.table)
        self.id, self.type, self.bucket, self.held_in = (fields[name] for name in ("id", "type", "bucket", "held_in"))
        self.origin, self.parent, self.customer = fields["origin"], fields["parent"], fields["customer"]
        self.occurred, self.effective, self.available = fields["occurred"], fields["effective"], fields["available"]
        self.paid_out = fields["paid_out"]
        self.gross, self.fees, self.fee, self.net = fields["gross"], fields["fees"], fields["fee"], fields["net"]
        self.presented, self.description = fields["presented"], fields["description"]
        self.sale_total, self.sale_before_tax, self.product, self.services = (
            fields[name] for name in ("sale_total", "sale_before_tax", "product", "services")
        )
        if ("sale_total" in self.words) is not ("sale_before_tax" in self.words):
            odd = "sale_total" if "sale_total" in self.words else "sale_before_tax"
            why = "sale_total and sale_before_tax say together how much of a sale is tax"
            raise yamlfile.complaint(node.key_place(odd), why, "write both, or none")
        self.references = self.rules.references(self.words["references"]) if "references" in self.words else _none
        choices = dating(self.words)
        self.dating = () if is_usual(choices) else tuple((one.field, one.zone) for one in choices)
        self.rate_source = f"{file.of}: amount and settled amount as stated"

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
        kind = self.kind(scope)
        if gross.minor and (gross.minor < 0) is not _TAKES.get(kind, gross.minor < 0):
            raise _unsigned(kind, gross)
        is_sale = kind is Kind.PAYMENT
        made = Transaction(
            stream=stream,
            id=self.id(scope),
            kind=kind,
            type=self.type(scope),
            subject=subject,
            bucket=self.bucket(scope),
            held_in=self.held_in(scope) or "",
            origin=self.origin(scope) or "",
            parent=self.parent(scope) or "",
            occurred=self.occurred(scope),
            effective=self.effective(scope),
            available=self.available(scope),
            paid_out=self.paid_out(scope),
            gross=gross,
            fees=fees,
            net=net,
            presented=presented,
            rate_source=self.rate_source if presented is not None else "",
            customer=self.customer(scope) or "",
            references=references,
            description=self.description(scope) or "",
            product=(self.product(scope) or "") if is_sale else "",
            services=(self.services(scope) or ()) if is_sale and not further else (),
            taxes=self._taxes(presented or gross, scope) if is_sale and not further else (),
        )
        return self._dated(made) if self.dating else made

    def _buckets(self) -> None:
        """A balance that no posting rule knows would hold every movement in it."""
        named = [self.words[name] for name in ("bucket", "held_in") if name in self.words]
        for rule in [one.mapping() for node in named for one in node.one_or_more()]:
            table = self.rules.table(rule["lookup"]).mapping() if "lookup" in rule else {}
            for node in (*table.values(), *(rule[word] for word in ("value", "otherwise") if word in rule)):
                node.choice(BUCKETS)

    def _taxes(self, paid: Money, scope: Scope) -> tuple[Fee, ...]:
        """The tax in a payment: of the whole sale where it pays it whole, its share where it pays a part; else not known."""
        total = self.sale_total(scope)
        before = self.sale_before_tax(scope) if total is not None else None
        if total is None or before is None or {total.currency, before.currency} != {paid.currency}:
            return ()
        if not 0 < paid.minor <= total.minor or not 0 <= before.minor <= total.minor:
            return ()
        return (Fee("tax", share(total - before, paid.minor, total.minor)),)

    def _dated(self, made: Transaction) -> Transaction:
        """The movement with the instant that decides its business date, by the map's rule."""
        for field, zone in self.dating:
            instant = getattr(made, field)
            if instant is not None:
                return replace(made, dated=instant, date_zone=zone)
        names = " and ".join(field for field, _ in self.dating)
        place = self.words["date"].place
        cure = f"add effective at the end of {place.file}:{place.line}, {RETRY}"
        raise RecordRefused(f"{names} is missing, which decides its date", cure=cure)

    def _closes(self, gross: Money, net: Money, fees: Sequence[Fee], fee: Money | None) -> None:
        currency, total = gross.currency, 0
        for one in fees:
            if one.amount.currency != currency:
                raise RecordRefused(f"a fee is {one.amount}, but the movement is in {currency}", cure=ASK)
            total += one.amount.minor
        if net.currency != currency or gross.minor - total != net.minor:
            raise RecordRefused(f"gross {gross} less the fees named, {Money(total, currency)}, is not net {net}", cure=ASK)
        if fee is not None and (fee.currency != currency or fee.minor != total):
            raise RecordRefused(f"the fees named come to {Money(total, currency)}, but the fee is {fee}", cure=ASK)

    def refusal(self, stream: Stream, record: Record, refused: RecordRefused) -> Refusal:
        """The held movement with what of its price can be read, so that the reconciliation can name it."""
        scope = self.bare(stream, record)
        return Refusal(
            record.type,
            record.id,
            problem(stream, record, refused),
            effective=_readable(self.effective, scope),
            net=_readable(self.net, scope),
            bucket=_readable(self.bucket, scope) or "",
        )


def _unsigned(kind: Kind, gross: Money) -> RecordRefused:
    takes = "takes money from" if _TAKES[kind] else "brings money to"
    why = f"kind is {kind.value}, which {takes} the balance, and gross is {gross}"
    return RecordRefused(why, cure=f"correct the rules of kind, {RETRY}")


def _none(_: Scope) -> tuple[Reference, ...]:
    return ()


def _readable(value: Value, scope: Scope) -> Any:
    try:
        return value(scope)
    except RecordRefused:
        return None


def each_once(movements: Sequence[Movements]) -> None:
    """One record is one movement: of two blocks about one type, each must say when it counts."""
    for place, block in enumerate(movements):
        for before in movements[:place]:
            if block.record == before.record and (block.applies is None or before.applies is None):
                why = f"{block.record} makes a movement in the block of line {before.place.line} already"
                raise block.words["record"].wrong(why, "give both a when:, or keep one of them")


def reversing(transactions: list[Transaction]) -> tuple[Transaction, ...]:
    """Movements that take an earlier one back name it, where the earlier one belongs to the same charge, refund or payout."""
    for place, one in enumerate(transactions):
        undone = _REVERSES.get(one.kind)
        if undone is None or not one.origin:
            continue
        for other in transactions:
            if other.kind is undone and other.origin in (one.origin, one.parent):
                transactions[place] = replace(one, reverses=other.id)
    return tuple(transactions)
