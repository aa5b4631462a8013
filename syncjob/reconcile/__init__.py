"""Whether gateway, sub-ledger and books agree to the cent, and if not, which objects explain it, by name."""

from __future__ import annotations

from syncjob.reconcile.bank import Banked, banked
from syncjob.reconcile.coverage import Coverage
from syncjob.reconcile.edits import Amounts, Edit, edited, foreign
from syncjob.reconcile.items import Item, Reason, ranked, swapped
from syncjob.reconcile.legs import Leg, Movement, books_legs, clearing_accounts, gateway_legs, opening_balances
from syncjob.reconcile.movements import Finding, Moved, compare, explained, hints
from syncjob.reconcile.payouts import Part, Payout, Posted, Tie, Ties, tied

__all__ = [
    "Amounts",
    "Banked",
    "Coverage",
    "Edit",
    "Finding",
    "Item",
    "Leg",
    "Moved",
    "Movement",
    "Part",
    "Payout",
    "Posted",
    "Reason",
    "Tie",
    "Ties",
    "banked",
    "books_legs",
    "clearing_accounts",
    "compare",
    "edited",
    "explained",
    "foreign",
    "gateway_legs",
    "hints",
    "opening_balances",
    "ranked",
    "swapped",
    "tied",
]
