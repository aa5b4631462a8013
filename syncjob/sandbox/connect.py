"""What passes between a platform and its connected accounts: each account is a world of its own.

Amounts are minor units, times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_connect as link
from syncjob.sandbox.objects import Account, ApplicationFee, FeeRefund, Transfer, TransferReversal

if TYPE_CHECKING:
    from syncjob.sandbox.world import World


def connect_account(world: World, it: link.ConnectAccount) -> None:
    """A merchant joins the platform."""
    if world.platform is not None:
        raise ValueError("a connected account has no accounts of its own")
    theirs = world.branch(it.label, it.name, it.country, it.currency)
    world.accounts.add(Account(theirs.account, world.now, it.name, it.country, it.currency))
    world.name(it.label, theirs.account)


def disconnect_account(world: World, it: link.DisconnectAccount) -> None:
    """A merchant leaves the platform, which may not look into the account any more."""
    id = world.known(it.account)
    world.accounts.remove(id)
    del world.connected[id]


def within(world: World, it: link.Within) -> None:
    """Something happens in a connected account, at the platform's time."""
    world.account_of(it.account).do_now(it.action, world.now)


def earn(world: World, connected: str, charge: str, amount: int, currency: str) -> str:
    """A platform's share of a connected account's payment arrives; the id of the application fee."""
    fee_id = world.mint("fee")
    movement = world.ledger.move(world.now, "application_fee", amount, currency, source=fee_id)
    fee = world.application_fees.add(
        ApplicationFee(fee_id, world.now, connected, amount, currency, world.application, charge, movement.id)
    )
    world.emit("application_fee.created", fee)
    return fee_id


def refund_application_fee(world: World, it: link.RefundApplicationFee) -> None:
    """A platform gives its share back, and the connected account has it again."""
    id = world.known(it.share)
    places = world.application_fees.places("charge", id)
    old = world.application_fees.rows[places[0]] if places else world.application_fees.get(id)
    left = old.amount - old.amount_refunded
    part = left if it.amount is None else it.amount
    if not 0 < part <= left:
        raise ValueError(f"{old.id} has {left} left, {part} cannot be given back")
    theirs = world.account_of(old.account)
    refund_id = world.mint("fr")
    movement = world.ledger.move(world.now, "application_fee_refund", -part, old.currency, source=refund_id)
    world.fee_refunds.add(FeeRefund(refund_id, world.now, part, old.currency, old.id, movement.id))
    fee = world.application_fees.replace(old._replace(amount_refunded=old.amount_refunded + part))
    text = f"Application fee refund ({old.charge})"
    theirs.do_now(do.Move(world.now, "adjustment", part, old.currency, category="fee", description=text), world.now)
    world.emit("application_fee.refunded", fee, {"amount_refunded": old.amount_refunded})


def send_transfer(world: World, it: link.SendTransfer) -> None:
    """A platform moves money to a connected account, where it arrives as a payment."""
    theirs = world.account_of(it.account)
    transfer_id = world.mint("tr")
    movement = world.ledger.move(world.now, "transfer", -it.amount, it.currency, source=transfer_id, description=it.group)
    payment = theirs.receive_transfer(world.now, transfer_id, it.amount, it.currency)
    transfer = world.transfers.add(
        Transfer(
            transfer_id,
            world.now,
            it.amount,
            it.currency,
            theirs.account,
            payment,
            movement.id,
            None,
            None if it.charge is None else world.known(it.charge),
            it.group,
        )
    )
    world.name(it.label, transfer_id)
    world.emit("transfer.created", transfer)


def reverse_transfer(world: World, it: link.ReverseTransfer) -> None:
    """A platform takes a transfer back: in the connected account it looks like a refund."""
    old = world.transfers.get(world.known(it.transfer))
    left = old.amount - old.amount_reversed
    part = left if it.amount is None else it.amount
    if not 0 < part <= left:
        raise ValueError(f"{old.id} has {left} left, {part} cannot be taken back")
    theirs = world.account_of(old.destination)
    reversal_id = world.mint("trr")
    movement = world.ledger.move(world.now, "transfer_refund", part, old.currency, source=reversal_id)
    theirs.do_now(do.GiveRefund(world.now, "", old.destination_payment, part), world.now)
    reversal = TransferReversal(reversal_id, world.now, part, old.currency, old.id, movement.id, theirs.refunds.rows[-1].id)
    world.transfer_reversals.add(reversal)
    world.name(it.label, reversal_id)
    new = world.transfers.replace(old._replace(amount_reversed=old.amount_reversed + part))
    world.emit("transfer.reversed", new, {"amount_reversed": old.amount_reversed})


DOERS: Mapping[type, Any] = {
    link.ConnectAccount: connect_account,
    link.DisconnectAccount: disconnect_account,
    link.Within: within,
    link.SendTransfer: send_transfer,
    link.ReverseTransfer: reverse_transfer,
    link.RefundApplicationFee: refund_application_fee,
}
