"""What invoices do to the world; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_billing as bill
from syncjob.sandbox.ledger import DAY
from syncjob.sandbox.objects import Charge, Invoice, InvoicePayment, PaymentIntent, SalesInvoice
from syncjob.sandbox.payments import decline, take_payment
from syncjob.sandbox.subscriptions import PERIOD_SECONDS

if TYPE_CHECKING:
    from syncjob.sandbox.world import World


def issue_sales_invoice(world: World, it: do.IssueSalesInvoice) -> None:
    """The merchant's own books issue an invoice; Stripe hears nothing of it."""
    customer = world.customers.get(world.known(it.customer))
    world.sales[it.number] = SalesInvoice(
        it.number, customer.name, customer.email, it.currency, it.total, world.now, world.now + it.due_days * DAY
    )


def issue_stripe_invoice(world: World, it: do.IssueStripeInvoice) -> None:
    """Stripe drafts an invoice and, unless it shall stay a draft, finalises it in the same moment."""
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
        world.now + (PERIOD_SECONDS if subscription else 0),
        None if it.due_days is None else world.now + it.due_days * DAY,
        tax=it.tax,
        metadata=it.metadata,
    )
    draft_invoice(world, draft, it.label)
    if it.draft:
        return
    final = finalize(world, draft, it.number)
    if subscription is not None:
        old = world.subscriptions.get(subscription)
        new = old._replace(
            latest_invoice=final.id, period_start=world.now, period_end=world.now + PERIOD_SECONDS, status="active"
        )
        world.subscriptions.replace(new)
        if not first:
            world.emit("customer.subscription.updated", new, {"latest_invoice": old.latest_invoice})


def draft_invoice(world: World, draft: Invoice, label: str) -> None:
    """Stripe begins an invoice."""
    world.invoices.add(draft)
    world.name(label, draft.id)
    world.emit("invoice.created", draft)


def finalize(world: World, draft: Invoice, number: str) -> Invoice:
    """A draft gets its number; credit that the customer has from earlier is taken into account."""
    customer = world.customers.get(draft.customer)
    final = draft._replace(status="open", number=number, finalized_at=world.now, starting_balance=customer.balance)
    world.invoices.replace(final)
    world.emit("invoice.finalized", final)
    if final.ending_balance != customer.balance:
        credited = world.customers.replace(customer._replace(balance=final.ending_balance))
        world.emit("customer.updated", credited, {"balance": customer.balance})
    if final.amount_due == 0:
        final = world.invoices.replace(final._replace(status="paid", paid_at=world.now))
        world.emit("invoice.paid", final)
        world.emit("invoice.payment_succeeded", final)
    return final


def finalize_invoice(world: World, it: bill.FinalizeInvoice) -> None:
    """A draft becomes an invoice."""
    finalize(world, in_status(world, it.stripe_invoice, "draft"), it.number)


def update_invoice(world: World, it: bill.UpdateInvoice) -> None:
    """Somebody edits an invoice's description."""
    old = world.invoices.get(world.known(it.stripe_invoice))
    new = world.invoices.replace(old._replace(description=it.description))
    world.emit("invoice.updated", new, {"description": old.description})


def in_status(world: World, id: str, *statuses: str) -> Invoice:
    """The invoice, if it stands where the wish presumes; ValueError if not."""
    invoice = world.invoices.get(world.known(id))
    if invoice.status not in statuses:
        raise ValueError(f"{invoice.id} is {invoice.status}, not {' or '.join(statuses)}")
    return invoice


def end_invoice(world: World, it: bill.EndInvoice) -> None:
    """An invoice is given up; only a draft can be deleted, and then nobody finds it any more."""
    if it.status == "deleted":
        draft = in_status(world, it.stripe_invoice, "draft")
        world.invoices.replace(draft)
        world.invoices.remove(draft.id)
        world.emit("invoice.deleted", draft)
        return
    old = in_status(world, it.stripe_invoice, "open", "uncollectible")
    if it.status == "void":
        new = world.invoices.replace(old._replace(status="void", voided_at=world.now))
        world.emit("invoice.voided", new, {"status": old.status})
    elif it.status == "uncollectible":
        new = world.invoices.replace(old._replace(status="uncollectible", uncollectible_at=world.now))
        world.emit("invoice.marked_uncollectible", new, {"status": old.status})
    else:
        raise ValueError(f"an invoice ends void, uncollectible or deleted, not {it.status}")
    world.emit("invoice.updated", new, {"status": old.status})


def miss_due_date(world: World, it: bill.MissDueDate) -> None:
    """The day on which an invoice was due has passed; it stays open."""
    world.emit("invoice.overdue", in_status(world, it.stripe_invoice, "open"))


