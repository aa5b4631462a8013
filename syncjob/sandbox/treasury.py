"""What moves the balance beside payments: fees, top-ups, reserves, conversions, payouts.

Amounts are minor units, times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox.categories import BALANCE, BEHIND
from syncjob.sandbox.currencies import converted, instant_payout_fee, rate_between
from syncjob.sandbox.ledger import DAY, DELAY_DAYS, PAYMENTS, midnight
from syncjob.sandbox.objects import Hold, Origin, Payout, Release, Topup

if TYPE_CHECKING:
    from syncjob.sandbox.world import World

# A payout that arrives on a day is reported as paid that morning; an instant one within the half hour.
_PAID_AT_SECONDS = 5 * 3_600
_INSTANT_SECONDS = 1_800


def move(world: World, it: do.Move) -> None:
    """A line of the balance that no payment made: a fee, a reserve, an adjustment, something nobody knows."""
    fees = (("Stripe fee", it.fee),) if it.fee else ()
    world.ledger.move(
        world.now,
        it.type,
        it.amount,
        it.currency,
        fees=fees,
        source=_behind(world, it) if it.origin else None,
        description=it.description,
        category=it.category,
        id=it.id,
        balance_type=BALANCE.get(it.type, PAYMENTS),
    )


def _behind(world: World, it: do.Move) -> str:
    """The object that a line of this type comes from, where the simulator knows no other use for it."""
    if it.type not in BEHIND:
        raise ValueError(f"no object of its own stands behind a {it.type}")
    prefix, kind = BEHIND[it.type]
    shape: dict[str, object] = {"amount": abs(it.amount), "currency": it.currency}
    if kind == "customer_cash_balance_transaction":
        shape = {"created": world.now, "currency": it.currency, "net_amount": -it.amount, "type": "unapplied_from_payment"}
    elif kind == "tax_deducted_at_source":
        shape = {"period_end": world.now, "period_start": world.now - 30 * DAY, "tax_deduction_account_number": "EXAMPLE"}
    elif kind == "reserve_transaction":
        shape["description"] = it.description
    elif kind.startswith("issuing."):
        shape |= {"created": world.now, "livemode": False}
    return world.origins.add(Origin(world.mint(prefix), world.now, kind, shape)).id


def top_up(world: World, it: do.TopUp) -> None:
    """The merchant brings money; it is on the balance when it has arrived."""
    topup = Topup(world.mint("tu"), world.now, it.amount, it.currency, None, "Top-up for refunds", "pending")
    world.name(it.label, topup.id)
    if it.pending:
        world.emit("topup.created", world.topups.add(topup))
        return
    topup = _topped_up(world, topup)
    world.emit("topup.succeeded", world.topups.add(topup))


def _topped_up(world: World, it: Topup) -> Topup:
    movement = world.ledger.move(world.now, "topup", it.amount, it.currency, source=it.id, description=it.description)
    return it._replace(status="succeeded", balance_transaction=movement.id)


def end_top_up(world: World, it: do.EndTopUp) -> None:
    """A pending top-up arrives, fails or is called off; one that has arrived may be taken back."""
    old = world.topups.get(world.known(it.topup))
    onward = {"pending": {"succeeded", "failed", "canceled"}, "succeeded": {"reversed"}}
    if it.status not in onward.get(old.status, set()):
        raise ValueError(f"{old.id} is {old.status} and cannot become {it.status}")
    new = old._replace(status=it.status)
    if it.status == "succeeded":
        new = _topped_up(world, old)
    elif it.status == "failed":
        new = new._replace(failure_code="insufficient_funds")
    elif it.status == "reversed":
        world.ledger.move(world.now, "topup_reversal", -old.amount, old.currency, source=old.id, description="Top-up reversal")
    world.emit(f"topup.{it.status}", world.topups.replace(new))


def hold_reserve(world: World, it: do.HoldReserve) -> None:
    """Money leaves the payments balance and stands in the reserve: one line in each."""
    hold = world.holds.add(Hold(world.mint("reshold"), world.now, it.amount, it.currency, it.amount))
    world.name(it.label, hold.id)
    _reserve(world, "reserve_hold", -it.amount, it.currency)
    world.emit("reserve.hold.created", hold)


def release_reserve(world: World, it: do.ReleaseReserve) -> None:
    """Money comes back from the reserve."""
    old = world.holds.get(world.known(it.hold))
    part = old.releasable if it.amount is None else it.amount
    if not 0 < part <= old.releasable:
        raise ValueError(f"{old.id} holds {old.releasable}, {part} cannot be released")
    hold = world.holds.replace(old._replace(releasable=old.releasable - part))
    release = world.releases.add(Release(world.mint("resrel"), world.now, part, old.currency, old.id))
    _reserve(world, "reserve_release", part, old.currency)
    world.emit("reserve.hold.updated", hold, {"amount_releasable": old.releasable})
    world.emit("reserve.release.created", release)


def _reserve(world: World, type: str, amount: int, currency: str) -> None:
    text = f"Risk reserve {type.partition('_')[2]}"
    world.ledger.move(world.now, type, amount, currency, description=text)
    world.ledger.move(world.now, type, -amount, currency, description=text, balance_type="risk_reserved")


def convert(world: World, it: do.Convert) -> None:
    """A balance in one currency becomes one in another, at the day's rate; the fee is a line of its own."""
    rate = rate_between(it.currency, it.to, world.now // DAY)
    bought = converted(it.amount, rate, it.to)
    if min(it.amount, bought) <= 0 or it.currency == it.to:
        raise ValueError(f"{it.amount} {it.currency} cannot be converted to {it.to}")
    text = f"Conversion of {it.currency.upper()} to {it.to.upper()}"
    world.ledger.move(world.now, "adjustment", -it.amount, it.currency, description=text, rate_micro=rate)
    world.ledger.move(world.now, "adjustment", bought, it.to, description=text, rate_micro=rate)
    if it.fee:
        world.ledger.move(world.now, "stripe_fx_fee", -it.fee, it.to, description="Stripe currency conversion fee")


def pay_out(world: World, it: do.PayOut) -> None:
    """What is available goes to the bank, and will arrive in two days."""
    if it.automatic and it.instant:
        raise ValueError("an instant payout is never automatic")
    payout_id = world.mint("po")
    if it.automatic:
        amount = world.ledger.gather(payout_id, it.currency, world.now, it.debit)
    else:
        free = world.ledger.total.get(it.currency, 0) - world.ledger.pending(world.now).get(it.currency, 0)
        amount = free if it.amount is None else it.amount
    if amount == 0 or (amount < 0 and not it.debit):
        return
    fee = instant_payout_fee(amount, it.currency) if it.instant else 0
    movement = world.ledger.move(
        world.now,
        "payout",
        -amount,
        it.currency,
        source=payout_id,
        description="STRIPE PAYOUT",
        fees=(("Instant payout fee", fee),) if fee else (),
        payout=payout_id if it.automatic else None,
    )
    arrival = world.now + _INSTANT_SECONDS if it.instant else midnight(world.now) + DELAY_DAYS * DAY
    payout = world.payouts.add(
        Payout(
            payout_id,
            world.now,
            amount,
            it.currency,
            arrival,
            it.automatic,
            movement.id,
            status="pending" if it.pending else "in_transit",
            reconciliation_status="in_progress" if it.automatic else "not_applicable",
            method="instant" if it.instant else "standard",
        )
    )
    world.name(it.label, payout_id)
    world.emit("payout.created", payout)
    world.later(do.EndPayout(arrival if it.instant else arrival + _PAID_AT_SECONDS, payout_id, it.fails))


def end_payout(world: World, it: do.EndPayout) -> None:
    """A payout reaches the bank, or comes back to the balance."""
    old = world.payouts.get(world.known(it.payout))
    if old.status not in {"pending", "in_transit"}:
        return  # it was called off, or ended by hand, before its day
    reconciled = "completed" if old.automatic else "not_applicable"
    previous = {"status": old.status, "reconciliation_status": old.reconciliation_status}
    if not it.fails:
        paid = world.payouts.replace(old._replace(status="paid", reconciliation_status=reconciled))
        world.emit("payout.updated", paid, previous)
        world.emit("payout.paid", paid)
        if old.automatic:
            world.emit("payout.reconciliation_completed", paid)
        return
    _returned(world, old, "payout_failure", "failed", previous)


def _returned(world: World, old: Payout, type: str, status: str, previous: Mapping[str, object]) -> None:
    failed = status == "failed"
    movement = world.ledger.move(
        world.now,
        type,
        old.amount,
        old.currency,
        source=old.id,
        description="STRIPE PAYOUT FAILURE" if failed else "STRIPE PAYOUT CANCELED",
    )
    new = world.payouts.replace(
        old._replace(
            status=status,
            reconciliation_status="completed" if old.automatic else "not_applicable",
            failure_code="account_closed" if failed else None,
            failure_balance_transaction=movement.id,
        )
    )
    world.emit("payout.updated", new, previous)
    world.emit(f"payout.{status}", new)


def cancel_payout(world: World, it: do.CancelPayout) -> None:
    """A payout that has not left yet is called off, and its money is on the balance again."""
    old = world.payouts.get(world.known(it.payout))
    if old.status != "pending":
        raise ValueError(f"{old.id} is {old.status} and cannot be called off any more")
    _returned(world, old, "payout_cancel", "canceled", {"status": old.status})


def reverse_payout(world: World, it: do.ReversePayout) -> None:
    """A payout that has arrived is fetched back: a payout of its own, in the other direction."""
    old = world.payouts.get(world.known(it.payout))
    if old.status != "paid" or old.reversed_by is not None or old.amount < 0:
        raise ValueError(f"{old.id} cannot be fetched back")
    payout_id = world.mint("po")
    movement = world.ledger.move(
        world.now, "payout", old.amount, old.currency, source=payout_id, description="STRIPE PAYOUT REVERSAL"
    )
    arrival = midnight(world.now) + DELAY_DAYS * DAY
    payout = world.payouts.add(
        Payout(
            payout_id,
            world.now,
            -old.amount,
            old.currency,
            arrival,
            False,
            movement.id,
            reconciliation_status="not_applicable",
            original_payout=old.id,
        )
    )
    world.name(it.label, payout_id)
    reversed_one = world.payouts.replace(old._replace(reversed_by=payout_id))
    world.emit("payout.created", payout)
    world.emit("payout.updated", reversed_one, {"reversed_by": None})
    world.later(do.EndPayout(arrival + _PAID_AT_SECONDS, payout_id, fails=False))


DOERS: Mapping[type, Any] = {
    do.Move: move,
    do.TopUp: top_up,
    do.EndTopUp: end_top_up,
    do.HoldReserve: hold_reserve,
    do.ReleaseReserve: release_reserve,
    do.Convert: convert,
    do.PayOut: pay_out,
    do.EndPayout: end_payout,
    do.CancelPayout: cancel_payout,
    do.ReversePayout: reverse_payout,
}
