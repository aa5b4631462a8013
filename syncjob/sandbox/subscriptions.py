"""How subscriptions start, pause and end; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_billing as bill
from syncjob.sandbox.ledger import DAY
from syncjob.sandbox.objects import Subscription

if TYPE_CHECKING:
    from syncjob.sandbox.world import World

PERIOD_SECONDS = 30 * DAY


def subscribe(world: World, it: do.Subscribe) -> None:
    """A customer takes a subscription, perhaps with days for nothing first."""
    customer = world.known(it.customer)
    trial = it.trial_days * DAY
    subscription = Subscription(
        world.mint("sub"), world.now, customer, it.amount, it.currency, world.now, world.now + (trial or PERIOD_SECONDS)
    )
    if trial:
        subscription = subscription._replace(status="trialing", trial_end=world.now + trial)
    world.subscriptions.add(subscription)
    world.name(it.label, subscription.id)
    world.emit("customer.subscription.created", subscription)


def cancel_subscription(world: World, it: do.CancelSubscription) -> None:
    """A customer ends a subscription, at once or at the end of what is paid."""
    old = world.subscriptions.get(world.known(it.subscription))
    if not it.at_period_end:
        end_subscription(world, old)
        return
    new = world.subscriptions.replace(old._replace(cancel_at_period_end=True, canceled_at=world.now))
    world.emit("customer.subscription.updated", new, {"cancel_at_period_end": False, "canceled_at": None})
    world.later(bill.EndSubscription(old.period_end, old.id))


def end_at_period_end(world: World, it: bill.EndSubscription) -> None:
    """The period is over, and so is what was cancelled for its end."""
    old = world.subscriptions.get(world.known(it.subscription))
    if old.status != "canceled" and old.cancel_at_period_end:
        end_subscription(world, old, "cancellation_requested")


def end_subscription(world: World, old: Subscription, reason: str | None = None) -> None:
    """A subscription is over."""
    if old.status == "canceled":
        raise ValueError(f"{old.id} has ended already")
    canceled_at = world.now if old.canceled_at is None else old.canceled_at
    new = old._replace(status="canceled", canceled_at=canceled_at, ended_at=world.now, reason=reason)
    world.emit("customer.subscription.deleted", world.subscriptions.replace(new))


def set_status(world: World, it: bill.SetSubscriptionStatus) -> None:
    """A subscription is paused, past due, unpaid, or active again."""
    if it.status not in {"active", "past_due", "unpaid", "paused", "trialing", "incomplete", "incomplete_expired"}:
        raise ValueError(f"no subscription is {it.status}")
    old = world.subscriptions.get(world.known(it.subscription))
    new = world.subscriptions.replace(old._replace(status=it.status))
    if it.status == "paused":
        world.emit("customer.subscription.paused", new)
    elif old.status == "paused":
        world.emit("customer.subscription.resumed", new)
    world.emit("customer.subscription.updated", new, {"status": old.status})


DOERS: Mapping[type, Any] = {
    do.Subscribe: subscribe,
    do.CancelSubscription: cancel_subscription,
    bill.EndSubscription: end_at_period_end,
    bill.SetSubscriptionStatus: set_status,
}
