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

from syncjob.sandbox import billing, connect, credit_notes, disputes, payments, people, renewals, subscriptions, treasury
from syncjob.sandbox.actions import Action
from syncjob.sandbox.currencies import BALANCES, major
from syncjob.sandbox.ledger import DAY, Ledger, midnight
from syncjob.sandbox.objects import (
    Account,
    ApplicationFee,
    Charge,
    CreditNote,
    Customer,
    Dispute,
    Event,
    FeeRefund,
    Hold,
    Invoice,
    InvoicePayment,
    Origin,
    PaymentIntent,
    Payout,
    Refund,
    Release,
    SalesInvoice,
    Subscription,
    Thing,
    Topup,
    Transfer,
    TransferReversal,
)
from syncjob.sandbox.scenarios import Scenario, scenario
from syncjob.sandbox.shelf import Shelf

RETENTION_SECONDS = 30 * DAY
_BASE62 = ("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" * 5)[:256].encode("ascii")
# What each kind of action does.
_DOERS: Mapping[type, Any] = {
    **people.DOERS,
    **payments.DOERS,
    **disputes.DOERS,
    **treasury.DOERS,
    **billing.DOERS,
    **credit_notes.DOERS,
    **subscriptions.DOERS,
    **renewals.DOERS,
    **connect.DOERS,
}


class World:
    """One Stripe account and the people around it."""

    def __init__(
        self, scenario_name: str = "tidy", seed: int = 1, charges: int | None = None, clock: int | None = None
    ) -> None:
        plan = scenario(scenario_name, seed, charges)
        self._begin(scenario_name, seed, plan)
        self._run_until(plan.clock if clock is None else clock)

    def _begin(self, scenario_name: str, seed: int | str, plan: Scenario) -> None:
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
        self.credit_notes: Shelf[CreditNote] = Shelf(invoice=lambda it: it.invoice, customer=lambda it: it.customer)
        self.accounts: Shelf[Account] = Shelf()
        self.transfers: Shelf[Transfer] = Shelf(destination=lambda it: it.destination)
        self.transfer_reversals: Shelf[TransferReversal] = Shelf(transfer=lambda it: it.transfer)
        self.application_fees: Shelf[ApplicationFee] = Shelf(charge=lambda it: it.charge)
        self.fee_refunds: Shelf[FeeRefund] = Shelf(fee=lambda it: it.fee)
        self.holds: Shelf[Hold] = Shelf()
        self.releases: Shelf[Release] = Shelf()
        self.origins: Shelf[Origin] = Shelf()
        self.events: Shelf[Event] = Shelf(type=lambda it: it.type)
        self.sales: dict[str, SalesInvoice] = {}
        self.paid_for: dict[str, Mapping[str, int]] = {}
        self.meant_for: dict[str, str] = {}
        self.paid: Counter[str] = Counter()
        self.refunded: Counter[str] = Counter()
        self.labels: dict[str, str] = {}
        self.retention_seconds = RETENTION_SECONDS
        self.application = ""
        self.platform: World | None = None
        self.connected: dict[str, World] = {}
        self.about = Account(self.account, self.start - 365 * DAY, "Sandbox Example", "DE", "eur")

    def branch(self, label: str, name: str, country: str, currency: str) -> World:
        """A new connected account: an empty world that keeps this one's time."""
        theirs = World.__new__(World)
        theirs._begin("connected", f"{self.seed}:{label}:{len(self.accounts)}", Scenario(self.start, self.start, []))
        theirs.clock = theirs.now = self.now
        theirs.platform = self
        theirs.application = self.application = self.application or self.mint("ca")
        theirs.about = Account(theirs.account, self.now, name, country, currency)
        theirs.labels = self.labels  # one story, one set of names
        self.connected[theirs.account] = theirs
        return theirs

    def account_of(self, reference: str) -> World:
        """The world of a connected account, by label or id; KeyError if there is none."""
        return self.connected[self.known(reference)]

    def do_now(self, action: Action, now: int) -> None:
        """Do one thing at the platform's time, after all that was due here before."""
        self._run_until(now)
        self.now = now
        _DOERS[type(action)](self, action)

    def kept_since(self) -> int:
        """Events older than this are forgotten."""
        return self.clock - (self.platform or self).retention_seconds

    def earn(self, charge: str, amount: int, currency: str) -> str:
        """Give the platform its share of a payment; the id of the application fee there."""
        if self.platform is None:
            raise ValueError("only a connected account's payment has an application fee")
        return connect.earn(self.platform, self.account, charge, amount, currency)

    def receive_transfer(self, now: int, transfer: str, amount: int, currency: str) -> str:
        """A platform's transfer arrives as a payment without a fee; its id."""
        self._run_until(now)
        self.now = now
        return payments.receive_transfer(self, transfer, amount, currency)

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
        for theirs in self.connected.values():
            theirs._run_until(until)

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
        # Most accounts have the payments balance alone.
        elsewhere = {"elsewhere": self.ledger.elsewhere} if self.ledger.elsewhere else {}
        return {
            **elsewhere,
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
