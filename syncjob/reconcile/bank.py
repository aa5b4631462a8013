"""Which line of the bank is which payout: the same amount, in the days in which it may arrive, and nothing else that fits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from syncjob.bankfile import Line
from syncjob.reconcile.payouts import Payout

LATEST = timedelta(days=10)  # from the day on which it left the balance


@dataclass(frozen=True, slots=True)
class Banked:
    """What the bank says of each payout: the line that it is, or those between which nobody chooses."""

    lines: Mapping[tuple[str, str, str], tuple[str, Line]]  # (source, payout, currency) -> (bank account, line)
    contested: Mapping[tuple[str, str, str], tuple[Line, ...]]
    through: Mapping[str, date]  # currency -> the last day of which lines are known


def banked(payouts: Sequence[Payout], lines: Sequence[tuple[str, Line]]) -> Banked:
    """Pair payouts and lines of one amount: by the payout's id where a line names it, else where only these two fit."""
    by_amount: dict[tuple[str, int], list[tuple[str, Line]]] = {}
    through: dict[str, date] = {}
    for account, line in lines:
        by_amount.setdefault((line.currency, line.minor), []).append((account, line))
        through[line.currency] = max(line.day, through.get(line.currency, line.day))
    fits: dict[tuple[str, str, str], list[tuple[str, Line]]] = {}
    named: dict[tuple[str, Line], list[tuple[str, str, str]]] = {}
    for payout in payouts:
        same = by_amount.get((payout.amount.currency, payout.amount.minor), [])
        fits[payout.key] = [one for one in same if payout.sent <= one[1].day <= payout.sent + LATEST]
        for one in fits[payout.key]:
            if _names(one[1].text, payout.id):
                named.setdefault(one, []).append(payout.key)
    of_line = {one: keys[0] for one, keys in named.items() if len(keys) == 1}
    lines_of = Counter(of_line.values())
    found = {key: one for one, key in of_line.items() if lines_of[key] == 1}
    taken = set(named)  # a line that names a payout is for no other, whether it is found or not
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


def _names(text: str, id: str) -> bool:
    """Whether an id stands in a text as a word of its own: 12 is not in 2012, nor po_1 in po_12."""
    return re.search(rf"(?<![\w-]){re.escape(id)}(?![\w-])", text) is not None
