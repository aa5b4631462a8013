"""Posting rules as they stand in mappings/posting.yaml: which roles a movement or fact moves, and why one moves none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from syncjob import shipped, yamlfile
from syncjob.errors import RecordRefused
from syncjob.model import BUCKETS, FactKind, Kind, Role, Transaction
from syncjob.money import Percent
from syncjob.yamlfile import Node

NAME = "mappings/posting.yaml"
APPLIED = (Kind.PAYMENT, Kind.PAYMENT_FAILURE, Kind.REFUND, Kind.REFUND_FAILURE)
FEE_ROLES = (Role.FEES, Role.DISPUTE_FEES, Role.FEE_TAX, Role.FEES_PREPAID)
_ROLES = tuple(role.value for role in Role)
BALANCES = frozenset(BUCKETS.values())
COUNTERED = {  # what other steps rely on: they look for the money there
    **dict.fromkeys(APPLIED, (Role.UNAPPLIED, "what it is for is decided by matching, and by sales: in syncjob.yaml")),
    Kind.RESERVE: (Role.RESERVE, "it stands for a balance of the gateway and is compared with it"),
}


class Sales(StrEnum):
    """Where the sales behind a gateway's payments are recorded; there is no default, since a wrong guess doubles revenue."""

    INVOICED_IN_BOOKS = "invoiced_in_books"
    RECORDED_HERE = "recorded_here"
    RECORDED_ELSEWHERE = "recorded_elsewhere"


class Fees(StrEnum):
    """How a gateway's fees come to the books."""

    ON_RECEIPT = "on_receipt"
    OWN_EXPENSE = "own_expense"
    MONTHLY_BILL = "monthly_bill"


class Revenue(StrEnum):
    """When a sale that is recorded here becomes revenue."""

    ON_PAYMENT = "on_payment"
    BY_DAY = "by_day"  # of the service's time, each day the same
    PER_PERIOD = "per_period"  # each month of it the same, counted from its first day


class Schedule(StrEnum):
    """Who brings deferred revenue to revenue."""

    ENTRIES = "entries"  # syncjob, by night, for each month that has ended
    EXPORT = "export"  # somebody else, by the exported schedule


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where a movement goes: the role across from the gateway's balance, and the role of the movement's own fees."""

    against: Role
    fees: Role


@dataclass(frozen=True, slots=True)
class Hold:
    """No entry: a person decides on each one."""

    why: str
    place: str


@dataclass(frozen=True, slots=True)
class Settles:
    """What a fact posts: what movements of these kinds left on one role goes to another."""

    kinds: tuple[Kind, ...]
    source: Role
    to: Role


@dataclass(frozen=True, slots=True)
class TaxRule:
    """The tax inside a price: of customers in these countries, for one product or all, from a day on and up to another."""

    name: str
    countries: tuple[str, ...]
    product: str
    rate: Percent
    since: date
    until: date

    def fits(self, country: str, product: str, day: date) -> bool:
        """Whether the rule is about such a sale."""
        where = not self.countries or country in self.countries
        return where and (not self.product or self.product == product) and self.since <= day < self.until


@dataclass(frozen=True, slots=True)
class PostingRules:
    """All of mappings/posting.yaml: every kind of movement and fact has its rule."""

    movements: Mapping[Kind, Accounts | Hold]
    facts: Mapping[FactKind, Settles | None]  # None: no entry
    types: Mapping[str, Mapping[str, Accounts | Hold]] = field(default_factory=dict)  # by gateway and vendor's word
    taxes: tuple[TaxRule, ...] = ()

    def of(self, gateway: str, kind: Kind, type: str) -> Accounts | Hold:
        """The rule of one movement: of the vendor's own word where it has one, else of the kind."""
        return self.types.get(gateway, _NONE).get(type) or self.movements[kind]

    def tax(self, country: str, product: str, day: date) -> TaxRule | None:
        """The first tax rule that is about such a sale."""
        return next((rule for rule in self.taxes if rule.fits(country, product, day)), None)


_NONE: Mapping[str, Accounts | Hold] = {}


@dataclass(frozen=True, slots=True)
class Treatment:
    """How one gateway account is booked: by which rules, where its sales are recorded, and how its fees are."""

    rules: PostingRules
    gateway: str = ""  # the connector, as mappings/posting.yaml names it under types:
    sales: Sales = Sales.INVOICED_IN_BOOKS
    fees: Fees = Fees.ON_RECEIPT
    reverse_charge: Percent | None = None  # of fees on which the gateway charges no tax: what is owed and deducted at once
    revenue: Revenue = Revenue.ON_PAYMENT
    schedule: Schedule = Schedule.ENTRIES

    def of(self, transaction: Transaction) -> Accounts:
        """The accounts of a movement. Raises RecordRefused where the rules hold it for a person."""
        rule = self.rules.of(self.gateway, transaction.kind, transaction.type)
        if isinstance(rule, Hold):
            raise RecordRefused(rule.why, transaction.id, f"{rule.place} holds it; give it accounts in mappings/posting.yaml")
        if transaction.kind in COUNTERED and rule.against is not COUNTERED[transaction.kind][0]:
            needed, why = COUNTERED[transaction.kind]
            text = f"types: {transaction.type} is posted against {rule.against.value}, but it is a {transaction.kind.value}"
            raise RecordRefused(text, transaction.id, f"write {needed.value} in mappings/posting.yaml: {why}")
        return rule


