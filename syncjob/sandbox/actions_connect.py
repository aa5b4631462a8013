"""What can happen between a platform and its connected accounts; `at` is Unix seconds, amounts are minor units."""

from __future__ import annotations

from typing import NamedTuple

from syncjob.sandbox.actions import Action


class ConnectAccount(NamedTuple):
    """A merchant joins the platform with an account of its own."""

    at: int
    label: str
    name: str
    country: str = "DE"
    currency: str = "eur"


class Within(NamedTuple):
    """Something happens in a connected account."""

    at: int
    account: str
    action: Action


class DisconnectAccount(NamedTuple):
    """A merchant leaves: from now on the platform is refused."""

    at: int
    account: str


class SendTransfer(NamedTuple):
    """A platform moves money to a connected account; `charge` is the payment that it comes from."""

    at: int
    label: str
    account: str
    amount: int
    currency: str
    charge: str | None = None
    group: str | None = None


class ReverseTransfer(NamedTuple):
    """A platform takes a transfer back, or a part of it."""

    at: int
    label: str
    transfer: str
    amount: int | None = None


class RefundApplicationFee(NamedTuple):
    """A platform gives its share back, or a part of it; `share` is the application fee or the payment that it came from."""

    at: int
    share: str
    amount: int | None = None
