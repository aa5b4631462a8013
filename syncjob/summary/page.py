"""The rows of the nightly page, as values. What is computed twice, from the flow and from the balance, must agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncjob.model import Kind, Role
from syncjob.money import Money
from syncjob.reconcile import Item

BALANCE = "balance"
RESERVE = "reserve"
ALWAYS = ("Payments", "Refunds", "Disputes", "Fees", "Payouts")
_NAMES: dict[str, str] = {
    Kind.PAYMENT: "Payments",
    Kind.PAYMENT_FAILURE: "Payments failed later",
    Kind.REFUND: "Refunds",
    Kind.REFUND_FAILURE: "Refunds failed later",
    Kind.DISPUTE: "Disputes",
    Kind.DISPUTE_REVERSAL: "Disputes",
    Kind.FEE: "Fees",
    Kind.PAYOUT: "Payouts",
    Kind.PAYOUT_FAILURE: "Payouts returned",
    Kind.ADJUSTMENT: "Adjustments",
    Kind.RESERVE: "Reserve",
    Kind.TOPUP: "Top-ups",
    Kind.TRANSFER: "Transfers",
    Kind.CONVERSION: "Conversions",
    "opening": "Brought in",
}
_ORDER = (*ALWAYS, *sorted({*_NAMES.values()} - {*ALWAYS}))
_FEE_ROLES = (Role.FEES, Role.FEE_TAX, Role.DISPUTE_FEES)

# (entry kind, currency, role, number of entries, sum in minor units), as the store adds them up over a period
Sums = Sequence[tuple[str, str, Role, int, int]]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of movement in one currency: how many, and what they moved in the gateway's balance (signed)."""

    name: str
    count: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Books:
    """What one target's books state for this balance, and what stands between them and the sub-ledger.

    `later` moved after the instant of the gateway's statement and is booked already, `undelivered` is not in the books, and of
    that `undone` was taken out of them on purpose; `items` are the documents that somebody changed there.
    """

    target: str
    account: str
    stated: Money
    later: Money
    undelivered: Money
    items: tuple[Item, ...] = ()
    undone: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One balance of one gateway account in one currency, from the end of the last page to the end of this one.

    `opening` is the closing of the last page; `late` is what was learned since about the time before it.
    """

    source: str
    name: str  # BALANCE, RESERVE, or a bucket that no rule knows
    currency: str
    since: datetime
    until: datetime
    opening: Money
    late: Money
    rows: tuple[Row, ...]
    closing: Money
    stated: Money | None = None  # by the gateway; None: it states none, so the balance is not provable
    same_second: Money | None = None  # what the gateway counted in the very second of its statement
    items: tuple[Item, ...] = ()  # what explains the difference to the gateway
    books: tuple[Books, ...] = ()
    opened: bool = True  # False: the gateway offers no balance, so what it held before the first movement is not covered

    @property
    def moved(self) -> Money:
        """What all rows sum to, beginning with the opening."""
        total = self.opening + self.late
        for row in self.rows:
            total = total + row.amount
        return total

    @property
    def closes(self) -> bool:
        """Whether the rows lead from the opening to the closing."""
        return self.moved == self.closing

    @property
    def ours(self) -> Money:
        """What the sub-ledger says at the very cut of the gateway's statement."""
        return self.closing + self.same_second if self.same_second else self.closing

    @property
    def difference(self) -> Money:
        """The gateway's statement minus the sub-ledger."""
        return self.stated - self.ours if self.stated is not None else Money(0, self.currency)

    @property
    def unexplained(self) -> Money:
        """What no item explains of the difference."""
        left = self.difference
        for item in self.items if self.stated is not None else ():
            left = left - item.amount
        return left

    def books_difference(self, books: Books) -> Money:
        """The books minus the sub-ledger as it stands at the statement."""
        return books.stated - self.closing

    def books_unexplained(self, books: Books) -> Money:
        """What of that is neither booked since nor still on its way."""
        left = self.books_difference(books) - books.later + books.undelivered
        for item in books.items:
            left = left - item.amount
        return left


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that waits for a person, with its price where the amount can be read."""

    place: str
    what: str
    why: str
    cure: str
    amount: Money | None


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that is booked and waits for its purpose: customer credit, suspense, unapplied, payouts on their way."""

    role: Role
    amount: Money  # what is owed or on its way, positive


