"""Whether gateway, sub-ledger and books agree to the cent, and if not, which items explain it.

Two legs, because a gateway answers for an instant and books for a date. Leg 1: the gateway's balance, with its own instant,
against the entries effective up to that instant. Leg 2: the books through a day against the delivered entries dated up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from syncjob.model import Refusal, Role
from syncjob.money import Money
from syncjob.ports import Balance
from syncjob.reconcile.edits import Edit
from syncjob.reconcile.items import Item, Reason, ranked


@dataclass(frozen=True, slots=True)
class Leg:
    """One comparison: what they state, what we have, the items that explain the gap, and what no item explains."""

    name: str  # "gateway" or "books"
    source: str
    place: str  # bucket or account code
    currency: str
    as_of: datetime | date | None
    theirs: Money | None  # None: they do not state one ("not provable")
    ours: Money
    items: tuple[Item, ...] = ()
    target: str = ""  # whose books, where there are several
    hints: tuple[str, ...] = ()  # where nothing names the whole gap: what alone would make it up

    @property
    def difference(self) -> Money:
        """Theirs minus ours; zero where they state nothing."""
        return self.theirs - self.ours if self.theirs is not None else Money(0, self.currency)

    @property
    def unexplained(self) -> Money:
        """What is left of the difference when every item is taken away; the proof is that this is zero."""
        left = self.difference
        if self.theirs is not None:
            for item in self.items:
                left = left - item.amount
        return left

    @property
    def ties(self) -> bool:
        """Whether both sides agree to the last minor unit, without any item."""
        return self.theirs is not None and not self.difference.minor


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of the sub-ledger in a bucket of the gateway: (effective, key) is its place in feed order."""

    key: str
    effective: datetime
    bucket: str
    currency: str
    minor: int


def gateway_legs(
    source: str,
    stated: Sequence[Balance],
    ours: Mapping[tuple[str, str], int],
    later: Sequence[Movement],
    refused: Iterable[Refusal],
    since: datetime,
) -> list[Leg]:
    """Leg 1 per bucket and currency.

    `ours` sums the entries (bucket, currency) effective up to the vendor's instant; `later` are the movements around and after
    it, in feed order: a balance that answers only for "now" may lie between two movements of one second, so the cut is sought
    there. Held records count from `since` (the cut-over) on.
    """
    legs: list[Leg] = []
    refused = [one for one in refused if one.net is not None and one.effective is not None and one.effective >= since]
    seen: set[tuple[str, str]] = set()
    for balance in (*stated, *_silent(stated, ours)):
        currency = balance.amount.currency
        key = (balance.place, currency)
        seen.add(key)
        items = tuple(
            Item(f"{one.type} {one.id}", one.net, one.problem.why, Reason.HELD, one.problem.cure)
            for one in refused
            if one.net is not None and one.net.currency == currency and one.bucket == balance.place
            if one.effective is not None and one.effective <= balance.as_of
        )
        held = sum(item.amount.minor for item in items)
        wish = balance.amount.minor - held
        total = _cut(ours.get(key, 0), wish, [m for m in later if (m.bucket, m.currency) == key], balance.as_of)
        legs.append(
            Leg("gateway", source, balance.place, currency, balance.as_of, balance.amount, Money(total, currency), items)
        )
    for (bucket, currency), minor in sorted(ours.items()):
        if (bucket, currency) not in seen and minor:
            legs.append(Leg("gateway", source, bucket, currency, None, None, Money(minor, currency)))
    return legs


def _silent(stated: Sequence[Balance], ours: Mapping[tuple[str, str], int]) -> list[Balance]:
    """A currency left out of a bucket that the vendor does state is a balance of nothing, not a balance not stated."""
    as_of = {balance.place: balance.as_of for balance in stated}
    named = {(balance.place, balance.amount.currency) for balance in stated}
    missing = (key for key, minor in sorted(ours.items()) if minor and key not in named and key[0] in as_of)
    return [Balance(place, Money(0, currency), as_of[place]) for place, currency in missing]


def _cut(total: int, wish: int, around: Sequence[Movement], as_of: datetime) -> int:
    """The sum at the cut in feed order that equals the wished-for balance; the sum at the instant where none does."""
    if total == wish:
        return total
    forward = total
    for movement in (m for m in around if m.effective > as_of):
        forward += movement.minor
        if forward == wish:
            return forward
    backward = total
    for movement in reversed([m for m in around if m.effective <= as_of]):
        backward -= movement.minor
        if backward == wish:
            return backward
    return total


def books_legs(
    stated: Sequence[Balance],
    delivered: Mapping[tuple[str, str], int],
    undelivered: Mapping[tuple[str, str], int],
    through: date,
    target: str = "",
    edits: Sequence[Edit] = (),
) -> list[Leg]:
    """Leg 2 per account and currency: the books at the end of a day against what was delivered for days up to it.

    What a person changed in the books is named by document, with what it adds to each account. An account that so far only
    waits for its first delivery is listed too, so that a stray amount in it shows.
    """
    theirs = {(balance.place, balance.amount.currency): balance.amount for balance in stated}
    legs = []
    for account, currency in sorted({*theirs, *delivered, *undelivered}):
        key = (account, currency)
        ours = Money(delivered.get(key, 0), currency)
        stands = theirs.get(key, Money(0, currency))
        items = [one.item(Money(minor, currency)) for one in edits if (minor := one.adds(*key, through))]
        legs.append(Leg("books", "", account, currency, through, stands, ours, ranked(items, stands - ours), target))
    return legs


def opening_balances(
    stated: Sequence[Balance], ours: Mapping[tuple[str, str], int], refused: Iterable[Refusal]
) -> list[Balance]:
    """What each bucket held before the first movement we posted: the balance less everything since.

    Raises nothing; a held record whose amount could not be read makes the answer unknowable, so the list is then empty.
    """
    held: dict[tuple[str, str], int] = {}
    for one in refused:
        if one.net is None:
            return []
        held[one.bucket, one.net.currency] = held.get((one.bucket, one.net.currency), 0) + one.net.minor
    found = []
    for balance in (*stated, *_silent(stated, ours)):
        key = (balance.place, balance.amount.currency)
        before = balance.amount.minor - ours.get(key, 0) - held.get(key, 0)
        found.append(Balance(balance.place, Money(before, balance.amount.currency), balance.as_of))
    return found


def clearing_accounts(sums: Iterable[tuple[Role, str, str, str]]) -> list[tuple[Role, str, str]]:
    """The (role, source, currency) whose accounts stand for a gateway's balance."""
    return sorted({(role, source, currency) for role, source, _, currency in sums if role in (Role.CLEARING, Role.RESERVE)})
