"""Objects as JSON bytes: each version is written once, and pages are joined from what is written.

Times are Unix seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from syncjob.sandbox import shapes, shapes_billing, shapes_connect
from syncjob.sandbox.categories import BEHIND
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
    Movement,
    Origin,
    PaymentIntent,
    Payout,
    Refund,
    Release,
    Subscription,
    Thing,
    Topup,
    Transfer,
    TransferReversal,
)
from syncjob.sandbox.shelf import Shelf
from syncjob.sandbox.versions import OLD_VERSION, as_of_old
from syncjob.sandbox.world import World

API_VERSION = "2026-10-28.endive"
# Some 40 MB of written objects; beyond that a fresh start is cheaper than keeping count of what was used last.
_KEPT_OBJECTS = 20_000

_SHAPES: Mapping[type, Callable[[Any], shapes.Shape]] = {
    Charge: shapes.charge,
    PaymentIntent: shapes.payment_intent,
    Refund: shapes.refund,
    Payout: shapes.payout,
    Topup: shapes.topup,
    Customer: shapes.customer,
    Invoice: shapes_billing.invoice,
    InvoicePayment: shapes.invoice_payment,
    Subscription: shapes_billing.subscription,
    CreditNote: shapes_billing.credit_note,
    Account: shapes_connect.account,
    TransferReversal: shapes_connect.transfer_reversal,
    FeeRefund: shapes_connect.fee_refund,
    Hold: shapes_connect.hold,
    Release: shapes_connect.release,
    Origin: shapes_connect.origin,
}
# What can be expanded: path in the JSON -> field of ours. `refunds` and `payments` are lists that appear only then.
EXPANDABLE: Mapping[type, Mapping[str, str]] = {
    Charge: {
        "balance_transaction": "balance_transaction",
        "customer": "customer",
        "failure_balance_transaction": "failure_balance_transaction",
        "payment_intent": "payment_intent",
        "refunds": "refunds",
    },
    PaymentIntent: {"customer": "customer", "latest_charge": "latest_charge"},
    Movement: {"source": "source"},
    Refund: {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "customer": "customer",
        "failure_balance_transaction": "failure_balance_transaction",
        "payment_intent": "payment_intent",
    },
    Dispute: {"charge": "charge", "payment_intent": "payment_intent"},
    Payout: {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "failure_balance_transaction",
    },
    Topup: {"balance_transaction": "balance_transaction"},
    Invoice: {
        "customer": "customer",
        "parent.subscription_details.subscription": "subscription",
        "payments": "payments",
    },
    InvoicePayment: {"invoice": "invoice", "payment.payment_intent": "payment_intent"},
    Subscription: {"customer": "customer", "latest_invoice": "latest_invoice"},
    CreditNote: {"customer": "customer", "invoice": "invoice"},
    Transfer: {"balance_transaction": "balance_transaction", "source_transaction": "source_transaction"},
    ApplicationFee: {"balance_transaction": "balance_transaction"},
    TransferReversal: {"balance_transaction": "balance_transaction", "transfer": "transfer"},
    FeeRefund: {"balance_transaction": "balance_transaction", "fee": "fee"},
    Customer: {},
    Account: {},
    Hold: {},
    Release: {},
    Origin: {},
    Event: {},
}
Branch = dict[str, "Branch"]


def to_bytes(value: object) -> bytes:
    """JSON without spaces, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def branches(paths: list[str]) -> Branch:
    """The tree of what shall be expanded: ["source.customer"] is {"source": {"customer": {}}}."""
    tree: Branch = {}
    for path in paths:
        at = tree
        for name in path.split("."):
            at = at.setdefault(name, {})
    return tree


