"""What disputes and inquiries do to the world; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox.currencies import dispute_fee
from syncjob.sandbox.objects import Dispute, Movement
from syncjob.sandbox.payments import settled_today

if TYPE_CHECKING:
    from syncjob.sandbox.world import World

_NETWORK_CODE = {"fraudulent": "10.4", "product_not_received": "13.1", "duplicate": "12.6"}
# Where a dispute may go on to from where it stands; what ends with money is decided by `close_dispute`.
_ONWARD: Mapping[str, tuple[str, ...]] = {
    "needs_response": ("under_review",),
    "under_review": ("needs_response",),
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response", "prevented"),
    "warning_under_review": ("warning_closed", "needs_response"),
}


def open_dispute(world: World, it: do.OpenDispute) -> None:
    """The customer's bank takes the payment back, and Stripe takes a fee; an inquiry only asks, and no money moves."""
    old = world.charges.get(world.known(it.charge))
    part = old.amount - old.amount_refunded
    if part <= 0 or old.disputed:
        raise ValueError(f"{old.id} has nothing left to dispute")
    amount, settled, rate = settled_today(world, old, part)
    dispute_id = world.mint("du")
    movement = None if it.inquiry else _dispute_move(world, dispute_id, old.id, -amount, settled, rate)
    asked = Dispute(
        dispute_id,
        world.now,
        part,
        old.currency,
        old.id,
        old.payment_intent,
        it.reason,
        _NETWORK_CODE.get(it.reason, "13.7"),
        "warning_needs_response" if it.inquiry else "needs_response",
        (),
        "inquiry" if it.inquiry else "chargeback",
    )
    world.name(it.label, dispute_id)
    if movement is None:
        world.emit("charge.dispute.created", world.disputes.add(asked))
        return
    withdrawn = world.disputes.add(asked._replace(balance_transactions=(movement.id,)))
    world.charges.replace(old._replace(disputed=True))
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
    if old.status not in {"needs_response", "under_review"}:
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


def update_dispute(world: World, it: do.UpdateDispute) -> None:
    """A dispute moves on; only when an inquiry becomes a dispute does money go, as it does when one is opened."""
    old = world.disputes.get(world.known(it.dispute))
    if it.status not in _ONWARD.get(old.status, ()):
        raise ValueError(f"{old.id} is {old.status} and cannot become {it.status}")
    new = old._replace(status=it.status)
    grave = old.case_type == "inquiry" and it.status == "needs_response"
    if grave:
        charge = world.charges.get(old.charge)
        amount, settled, rate = settled_today(world, charge, old.amount)
        movement = _dispute_move(world, old.id, old.charge, -amount, settled, rate)
        new = new._replace(case_type="chargeback", balance_transactions=(movement.id,))
        world.charges.replace(charge._replace(disputed=True))
    world.disputes.replace(new)
    if grave:
        world.emit("charge.dispute.funds_withdrawn", new)
    if it.status in {"warning_closed", "prevented"}:
        world.emit("charge.dispute.closed", new, {"status": old.status})
    else:
        world.emit("charge.dispute.updated", new, {"status": old.status})


DOERS: Mapping[type, Any] = {
    do.OpenDispute: open_dispute,
    do.UpdateDispute: update_dispute,
    do.CloseDispute: close_dispute,
}
