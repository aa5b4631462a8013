"""What payments and refunds do to the world; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from syncjob.sandbox import actions as do
from syncjob.sandbox.currencies import converted, payment_fees, rate_micro, settlement_of
from syncjob.sandbox.ledger import DAY
from syncjob.sandbox.objects import Charge, FeeDetail, Movement, PaymentIntent, Refund

if TYPE_CHECKING:
    from syncjob.sandbox.world import World

Fees: TypeAlias = tuple[tuple[str, int], ...]


def _payer(world: World, customer: str | None) -> tuple[str | None, str | None, str | None, str | None, str | None]:
    if customer is None:
        return None, None, None, None, None
    payer = world.customers.get(world.known(customer))
    return payer.id, payer.name, payer.email, payer.country, payer.city


def _begin(
    world: World, it: do.Pay | do.PayLater | do.Authorize | do.Decline, method: str, intent_status: str, status: str
) -> tuple[PaymentIntent, Charge]:
    """An intent and a charge that belong together; no money has moved yet, and nobody has been told."""
    customer, name, email, country, city = _payer(world, it.customer)
    charge_id = world.mint("py" if method == "sepa_debit" else "ch")
    metadata: Mapping[str, str] = do.NOTHING if isinstance(it, do.Decline) else it.metadata
    code = it.code if isinstance(it, do.Decline) else None
    intent = PaymentIntent(
        world.mint("pi"),
        world.now,
        it.amount,
        it.currency,
        customer,
        it.description,
        metadata,
        method,
        intent_status,
        charge_id,
        code,
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
        city,
        it.description,
        metadata,
        method,
        intent.id,
        status,
        code,
    )
    return intent, charge


def _keep(world: World, label: str, intent: PaymentIntent, charge: Charge) -> None:
    world.intents.add(intent)
    world.charges.add(charge)
    world.name(label, charge.id)


def _receive(world: World, charge: Charge, settled: str | None, fees: Fees, parts: tuple[FeeDetail, ...]) -> Movement:
    """The line of the balance by which a payment arrives."""
    settled = settled or settlement_of(charge.currency)
    rate = rate_micro(charge.currency, settled, world.now // DAY)
    amount = converted(charge.amount, rate, settled)
    return world.ledger.move(
        world.now,
        "payment" if charge.id.startswith("py_") else "charge",
        amount,
        settled,
        fees=(*payment_fees(amount, settled, charge.method, rate), *fees),
        parts=parts,
        source=charge.id,
        description=charge.description,
        rate_micro=rate,
    )


def take_payment(world: World, it: do.Pay) -> tuple[PaymentIntent, Charge]:
    """A payment succeeds: intent, charge and a line of the balance."""
    if it.application_fee and world.platform is None:
        raise ValueError("only a connected account's payment has an application fee")
    intent, charge = _begin(world, it, it.method, "succeeded", "succeeded")
    settled = it.settled or settlement_of(it.currency)
    taxes = (("VAT", it.fee_tax),) if it.fee_tax else ()
    movement = _receive(world, charge, settled, taxes, _further_parts(world, it, settled))
    charge = charge._replace(balance_transaction=movement.id)
    if it.application_fee:
        fee = world.earn(charge.id, it.application_fee, it.currency)
        charge = charge._replace(application_fee=fee, application_fee_amount=it.application_fee)
    _keep(world, it.label, intent, charge)
    shares = {it.invoice: it.amount} if it.invoice is not None else it.invoices
    if shares:
        paid_for(world, charge.id, shares)
    return intent, charge


def receive_transfer(world: World, transfer: str, amount: int, currency: str) -> str:
    """A platform's transfer arrives in a connected account: a payment that nobody made with a card."""
    it = do.Pay(world.now, "", None, amount, currency)
    intent, charge = _begin(world, it, "sepa_debit", "succeeded", "succeeded")
    movement = world.ledger.move(world.now, "payment", amount, currency, source=charge.id)
    charge = charge._replace(balance_transaction=movement.id, source_transfer=transfer)
    _keep(world, "", intent, charge)
    world.emit("charge.succeeded", charge)
    return charge.id


def paid_for(world: World, charge: str, shares: Mapping[str, int]) -> None:
    """Note in the merchant's own books what a payment was really for."""
    world.paid_for[charge] = shares
    for number, amount in shares.items():
        world.paid[number] += amount


def _further_parts(world: World, it: do.Pay, settled: str) -> tuple[FeeDetail, ...]:
    parts = []
    if it.application_fee:
        parts.append(
            FeeDetail(it.application_fee, settled, "Sandbox Example application fee", "application_fee", world.application)
        )
    if it.passthrough:
        parts.append(FeeDetail(it.passthrough, settled, "Payment method network costs", "payment_method_passthrough_fee"))
    if it.withheld:
        parts.append(FeeDetail(it.withheld, settled, "Tax withheld", "withheld_tax"))
    return tuple(parts)


