"""The simulator's own routes under /_sandbox: clock, misfortunes, single actions, journal, books.

Amounts are minor units, times are Unix seconds of the simulated clock.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_billing as bill
from syncjob.sandbox import actions_connect as link
from syncjob.sandbox.fronts import Fronts
from syncjob.sandbox.ledger import DAY
from syncjob.sandbox.quirks import BURST_COUNT, CARD_ID, Quirks, with_card_numbers
from syncjob.sandbox.resources import RESOURCES
from syncjob.sandbox.world import RETENTION_SECONDS, World

JOURNAL_LINES_MAX = 100_000
ACTIONS: Mapping[str, type] = {
    "customer": do.NewCustomer,
    "customer_update": do.UpdateCustomer,
    "customer_delete": do.DeleteCustomer,
    "charge": do.Pay,
    "charge_later": do.PayLater,
    "charge_settle": do.SettlePayment,
    "authorize": do.Authorize,
    "capture": do.Capture,
    "authorization_expire": do.ExpireAuthorization,
    "decline": do.Decline,
    "charge_update": do.UpdateCharge,
    "payment_failure": do.FailPayment,
    "refund": do.GiveRefund,
    "refund_settle": do.SettleRefund,
    "refund_failure": do.FailRefund,
    "dispute": do.OpenDispute,
    "dispute_update": do.UpdateDispute,
    "dispute_close": do.CloseDispute,
    "transaction": do.Move,
    "topup": do.TopUp,
    "topup_end": do.EndTopUp,
    "payout": do.PayOut,
    "payout_end": do.EndPayout,
    "payout_cancel": do.CancelPayout,
    "payout_reverse": do.ReversePayout,
    "reserve_hold": do.HoldReserve,
    "reserve_release": do.ReleaseReserve,
    "convert": do.Convert,
    "sales_invoice": do.IssueSalesInvoice,
    "invoice": do.IssueStripeInvoice,
    "invoice_finalize": bill.FinalizeInvoice,
    "invoice_update": bill.UpdateInvoice,
    "invoice_end": bill.EndInvoice,
    "invoice_overdue": bill.MissDueDate,
    "invoice_pay": do.PayStripeInvoice,
    "invoice_attach": bill.AttachPayment,
    "invoices_pay": bill.PaySeveralInvoices,
    "invoice_failure": do.FailStripeInvoice,
    "credit_note": bill.IssueCreditNote,
    "credit_note_void": bill.VoidCreditNote,
    "subscription": do.Subscribe,
    "subscription_renew": bill.RenewSubscription,
    "subscription_change": bill.ChangeSubscription,
    "subscription_status": bill.SetSubscriptionStatus,
    "subscription_cancel": do.CancelSubscription,
    "account": link.ConnectAccount,
    "account_disconnect": link.DisconnectAccount,
    "transfer": link.SendTransfer,
    "transfer_reversal": link.ReverseTransfer,
    "application_fee_refund": link.RefundApplicationFee,
}
# What an action may leave out although its class wants it.
_DEFAULTS: Mapping[str, Any] = {"label": "", "customer": None, "fails": False}
_WHOLE = {"amount", "application_fee", "days", "fee", "fee_tax", "passthrough", "tax", "total", "withheld"}


class Control:
    """What tests and the demo do to the simulator, beside what Stripe offers."""

    def __init__(self, fronts: Fronts) -> None:
        self._fronts, self._world = fronts, fronts.platform
        self.quirks = Quirks()
        self.journal: deque[dict[str, Any]] = deque(maxlen=JOURNAL_LINES_MAX)

    def answer(self, method: str, path: str, body: bytes, account: str | None = None) -> tuple[int, object]:
        """Status and JSON value of one control request, about the platform or one of its accounts."""
        try:
            return 200, self._answer(method, path, body, self._fronts.of(account).world)
        except KeyError as error:
            return 404, {"error": f"nothing here is called {error}"}
        except (TypeError, ValueError) as error:
            return 400, {"error": str(error)}

    def _answer(self, method: str, path: str, body: bytes, world: World) -> object:
        match method, path:
            case "GET", "clock":
                return {"clock": self._world.clock, "start": self._world.start, "scenario": self._world.scenario}
            case "GET", "books":
                return world.books()
            case "GET", "invoices":
                return world.sales_invoices()
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
                self._fronts.spoil(None)
                self._fronts.mix(False)
                self._world.retention_seconds = RETENTION_SECONDS
                return {}
            case "POST", "act":
                return self._act(_object(body), world)
        raise KeyError(f"{method} /_sandbox/{path}")

    def _switch_on(self, wish: dict[str, Any]) -> object:
        quirk = self.quirks.add(wish)
        if quirk.name == "card_numbers":
            self._fronts.spoil(with_card_numbers)
        elif quirk.name == "mixed_versions":
            self._fronts.mix(True)
        elif quirk.name == "event_retention":
            self._world.retention_seconds = quirk.details.get("days", 30) * DAY
        elif quirk.name == "same_second":
            self.burst(quirk.details.get("count", BURST_COUNT))
        elif quirk.name == "card_in_id":
            text = "Adjustment 4242424242424242"
            self._world.act(do.Move(self._world.clock, "adjustment", 100, "eur", 0, "other_adjustment", text, CARD_ID))
        return vars(quirk)

    def burst(self, count: int) -> None:
        """So many payments in this very second."""
        for number in range(count):
            self._world.act(do.Pay(self._world.clock, "", None, 1_000 + number, "eur", "Order in a burst"))

    def meddle(self, path: str, world: World, cursor: str) -> None:
        """Between two pages, edit or delete the row that the first one ended with."""
        at, edited = world.clock, "edited while somebody was reading"
        edits: dict[str, do.Action] = {
            "/v1/customers": do.UpdateCustomer(at, cursor, email="edited@example.com"),
            "/v1/charges": do.UpdateCharge(at, cursor, description=edited),
            "/v1/invoices": bill.UpdateInvoice(at, cursor, edited),
        }
        deletions: dict[str, do.Action] = {
            "/v1/customers": do.DeleteCustomer(at, cursor),
            "/v1/invoices": bill.EndInvoice(at, cursor, "deleted"),
        }
        for name, doings in (("object_edited", edits), ("object_deleted", deletions)):
            # What is not there, or cannot be deleted, stays as it is.
            with suppress(KeyError, ValueError):
                if path in doings and self.quirks.first(name, path) is not None:
                    world.act(doings[path])

    def _act(self, wish: dict[str, Any], world: World) -> object:
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
        before = {home: len(shelf) for home, shelf in _shelves(world).items()}
        action = kind(at=self._world.clock, **{**left_out, **wish})
        self._world.act(action if world is self._world else link.Within(self._world.clock, world.account, action))
        created = {
            home: [row.id for row in shelf.rows[before[home] :]]
            for home, shelf in _shelves(world).items()
            if len(shelf) > before[home]
        }
        return {"clock": self._world.clock, "created": created}


def _shelves(world: World) -> dict[str, Any]:
    shelves = {path: resource.shelf(world) for path, resource in RESOURCES.items()}
    return {**shelves, "transfer_reversals": world.transfer_reversals, "fee_refunds": world.fee_refunds}


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body or b"{}")
    if not isinstance(value, dict):
        raise TypeError("a JSON object is needed")
    return value