@lru_cache(maxsize=1)
def usual() -> Treatment:
    """The rules that came with syncjob, for sales that are invoiced in the books."""
    return Treatment(standard())


def load(home: Path | None = None) -> PostingRules:
    """The home's own mappings/posting.yaml, or else the one that came with syncjob.

    Raises Misconfigured with file, line, column and cure for rules that are not right as a whole.
    """
    own = home / NAME if home is not None else None
    return _read(yamlfile.load(own, NAME)) if own is not None and own.exists() else standard()


@lru_cache(maxsize=1)
def standard() -> PostingRules:
    """The rules that came with syncjob."""
    return _read(yamlfile.load(shipped.folder() / "posting.yaml", NAME))


def _read(root: Node) -> PostingRules:
    top = root.mapping(["movements", "types", "facts", "tax"], ["movements", "facts"])
    kinds, facts = [kind.value for kind in Kind], [kind.value for kind in FactKind]
    moved = top["movements"].mapping(kinds, kinds)
    movements = {Kind(name): _movement(node, Kind(name)) for name, node in moved.items()}
    told = top["facts"].mapping(facts, facts)
    return PostingRules(
        movements,
        {FactKind(name): _fact(node, movements) for name, node in told.items()},
        {gateway: _types(words) for gateway, words in top["types"].mapping().items()} if "types" in top else {},
        tuple(map(_tax, top["tax"].sequence())) if "tax" in top else (),
    )


def _types(node: Node) -> Mapping[str, Accounts | Hold]:
    return {word: _movement(rule, None) for word, rule in node.mapping().items()}


def _movement(node: Node, kind: Kind | None) -> Accounts | Hold:
    words = node.mapping(["against", "fees", "hold"])
    if "hold" in words:
        node.mapping(["hold"])
        return Hold(words["hold"].text(), f"{node.place.file}:{node.place.line}")
    node.mapping(None, ["against", "fees"])
    against, fees = Role(words["against"].choice(_ROLES)), Role(words["fees"].choice(_ROLES))
    needed, why = COUNTERED.get(kind, (against, "")) if kind is not None else (against, "")
    if against is not needed:
        raise words["against"].wrong(f"a {kind} is posted against {needed.value}: {why}", f"write {needed.value}")
    if against in BALANCES and kind is not Kind.RESERVE:
        raise words["against"].wrong(f"{against.value} stands for a balance of the gateway itself", "name the other side")
    if fees not in FEE_ROLES:
        raise words["fees"].wrong(f"{fees.value} is no account of fees", f"write one of {', '.join(FEE_ROLES)}")
    return Accounts(against, fees)


def _fact(node: Node, movements: Mapping[Kind, Accounts | Hold]) -> Settles | None:
    words = node.mapping(["settles", "from", "to", "no_entry"])
    if "no_entry" in words:
        node.mapping(["no_entry"])
        words["no_entry"].text()
        return None
    node.mapping(None, ["settles", "from", "to"])
    kinds = tuple(Kind(one.choice([kind.value for kind in Kind])) for one in words["settles"].one_or_more())
    source, to = Role(words["from"].choice(_ROLES)), Role(words["to"].choice(_ROLES))
    for name, role in (("from", source), ("to", to)):
        if role in BALANCES:
            raise words[name].wrong(f"{role.value} stands for a balance of the gateway, which only its movements move")
    for kind in kinds:
        rule = movements[kind]
        if isinstance(rule, Accounts) and rule.against is not source:
            why = f"a {kind.value} is posted against {rule.against.value}, so {source.value} holds nothing of it to settle"
            raise words["from"].wrong(why, f"write {rule.against.value}, or no_entry: with the reason")
    return Settles(kinds, source, to)


def _tax(node: Node) -> TaxRule:
    words = node.mapping(["name", "country", "product", "rate", "since", "until"], ["name", "rate"])
    countries = [one.text() for one in words["country"].one_or_more()] if "country" in words else []
    for one, code in zip(words["country"].one_or_more() if "country" in words else (), countries, strict=True):
        if len(code) != 2 or not (code.isascii() and code.isupper()):
            raise one.wrong(f"{code!r} is no country", "write its two letters in ISO 3166, such as DE")
    try:
        rate = Percent.of(words["rate"].text())
    except RecordRefused as wrong:
        raise words["rate"].wrong(str(wrong), 'write percent, such as "19" or "7.7"') from None
    since = _day(words["since"]) if "since" in words else date.min
    until = _day(words["until"]) if "until" in words else date.max
    if since >= until:
        raise words["until"].wrong("the rule ends before it begins", "until is the first day on which it no longer counts")
    product = words["product"].text() if "product" in words else ""
    return TaxRule(words["name"].text(), tuple(countries), product, rate, since, until)


def _day(node: Node) -> date:
    try:
        return date.fromisoformat(node.text()) if len(node.text()) == 10 else _no_day(node)
    except ValueError:
        return _no_day(node)


def _no_day(node: Node) -> date:
    raise node.wrong(f"{node.text()!r} is no calendar day", "write it as 2026-01-31")
