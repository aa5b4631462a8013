"""What payments, refunds, disputes and payouts do to the world; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox.currencies import converted, dispute_fee, payment_fees, rate_micro, settlement_of
from syncjob.sandbox.ledger import DAY, DELAY_DAYS, midnight
from syncjob.sandbox.objects import Charge, Customer, Dispute, Movement, PaymentIntent, Payout, Refund, Topup

if TYPE_CHECKING:
    from syncjob.sandbox.world import World

# A payout that arrives on a day is reported as paid that morning.
_PAID_AT_SECONDS = 5 * 3_600
_NETWORK_CODE = {"fraudulent": "10.4", "product_not_received": "13.1", "duplicate": "12.6"}


def new_customer(world: World, it: do.NewCustomer) -> None:
    """A customer registers."""
    customer = Customer(world.mint("cus"), world.now, it.name, it.email, it.country, it.city, it.description, do.NOTHING)
    world.customers.add(customer)
    world.name(it.label, customer.id)
    world.emit("customer.created", customer)


def update_customer(world: World, it: do.UpdateCustomer) -> None:
    """A customer's particulars change."""
    old = world.customers.get(world.known(it.customer))
    wish = {"email": it.email, "name": it.name, "description": it.description}
    changed = {field: value for field, value in wish.items() if value is not None}
    new = world.customers.replace(old._replace(**changed))  # type: ignore[arg-type]
    world.emit("customer.updated", new, {field: getattr(old, field) for field in changed})


def _payer(world: World, customer: str | None) -> tuple[str | None, str | None, str | None, str | None]:
    if customer is None:
        return None, None, None, None
    payer = world.customers.get(world.known(customer))
    return payer.id, payer.name, payer.email, payer.country


def take_payment(world: World, it: do.Pay) -> tuple[PaymentIntent, Charge]:
    """A payment succeeds: intent, charge and a line of the balance."""
    customer, name, email, country = _payer(world, it.customer)
    charge_id = world.mint("py" if it.method == "sepa_debit" else "ch")
    settled = it.settled or settlement_of(it.currency)
    rate = rate_micro(it.currency, settled, world.now // DAY)
    amount = converted(it.amount, rate, settled)
    movement = world.ledger.move(
        world.now,
        "payment" if it.method == "sepa_debit" else "charge",
        amount,
        settled,
        fees=(*payment_fees(amount, settled, it.method, rate), *((("VAT", it.fee_tax),) if it.fee_tax else ())),
        source=charge_id,
        description=it.description,
        rate_micro=rate,
    )
    intent = PaymentIntent(
        world.mint("pi"),
        world.now,
        it.amount,
        it.currency,
        customer,
        it.description,
        it.metadata,
        it.method,
        "succeeded",
        charge_id,
    )
    charge = Charge(
        charge_id,
        world.now,
        it.amount,
        it.currency,
        customer,
        name,
        email,
        country,
        it.description,
        it.metadata,
        it.method,
        intent.id,
        balance_transaction=movement.id,
    )
    world.intents.add(intent)
    world.charges.add(charge)
    world.name(it.label, charge_id)
    if it.invoice is not None:
        world.paid_for[charge_id] = it.invoice
        world.paid[it.invoice] += it.amount
    return intent, charge


def pay(world: World, it: do.Pay) -> None:
    """A customer pays."""
    intent, charge = take_payment(world, it)
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)


def decline(world: World, it: do.Decline) -> None:
    """A card is refused: no money moves."""
    customer, name, email, country = _payer(world, it.customer)
    intent_id, charge_id = world.mint("pi"), world.mint("ch")
    intent = world.intents.add(
        PaymentIntent(
            intent_id,
            world.now,
            it.amount,
            it.currency,
            customer,
            it.description,
            do.NOTHING,
            "card",
            "requires_payment_method",
            charge_id,
            it.code,
        )
    )
    charge = world.charges.add(
        Charge(
            charge_id,
            world.now,
            it.amount,
            it.currency,
            customer,
            name,
            email,
            country,
            it.description,
            do.NOTHING,
            "card",
            intent_id,
            "failed",
            it.code,
        )
    )
    world.name(it.label, charge_id)
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def update_charge(world: World, it: do.UpdateCharge) -> None:
    """Somebody edits a payment's words; its money never changes."""
    old = world.charges.get(world.known(it.charge))
    new, previous = old, {}
    if it.description is not None:
        new, previous["description"] = new._replace(description=it.description), old.description
    if it.metadata is not None:
        new = new._replace(metadata={**old.metadata, **it.metadata})
        previous["metadata"] = {key: old.metadata.get(key) for key in it.metadata}  # type: ignore[assignment]
    world.emit("charge.updated", world.charges.replace(new), previous)