@dataclass(frozen=True, slots=True)
class Invoices:
    """How many invoices of one books stand how, and what the payments have brought them."""

    target: str
    paid: int
    part_paid: int
    open: int
    brought: tuple[Money, ...]
    still_open: tuple[Money, ...]


@dataclass(frozen=True, slots=True)
class MapWarning:
    """Something about a field map that has changed and that a person should look at before it costs money."""

    map: str  # gateways/stripe
    field: str
    what: str
    value: str  # a word that was new
    why: str
    cure: str


@dataclass(frozen=True, slots=True)
class MapCount:
    """How often since the last page a map wrote something else than it was shown: cut, replaced, defaulted, otherwise."""

    map: str
    field: str
    what: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page of one night."""

    made_at: datetime
    zone: str
    places: tuple[Place, ...]
    held: tuple[Held, ...] = ()
    credits: tuple[Credit, ...] = ()
    invoices: tuple[Invoices, ...] = ()
    not_covered: tuple[tuple[str, str], ...] = ()  # (gateway account, what it does not offer)
    edits: tuple[tuple[str, str, str], ...] = ()  # (target, document, what a person did to it in the books)
    known: tuple[tuple[str, str, str], ...] = ()  # the same of those that a person knows and wants to see listed
    undone: tuple[tuple[str, str, str], ...] = ()  # (target, document, what was undone of it)
    shadow: tuple[tuple[str, str], ...] = ()  # (books in shadow, how what was derived stands beside what people booked)
    payouts: tuple[tuple[str, str], ...] = ()  # (gateway account, how many payouts are what they pay out, or which is not)
    coverage: tuple[tuple[str, str], ...] = ()  # (gateway account, up to when which feeds are complete, with their gaps)
    map_warnings: tuple[MapWarning, ...] = ()
    map_counts: tuple[MapCount, ...] = ()

    @property
    def complaints(self) -> tuple[str, ...]:
        """Everything on the page that does not close or is not explained, one sentence each."""
        said: list[str] = []
        for place in self.places:
            name = f"{place.source} {place.name} {place.currency}"
            if not place.closes:
                off = place.closing - place.moved
                said.append(f"{name}: the rows lead to {place.moved}, but the balance is {place.closing}: {off} is missing")
            if place.unexplained.minor:
                left = place.unexplained
                said.append(f"{name}: the gateway states {place.stated}, we have {place.ours}; no item explains {left}")
            for books in place.books:
                left = place.books_unexplained(books)
                if left.minor:
                    said.append(f"{name}: {books.target} states {books.stated} in {books.account}; no item explains {left}")
        return tuple(said)

    @property
    def agrees(self) -> bool:
        """Whether all of it closes; what a gateway does not offer, or somebody changed in the books, is no agreement."""
        return not self.complaints and not self.not_covered and not self.edits

    @property
    def not_provable(self) -> tuple[Place, ...]:
        """Balances that the gateway does not state."""
        return tuple(place for place in self.places if place.stated is None)


def flow(sums: Sums, role: Role, currency: str) -> tuple[Row, ...]:
    """The rows of one balance: gross by kind of movement, and all fees in a row of their own.

    An entry moves the balance by gross less fees, so gross is what moved plus what went to the fee accounts. The usual rows of
    the main balance are there on a day without movement too.
    """
    counts: dict[str, int] = dict.fromkeys(ALWAYS, 0)
    minors: dict[str, int] = dict.fromkeys(ALWAYS, 0)
    touching = {kind for kind, code, where, _, _ in sums if where is role and code == currency}
    for kind, code, where, number, minor in sums:
        if code != currency or kind not in touching:
            continue
        name = _NAMES.get(kind, "Other")
        if where is role:
            counts[name] = counts.get(name, 0) + (number if name != "Fees" else 0)
            minors[name] = minors.get(name, 0) + minor
        elif where in _FEE_ROLES and role is Role.CLEARING:
            minors[name] = minors.get(name, 0) + minor
            minors["Fees"] -= minor
            counts["Fees"] += number if where is not Role.FEE_TAX else 0
    return tuple(
        Row(name, counts.get(name, 0), Money(minors[name], currency))
        for name in (*_ORDER, "Other")
        if (name in ALWAYS and role is Role.CLEARING) or counts.get(name) or minors.get(name)
    )


def order(places: Iterable[Place]) -> tuple[Place, ...]:
    """Places as a reader expects them: by account, the balance before its reserve, currencies in alphabetical order."""
    return tuple(sorted(places, key=lambda place: (place.source, place.name, place.currency)))
