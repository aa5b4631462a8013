"""Whether a payout is what it pays out: gross less fees, refunds, disputes, adjustments and reserves, movement by movement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from syncjob.money import Money
from syncjob.ports import PaidOut
from syncjob.reconcile.items import Item, Reason


class Ties(StrEnum):
    """How a payout stands."""

    TIES = "ties"
    DIFFERS = "differs"
    NOT_ITEMISED = "not itemised"  # the gateway does not say what it pays out: the running balance is the tie


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of movement brings to a payout; fees are a part of their own."""

    kind: str
    count: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as the sub-ledger has it; `amount` is what leaves the balance, positive."""

    source: str
    id: str
    sent: date
    effective: datetime
    amount: Money

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is looked up by: gateway account, id, currency."""
        return self.source, self.id, self.amount.currency


@dataclass(frozen=True, slots=True)
class Tie:
    """What a payout came to; its parts sum to its amount where it ties."""

    payout: Payout
    state: Ties
    parts: tuple[Part, ...] = ()
    items: tuple[Item, ...] = ()

    @property
    def total(self) -> Money:
        """What its parts sum to."""
        return sum((part.amount for part in self.parts), Money(0, self.payout.amount.currency))


@dataclass(slots=True)
class Posted:
    """What the sub-ledger has of one movement in a currency: what it moved the balance, and its fees, signed alike."""

    kind: str
    net: int = 0
    fees: int = 0


NOTHING_HELD: Mapping[str, str] = {}
EARLIER = "before the cut-over"
UNPOSTED = "not posted"


def tied(
    payout: Payout,
    composed: Sequence[PaidOut] | None,
    ours: Mapping[str, Posted],
    start: datetime,
    held: Mapping[str, str] = NOTHING_HELD,
) -> Tie:
    """Compare what the gateway says it pays out with what was posted, by ledger id; `held` says why a record is.

    What moved before the cut-over stands in the opening balance and is a part of its own. Everything else that is not posted,
    or posted with another amount, is an item.
    """
    if composed is None:
        return Tie(payout, Ties.NOT_ITEMISED)
    currency = payout.amount.currency
    parts: dict[str, list[int]] = {}
    items: list[Item] = []
    for one in composed:
        if one.net.currency != currency:
            why = f"it is in {one.net.currency}, and the payout in {currency}"
            items.append(Item(one.id, Money(0, currency), why, Reason.CURRENCY))
            continue
        posted = ours.get(one.id)
        if posted is None:
            earlier = one.effective < start
            _add(parts, EARLIER if earlier else UNPOSTED, one.net.minor)
            if one.id in held:
                cure = f"syncjob held show {one.id} says what to do"
                items.append(Item(one.id, one.net, f"it is held and not posted: {held[one.id]}", Reason.HELD, cure))
            elif not earlier:
                why, cure = "the gateway pays it out, and it was not posted", "syncjob reconcile reads that day again"
                items.append(Item(one.id, one.net, why, Reason.MISSING, cure))
            continue
        if one.net.minor + posted.fees or not posted.fees:  # a fee by itself is among the fees
            _add(parts, posted.kind, one.net.minor + posted.fees)
        if posted.fees:
            _add(parts, "fees", -posted.fees)
        if posted.net != one.net.minor:
            why = f"the gateway pays out {one.net}, and {Money(posted.net, currency)} was posted"
            items.append(Item(one.id, Money(one.net.minor - posted.net, currency), why, Reason.AMOUNT))
    total = sum(amount for _, amount in parts.values())
    left = payout.amount.minor - total
    if left:
        why = f"the payout is {payout.amount}, and what it pays out sums to {Money(total, currency)}"
        items.append(Item(payout.id, Money(left, currency), why, Reason.AMOUNT, "ask the gateway: its own two figures differ"))
    told = tuple(Part(kind, count, Money(amount, currency)) for kind, (count, amount) in sorted(parts.items()))
    return Tie(payout, Ties.DIFFERS if items else Ties.TIES, told, tuple(items))


def _add(parts: dict[str, list[int]], kind: str, minor: int) -> None:
    part = parts.setdefault(kind, [0, 0])
    part[0] += 1
    part[1] += minor