class Writer:
    """Writes the objects of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[tuple[str, int], bytes] = {}
        self.spoil: Callable[[shapes.Shape], shapes.Shape] | None = None
        self._homes = {
            "ch": world.charges,
            "py": world.charges,
            "pi": world.intents,
            "txn": world.ledger.movements,
            "re": world.refunds,
            "pyr": world.refunds,
            "du": world.disputes,
            "po": world.payouts,
            "tu": world.topups,
            "cus": world.customers,
            "in": world.invoices,
            "inpay": world.invoice_payments,
            "sub": world.subscriptions,
            "cn": world.credit_notes,
            "acct": world.accounts,
            "tr": world.transfers,
            "trr": world.transfer_reversals,
            "fee": world.application_fees,
            "fr": world.fee_refunds,
            "reshold": world.holds,
            "resrel": world.releases,
            **{prefix: world.origins for prefix, _ in BEHIND.values()},
        }
        self.mixed = False

    def forget(self) -> None:
        """Write everything anew from now on."""
        self._kept.clear()

    def row(self, it: Thing | Event, version: int, tree: Branch | None = None) -> bytes:
        """An object as it is now, with what was asked for expanded."""
        at = self._world.clock
        if isinstance(it, Movement):
            version = int(it.available_on <= at)
        # A dispute carries lines of the balance, which turn from pending to available by themselves.
        data = self._write(it, at) if isinstance(it, Dispute) else self._remember(it, version, at)
        return self._expanded(it, data, tree) if tree else data

    def _remember(self, it: Thing | Event, version: int, at: int) -> bytes:
        key = (it.id, version)
        data = self._kept.get(key)
        if data is None:
            data = self._write_event(it) if isinstance(it, Event) else self._write(it, at)
            if len(self._kept) >= _KEPT_OBJECTS:
                self._kept.clear()
            self._kept[key] = data
        return data

    def _write(self, it: Thing, at: int) -> bytes:
        if isinstance(it, Movement):
            return to_bytes(shapes.balance_transaction(it, at))
        if isinstance(it, Dispute):
            return to_bytes(shapes.dispute(it, at, self._world.ledger.movements.get))
        shape = self._shape(it, at)
        if self.spoil is not None and isinstance(it, Charge):
            shape = self.spoil(shape)
        return to_bytes(shape)

    def _shape(self, it: Thing, at: int) -> shapes.Shape:
        world = self._world
        if isinstance(it, Transfer):
            return shapes_connect.transfer(it, _until(world.transfer_reversals, "transfer", it.id, at))
        if isinstance(it, ApplicationFee):
            return shapes_connect.application_fee(it, _until(world.fee_refunds, "fee", it.id, at))
        return _SHAPES[type(it)](it)

    def _write_event(self, it: Event) -> bytes:
        # Which version an account had when an event was made never changes; every second one is an old one.
        old = self.mixed and sum(it.id.encode()) % 2 == 0
        frozen = self._write(it.snapshot, it.created)
        if old:
            frozen = to_bytes(as_of_old(json.loads(frozen), self._world))
        version = OLD_VERSION if old else API_VERSION
        previous = b"" if it.previous is None else b',"previous_attributes":' + to_bytes(it.previous)
        return (
            b'{"id":"%b","object":"event","api_version":"%b","created":%d,"data":{"object":%b%b},"livemode":false,'
            b'"pending_webhooks":0,"request":{"id":null,"idempotency_key":null},"type":"%b"}'
        ) % (it.id.encode(), version.encode(), it.created, frozen, previous, it.type.encode())

    def _expanded(self, it: Thing | Event, data: bytes, tree: Branch) -> bytes:
        cuts: list[tuple[int, int, bytes]] = []
        for path, field in EXPANDABLE[type(it)].items():
            below: Branch | None = tree
            for name in path.split("."):
                below = below.get(name) if below is not None else None
            if below is None:
                continue
            if field in {"refunds", "payments"}:
                end = len(data) - 1
                cuts.append((end, end, b',"%b":%b' % (field.encode(), self._inner_list(it, field, below))))
                continue
            id = getattr(it, field)
            if id is not None:
                start, end = _where(data, path, id)
                cuts.append((start, end, self.found(id, below)))
        # From the back, so that what is put in neither moves nor hides what is still to be replaced.
        for start, end, piece in sorted(cuts, reverse=True):
            data = data[:start] + piece + data[end:]
        return data

    def found(self, id: str, tree: Branch | None = None) -> bytes:
        """An object by its id, whatever its kind."""
        home: Any = self._homes[id.partition("_")[0]]
        place = home.place[id]
        return self.row(home.rows[place], home.version.get(place, 0), tree)

    def _inner_list(self, it: Thing | Event, field: str, tree: Branch) -> bytes:
        below = tree.get("data", {})
        if field == "refunds":
            refunds = self._world.refunds
            ids = [refunds.rows[place].id for place in refunds.places("charge", it.id)]
            url = f"/v1/charges/{it.id}/refunds"
        else:
            payments = self._world.invoice_payments
            ids = [payments.rows[place].id for place in payments.places("invoice", it.id)]
            url = f"/v1/invoice_payments?invoice={it.id}"
        data = b",".join(self.found(id, below) for id in reversed(ids))
        return b'{"object":"list","data":[%b],"has_more":false,"url":"%b"}' % (data, url.encode())


def _until(shelf: Shelf[Any], name: str, key: str, at: int) -> list[Any]:
    """What belongs to an object and was there at an instant, newest first."""
    rows = [shelf.rows[place] for place in reversed(shelf.places(name, key))]
    return [row for row in rows if row.created <= at]


def _where(data: bytes, path: str, id: str) -> tuple[int, int]:
    # Fields stand in the order of the alphabet and quotes inside texts are escaped, so what a customer or a nested
    # object could put under the same name lies in `lines` or `metadata`: look from the side away from these.
    name = path.rpartition(".")[2]
    needle = b'"%b":"%b"' % (name.encode(), id.encode())
    start = (data.index if path < "lines" else data.rindex)(needle) + len(name) + 3
    return start, start + len(id) + 2