def pay_stripe_invoice(world: World, it: do.PayStripeInvoice) -> None:
    """A customer pays an invoice of Stripe's; only the invoice payment links the two."""
    old = in_status(world, it.stripe_invoice, "open", "uncollectible")
    amount = old.amount_due - old.amount_paid if it.amount is None else it.amount
    intent, charge = take_payment(
        world,
        do.Pay(
            world.now,
            it.label,
            old.customer,
            amount,
            old.currency,
            description="Subscription update" if old.subscription else "Payment for Invoice",
            invoice=it.invoice,
        ),
    )
    _tell(world, intent, charge, [_link(world, old, intent, amount)])


def pay_several_invoices(world: World, it: bill.PaySeveralInvoices) -> None:
    """A customer pays several invoices in one payment: one charge, and a link to each invoice."""
    invoices = [in_status(world, id, "open") for id in it.stripe_invoices]
    sums = {invoice.id: invoice.amount_due - invoice.amount_paid for invoice in invoices}
    shares = {invoice.number: sums[invoice.id] for invoice in invoices if invoice.number in world.sales}
    intent, charge = take_payment(
        world,
        do.Pay(
            world.now,
            it.label,
            invoices[0].customer,
            sum(sums.values()),
            invoices[0].currency,
            description="Payment for Invoices",
            invoices={number: amount for number, amount in shares.items() if number is not None},
        ),
    )
    _tell(world, intent, charge, [_link(world, invoice, intent, sums[invoice.id]) for invoice in invoices])


def attach_payment(world: World, it: bill.AttachPayment) -> None:
    """A payment that was there before is put against an invoice."""
    old = in_status(world, it.stripe_invoice, "open", "uncollectible")
    charge = world.charges.get(world.known(it.charge))
    if charge.status != "succeeded" or charge.currency != old.currency:
        raise ValueError(f"{charge.id} cannot pay {old.id}")
    amount = charge.amount if it.amount is None else it.amount
    _tell(world, None, None, [_link(world, old, world.intents.get(charge.payment_intent), amount)])


def _link(world: World, old: Invoice, intent: PaymentIntent, amount: int) -> tuple[InvoicePayment, Invoice]:
    """Put an amount against an invoice: it is paid when nothing is left, and what is too much shows as overpaid."""
    link = InvoicePayment(world.mint("inpay"), world.now, old.id, intent.id, old.currency, amount, amount, world.now)
    if world.invoice_payments.places("invoice", old.id):
        link = link._replace(is_default=False)
    world.invoice_payments.add(link)
    left = old.amount_due - old.amount_paid
    new = old._replace(
        amount_paid=old.amount_paid + amount,
        amount_overpaid=old.amount_overpaid + max(0, amount - left),
        attempt_count=old.attempt_count + 1,
    )
    if amount >= left:
        new = new._replace(status="paid", paid_at=world.now)
    return link, world.invoices.replace(new)


def _tell(
    world: World,
    intent: PaymentIntent | None,
    charge: Charge | None,
    links: Sequence[tuple[InvoicePayment, Invoice]],
) -> None:
    if charge is not None and intent is not None:
        world.emit("charge.succeeded", charge)
        world.emit("payment_intent.succeeded", intent)
    for link, invoice in links:
        world.emit("invoice_payment.paid", link)
        if invoice.status == "paid":
            world.emit("invoice.paid", invoice)
        else:
            world.emit("invoice.updated", invoice)
        if invoice.amount_overpaid:
            world.emit("invoice.overpaid", invoice)
        world.emit("invoice.payment_succeeded", invoice)


def fail_stripe_invoice(world: World, it: do.FailStripeInvoice) -> None:
    """An attempt to collect an invoice is refused."""
    old = world.invoices.get(world.known(it.stripe_invoice))
    decline(world, do.Decline(world.now, "", old.customer, old.total, old.currency, it.code, "Payment for Invoice"))
    failed = world.invoices.replace(old._replace(attempt_count=old.attempt_count + 1))
    world.emit("invoice.payment_failed", failed)


DOERS: Mapping[type, Any] = {
    do.IssueSalesInvoice: issue_sales_invoice,
    do.IssueStripeInvoice: issue_stripe_invoice,
    do.PayStripeInvoice: pay_stripe_invoice,
    do.FailStripeInvoice: fail_stripe_invoice,
    bill.FinalizeInvoice: finalize_invoice,
    bill.UpdateInvoice: update_invoice,
    bill.EndInvoice: end_invoice,
    bill.MissDueDate: miss_due_date,
    bill.AttachPayment: attach_payment,
    bill.PaySeveralInvoices: pay_several_invoices,
}
