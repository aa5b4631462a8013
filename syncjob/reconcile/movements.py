"""Leg 1 movement by movement: what the gateway lists against what we posted, and what may explain a gap that nothing names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from syncjob.moment import iso
from syncjob.money import Money
from syncjob.reconcile.items import Item, Reason, ranked, swapped
from syncjob.reconcile.legs import Leg, Movement

_HINTS_MAX = 3
Sums = Mapping[tuple[str, str], int]  # (bucket, currency) -> minor units


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement as one side has it: its ledger id, when it moved the balance, and what it moved in which bucket."""

    id: str
    effective: datetime
    amounts: Sums

    def by(self, as_of: datetime) -> Sums:
        """What of it a balance of an instant contains."""
        return self.amounts if self.effective <= as_of else {}

    def __str__(self) -> str:
        told = [f"{Money(minor, currency)} in {bucket}" for (bucket, currency), minor in sorted(self.amounts.items())]
        return f"{' and '.join(told) or 'nothing'} at {iso(self.effective)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One movement that the two sides know differently, and what it adds to the gateway's balances at its instant."""

    name: str
    adds: Sums
    why: str
    reason: Reason
    cure: str


def compare(
    type: str, theirs: Mapping[str, Moved], ours: Mapping[str, Moved], as_of: datetime, cure: Callable[[Reason, Moved], str]
) -> list[Finding]:
    """The movements that one side lacks, or that both know with another amount, currency, bucket or (around `as_of`) instant.

    `cure` says what to do about one, as a command.
    """
    found: list[Finding] = []
    for id in sorted({*theirs, *ours}):
        there, here = theirs.get(id), ours.get(id)
        adds = _minus(there.by(as_of) if there else {}, here.by(as_of) if here else {})
        if not any(adds.values()):
            continue
        reason, why = _told(there, here, theirs, ours)
        known = here or there
        found += [Finding(f"{type} {id}".strip(), adds, why, reason, cure(reason, known))] if known else []
    return found


def _told(
    there: Moved | None, here: Moved | None, theirs: Mapping[str, Moved], ours: Mapping[str, Moved]
) -> tuple[Reason, str]:
    if here is None:
        return Reason.MISSING, f"the gateway lists it ({there}), and it is missing here"
    if there is None:
        twin = next((one for id, one in sorted(ours.items()) if id != here.id and _alike(one, here) and id in theirs), None)
        if twin is not None:
            return Reason.DUPLICATE, f"is posted ({here}) beside {twin.id}, and the gateway lists only that one"
        return Reason.FOREIGN, f"is posted ({here}), and the gateway does not list it"
    if {currency for _, currency in there.amounts} != {currency for _, currency in here.amounts}:
        reason = Reason.CURRENCY
    elif there.amounts.keys() != here.amounts.keys():
        reason = Reason.ACCOUNT
    elif there.amounts != here.amounts:
        reason = Reason.AMOUNT
    else:
        reason = Reason.DATE
    pairs = [(there.amounts[place], here.amounts[place]) for place in there.amounts if place in here.amounts]
    digits = "; two digits changed places" if reason is Reason.AMOUNT and any(swapped(*pair) for pair in pairs) else ""
    return reason, f"the gateway lists {there}, and we have {here}{digits}"


def _alike(one: Moved, other: Moved) -> bool:
    return one.amounts == other.amounts and abs(one.effective - other.effective).days < 1


def _minus(theirs: Sums, ours: Sums) -> Sums:
    return {place: theirs.get(place, 0) - ours.get(place, 0) for place in {*theirs, *ours}}


def explained(leg: Leg, findings: Iterable[Finding]) -> Leg:
    """A gateway's leg with the movements that explain its gap as items, the whole explanation first."""
    place = leg.place, leg.currency
    more = [
        Item(one.name, Money(minor, leg.currency), one.why, one.reason, one.cure)
        for one in findings
        if (minor := one.adds.get(place, 0))
    ]
    return replace(leg, items=ranked([*leg.items, *more], leg.difference))


def hints(gap: Money, movements: Sequence[Movement]) -> tuple[str, ...]:
    """What alone, or by two, would make up a gap that no object explains, as sentences: guesses, never items.

    Movements of the leg's bucket and currency; pairs only where no single one fits.
    """
    if not gap.minor:
        return ()
    found: list[str] = []
    for one in movements:
        amount = Money(one.minor, gap.currency)
        if one.minor == -gap.minor:
            found.append(f"{one.key} moved {amount}: one too many of it would be the whole gap")
        elif one.minor == gap.minor:
            found.append(f"{one.key} moved {amount}: a second one like it, missing here, would be the whole gap")
        elif swapped(one.minor, one.minor + gap.minor):
            right = Money(one.minor + gap.minor, gap.currency)
            found.append(f"{one.key} moved {amount}: two digits that changed places ({right}) would be the whole gap")
    return tuple((found or _pairs(gap, movements))[:_HINTS_MAX])


def _pairs(gap: Money, movements: Sequence[Movement]) -> list[str]:
    seen: dict[int, Movement] = {}
    found: list[str] = []
    for one in movements:
        other = seen.get(-gap.minor - one.minor)
        if other is not None:
            found.append(f"{other.key} and {one.key} moved {-gap} together: both too many would be the whole gap")
        seen.setdefault(one.minor, one)
        if len(found) == _HINTS_MAX:
            break
    return found
