"""The simulated world: a frozen clock, a timeline of actions, and everything that they left behind.

A world is a function of (scenario, seed, size, clock): advancing one gives the same as starting a later one.
Amounts are minor units, times are Unix seconds of the simulated clock.
"""

from __future__ import annotations

import gc
import heapq
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from syncjob.sandbox import billing, payments
from syncjob.sandbox.actions import Action
from syncjob.sandbox.currencies import BALANCES, major
from syncjob.sandbox.ledger import DAY, Ledger, midnight
from syncjob.sandbox.objects import (
    Charge,
    CreditNote,
    Customer,
    Dispute,
    Event,
    Invoice,
    InvoicePayment,
    PaymentIntent,
    Payout,
    Refund,
    SalesInvoice,
    Subscription,
    Thing,
    Topup,
)
from syncjob.sandbox.scenarios import scenario
from syncjob.sandbox.shelf import Shelf

RETENTION_SECONDS = 30 * DAY
_BASE62 = ("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" * 5)[:256].encode("ascii")
# What each kind of action does: the doers live beside each other in `payments` and `billing`.
_DOERS: Mapping[type, Any] = {**payments.DOERS, **billing.DOERS}


class World:
    """One Stripe account and the people around it."""

    def __init__(
        self, scenario_name: str = "tidy", seed: int = 1, charges: int | None = None, clock: int | None = None
    ) -> None:
        plan = scenario(scenario_name, seed, charges)
        self.scenario, self.seed = scenario_name, seed
        self.start, self.clock, self.now = plan.start, plan.start, plan.start
        self._timeline, self._next = plan.actions, 0
        self._agenda: list[tuple[int, int, Action]] = []
        self._agenda_count = 0
        self._minted: dict[str, int] = {}
        self.account = self.mint("acct")
        self.ledger = Ledger(self.mint)
        self.customers: Shelf[Customer] = Shelf()
        self.charges: Shelf[Charge] = Shelf(customer=lambda it: it.customer, payment_intent=lambda it: it.payment_intent)
        self.intents: Shelf[PaymentIntent] = Shelf(customer=lambda it: it.customer)
        self.refunds: Shelf[Refund] = Shelf(charge=lambda it: it.charge, payment_intent=lambda it: it.payment_intent)
        self.disputes: Shelf[Dispute] = Shelf(charge=lambda it: it.charge, payment_intent=lambda it: it.payment_intent)
        self.payouts: Shelf[Payout] = Shelf()
        self.topups: Shelf[Topup] = Shelf()
        self.invoices: Shelf[Invoice] = Shelf(customer=lambda it: it.customer, subscription=lambda it: it.subscription)
        self.invoice_payments: Shelf[InvoicePayment] = Shelf(
            invoice=lambda it: it.invoice, payment_intent=lambda it: it.payment_intent
        )
        self.subscriptions: Shelf[Subscription] = Shelf(customer=lambda it: it.customer)
        self.credit_notes: Shelf[CreditNote] = Shelf()
        self.events: Shelf[Event] = Shelf(type=lambda it: it.type)
        self.sales: dict[str, SalesInvoice] = {}
        self.paid_for: dict[str, str] = {}
        self.paid: Counter[str] = Counter()
        self.refunded: Counter[str] = Counter()
        self.labels: dict[str, str] = {}
        self._run_until(plan.clock if clock is None else clock)

    # --- time

    def advance(self, seconds: int) -> int:
        """Let time pass; the new clock in Unix seconds."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._run_until(self.clock + seconds)
        return self.clock

    def act(self, action: Action) -> None:
        """Do one thing now, and what follows from it at once."""
        self.now = self.clock
        _DOERS[type(action)](self, action)
        self._run_until(self.clock)

    def later(self, action: Action) -> None:
        """Note something that will follow."""
        self._agenda_count += 1
        heapq.heappush(self._agenda, (action.at, self._agenda_count, action))

    def _run_until(self, until: int) -> None:
        # A big world is a million small tuples that all stay: looking through them for garbage, again and again,
        # takes longer than making them.
        collecting = gc.isenabled()
        gc.disable()
        try:
            while (action := self._take(until)) is not None:
                # Something done by hand at the clock may leave a follow-up that was due earlier: it happens now.
                self.now = max(self.now, action.at)
                _DOERS[type(action)](self, action)
        finally:
            if collecting:
                gc.enable()
        self.clock = max(self.clock, until)

    def _take(self, until: int) -> Action | None:
        planned = self._timeline[self._next] if self._next < len(self._timeline) else None
        if self._agenda and (planned is None or self._agenda[0][0] <= planned.at):
            return heapq.heappop(self._agenda)[2] if self._agenda[0][0] <= until else None
        if planned is None or planned.at > until:
            return None
        self._next += 1
        return planned

    # --- for the doers

    def mint(self, prefix: str) -> str:
        """The next id with this prefix; a letter stands every few places, so no id looks like a card number."""
        count = self._minted.get(prefix, 0) + 1
        self._minted[prefix] = count
        text = blake2b(f"{self.seed}:{prefix}:{count}".encode(), digest_size=19).digest().translate(_BASE62).decode()
        return f"{prefix}_1{text[:7]}Sbx{text[7:]}"

    def emit(self, type: str, snapshot: Thing, previous: Mapping[str, object] | None = None) -> None:
        """Make an event of what just changed, with the object as it is now."""
        self.events.add(Event(self.mint("evt"), self.now, type, snapshot, previous))

    def name(self, label: str, id: str) -> None:
        """Remember an object under the scenario's name for it."""
        if label:
            self.labels[label] = id

    def known(self, reference: str) -> str:
        """The id that a scenario's name stands for; an id stands for itself."""
        return self.labels.get(reference, reference)

    # --- its own books

    def balances(self) -> dict[str, int]:
        """Every currency's balance in minor units: the sum of all nets."""
        return {currency: self.ledger.total.get(currency, 0) for currency in sorted({*BALANCES, *self.ledger.total})}

    def books(self) -> dict[str, Any]:
        """What really happened, for a test to compare with; amounts in minor units."""
        by_type: dict[str, dict[str, list[int]]] = {}
        for movement in self.ledger.movements.rows:
            row = by_type.setdefault(movement.currency, {}).setdefault(movement.type, [0, 0, 0, 0])
            fee = movement.fee
            for column, number in enumerate((1, movement.amount, fee, movement.amount - fee)):
                row[column] += number
        statuses = Counter(charge.status for charge in self.charges.rows)
        return {
            "clock": self.clock,
            "balances": self.balances(),
            "by_type": by_type,
            "charges": {
                "total": len(self.charges),
                "succeeded": statuses["succeeded"],
                "failed": statuses["failed"],
                "refunded": sum(charge.amount_refunded > 0 for charge in self.charges.rows),
                "disputed": sum(charge.disputed for charge in self.charges.rows),
            },
            "transactions": len(self.ledger.movements),
            "events": len(self.events),
            "invoices": [
                {
                    "number": invoice.number,
                    "currency": invoice.currency.upper(),
                    "total": invoice.total,
                    "paid": self.paid[invoice.number],
                    "refunded": self.refunded[invoice.number],
                }
                for invoice in self.sales.values()
            ],
        }

    def sales_invoices(self) -> list[dict[str, str]]:
        """The invoices of the merchant's own books, amounts as decimal text in major units."""
        return [
            {
                "number": invoice.number,
                "customer": invoice.customer,
                "email": invoice.email,
                "currency": invoice.currency.upper(),
                "total": major(invoice.total, invoice.currency),
                "issued": _day(invoice.issued),
                "due": _day(invoice.due),
            }
            for invoice in self.sales.values()
        ]


def _day(at: int) -> str:
    return datetime.fromtimestamp(midnight(at), UTC).date().isoformat()
