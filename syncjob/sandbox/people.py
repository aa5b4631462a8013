"""What becomes of customers; times in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox.objects import Customer
from syncjob.sandbox.subscriptions import end_subscription

if TYPE_CHECKING:
    from syncjob.sandbox.world import World


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


def delete_customer(world: World, it: do.DeleteCustomer) -> None:
    """A customer is deleted: lists leave them out, and what they paid still names them."""
    old = world.customers.get(world.known(it.customer))
    if old.deleted:
        raise ValueError(f"{old.id} is deleted already")
    for place in world.subscriptions.places("customer", old.id):
        subscription = world.subscriptions.rows[place]
        if subscription.status != "canceled":
            end_subscription(world, subscription, "cancellation_requested")
    world.customers.replace(old._replace(deleted=True))
    world.customers.remove(old.id)
    world.emit("customer.deleted", old)


DOERS: Mapping[type, Any] = {
    do.NewCustomer: new_customer,
    do.UpdateCustomer: update_customer,
    do.DeleteCustomer: delete_customer,
}
