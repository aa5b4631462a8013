"""The nouns of syncjob as frozen values: what a gateway said, what it means, what a target should hold, and how that goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from syncjob.errors import Problem
from syncjob.money import Money

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"  # never a float


# ---------------------------------------------------------------- what a gateway showed us


@dataclass(frozen=True, slots=True)
class Stream:
    """Whose records these are: the account's name in syncjob.yaml, the vendor's account id, and live or test."""

    source: str
    account: str
    mode: str  # "live" or "test"


@dataclass(frozen=True, slots=True)
class Raw:
    """One gateway object as a connector read it, before it is reduced to the kept fields and redacted.

    `occurred` (UTC) is when the object came to be; `as_of` (UTC) is when these facts were true: it decides which of two
    versions is newer. `subject` names what the record
    is about ("payment:ch_1", "payout:po_1", "customer:cus_1"), so that everything about one payment is found by one key.
    """

    type: str
    id: str
    occurred: datetime
    as_of: datetime
    subject: str
    body: Mapping[str, Json]


Path: TypeAlias = tuple[str, ...]  # the way to a field: ("billing_details", "email")


@dataclass(frozen=True, slots=True)
class Kept:
    """What of one record type is kept on disk: the allow-list of a gateway's map.

    `ids` are fields that must stay byte-exact (ids, codes): a card number in one of them holds the record without its content.
    """

    type: str
    fields: tuple[Path, ...]
    personal: tuple[Path, ...] = ()
    person: Path = ()  # where the person's id stands
    ids: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one gateway object as it is landed: kept fields, redacted. `personal` holds a person's fields apart."""

    type: str
    id: str
    occurred: datetime
    as_of: datetime
    subject: str
    body: Mapping[str, Json]
    personal: Mapping[str, Json]
    person: str  # whose personal fields these are ("" where there are none); the key of a purge
    digest: str  # of body and personal together: equal digests are the same version
    problem: Problem | None = None  # set: the record is held without its content


# ---------------------------------------------------------------- what it means


class Kind(StrEnum):
    """The closed list of money movements; each moves the gateway's balance."""

    PAYMENT = "payment"
    PAYMENT_FAILURE = "payment_failure"  # a bank debit that succeeded first and failed later
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"
    PAYOUT = "payout"
    PAYOUT_FAILURE = "payout_failure"
    ADJUSTMENT = "adjustment"
    RESERVE = "reserve"
    TOPUP = "topup"
    TRANSFER = "transfer"
    CONVERSION = "conversion"


