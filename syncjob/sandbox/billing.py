"""What invoices and subscriptions do to the world; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox.ledger import DAY
from syncjob.sandbox.objects import Invoice, InvoicePayment, SalesInvoice, Subscription
from syncjob.sandbox.payments import decline, take_payment

if TYPE_CHECKING:
    from syncjob.sandbox.world import World

_PERIOD_SECONDS = 30 * DAY


def issue_sales_invoice(world: World, it: do.IssueSalesInvoice) -> None:
    """The merchant's own books issue an invoice; Stripe hears nothing of it."""
    customer = world.customers.get(world.known(it.customer))
    world.sales[it.number] = SalesInvoice(
        it.number, customer.name, customer.email, it.currency, it.total, world.now, world.now + it.due_days * DAY
    )


def issue_stripe_invoice(world: World, it: do.IssueStripeInvoice) -> None:
    """Stripe drafts an invoice and finalises it in the same moment."""
    customer = world.customers.get(world.known(it.customer))
    subscription = world.known(it.subscription) if it.subscription else None
    first = subscription is not None and not world.invoices.places("subscription", subscription)
    draft = Invoice(
        world.mint("in"),
        world.now,
        customer.id,
        customer.name,
        customer.email,
        it.currency,
        it.total,
        it.description,
        subscription,
        "manual" if subscription is None else "subscription_create" if first else "subscription_cycle",
        world.now,
        world.now + (_PERIOD_SECONDS if subscription else 0),
        None if it.due_days is None else world.now + it.due_days * DAY,
    )
    world.invoices.add(draft)
    world.name(it.label, draft.id)
    world.emit("invoice.created", draft)
    final = world.invoices.replace(draft._replace(status="open", number=it.number, finalized_at=world.now))
    world.emit("invoice.finalized", final)
    if subscription is not None:
        old = world.subscriptions.get(subscription)
        new = old._replace(
            latest_invoice=final.id, period_start=world.now, period_end=world.now + _PERIOD_SECONDS, status="active"
        )
        world.subscriptions.replace(new)
        if not first:
            world.emit("customer.subscription.updated", new, {"latest_invoice": old.latest_invoice})


def pay_stripe_invoice(world: World, it: do.PayStripeInvoice) -> None:
    """A customer pays an invoice of Stripe's; only the invoice payment links the two."""
    old = world.invoices.get(world.known(it.stripe_invoice))
    intent, charge = take_payment(
        world,
        do.Pay(
            world.now,
            it.label,
            old.customer,
            old.total,
            old.currency,
            description="Subscription update" if old.subscription else "Payment for Invoice",
            invoice=it.invoice,
        ),
    )
    link = InvoicePayment(world.mint("inpay"), world.now, old.id, intent.id, old.currency, old.total, old.total, world.now)
    world.invoice_payments.add(link)
    paid = world.invoices.replace(
        old._replace(status="paid", amount_paid=old.total, attempt_count=old.attempt_count + 1, paid_at=world.now)
    )
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)
    world.emit("invoice_payment.paid", link)
    world.emit("invoice.paid", paid)
    world.emit("invoice.payment_succeeded", paid)


def fail_stripe_invoice(world: World, it: do.FailStripeInvoice) -> None:
    """An attempt to collect an invoice is refused."""
    old = world.invoices.get(world.known(it.stripe_invoice))
    decline(world, do.Decline(world.now, "", old.customer, old.total, old.currency, it.code, "Payment for Invoice"))
    failed = world.invoices.replace(old._replace(attempt_count=old.attempt_count + 1))
    world.emit("invoice.payment_failed", failed)


def subscribe(world: World, it: do.Subscribe) -> None:
    """A customer takes a subscription."""
    customer = world.known(it.customer)
    subscription = world.subscriptions.add(
        Subscription(world.mint("sub"), world.now, customer, it.amount, it.currency, world.now, world.now + _PERIOD_SECONDS)
    )
    world.name(it.label, subscription.id)
    world.emit("customer.subscription.created", subscription)


def cancel_subscription(world: World, it: do.CancelSubscription) -> None:
    """A customer ends a subscription."""
    old = world.subscriptions.get(world.known(it.subscription))
    new = world.subscriptions.replace(old._replace(status="canceled", canceled_at=world.now))
    world.emit("customer.subscription.deleted", new)


DOERS: Mapping[type, Any] = {
    do.IssueSalesInvoice: issue_sales_invoice,
    do.IssueStripeInvoice: issue_stripe_invoice,
    do.PayStripeInvoice: pay_stripe_invoice,
    do.FailStripeInvoice: fail_stripe_invoice,
    do.Subscribe: subscribe,
    do.CancelSubscription: cancel_subscription,
}
