"""Which line of the bank is which payout: the same amount, in the days in which it may arrive, and nothing else that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from syncjob.bankfile import Line
from syncjob.reconcile.payouts import Payout

EARLIEST, LATEST = timedelta(days=0), timedelta(days=10)  # from the day on which it left the balance


@dataclass(frozen=True, slots=True)
class Banked:
    """What the bank says of each payout: the line that it is, or those between which nobody chooses."""

    lines: Mapping[tuple[str, str, str], tuple[str, Line]]  # (source, payout, currency) -> (bank account, line)
    contested: Mapping[tuple[str, str, str], tuple[Line, ...]]
    through: Mapping[str, date]  # currency -> the last day of which lines are known


def place(payout: Payout) -> tuple[str, str, str]:
    """What a payout is looked up by."""
    return payout.source, payout.id, payout.amount.currency


def banked(payouts: Sequence[Payout], lines: Sequence[tuple[str, Line]]) -> Banked:
    """Pair payouts and lines of one amount: by the payout's id where a line names it, else where only these two fit."""
    by_amount: dict[tuple[str, int], list[tuple[str, Line]]] = {}
    through: dict[str, date] = {}
    for account, line in lines:
        by_amount.setdefault((line.currency, line.minor), []).append((account, line))
        through[line.currency] = max(line.day, through.get(line.currency, line.day))
    found: dict[tuple[str, str, str], tuple[str, Line]] = {}
    fits: dict[tuple[str, str, str], list[tuple[str, Line]]] = {}
    for payout in payouts:
        same = by_amount.get((payout.amount.currency, payout.amount.minor), [])
        fits[place(payout)] = [one for one in same if payout.sent + EARLIEST <= one[1].day <= payout.sent + LATEST]
        named = [one for one in fits[place(payout)] if payout.id in one[1].text]
        if len(named) == 1:
            found[place(payout)] = named[0]
    taken = set(found.values())
    left = {at: [one for one in those if one not in taken] for at, those in fits.items() if at not in found}
    wanted: dict[tuple[str, Line], int] = {}
    for those in left.values():
        for one in those:
            wanted[one] = wanted.get(one, 0) + 1
    contested: dict[tuple[str, str, str], tuple[Line, ...]] = {}
    for at, those in left.items():
        if len(those) == 1 and wanted[those[0]] == 1:
            found[at] = those[0]
        elif those:
            contested[at] = tuple(line for _, line in those)
    return Banked(found, contested, through)
