"""What credit notes do to the world; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_billing as bill
from syncjob.sandbox.billing import in_status
from syncjob.sandbox.objects import CreditNote, Invoice
from syncjob.sandbox.payments import give_refund

if TYPE_CHECKING:
    from syncjob.sandbox.world import World


def issue_credit_note(world: World, it: bill.IssueCreditNote) -> None:
    """An open invoice asks for less from now on; for a paid one the customer gets money or credit."""
    old = in_status(world, it.stripe_invoice, "open", "paid", "uncollectible")
    before = old.status != "paid"
    room = old.amount_due - old.amount_paid if before else old.total - old.post_payment_credit - old.pre_payment_credit
    if not 0 < it.amount <= room:
        raise ValueError(f"{old.id} leaves room for a credit of {room}, not of {it.amount}")
    if it.how not in {"refund", "customer_balance", "out_of_band"}:
        raise ValueError(f"money is given back by refund, customer_balance or out_of_band, not by {it.how}")
    count = len(world.credit_notes.places("invoice", old.id)) + 1
    note = CreditNote(
        world.mint("cn"),
        world.now,
        old.id,
        old.customer,
        old.currency,
        it.amount,
        f"{old.number}-CN-{count:02d}",
        "pre_payment" if before else "post_payment",
        it.reason,
        it.memo,
        tax=0 if old.total == 0 else it.amount * old.tax // old.total,
    )
    if before:
        new = old._replace(pre_payment_credit=old.pre_payment_credit + it.amount)
        if new.amount_due <= new.amount_paid:
            new = new._replace(status="paid", paid_at=world.now)
    else:
        new = old._replace(post_payment_credit=old.post_payment_credit + it.amount)
        note = _give_back(world, old, note, it)
    world.credit_notes.add(note)
    world.name(it.label, note.id)
    world.invoices.replace(new)
    world.emit("credit_note.created", note)
    world.emit("invoice.updated", new)
    if new.status == "paid" and before:
        world.emit("invoice.paid", new)


def _give_back(world: World, invoice: Invoice, note: CreditNote, it: bill.IssueCreditNote) -> CreditNote:
    if it.how == "out_of_band":
        return note._replace(out_of_band=it.amount)
    if it.how == "customer_balance":
        old = world.customers.get(invoice.customer)
        new = world.customers.replace(old._replace(balance=old.balance - it.amount))
        world.emit("customer.updated", new, {"balance": old.balance})
        return note._replace(customer_balance=it.amount)
    link = world.invoice_payments.rows[world.invoice_payments.places("invoice", invoice.id)[-1]]
    charge = world.intents.get(link.payment_intent).latest_charge
    if charge is None:
        raise ValueError(f"{invoice.id} was not paid by a charge that could be refunded")
    give_refund(world, do.GiveRefund(world.now, "", charge, it.amount))
    return note._replace(refund=world.refunds.rows[-1].id)


def void_credit_note(world: World, it: bill.VoidCreditNote) -> None:
    """A credit note on an open invoice is taken back: the invoice asks for all of it again."""
    old = world.credit_notes.get(world.known(it.credit_note))
    if old.status == "void" or old.type == "post_payment":
        raise ValueError(f"{old.id} is {old.status} and {old.type}: it cannot be voided")
    invoice = in_status(world, old.invoice, "open", "uncollectible")
    note = world.credit_notes.replace(old._replace(status="void", voided_at=world.now))
    new = world.invoices.replace(invoice._replace(pre_payment_credit=invoice.pre_payment_credit - old.amount))
    world.emit("credit_note.voided", note, {"status": old.status, "voided_at": None})
    world.emit("invoice.updated", new)


DOERS: Mapping[type, Any] = {
    bill.IssueCreditNote: issue_credit_note,
    bill.VoidCreditNote: void_credit_note,
}