def pay(world: World, it: do.Pay) -> None:
    """A customer pays."""
    intent, charge = take_payment(world, it)
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)


def decline(world: World, it: do.Decline) -> None:
    """A card is refused: no money moves."""
    intent, charge = _begin(world, it, "card", "requires_payment_method", "failed")
    _keep(world, it.label, intent, charge)
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def pay_later(world: World, it: do.PayLater) -> None:
    """A payment is under way for days; nothing is on the balance before it has arrived."""
    intent, charge = _begin(world, it, it.method, "processing", "pending")
    _keep(world, it.label, intent, charge)
    if it.invoice is not None:
        world.meant_for[charge.id] = it.invoice
    world.emit("charge.pending", charge)
    world.emit("payment_intent.processing", intent)
    world.later(do.SettlePayment(world.now + it.days * DAY, charge.id, it.fails))


def settle_payment(world: World, it: do.SettlePayment) -> None:
    """A pending payment succeeds, days after its charge was created, or it fails and no money ever moves."""
    old = world.charges.get(world.known(it.charge))
    if old.status != "pending":
        return  # somebody settled it by hand before its day
    invoice = world.meant_for.pop(old.id, None)
    intent = world.intents.get(old.payment_intent)
    if it.fails:
        code = "payment_method_debit_failed"
        charge = world.charges.replace(old._replace(status="failed", failure_code=code))
        intent = world.intents.replace(intent._replace(status="requires_payment_method", failure_code=code))
        world.emit("charge.failed", charge)
        world.emit("payment_intent.payment_failed", intent)
        return
    movement = _receive(world, old, None, (), ())
    charge = world.charges.replace(old._replace(status="succeeded", balance_transaction=movement.id))
    intent = world.intents.replace(intent._replace(status="succeeded"))
    if invoice is not None:
        paid_for(world, charge.id, {invoice: charge.amount})
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.succeeded", intent)


def authorize(world: World, it: do.Authorize) -> None:
    """A card is good for the amount, and nobody has taken it yet: no money moves."""
    intent, charge = _begin(world, it, "card", "requires_capture", "succeeded")
    charge = charge._replace(amount_captured=0)
    _keep(world, it.label, intent, charge)
    if it.invoice is not None:
        world.meant_for[charge.id] = it.invoice
    world.emit("charge.succeeded", charge)
    world.emit("payment_intent.amount_capturable_updated", intent)


def _authorized(world: World, id: str) -> tuple[Charge, PaymentIntent]:
    charge = world.charges.get(world.known(id))
    intent = world.intents.get(charge.payment_intent)
    if intent.status != "requires_capture":
        raise ValueError(f"{charge.id} is not waiting to be captured")
    return charge, intent


def capture(world: World, it: do.Capture) -> None:
    """The authorised money is taken whole, and what the merchant did not want goes back in the same moment."""
    old, intent = _authorized(world, it.charge)
    part = old.amount if it.amount is None else it.amount
    if not 0 < part <= old.amount:
        raise ValueError(f"{old.id} is authorised for {old.amount}, {part} cannot be captured")
    movement = _receive(world, old, None, (), ())
    charge = world.charges.replace(old._replace(amount_captured=part, balance_transaction=movement.id))
    intent = world.intents.replace(intent._replace(status="succeeded"))
    if part < old.amount:
        refund = _refund(world, charge, old.amount - part, None, "succeeded", "partial_capture_reversal")
        charge = world.charges.replace(charge._replace(amount_refunded=refund.amount))
    invoice = world.meant_for.pop(old.id, None)
    if invoice is not None:
        paid_for(world, charge.id, {invoice: part})
    world.emit("charge.captured", charge)
    world.emit("payment_intent.succeeded", intent)


def expire_authorization(world: World, it: do.ExpireAuthorization) -> None:
    """An authorisation lapses; what looks like a refund on the charge moved no money."""
    old, intent = _authorized(world, it.charge)
    charge = world.charges.replace(old._replace(amount_refunded=old.amount))
    world.meant_for.pop(old.id, None)
    world.emit("charge.expired", charge)
    world.emit("payment_intent.canceled", world.intents.replace(intent._replace(status="canceled")))


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


