"""How subscriptions go on: a new period, a bigger or a smaller plan; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_billing as bill
from syncjob.sandbox.billing import draft_invoice, fail_stripe_invoice, finalize, issue_stripe_invoice, pay_stripe_invoice
from syncjob.sandbox.objects import Invoice, InvoiceLine

if TYPE_CHECKING:
    from syncjob.sandbox.world import World


def renew_subscription(world: World, it: bill.RenewSubscription) -> None:
    """A new period begins: Stripe issues its invoice and collects it, or fails to."""
    old = world.subscriptions.get(world.known(it.subscription))
    if old.status == "canceled":
        raise ValueError(f"{old.id} has ended and is not renewed")
    label = it.label or f"renewal {it.number}"
    issue_stripe_invoice(
        world,
        do.IssueStripeInvoice(
            world.now, label, old.customer, old.currency, old.amount, it.number, "1 x Sample plan", old.id, None
        ),
    )
    if it.fails:
        fail_stripe_invoice(world, do.FailStripeInvoice(world.now, label))
        late = world.subscriptions.get(old.id)
        late = world.subscriptions.replace(late._replace(status="past_due"))
        world.emit("customer.subscription.updated", late, {"status": "active"})
        return
    invoice = world.invoices.get(world.known(label))
    if invoice.status == "open":
        _collect(world, invoice)


def _collect(world: World, invoice: Invoice) -> None:
    known = invoice.number if invoice.number in world.sales else None
    pay_stripe_invoice(world, do.PayStripeInvoice(world.now, "", invoice.id, known))


def change_subscription(world: World, it: bill.ChangeSubscription) -> None:
    """A bigger plan asks for the difference at once; a smaller one leaves a credit with the customer."""
    old = world.subscriptions.get(world.known(it.subscription))
    if old.status == "canceled" or it.amount == old.amount:
        raise ValueError(f"{old.id} cannot be changed to {it.amount}")
    left, period = max(0, old.period_end - world.now), old.period_end - old.period_start
    unused, rest = old.amount * left // period, it.amount * left // period
    new = world.subscriptions.replace(old._replace(amount=it.amount))
    customer = world.customers.get(old.customer)
    draft = Invoice(
        world.mint("in"),
        world.now,
        customer.id,
        customer.name,
        customer.email,
        old.currency,
        rest - unused,
        "Subscription update",
        old.id,
        "subscription_update",
        world.now,
        old.period_end,
        None,
        lines=(
            InvoiceLine(-unused, "Unused time on Sample plan", proration=True),
            InvoiceLine(rest, "Remaining time on the new Sample plan", proration=True),
        ),
    )
    draft_invoice(world, draft, it.label)
    invoice = finalize(world, draft, it.number)
    changed = world.subscriptions.replace(new._replace(latest_invoice=invoice.id))
    world.emit("customer.subscription.updated", changed, {"items": {"data": [{"price": {"unit_amount": old.amount}}]}})
    if invoice.status == "open":
        _collect(world, invoice)


DOERS: Mapping[type, Any] = {
    bill.RenewSubscription: renew_subscription,
    bill.ChangeSubscription: change_subscription,
}
