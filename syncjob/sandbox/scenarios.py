"""Scenarios: what happens, and when, as a pure function of name, seed and size; amounts in minor units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from syncjob.sandbox.actions import (
    Action,
    CancelSubscription,
    CloseDispute,
    Decline,
    FailPayment,
    FailRefund,
    GiveRefund,
    IssueSalesInvoice,
    IssueStripeInvoice,
    Move,
    NewCustomer,
    OpenDispute,
    Pay,
    PayOut,
    PayStripeInvoice,
    Subscribe,
    TopUp,
    UpdateCharge,
    UpdateCustomer,
)
from syncjob.sandbox.bulk import bulk
from syncjob.sandbox.whole import whole

DAY = 86_400


class Scenario(NamedTuple):
    """A timeline, where it starts and where the clock stands unless told otherwise (Unix seconds)."""

    start: int
    clock: int
    actions: list[Action]


def instant(text: str) -> int:
    """Unix seconds of "10-06 09:30" or "10-06 09:30:05" in 2026, UTC."""
    return int(datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC).timestamp())


START = instant("10-06 00:00")
CLOCK = instant("11-03 06:00")

# label, name, e-mail, country, city. The studio and its events branch share one e-mail address on purpose.
PEOPLE = (
    ("bakery", "Example Bakery", "billing@bakery.example.com", "DE", "Musterstadt"),
    ("studio", "Sample Studio GmbH", "office@studio.example.org", "DE", "Beispielhausen"),
    ("events", "Sample Studio Events", "office@studio.example.org", "DE", "Beispielhausen"),
    ("garden", "Example Garden Centre", "accounts@garden.example.com", "IE", "Sampleton"),
    ("books", "Specimen Books", "orders@books.example.org", "FR", "Exempleville"),
    ("kyoto", "Example Tea Kyoto", "tea@kyoto.example.com", "JP", "Kyoto"),
    ("kuwait", "Sample Trading Kuwait", "trade@kuwait.example.com", "KW", "Kuwait City"),
    ("denver", "Example Outfitters Inc", "ap@outfitters.example.com", "US", "Denver"),
    ("fjord", "Sample Fjord Tours", "desk@fjord.example.org", "IS", "Reykjavik"),
    ("london", "Example Stationers Ltd", "shop@stationers.example.com", "GB", "London"),
    ("choir", "Sample Choir Society", "treasurer@choir.example.org", "AT", "Musterdorf"),
    ("bikes", "Example Bicycles", "hello@bikes.example.com", "NL", "Voorbeeld"),
)

# number, customer, currency, total: the sales invoices of the merchant's own books, issued on the date given.
SALES = (
    ("10-06", "INV-1001", "bakery", "eur", 12_000),
    ("10-06", "INV-1002", "studio", "eur", 45_000),
    ("10-06", "INV-1003", "garden", "eur", 23_900),
    ("10-07", "INV-1004", "books", "eur", 80_000),
    ("10-07", "INV-1005", "kyoto", "jpy", 5_000),
    ("10-07", "INV-1006", "kuwait", "kwd", 12_500),
    ("10-08", "INV-1007", "denver", "usd", 19_900),
    ("10-08", "INV-1008", "choir", "eur", 6_400),
    ("10-09", "INV-1009", "bikes", "eur", 31_750),
    ("10-12", "INV-1010", "bakery", "eur", 9_950),
    ("10-14", "INV-1011", "events", "eur", 27_300),
    ("10-15", "INV-1012", "choir", "eur", 2_900),
    ("10-19", "INV-1013", "garden", "eur", 15_400),
    ("10-20", "INV-1014", "fjord", "isk", 250_000),
    ("10-21", "INV-1015", "books", "eur", 4_480),
    ("10-26", "INV-1016", "studio", "eur", 18_200),
)

# time, label, customer, amount, currency, invoice, how it is told: in the metadata (m) or in the description (d).
PAYMENTS = (
    ("10-07 10:15", "pay1001", "bakery", 12_000, "eur", "INV-1001", "m"),
    ("10-08 08:40", "pay1002", "studio", 45_000, "eur", "INV-1002", "d"),
    ("10-09 13:05", "pay1003a", "garden", 10_000, "eur", "INV-1003", "m"),
    ("10-16 13:05", "pay1003b", "garden", 13_900, "eur", "INV-1003", "m"),
    ("10-13 16:20", "pay1004", "books", 30_000, "eur", "INV-1004", "m"),
    ("10-12 02:10", "pay1005", "kyoto", 5_000, "jpy", "INV-1005", "m"),
    ("10-13 07:45", "pay1006", "kuwait", 12_500, "kwd", "INV-1006", "m"),
    ("10-14 19:30", "pay1007", "denver", 19_900, "usd", "INV-1007", "m"),
    ("10-15 11:11", "pay1009", "bikes", 31_750, "eur", "INV-1009", "d"),
    ("10-19 09:00", "pay1010", "bakery", 9_950, "eur", "INV-1010", "m"),
    ("10-31 23:30", "pay1011", "events", 27_300, "eur", "INV-1011", "m"),
    ("10-27 12:00", "pay1014", "fjord", 250_000, "isk", "INV-1014", "m"),
    ("10-28 15:45", "pay1015", "books", 4_480, "eur", "INV-1015", "d"),
    ("11-03 14:30", "pay1016", "studio", 18_200, "eur", "INV-1016", "m"),
)

# time, label, customer, least amount, currency, method: sales over the counter, without an invoice.
SALES_ON_THE_SPOT = (
    ("10-06 09:30", "shop01", "bakery", 2_490, "eur", "card"),
    ("10-06 17:55", "shop02", "denver", 4_900, "usd", "card"),
    ("10-07 08:05", "shop03", "bikes", 12_900, "eur", "card"),
    ("10-08 12:12", "shop04", "choir", 1_800, "eur", "sepa_debit"),
    ("10-09 03:20", "shop05", "kyoto", 1_200, "jpy", "card"),
    ("10-10 14:00", "refundme", "garden", 3_600, "eur", "card"),
    ("10-10 20:10", "shop06", "london", 2_450, "gbp", "card"),
    ("10-11 10:45", "disputed1", "books", 7_700, "eur", "card"),
    ("10-12 18:30", "partial", "bikes", 24_000, "eur", "card"),
    ("10-14 06:50", "shop07", "kuwait", 3_250, "kwd", "card"),
    ("10-15 09:15", "shop08", "fjord", 480_000, "isk", "card"),
    ("10-16 16:40", "shop09", "denver", 8_250, "usd", "card"),
    ("10-17 11:30", "shop10", "studio", 5_500, "eur", "card"),
    ("10-18 13:13", "shop11", "events", 6_150, "eur", "card"),
    ("10-19 21:05", "shop12", "bakery", 2_990, "eur", "card"),
    ("10-20 07:25", "shop13", "choir", 2_100, "eur", "sepa_debit"),
    ("10-21 15:00", "disputed2", "denver", 15_900, "usd", "card"),
    ("10-22 10:10", "shop14", "garden", 8_800, "eur", "card"),
    ("10-23 23:30", "shop15", "bikes", 4_340, "eur", "card"),
    ("10-24 12:34", "late", "books", 9_900, "eur", "card"),
    ("10-26 04:44", "shop16", "kyoto", 2_750, "jpy", "card"),
    ("10-27 18:18", "shop17", "london", 3_990, "gbp", "card"),
    ("10-29 09:09", "shop18", "kuwait", 5_000, "kwd", "card"),
    ("10-30 13:50", "shop19", "bakery", 2_250, "eur", "card"),
    ("10-31 23:30", "shop20", "denver", 6_600, "usd", "card"),
    ("11-01 00:20", "shop21", "studio", 7_250, "eur", "card"),
    ("11-02 17:40", "shop22", "choir", 3_300, "eur", "card"),
    ("11-03 08:15", "shop23", "bakery", 2_700, "eur", "card"),
    ("11-04 11:20", "shop24", "denver", 5_100, "usd", "card"),
    ("11-05 16:05", "shop25", "bikes", 8_950, "eur", "card"),
    ("11-07 10:00", "shop26", "kyoto", 1_950, "jpy", "card"),
    ("11-09 09:30", "shop27", "garden", 6_400, "eur", "card"),
    ("11-11 23:45", "shop28", "london", 2_800, "gbp", "card"),
    ("11-14 12:00", "shop29", "books", 4_400, "eur", "card"),
    ("11-16 15:30", "shop30", "fjord", 320_000, "isk", "card"),
)
_STEP = {"isk": 100, "kwd": 10}


def _payouts(until: int) -> Iterator[Action]:
    """Every Thursday before work, in the two currencies that have a bank account."""
    at = instant("10-08 04:00")
    while at <= until:
        yield PayOut(at, "eur")
        yield PayOut(at, "usd")
        at += 7 * DAY


def _trade(seed: int) -> Iterator[Action]:
    random = Random(seed)  # noqa: S311 - a story, no secret
    for index, (label, name, email, country, city) in enumerate(PEOPLE):
        yield NewCustomer(START + 60 * index, label, name, email, country, city)
    for day, number, customer, currency, total in SALES:
        yield IssueSalesInvoice(instant(f"{day} 07:00"), number, customer, currency, total)
    for time, label, customer, amount, currency, number, told in PAYMENTS:
        description = f"Payment for {number}" if told == "d" else "Online payment"
        metadata = {"invoice_number": number} if told == "m" else {}
        yield Pay(instant(time), label, customer, amount, currency, description, metadata, invoice=number)
    for index, (time, label, customer, least, currency, method) in enumerate(SALES_ON_THE_SPOT):
        amount = least + random.randrange(20) * _STEP.get(currency, 1)
        order = f"ORD-{5001 + index}"
        yield Pay(instant(time), label, customer, amount, currency, f"Order {order}", {"order_id": order}, method)
    yield Decline(instant("10-09 18:00"), "no1", "books", 5_900, "eur", "insufficient_funds")
    yield Decline(instant("10-20 20:20"), "no2", "denver", 12_500, "usd", "do_not_honor")
    yield Decline(instant("10-30 08:00"), "no3", "bikes", 7_400, "eur", "expired_card")


def _tidy(seed: int) -> Iterator[Action]:
    yield from _trade(seed)
    yield from _payouts(instant("11-19 04:00"))
    yield GiveRefund(instant("10-13 09:00"), "refund1", "refundme")
    yield GiveRefund(instant("10-15 10:00"), "refund2", "partial", 5_000)
    yield GiveRefund(instant("10-23 10:00"), "refund3", "partial", 3_500)
    yield OpenDispute(instant("10-14 14:00"), "dispute1", "disputed1")
    yield CloseDispute(instant("10-26 14:00"), "dispute1", won=False)
    yield OpenDispute(instant("10-28 14:00"), "dispute2", "disputed2", "product_not_received")
    yield Move(instant("11-01 00:05"), "stripe_fee", -1_250, "eur", description="Billing - Usage Fee (2026-10-31)")
    yield UpdateCustomer(instant("10-20 08:00"), "garden", email="finance@garden.example.com")
    # Two invoices of Stripe's own carry the numbers of the merchant's books.
    yield IssueStripeInvoice(instant("10-08 07:30"), "in1008", "choir", "eur", 6_400, "INV-1008", "Concert tickets")
    yield PayStripeInvoice(instant("10-18 18:45"), "pay1008", "in1008", "INV-1008")
    yield Subscribe(instant("10-15 07:30"), "plan", "choir", 2_900, "eur")
    yield IssueStripeInvoice(
        instant("10-15 07:30"), "in1012", "choir", "eur", 2_900, "INV-1012", "1 x Sample plan", "plan", None
    )
    yield PayStripeInvoice(instant("10-15 07:31"), "pay1012", "in1012", "INV-1012")
    # What follows lies after the usual clock: tomorrow's work for whoever polls.
    yield GiveRefund(instant("11-04 09:30"), "refund4", "late", 4_000)
    yield CloseDispute(instant("11-05 13:00"), "dispute2", won=True)
    yield CancelSubscription(instant("11-10 10:00"), "plan")
    yield GiveRefund(instant("11-12 10:00"), "refund5", "shop14")


def _busy(seed: int) -> Iterator[Action]:
    yield from _tidy(seed)
    yield Move(instant("10-12 09:09"), "climate_mystery", -777, "eur", description="Climate mystery contribution")
    yield Pay(instant("10-13 11:00"), "strange", "london", 5_000, "xxx", "Order ORD-9001")
    yield Pay(instant("10-14 10:10"), "ghost", "bikes", 4_200, "eur", "Online payment", {"invoice_number": "INV-9999"})
    yield Pay(instant("10-16 09:40"), "double", "garden", 20_000, "eur", "Payment for INV-1013 and INV-1004")
    yield Pay(
        instant("10-22 14:20"),
        "over",
        "bakery",
        12_000,
        "eur",
        "Online payment",
        {"invoice_number": "INV-1001"},
        invoice="INV-1001",
    )
    yield Pay(instant("10-12 15:00"), "bounced", "choir", 3_900, "eur", "Order ORD-9002", {}, "sepa_debit")
    yield Pay(instant("10-15 13:30"), "taxed", "studio", 9_100, "eur", "Order ORD-9003", fee_tax=31)
    yield FailPayment(instant("10-19 06:00"), "bounced")
    yield GiveRefund(instant("10-20 11:00"), "refund6", "shop10", 2_000)
    yield FailRefund(instant("10-25 11:00"), "refund6")
    yield UpdateCharge(instant("10-21 08:00"), "shop11", "Order ORD-5014 (corrected)")
    yield TopUp(instant("10-17 10:00"), "topup", 50_000, "eur")
    yield Move(instant("10-24 10:00"), "reserve_transaction", -10_000, "eur", description="Risk reserve hold")
    yield Move(instant("11-07 10:00"), "reserve_transaction", 10_000, "eur", description="Risk reserve release")
    yield PayOut(instant("10-20 04:00"), "eur", "failing", fails=True)


def _quiet(seed: int) -> Iterator[Action]:
    random = Random(seed)  # noqa: S311 - a story, no secret
    for index, (label, name, email, country, city) in enumerate(PEOPLE[:3]):
        yield NewCustomer(START + 60 * index, label, name, email, country, city)
    for day in range(400):
        at = START + day * DAY + 9 * 3_600 + random.randrange(3_600)
        label = PEOPLE[day % 3][0]
        yield Pay(at, "", label, 1_000 + random.randrange(400), "eur", f"Order ORD-{day + 1}")
        if day % 7 == 2:
            yield PayOut(START + day * DAY + 4 * 3_600, "eur")


_SMALL: dict[str, Callable[[int], Iterator[Action]]] = {
    "tidy": _tidy,
    "busy": _busy,
    "quiet": _quiet,
    "whole": lambda seed: whole(seed, instant),
}
NAMES = (*_SMALL, "bulk")


def scenario(name: str, seed: int, charges: int | None = None) -> Scenario:
    """The scenario of this name; `charges` is the size of "bulk" alone."""
    if name == "bulk":
        return Scenario(START, CLOCK, bulk(START, seed, 1_000 if charges is None else charges))
    if name not in _SMALL:
        raise ValueError(f"no scenario is called {name!r}; there are {', '.join(NAMES)}")
    # sorted() keeps the order of what happens in the same second.
    return Scenario(START, CLOCK, sorted(_SMALL[name](seed), key=lambda action: action.at))
