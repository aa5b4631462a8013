"""What stands in the books otherwise than we left it: edited, deleted, copied, or not ours at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from syncjob.money import Money
from syncjob.ports import Standing
from syncjob.reconcile.items import Item, Reason, swapped

Amounts: TypeAlias = Mapping[tuple[str, str], int]  # (account, currency) -> minor units


@dataclass(frozen=True, slots=True)
class Edit:
    """One document of ours that stands in the books otherwise than it was written: a person, or another program, changed it.

    `day` and `amounts` are what was written, each of `now` a day with its amounts as they stand: none where it is gone.
    `stranger` says why an entry that stands there is none of our documents; nothing was written of it then.
    """

    key: str
    day: date
    amounts: Amounts
    now: tuple[tuple[date, Amounts], ...]
    places: tuple[str, ...] = ()
    payee: tuple[str, str] | None = None  # (as written, as it stands), where it is another one
    stranger: str = ""
    version: str = ""  # stands for what stands there now: a decision about it holds while this is the same
    decided: str = ""  # what a person said about it: "adopted by alice", "known to alice"

    @property
    def why(self) -> str:
        """What was done to it, in words."""
        if self.stranger:
            return self.stranger
        if not self.now:
            return "was deleted by hand"
        if len(self.now) > 1:
            return f"stands there {len(self.now)} times: {', '.join(self.places)}"
        return f"was edited by hand: {', '.join(self._changed())}"

    def _changed(self) -> list[str]:
        ((day, amounts),) = self.now
        changed = [f"its day {self.day} is {day} now"] if day != self.day else []
        for place in sorted({*self.amounts, *amounts}):
            before, after = self.amounts.get(place, 0), amounts.get(place, 0)
            if before != after:
                account, currency = place
                digits = " (two digits changed places)" if swapped(before, after) else ""
                changed.append(f"{account} had {Money(before, currency)} and has {Money(after, currency)}{digits}")
        if self.payee is not None:
            changed.append(f"its payee {self.payee[0]!r} is {self.payee[1]!r} now")
        return changed

    @property
    def reason(self) -> Reason:
        """Which of the closed list of reasons it is; where several hold, the one that alone explains the others."""
        if self.stranger:
            return Reason.FOREIGN
        if not self.now:
            return Reason.DELETED
        if len(self.now) > 1:
            return Reason.DUPLICATE
        ((day, amounts),) = self.now
        if {currency for _, currency in amounts} != {currency for _, currency in self.amounts}:
            return Reason.CURRENCY
        if amounts.keys() != self.amounts.keys():
            return Reason.ACCOUNT
        if amounts != self.amounts:
            return Reason.AMOUNT
        return Reason.DATE if day != self.day else Reason.CUSTOMER

    @property
    def cure(self) -> str:
        """What a person does about it; nothing more where it is decided."""
        if self.decided:
            return ""
        if self.stranger:
            return f"take it out of the books there, or keep it: syncjob reconcile adopt|ignore {self.key}"
        return f"syncjob reconcile adopt|restore|ignore {self.key}"

    def adds(self, account: str, currency: str, through: date) -> int:
        """By how much the books at the end of a day differ by it in an account, in minor units."""
        place = account, currency
        theirs = sum(amounts.get(place, 0) for day, amounts in self.now if day <= through)
        return theirs - (self.amounts.get(place, 0) if self.day <= through else 0)

    def item(self, amount: Money) -> Item:
        """It as the reason for a difference of this amount in one account."""
        return Item(self.key, amount, self.why, self.reason, self.cure, self.decided)


def edited(
    key: str, day: date, written: Iterable[tuple[str, Money]], now: Sequence[Standing], payee: str | None = None
) -> Edit | None:
    """What became of a document in the books; None where its amounts, accounts, day and payee are as they were written.

    `payee` None: the document names none, or the books show none. Spacing and capitals of a payee make no other customer.
    """
    amounts = _amounts(written)
    found = tuple((one.day, _amounts(one.postings)) for one in now)
    other = None
    if len(now) == 1 and payee is not None and now[0].payee is not None and _folded(payee) != _folded(now[0].payee):
        other = payee, now[0].payee
    if found == ((day, amounts),) and other is None:
        return None
    return Edit(key, day, amounts, found, tuple(one.place for one in now), other, version=_version(now))


def foreign(one: Standing, why: str) -> Edit:
    """An entry that stands in the books and that no document of ours made."""
    return Edit(one.key, one.day, {}, ((one.day, _amounts(one.postings)),), (one.place,), stranger=why, version=one.version)


def _version(now: Sequence[Standing]) -> str:
    return "+".join(sorted(one.version for one in now)) or "gone"


def _folded(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _amounts(postings: Iterable[tuple[str, Money]]) -> Amounts:
    sums: dict[tuple[str, str], int] = {}
    for account, amount in postings:
        place = account, amount.currency
        sums[place] = sums.get(place, 0) + amount.minor
    return {place: minor for place, minor in sums.items() if minor}