def settled_today(world: World, charge: Charge, amount: int) -> tuple[int, str, int | None]:
    """An amount of a charge's currency at today's rate in the currency where the charge was settled."""
    if charge.balance_transaction is None:
        raise ValueError(f"{charge.id} was never paid")
    settled = world.ledger.movements.get(charge.balance_transaction).currency
    rate = rate_micro(charge.currency, settled, world.now // DAY)
    return converted(amount, rate, settled), settled, rate


def fail_payment(world: World, it: do.FailPayment) -> None:
    """A direct debit comes back days after it looked paid."""
    old = world.charges.get(world.known(it.charge))
    amount, settled, rate = settled_today(world, old, old.amount)
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
    for invoice, part in world.paid_for.get(old.id, do.NO_SHARES).items():
        world.paid[invoice] -= part
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def give_refund(world: World, it: do.GiveRefund) -> None:
    """Money goes back to a customer, at today's rate; Stripe keeps its fee."""
    old = world.charges.get(world.known(it.charge))
    left = old.amount - old.amount_refunded
    part = left if it.amount is None else it.amount
    if not 0 < part <= left:
        raise ValueError(f"{old.id} has {left} left, {part} cannot be refunded")
    refund = _refund(world, old, part, it.reason, "pending" if it.pending else "succeeded")
    charge = world.charges.replace(old._replace(amount_refunded=old.amount_refunded + part))
    world.name(it.label, refund.id)
    count_refund(world, old.id, part)
    world.emit("charge.refunded", charge, {"amount_refunded": old.amount_refunded, "refunded": False})
    world.emit("refund.created", refund)


def count_refund(world: World, charge: str, part: int) -> None:
    """Note in the merchant's own books that money went back; a payment for several invoices does not say for which."""
    shares = world.paid_for.get(charge, do.NO_SHARES)
    if len(shares) == 1:
        world.refunded[next(iter(shares))] += part


def _refund(world: World, charge: Charge, part: int, reason: str | None, status: str, category: str | None = None) -> Refund:
    amount, settled, rate = settled_today(world, charge, part)
    by_bank = charge.id.startswith("py_")
    refund_id = world.mint("pyr" if by_bank else "re")
    movement = world.ledger.move(
        world.now,
        "payment_refund" if by_bank else "refund",
        -amount,
        settled,
        source=refund_id,
        description=f"REFUND FOR {'PAYMENT' if by_bank else 'CHARGE'} ({charge.description or charge.id})",
        category=category,
        rate_micro=rate,
    )
    return world.refunds.add(
        Refund(
            refund_id,
            world.now,
            part,
            charge.currency,
            charge.id,
            charge.payment_intent,
            charge.customer,
            reason,
            charge.method,
            movement.id,
            do.NOTHING,
            status,
        )
    )


def settle_refund(world: World, it: do.SettleRefund) -> None:
    """A pending refund arrives, or is called back and its money returns."""
    old = world.refunds.get(world.known(it.refund))
    if old.status != "pending":
        raise ValueError(f"{old.id} is {old.status}, not pending")
    if it.canceled:
        _bring_back(world, old, "canceled", "merchant_request")
        return
    refund = world.refunds.replace(old._replace(status="succeeded"))
    world.emit("charge.refund.updated", refund, {"status": old.status})
    world.emit("refund.updated", refund, {"status": old.status})


def fail_refund(world: World, it: do.FailRefund) -> None:
    """A refund that had gone out comes back to the balance."""
    old = world.refunds.get(world.known(it.refund))
    if old.status not in {"succeeded", "pending"}:
        raise ValueError(f"{old.id} is {old.status} and cannot fail any more")
    _bring_back(world, old, "failed", it.reason)


def _bring_back(world: World, old: Refund, status: str, reason: str) -> None:
    if old.balance_transaction is None:
        raise ValueError(f"{old.id} never moved money")
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
    refund = world.refunds.replace(old._replace(status=status, failure_reason=reason, failure_balance_transaction=movement.id))
    charge = world.charges.get(old.charge)
    charge = world.charges.replace(charge._replace(amount_refunded=charge.amount_refunded - old.amount))
    count_refund(world, old.charge, -old.amount)
    world.emit("charge.refund.updated", refund, {"status": old.status})
    world.emit("refund.updated", refund, {"status": old.status})
    if status == "failed":
        world.emit("refund.failed", refund)
    world.emit("charge.updated", charge, {"amount_refunded": charge.amount_refunded + old.amount})


DOERS: Mapping[type, Any] = {
    do.Pay: pay,
    do.PayLater: pay_later,
    do.SettlePayment: settle_payment,
    do.Authorize: authorize,
    do.Capture: capture,
    do.ExpireAuthorization: expire_authorization,
    do.Decline: decline,
    do.UpdateCharge: update_charge,
    do.FailPayment: fail_payment,
    do.GiveRefund: give_refund,
    do.SettleRefund: settle_refund,
    do.FailRefund: fail_refund,
}