class FactKind(StrEnum):
    """The closed list of life-cycle facts; none of them moves the gateway's balance."""

    PAYMENT_FAILED = "payment_failed"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_WON = "dispute_won"
    DISPUTE_OPEN = "dispute_open"
    PAYOUT_PAID = "payout_paid"
    PAYOUT_FAILED = "payout_failed"
    SUBSCRIPTION_STARTED = "subscription_started"
    SUBSCRIPTION_CHANGED = "subscription_changed"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"
    INVOICE_OVERDUE = "invoice_overdue"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Fee:
    """One fee of a movement; the amount is positive when the gateway charged it, negative when it gave it back."""

    type: str
    amount: Money
    tax: Money | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A service that a payment pays for: from when up to when (UTC), and its share of the price, as a weight."""

    start: datetime
    end: datetime
    weight: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A document number or id that a payment names, and the place where it was found ("metadata.invoice_number").

    `of_gateway`: it is the gateway's own number for an invoice, which the books may or may not use.
    """

    text: str
    place: str
    of_gateway: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What a gateway says happened to its balance, in our words: the hub between gateway maps and target maps.

    `gross`, `fees` and `net` are signed as the balance moved (a refund is negative) and in the settled currency:
    net = gross - sum of fees, or the record is refused. `presented` is what the customer saw, where it differs.
    """

    stream: Stream
    id: str  # the ledger id: one movement, one id, for ever
    kind: Kind
    type: str  # the vendor's own word
    subject: str
    bucket: str  # which of the gateway's balances moved ("payments")
    held_in: str = ""  # the bucket on the other side, where the gateway writes one movement for both
    origin: str  # id of the charge, refund, dispute or payout behind it ("" where there is none)
    parent: str = ""  # the charge that a refund or dispute belongs to
    occurred: datetime
    effective: datetime  # when the gateway's balance moved (UTC)
    available: datetime | None = None
    paid_out: datetime | None = None  # when it reached the bank
    dated: datetime | None = None  # the instant that decides its business date, None: effective
    date_zone: str = ""  # the zone of that day, "": the books'
    gross: Money
    fees: tuple[Fee, ...] = ()
    net: Money
    presented: Money | None = None  # signed like gross
    rate_source: str = ""  # where an exchange between presented and settled comes from
    taxes: tuple[Fee, ...] = ()  # tax in `presented`, or in `gross` where nothing else was seen
    product: str = ""  # what was sold, as far as the payment names it: tax rules may ask for it
    customer: str = ""
    references: tuple[Reference, ...] = ()
    description: str = ""
    services: tuple[Service, ...] = ()  # what is paid for in advance, as far as the gateway says for which time
    reverses: str = ""
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A life-cycle fact: it never moves the gateway's balance, it feeds the CRM and entries between other roles."""

    stream: Stream
    id: str  # of the object that tells it
    kind: FactKind
    subject: str
    occurred: datetime
    amount: Money | None = None
    customer: str = ""
    due: datetime | None = None
    reason: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in its parts; `country` and `subdivision` are codes of ISO 3166 where they are known ("DE", "US-CA")."""

    line1: str = ""
    line2: str = ""
    postal_code: str = ""
    city: str = ""
    subdivision: str = ""
    country: str = ""

    def __bool__(self) -> bool:
        """Whether anything of it is known."""
        return bool(self.line1 or self.line2 or self.postal_code or self.city or self.subdivision or self.country)


NO_ADDRESS = Address()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who paid, as the gateway knows them; `id` is the gateway's customer id, or a digest for guests."""

    stream: Stream
    id: str
    as_of: datetime
    name: str = ""
    email: str = ""
    phone: str = ""
    company: str = ""
    country: str = ""
    address: Address = NO_ADDRESS


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the records of one subject say, and what in them could not be read.

    A refusal carries its price where the amount at least could be read.
    """

    transactions: tuple[Transaction, ...] = ()
    facts: tuple[Fact, ...] = ()
    people: tuple[Person, ...] = ()
    problems: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is held: its identity, why, and what is at stake where the amount at least could be read."""

    type: str
    id: str
    problem: Problem
    effective: datetime | None = None
    net: Money | None = None
    bucket: str = ""


# ---------------------------------------------------------------- the sub-ledger


class Role(StrEnum):
    """The closed list of account roles; accounts.csv gives each its account code in the books."""

    CLEARING = "clearing"
    RESERVE = "reserve"
    PAYOUTS_IN_TRANSIT = "payouts_in_transit"
    BANK = "bank"
    RECEIVABLE = "receivable"
    UNAPPLIED = "unapplied"
    CUSTOMER_CREDIT = "customer_credit"
    SUSPENSE = "suspense"
    REVENUE = "revenue"
    DEFERRED_REVENUE = "deferred_revenue"
    RETURNS = "returns"
    TAX = "tax"
    FEES = "fees"
    FEE_TAX = "fee_tax"
    FEES_PREPAID = "fees_prepaid"
    DISPUTED = "disputed"
    DISPUTE_FEES = "dispute_fees"
    DISPUTE_LOSS = "dispute_loss"
    WRITE_OFF = "write_off"
    ROUNDING = "rounding"
    FX = "fx"
    FX_CONVERSION = "fx_conversion"
    SELLER_LIABILITY = "seller_liability"
    CONTROL = "control"
    OPENING = "opening"


