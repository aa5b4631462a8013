"""The simulated balance: every movement of money, what of it is available, and which payout took it to the bank.

Amounts are minor units of the settlement currency, times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncjob.sandbox.categories import AT_ONCE, CATEGORY
from syncjob.sandbox.objects import FeeDetail, Movement
from syncjob.sandbox.shelf import Shelf

DAY = 86_400
DELAY_DAYS = 2
PAYMENTS = "payments"


def midnight(at: int) -> int:
    """The midnight UTC that began this day."""
    return at - at % DAY


class Ledger:
    """All movements of one account, oldest first."""

    def __init__(self, mint: Callable[[str], str]) -> None:
        self._mint = mint
        self.movements: Shelf[Movement] = Shelf(
            type=lambda it: it.type, currency=lambda it: it.currency, source=lambda it: it.source
        )
        self.members: dict[str, list[int]] = {}
        self.total: dict[str, int] = {}
        self.elsewhere: dict[str, dict[str, int]] = {}
        self.connect_reserved: dict[str, int] = {}
        self._waiting: dict[str, list[int]] = {}

    def move(
        self,
        at: int,
        type: str,
        amount: int,
        currency: str,
        *,
        fees: Sequence[tuple[str, int]] = (),
        parts: tuple[FeeDetail, ...] = (),
        source: str | None = None,
        description: str | None = None,
        category: str | None = None,
        rate_micro: int | None = None,
        id: str | None = None,
        payout: str | None = None,
        balance_type: str = PAYMENTS,
    ) -> Movement:
        """Write one movement; money that comes in waits two days, money that goes out goes at once."""
        waits = amount > 0 and type not in AT_ONCE and balance_type == PAYMENTS
        movement = Movement(
            id=id or self._mint("txn"),
            created=at,
            type=type,
            category=category or CATEGORY.get(type, type),
            amount=amount,
            fee_details=(
                *(FeeDetail(part, currency, text, "tax" if text == "VAT" else "stripe_fee") for text, part in fees),
                *parts,
            ),
            currency=currency,
            rate_micro=rate_micro,
            available_on=midnight(at) + DELAY_DAYS * DAY if waits else midnight(at),
            source=source,
            description=description,
            balance_type=balance_type,
        )
        place = len(self.movements)
        self.movements.add(movement)
        if balance_type != PAYMENTS:
            # Another balance: no payout ever takes from it.
            other = self.elsewhere.setdefault(balance_type, {})
            other[currency] = other.get(currency, 0) + movement.net
            return movement
        self.total[currency] = self.total.get(currency, 0) + movement.net
        if payout is not None:
            self.members[payout].append(place)
        else:
            self._waiting.setdefault(currency, []).append(place)
        if movement.category == "connect_reserved_funds":
            self.connect_reserved[currency] = self.connect_reserved.get(currency, 0) - movement.net
        return movement

    def gather(self, payout: str, currency: str, at: int, debit: bool = False) -> int:
        """Put all that is available and not yet paid out into this payout, if together it is worth something.

        With `debit` a debt counts too: the bank account is then asked for it, and the sum is negative.
        """
        rows = self.movements.rows
        waiting = self._waiting.get(currency, [])
        ready = [place for place in waiting if rows[place].available_on <= at]
        amount = sum(rows[place].net for place in ready)
        if amount == 0 or (amount < 0 and not debit):
            return 0
        self.members[payout] = ready
        self._waiting[currency] = [place for place in waiting if rows[place].available_on > at]
        return amount

    def pending(self, at: int) -> dict[str, int]:
        """Money per currency that is on the balance but not available yet."""
        pending = dict.fromkeys(self.total, 0)
        oldest, end = self.movements.span(at - (DELAY_DAYS + 1) * DAY, at)
        for movement in self.movements.rows[oldest:end]:
            if movement.available_on > at:
                pending[movement.currency] += movement.net
        return pending