def _settled(world: World, charge: Charge, amount: int) -> tuple[int, str, int | None]:
    """An amount of a charge's currency at today's rate in the currency where the charge was settled."""
    if charge.balance_transaction is None:
        raise ValueError(f"{charge.id} was never paid")
    settled = world.ledger.movements.get(charge.balance_transaction).currency
    rate = rate_micro(charge.currency, settled, world.now // DAY)
    return converted(amount, rate, settled), settled, rate


def fail_payment(world: World, it: do.FailPayment) -> None:
    """A direct debit comes back days after it looked paid."""
    old = world.charges.get(world.known(it.charge))
    amount, settled, rate = _settled(world, old, old.amount)
    movement = world.ledger.move(
        world.now,
        "payment_failure_refund",
        -amount,
        settled,
        source=old.id,
        description=f"Payment failure refund ({old.id})",
        rate_micro=rate,
    )
    charge = world.charges.replace(
        old._replace(
            status="failed",
            failure_code="payment_method_debit_failed",
            failure_balance_transaction=movement.id,
        )
    )
    intent = world.intents.get(old.payment_intent)
    intent = world.intents.replace(
        intent._replace(status="requires_payment_method", failure_code="payment_method_debit_failed")
    )
    invoice = world.paid_for.get(old.id)
    if invoice is not None:
        world.paid[invoice] -= old.amount
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def give_refund(world: World, it: do.GiveRefund) -> None:
    """Money goes back to a customer, at today's rate; Stripe keeps its fee."""
    old = world.charges.get(world.known(it.charge))
    left = old.amount - old.amount_refunded
    part = left if it.amount is None else it.amount
    if not 0 < part <= left:
        raise ValueError(f"{old.id} has {left} left, {part} cannot be refunded")
    amount, settled, rate = _settled(world, old, part)
    direct_debit = old.method == "sepa_debit"
    refund_id = world.mint("pyr" if direct_debit else "re")
    movement = world.ledger.move(
        world.now,
        "payment_refund" if direct_debit else "refund",
        -amount,
        settled,
        source=refund_id,
        description=f"REFUND FOR {'PAYMENT' if direct_debit else 'CHARGE'} ({old.description or old.id})",
        rate_micro=rate,
    )
    refund = world.refunds.add(
        Refund(
            refund_id,
            world.now,
            part,
            old.currency,
            old.id,
            old.payment_intent,
            old.customer,
            it.reason,
            old.method,
            movement.id,
            do.NOTHING,
        )
    )
    charge = world.charges.replace(old._replace(amount_refunded=old.amount_refunded + part))
    world.name(it.label, refund_id)
    invoice = world.paid_for.get(old.id)
    if invoice is not None:
        world.refunded[invoice] += part
    world.emit("charge.refunded", charge, {"amount_refunded": old.amount_refunded, "refunded": False})
    world.emit("refund.created", refund)


def fail_refund(world: World, it: do.FailRefund) -> None:
    """A refund that had gone out comes back to the balance."""
    old = world.refunds.get(world.known(it.refund))
    out = world.ledger.movements.get(old.balance_transaction)
    movement = world.ledger.move(
        world.now,
        "refund_failure",
        -out.amount,
        out.currency,
        source=old.id,
        description=f"REFUND FAILURE ({old.id})",
        rate_micro=out.rate_micro,
    )
    refund = world.refunds.replace(
        old._replace(status="failed", failure_reason=it.reason, failure_balance_transaction=movement.id)
    )
    charge = world.charges.get(old.charge)
    charge = world.charges.replace(charge._replace(amount_refunded=charge.amount_refunded - old.amount))
    invoice = world.paid_for.get(old.charge)
    if invoice is not None:
        world.refunded[invoice] -= old.amount
    world.emit("charge.refund.updated", refund, {"status": old.status})
    world.emit("refund.updated", refund, {"status": old.status})
    world.emit("refund.failed", refund)
    world.emit("charge.updated", charge, {"amount_refunded": charge.amount_refunded + old.amount})


def open_dispute(world: World, it: do.OpenDispute) -> None:
    """The customer's bank takes the payment back, and Stripe takes a fee."""
    old = world.charges.get(world.known(it.charge))
    part = old.amount - old.amount_refunded
    if part <= 0 or old.disputed:
        raise ValueError(f"{old.id} has nothing left to dispute")
    amount, settled, rate = _settled(world, old, part)
    dispute_id = world.mint("du")
    movement = _dispute_move(world, dispute_id, old.id, -amount, settled, rate)
    asked = Dispute(
        dispute_id,
        world.now,
        part,
        old.currency,
        old.id,
        old.payment_intent,
        it.reason,
        _NETWORK_CODE.get(it.reason, "13.7"),
        "needs_response",
        (),
    )
    withdrawn = world.disputes.add(asked._replace(balance_transactions=(movement.id,)))
    world.charges.replace(old._replace(disputed=True))
    world.name(it.label, dispute_id)
    world.emit("charge.dispute.created", asked)
    world.emit("charge.dispute.funds_withdrawn", withdrawn)


def _dispute_move(world: World, dispute: str, charge: str, amount: int, settled: str, rate: int | None) -> Movement:
    taken = amount < 0
    fee = dispute_fee(settled) if taken else -dispute_fee(settled)
    return world.ledger.move(
        world.now,
        "adjustment",
        amount,
        settled,
        fees=(("Dispute fee", fee),),
        source=dispute,
        description=f"Chargeback {'withdrawal' if taken else 'reversal'} for {charge}",
        category="dispute" if taken else "dispute_reversal",
        rate_micro=rate,
    )


def close_dispute(world: World, it: do.CloseDispute) -> None:
    """A dispute is decided: won, the money and the fee come back; lost, nothing moves any more."""
    old = world.disputes.get(world.known(it.dispute))
    if old.status != "needs_response":
        raise ValueError(f"{old.id} is decided: {old.status}")
    new = old._replace(status="won" if it.won else "lost")
    if it.won:
        taken = world.ledger.movements.get(old.balance_transactions[0])
        back = _dispute_move(world, old.id, old.charge, -taken.amount, taken.currency, taken.rate_micro)
        new = new._replace(balance_transactions=(*old.balance_transactions, back.id))
    world.disputes.replace(new)
    if it.won:
        world.emit("charge.dispute.funds_reinstated", new)
    world.emit("charge.dispute.closed", new, {"status": old.status})


def move(world: World, it: do.Move) -> None:
    """A line of the balance that belongs to no object."""
    fees = (("Stripe fee", it.fee),) if it.fee else ()
    world.ledger.move(
        world.now,
        it.type,
        it.amount,
        it.currency,
        fees=fees,
        description=it.description,
        category=it.category,
        id=it.id,
    )


def top_up(world: World, it: do.TopUp) -> None:
    """The merchant brings money."""
    topup_id = world.mint("tu")
    movement = world.ledger.move(world.now, "topup", it.amount, it.currency, source=topup_id, description="Top-up for refunds")
    topup = world.topups.add(Topup(topup_id, world.now, it.amount, it.currency, movement.id, "Top-up for refunds"))
    world.name(it.label, topup_id)
    world.emit("topup.succeeded", topup)


def pay_out(world: World, it: do.PayOut) -> None:
    """What is available goes to the bank, and will arrive in two days."""
    payout_id = world.mint("po")
    if it.automatic:
        amount = world.ledger.gather(payout_id, it.currency, world.now)
    else:
        free = world.ledger.total.get(it.currency, 0) - world.ledger.pending(world.now).get(it.currency, 0)
        amount = free if it.amount is None else it.amount
    if amount <= 0:
        return
    movement = world.ledger.move(
        world.now,
        "payout",
        -amount,
        it.currency,
        source=payout_id,
        description="STRIPE PAYOUT",
        payout=payout_id if it.automatic else None,
    )
    arrival = midnight(world.now) + DELAY_DAYS * DAY
    payout = world.payouts.add(
        Payout(
            payout_id,
            world.now,
            amount,
            it.currency,
            arrival,
            it.automatic,
            movement.id,
            reconciliation_status="in_progress" if it.automatic else "not_applicable",
        )
    )
    world.name(it.label, payout_id)
    world.emit("payout.created", payout)
    world.later(do.EndPayout(arrival + _PAID_AT_SECONDS, payout_id, it.fails))


def end_payout(world: World, it: do.EndPayout) -> None:
    """A payout reaches the bank, or comes back to the balance."""
    old = world.payouts.get(it.payout)
    reconciled = "completed" if old.automatic else "not_applicable"
    previous = {"status": old.status, "reconciliation_status": old.reconciliation_status}
    if not it.fails:
        paid = world.payouts.replace(old._replace(status="paid", reconciliation_status=reconciled))
        world.emit("payout.updated", paid, previous)
        world.emit("payout.paid", paid)
        if old.automatic:
            world.emit("payout.reconciliation_completed", paid)
        return
    movement = world.ledger.move(
        world.now,
        "payout_failure",
        old.amount,
        old.currency,
        source=old.id,
        description="STRIPE PAYOUT FAILURE",
    )
    failed = world.payouts.replace(
        old._replace(
            status="failed",
            reconciliation_status=reconciled,
            failure_code="account_closed",
            failure_balance_transaction=movement.id,
        )
    )
    world.emit("payout.updated", failed, previous)
    world.emit("payout.failed", failed)


DOERS: Mapping[type, Any] = {
    do.NewCustomer: new_customer,
    do.UpdateCustomer: update_customer,
    do.Pay: pay,
    do.Decline: decline,
    do.UpdateCharge: update_charge,
    do.FailPayment: fail_payment,
    do.GiveRefund: give_refund,
    do.FailRefund: fail_refund,
    do.OpenDispute: open_dispute,
    do.CloseDispute: close_dispute,
    do.Move: move,
    do.TopUp: top_up,
    do.PayOut: pay_out,
    do.EndPayout: end_payout,
}
