"""Whether gateway, sub-ledger and books agree to the cent, and if not, which items explain it.

Two legs, because a gateway answers for an instant and books for a date. Leg 1: the gateway's balance, with its own instant,
against the entries effective up to that instant. Leg 2: the books through a day against the delivered entries dated up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from syncjob.model import Refusal, Role
from syncjob.money import Money
from syncjob.ports import Balance, Standing


@dataclass(frozen=True, slots=True)
class Item:
    """One named reason for a difference; `amount` is what it adds to the other side."""

    name: str
    amount: Money
    why: str


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


Amounts: TypeAlias = Mapping[tuple[str, str], int]  # (account, currency) -> minor units


@dataclass(frozen=True, slots=True)
class Edit:
    """One document of ours that stands in the books otherwise than it was written: a person, or another program, changed it.

    `day` and `amounts` are what was written, each of `now` a day with its amounts as they stand: none where it is gone.
    """

    key: str
    day: date
    amounts: Amounts
    now: tuple[tuple[date, Amounts], ...]
    places: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """What was done to it, in words."""
        if not self.now:
            return "was deleted by hand"
        if len(self.now) > 1:
            return f"stands there {len(self.now)} times: {', '.join(self.places)}"
        ((day, amounts),) = self.now
        changed = [f"its day {self.day} is {day} now"] if day != self.day else []
        for place in sorted({*self.amounts, *amounts}):
            before, after = self.amounts.get(place, 0), amounts.get(place, 0)
            if before != after:
                account, currency = place
                changed.append(f"{account} had {Money(before, currency)} and has {Money(after, currency)}")
        return f"was edited by hand: {', '.join(changed)}"

    def adds(self, account: str, currency: str, through: date) -> int:
        """By how much the books at the end of a day differ by it in an account, in minor units."""
        place = account, currency
        theirs = sum(amounts.get(place, 0) for day, amounts in self.now if day <= through)
        return theirs - (self.amounts.get(place, 0) if self.day <= through else 0)


def edited(key: str, day: date, written: Iterable[tuple[str, Money]], now: Sequence[Standing]) -> Edit | None:
    """What became of a document in the books; None where its amounts, accounts and day are as they were written."""
    amounts = _amounts(written)
    found = tuple((one.day, _amounts(one.postings)) for one in now)
    if found == ((day, amounts),):
        return None
    return Edit(key, day, amounts, found, tuple(one.place for one in now))


def _amounts(postings: Iterable[tuple[str, Money]]) -> Amounts:
    sums: dict[tuple[str, str], int] = {}
    for account, amount in postings:
        place = account, amount.currency
        sums[place] = sums.get(place, 0) + amount.minor
    return {place: minor for place, minor in sums.items() if minor}


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
            Item(f"{one.type} {one.id}", one.net, one.problem.why)
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
        items = tuple(Item(one.key, Money(minor, currency), one.why) for one in edits if (minor := one.adds(*key, through)))
        legs.append(Leg("books", "", account, currency, through, stands, ours, items, target))
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