BUCKETS = {  # a balance of the gateway -> the role of the account that stands for it
    "payments": Role.CLEARING,
    "issuing": Role.RESERVE,
    "connect_reserved": Role.RESERVE,
    "risk_reserved": Role.RESERVE,
    "refund_and_dispute_prefunding": Role.RESERVE,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One side of an entry: debit positive, credit negative. `reference` names the invoice or person it concerns."""

    role: Role
    amount: Money
    bucket: str = ""  # clearing and reserve only: which gateway balance it stands for
    reference: str = ""
    home: Money | None = None  # the same in the books' home currency, where currencies are crossed
    rate_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A balanced posting; `effective` (UTC, the gateway's ledger) and `date` (the company's day) are its two instants."""

    key: str
    source: str
    subject: str
    origin: str  # key of the transaction, fact or application it posts
    kind: str
    effective: datetime
    date: date
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        """Debits equal credits in every currency, or the program is wrong and stops."""
        sums: dict[str, int] = {}
        for line in self.lines:
            sums[line.amount.currency] = sums.get(line.amount.currency, 0) + line.amount.minor
        if any(sums.values()):
            raise AssertionError(f"entry {self.key} does not balance: {sums}")


@dataclass(frozen=True, slots=True)
class Part:
    """A share of an application: an invoice by its number, or customer credit ("") that waits for one."""

    invoice: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a receipt or refund is for: a fact of its own, versioned, with the rule that decided and the runner-up."""

    movement: str  # key of the movement it applies
    version: int
    parts: tuple[Part, ...]
    rule: str
    evidence: str = ""
    runner_up: str = ""
    wanted: str = ""  # the document number looked for, so that a later invoice finds its payment
    problem: Problem | None = None
    customer: str = ""  # whom the gateway says a payment is from that names nothing, so that their sums are looked at
    written_off: Money | None = None  # what the payment lacks of its invoice, within the tolerance: the parts have it, too

    @property
    def sellable(self) -> bool:
        """Whether nothing speaks for an invoice that it might be for, and nobody has decided what it is for."""
        return self.rule in (NO_NUMBER, NOT_FOUND)


NO_NUMBER, NOT_FOUND = "no number named", "number not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A sales invoice in the local mirror of the books; `open` is what the books themselves still ask for."""

    target: str
    id: str
    number: str
    customer: str
    email: str
    total: Money
    open: Money
    issued: date
    due: date | None
    as_of: datetime


# ---------------------------------------------------------------- what targets should hold


class DocumentKind(StrEnum):
    """The closed list of documents; the first group is for books, the second for CRMs."""

    RECEIPT = "receipt"
    SALE = "sale"
    CREDIT_NOTE = "credit_note"
    APPLICATION = "application"
    REFUND = "refund"
    EXPENSE = "expense"
    TRANSFER = "transfer"
    JOURNAL = "journal"
    SUMMARY = "summary"
    CUSTOMER = "customer"

    CONTACT = "contact"
    COMPANY = "company"
    PAYMENT = "payment"
    DEAL = "deal"
    TASK = "task"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What one target should hold about one fact; `key` never changes and names no run, attempt or person.

    `body` is JSON (amounts as plain decimal text beside their currency); `needs` names other documents by key, which must be
    delivered first; `entries` are the sub-ledger entries it brings to the books (assigned once, for ever).
    """

    key: str
    kind: DocumentKind
    subject: str
    as_of: datetime
    body: Mapping[str, Json]
    needs: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[str, ...] = ()
    date: date | None = None


class Action(StrEnum):
    """What a delivery does to its object."""

    CREATE = "create"
    UPDATE = "update"
    VOID = "void"
    APPLY = "apply"
    UNAPPLY = "unapply"


UNDONE = "undone"  # the word for what was taken out of its target again
UNDOING = frozenset({Action.VOID, Action.UNAPPLY})  # after these the target does not show the object any more


class Status(StrEnum):
    """Where a delivery stands. People read one word, held, for held and for unknown that nobody can settle by machine."""

    PLANNED = "planned"
    SENDING = "sending"  # its Call is committed; after a crash this means unknown
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Remote:
    """An object in a target: its id there and its version token ("" where the vendor has none)."""

    id: str
    version: str = ""


_NEEDS_NOTHING: Mapping[str, str] = {}  # shared by all that need nothing, and never changed


class Delivery(NamedTuple):
    """The promise to bring one document to one target.

    `revision` counts the actions ever planned for the document (create is 1, each update or void one more);
    `delivered_revision` is the one that the target holds, 0 where it holds none.
    `generation` starts at 1 and rises only after a definite refusal, a certain absence or an undo. Together with the key
    they make the idempotency key, so A -> B -> A is three different requests and a retry is always the same one.

    A named tuple: a run makes some hundred thousand of them, each a change of the one before, at a third of the price.
    """

    target: str
    key: str
    kind: DocumentKind
    subject: str
    action: Action
    revision: int
    generation: int
    status: Status
    as_of: datetime
    body: Mapping[str, Json]
    digest: str  # of body and needs
    facts: str  # digest of the facts that the document was planned from
    needs: Mapping[str, str] = _NEEDS_NOTHING
    date: date | None = None
    due: datetime | None = None  # not before (UTC)
    attempts: int = 0
    call: str = ""
    problem: Problem | None = None
    remote: Remote | None = None
    delivered_revision: int = 0
    delivered_digest: str = ""
    delivered_as_of: datetime | None = None
    history: tuple[str, ...] = ()
    map: str = ""  # digest of the gateway's and the target's map that made the body
    undone: int = 0  # how often it was undone; each sending anew after that has a reference of its own
    reverses: str = ""  # the key of the document that this one takes back, where that could not be voided

    @property
    def is_undone(self) -> bool:
        """Whether it was taken out of its target and has not been sent again."""
        return self.action in UNDOING and self.status is Status.DELIVERED

    @property
    def word(self) -> str:
        """How it stands, in a word for people."""
        return UNDONE if self.is_undone else self.status.value


# ---------------------------------------------------------------- keys


def canonical(value: Json) -> str:
    """JSON in one fixed spelling (sorted keys, no spaces), for digests and for stored bytes."""
    return value.text if type(value) is Spelled else "".join(_ENCODE(value, 0))


class Spelled(dict[str, Json]):
    """A JSON object that remembers its canonical text, since its digest and its row both want it; it is never changed."""

    __slots__ = ("text",)

    def __init__(self, value: Mapping[str, Json], text: str = "") -> None:
        super().__init__(value)
        self.text = text or canonical(dict(self))


def digest(*parts: str) -> str:
    """26 characters (base32 of 130 bits of SHA-256) that stand for these texts, in this order."""
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.sha256(text).digest()[:17]) >> 6
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)
_SHIFTS = range(120, -1, -10)


def _encoder() -> Callable[[object, int], Iterable[str]]:
    """One encoder for all: json.dumps makes a new one at each call, and a run spells some hundred thousand values."""
    settings = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    made: Any = getattr(json.encoder, "c_make_encoder", None)
    if made is None:  # a Python without the standard library's C part: the same spelling, only slower
        return lambda value, _: settings.encode(value)
    spelled = json.encoder.encode_basestring
    encode: Callable[[object, int], Iterable[str]] = made(None, settings.default, spelled, None, ":", ",", True, False, False)
    return encode


_ENCODE = _encoder()


def movement_key(stream: Stream, ledger_id: str) -> str:
    """The key of one money movement: account name and ledger id, never run, time or attempt."""
    return f"{stream.source}:{ledger_id}"


def document_key(ledger: str, movement: str, kind: DocumentKind, part: str = "") -> str:
    """The key of a document: ledger name, the movement or fact it is about, kind, and part where one fact needs several."""
    return ":".join(piece for piece in (ledger, movement, kind.value, part) if piece)


def idempotency_key(members: Sequence[tuple[str, int, int]]) -> str:
    """A Call's idempotency key: the digest of its ordered members' keys, revisions and generations."""
    return digest(*(f"{key}#{revision}#{generation}" for key, revision, generation in members))
