"""The simulator's own routes under /_sandbox: clock, misfortunes, single actions, journal, books.

Amounts are minor units, times are Unix seconds of the simulated clock.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from syncjob.sandbox import actions as do
from syncjob.sandbox.quirks import CARD_ID, Quirks, with_card_numbers
from syncjob.sandbox.world import World
from syncjob.sandbox.writer import Writer

JOURNAL_LINES_MAX = 100_000
ACTIONS: Mapping[str, type] = {
    "customer": do.NewCustomer,
    "customer_update": do.UpdateCustomer,
    "charge": do.Pay,
    "decline": do.Decline,
    "charge_update": do.UpdateCharge,
    "payment_failure": do.FailPayment,
    "refund": do.GiveRefund,
    "refund_failure": do.FailRefund,
    "dispute": do.OpenDispute,
    "dispute_close": do.CloseDispute,
    "transaction": do.Move,
    "topup": do.TopUp,
    "payout": do.PayOut,
    "payout_end": do.EndPayout,
    "sales_invoice": do.IssueSalesInvoice,
    "invoice": do.IssueStripeInvoice,
    "invoice_pay": do.PayStripeInvoice,
    "invoice_failure": do.FailStripeInvoice,
    "subscription": do.Subscribe,
    "subscription_cancel": do.CancelSubscription,
}
# What an action may leave out although its class wants it.
_DEFAULTS: Mapping[str, Any] = {"label": "", "customer": None, "fails": False}
_WHOLE = {"amount", "fee", "fee_tax", "total"}


class Control:
    """What tests and the demo do to the simulator, beside what Stripe offers."""

    def __init__(self, world: World, writer: Writer) -> None:
        self._world, self._writer = world, writer
        self.quirks = Quirks()
        self.journal: deque[dict[str, Any]] = deque(maxlen=JOURNAL_LINES_MAX)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        """Status and JSON value of one control request."""
        try:
            return 200, self._answer(method, path, body)
        except KeyError as error:
            return 404, {"error": f"nothing here is called {error}"}
        except (TypeError, ValueError) as error:
            return 400, {"error": str(error)}

    def _answer(self, method: str, path: str, body: bytes) -> object:
        match method, path:
            case "GET", "clock":
                return {"clock": self._world.clock, "start": self._world.start, "scenario": self._world.scenario}
            case "GET", "books":
                return self._world.books()
            case "GET", "invoices":
                return self._world.sales_invoices()
            case "GET", "requests":
                return list(self.journal)
            case "DELETE", "requests":
                self.journal.clear()
                return {}
            case "POST", "advance":
                seconds = _object(body).get("seconds")
                if not isinstance(seconds, int) or isinstance(seconds, bool):
                    raise TypeError("advance needs a whole number of seconds")
                return {"clock": self._world.advance(seconds)}
            case "GET", "quirks":
                return [vars(quirk) for quirk in self.quirks.active]
            case "POST", "quirks":
                return self._switch_on(_object(body))
            case "DELETE", "quirks":
                self.quirks.clear()
                self._spoil(False)
                return {}
            case "POST", "act":
                return self._act(_object(body))
        raise KeyError(f"{method} /_sandbox/{path}")

    def _switch_on(self, wish: dict[str, Any]) -> object:
        quirk = self.quirks.add(wish)
        if quirk.name == "card_numbers":
            self._spoil(True)
        if quirk.name == "card_in_id":
            text = "Adjustment 4242424242424242"
            self._world.act(do.Move(self._world.clock, "adjustment", 100, "eur", 0, "other_adjustment", text, CARD_ID))
        return vars(quirk)

    def _spoil(self, on: bool) -> None:
        self._writer.spoil = with_card_numbers if on else None
        self._writer.forget()

    def _act(self, wish: dict[str, Any]) -> object:
        name = wish.pop("action", None)
        if name == "dispute" and "outcome" in wish:
            # Opening and deciding a dispute go by one name.
            name, wish = "dispute_close", {**wish, "won": {"won": True, "lost": False}[wish["outcome"]]}
            del wish["outcome"]
        if name not in ACTIONS:
            raise ValueError(f"no action is called {name!r}; there are {', '.join(ACTIONS)}")
        kind: Any = ACTIONS[name]
        for field in _WHOLE & wish.keys():
            if wish[field] is not None and (not isinstance(wish[field], int) or isinstance(wish[field], bool)):
                raise ValueError(f"{field} is {wish[field]!r}, whole minor units are needed")
        left_out = {field: _DEFAULTS[field] for field in kind._fields if field in _DEFAULTS and field not in wish}
        before = {home: len(shelf) for home, shelf in self._shelves().items()}
        self._world.act(kind(at=self._world.clock, **{**left_out, **wish}))
        created = {
            home: [row.id for row in shelf.rows[before[home] :]]
            for home, shelf in self._shelves().items()
            if len(shelf) > before[home]
        }
        return {"clock": self._world.clock, "created": created}

    def _shelves(self) -> dict[str, Any]:
        world = self._world
        return {
            "customers": world.customers,
            "charges": world.charges,
            "payment_intents": world.intents,
            "balance_transactions": world.ledger.movements,
            "refunds": world.refunds,
            "disputes": world.disputes,
            "payouts": world.payouts,
            "topups": world.topups,
            "invoices": world.invoices,
            "invoice_payments": world.invoice_payments,
            "subscriptions": world.subscriptions,
            "events": world.events,
        }


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body or b"{}")
    if not isinstance(value, dict):
        raise TypeError("a JSON object is needed")
    return value
