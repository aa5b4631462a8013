"""The scenario that has at least one of everything; amounts in minor units, times in Unix seconds.

Each part tells one story and stands by itself, so that what a test shows can be followed here. Dates are days of October and
November 2026, the same weeks as the other scenarios; `random` moves the amounts of the counter sales alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from syncjob.sandbox import actions as do
from syncjob.sandbox import actions_billing as bill
from syncjob.sandbox import actions_connect as link
from syncjob.sandbox.categories import BEHIND, FURTHER, PLAIN

At = Callable[[str], int]

# label, name, e-mail, country, city
_PEOPLE = (
    ("bakery", "Example Bakery", "billing@bakery.example.com", "DE", "Musterstadt"),
    ("cafe", "Café Beispiel", "kasse@cafe.example.com", "AT", "Musterdorf"),
    ("studio", "Sample Studio GmbH", "office@studio.example.org", "DE", "Beispielhausen"),
    ("books", "Specimen Books", "orders@books.example.org", "FR", "Exempleville"),
    ("denver", "Example Outfitters Inc", "ap@outfitters.example.com", "US", "Denver"),
    ("london", "Example Stationers Ltd", "shop@stationers.example.com", "GB", "London"),
    ("kyoto", "Example Tea Kyoto", "tea@kyoto.example.com", "JP", "Kyoto"),
    ("kuwait", "Sample Trading Kuwait", "trade@kuwait.example.com", "KW", "Kuwait City"),
    ("fjord", "Sample Fjord Tours", "desk@fjord.example.org", "IS", "Reykjavik"),
    ("leaver", "Example Leaver", "leaver@example.com", "DE", "Musterstadt"),
)


def whole(seed: int, at: At) -> Iterator[do.Action]:
    """Everything that can happen, once; `at` turns "10-06 09:30" into Unix seconds."""
    random = Random(seed)  # noqa: S311 - a story, no secret
    for index, (label, name, email, country, city) in enumerate(_PEOPLE):
        yield do.NewCustomer(at("10-06 00:00") + 60 * index, label, name, email, country, city)
    yield from _counter_sales(at, random)
    yield from _slow_payments(at)
    yield from _refunds(at)
    yield from _disputes(at)
    yield from _merchants_invoices(at)
    yield from _stripe_invoices(at)
    yield from _given_up_invoices(at)
    yield from _credit_notes(at)
    yield from _subscriptions(at)
    yield from _balance(at)
    yield from _payouts(at)
    yield from _platform(at)
    yield from _every_type(at)
    yield do.UpdateCustomer(at("10-20 08:00"), "books", email="accounts@books.example.org")
    yield do.DeleteCustomer(at("10-30 09:00"), "leaver")


def _counter_sales(at: At, random: Random) -> Iterator[do.Action]:
    sales = (
        ("10-06 09:30", "bakery", 2_490, "eur"),
        ("10-07 10:00", "denver", 4_900, "usd"),
        ("10-08 03:20", "kyoto", 1_200, "jpy"),
        ("10-09 06:50", "kuwait", 3_250, "kwd"),
        ("10-10 09:15", "fjord", 480_000, "isk"),
        ("10-11 20:10", "london", 2_450, "gbp"),
        ("10-12 12:00", "cafe", 3_100, "eur"),
        ("10-13 12:00", "leaver", 1_900, "eur"),
    )
    steps = {"isk": 100, "kwd": 10}
    for index, (time, customer, least, currency) in enumerate(sales):
        amount = least + random.randrange(20) * steps.get(currency, 1)
        order = f"ORD-{7001 + index}"
        yield do.Pay(at(time), "", customer, amount, currency, f"Order {order}", {"order_id": order})
    yield do.Pay(at("10-06 08:00"), "float", "studio", 900_000, "eur", "Opening order", {"order_id": "ORD-7000"})
    yield do.Pay(at("10-06 08:05"), "dollars", "denver", 300_000, "usd", "Opening order", {"order_id": "ORD-6999"})
    yield do.Pay(at("10-06 08:10"), "guest", None, 1_750, "eur", "Order ORD-6998")
    yield do.Decline(at("10-09 18:00"), "", "books", 5_900, "eur", "expired_card")
    # Every kind of fee that Stripe takes out of a payment.
    yield do.Pay(at("10-14 10:00"), "fees", "studio", 20_000, "eur", "Order ORD-7020", fee_tax=61, passthrough=140, withheld=35)
    yield do.UpdateCharge(at("10-15 08:00"), "fees", "Order ORD-7020 (corrected)", {"order_id": "ORD-7020"})


def _slow_payments(at: At) -> Iterator[do.Action]:
    yield do.PayLater(at("10-07 09:00"), "slow", "cafe", 6_600, "eur", "Order ORD-7030", invoice="INV-2001", days=5)
    yield do.PayLater(at("10-08 09:00"), "never", "books", 7_700, "eur", "Order ORD-7031", days=4, fails=True)
    yield do.PayLater(at("11-02 09:00"), "under way", "books", 8_800, "eur", "Order ORD-7032", days=5)
    yield do.Pay(at("10-09 15:00"), "bounced", "cafe", 3_900, "eur", "Order ORD-7033", {}, "sepa_debit")
    yield do.FailPayment(at("10-16 06:00"), "bounced")
    yield do.Authorize(at("10-10 08:00"), "hotel", "denver", 50_000, "usd", "Reservation")
    yield do.Capture(at("10-13 08:00"), "hotel", 35_000)
    yield do.Authorize(at("10-10 08:30"), "deposit", "studio", 10_000, "eur", "Deposit")
    yield do.Capture(at("10-12 08:30"), "deposit")
    yield do.Authorize(at("10-11 08:00"), "unwanted", "books", 9_000, "eur", "Reservation")
    yield do.ExpireAuthorization(at("10-18 08:00"), "unwanted")


def _refunds(at: At) -> Iterator[do.Action]:
    yield do.Pay(at("10-12 18:30"), "thrice", "studio", 24_000, "eur", "Order ORD-7040")
    for day, amount in (("10-15", 5_000), ("10-19", 3_500), ("10-23", 1)):
        yield do.GiveRefund(at(f"{day} 10:00"), "", "thrice", amount)
    yield do.Pay(at("10-13 18:30"), "all back", "bakery", 3_600, "eur", "Order ORD-7041")
    yield do.GiveRefund(at("10-16 10:00"), "", "all back")
    yield do.GiveRefund(at("10-17 11:00"), "failing", "float", 2_000, "requested_by_customer")
    yield do.FailRefund(at("10-24 11:00"), "failing")
    yield do.Pay(at("10-14 18:30"), "by bank", "cafe", 4_400, "eur", "Order ORD-7042", {}, "sepa_debit")
    yield do.GiveRefund(at("10-20 10:00"), "slow back", "by bank", 1_400, "duplicate", pending=True)
    yield do.SettleRefund(at("10-23 10:00"), "slow back")
    yield do.GiveRefund(at("10-21 10:00"), "called back", "by bank", 600, pending=True)
    yield do.SettleRefund(at("10-22 10:00"), "called back", canceled=True)
    yield do.GiveRefund(at("11-02 10:00"), "still pending", "by bank", 700, pending=True)


def _disputes(at: At) -> Iterator[do.Action]:
    for day, label, amount in (("10-11", "lost", 7_700), ("10-12", "won", 8_800), ("10-13", "asked", 5_500)):
        yield do.Pay(at(f"{day} 10:45"), f"{label} sale", "books", amount, "eur", f"Order of {label}")
    for day, label in (("10-14", "grave"), ("10-15", "prevented"), ("10-16", "fresh")):
        yield do.Pay(at(f"{day} 10:50"), f"{label} sale", "london", 6_100, "gbp", f"Order of {label}")
    yield do.OpenDispute(at("10-17 14:00"), "lost", "lost sale")
    yield do.UpdateDispute(at("10-18 14:00"), "lost", "under_review")
    yield do.CloseDispute(at("10-26 14:00"), "lost", won=False)
    yield do.OpenDispute(at("10-17 15:00"), "won", "won sale", "product_not_received")
    yield do.UpdateDispute(at("10-18 15:00"), "won", "under_review")
    yield do.CloseDispute(at("10-27 14:00"), "won", won=True)
    yield do.OpenDispute(at("10-18 16:00"), "asked", "asked sale", inquiry=True)
    yield do.UpdateDispute(at("10-19 16:00"), "asked", "warning_under_review")
    yield do.UpdateDispute(at("10-28 16:00"), "asked", "warning_closed")
    yield do.OpenDispute(at("10-19 17:00"), "grave", "grave sale", "duplicate", inquiry=True)
    yield do.UpdateDispute(at("10-29 17:00"), "grave", "needs_response")
    yield do.OpenDispute(at("10-20 17:00"), "prevented", "prevented sale", inquiry=True)
    yield do.UpdateDispute(at("10-21 17:00"), "prevented", "prevented")
    yield do.OpenDispute(at("11-01 17:00"), "fresh", "fresh sale")


def _merchants_invoices(at: At) -> Iterator[do.Action]:
    """Invoices of the merchant's own books, of which Stripe knows nothing."""
    issued = (
        ("10-06", "INV-2001", "cafe", "eur", 6_600),
        ("10-06", "INV-2002", "bakery", "eur", 12_000),
        ("10-06", "INV-2003", "studio", "eur", 10_000),
        ("10-06", "INV-2004", "studio", "eur", 15_000),
        ("10-07", "INV-2005", "books", "eur", 9_000),
        ("10-20", "INV-2006", "bakery", "eur", 4_321),
        ("10-07", "INV-2007", "denver", "usd", 20_000),
    )
    for day, number, customer, currency, total in issued:
        yield do.IssueSalesInvoice(at(f"{day} 07:00"), number, customer, currency, total)
    told = {"invoice_number": "INV-2002"}
    yield do.Pay(at("10-08 10:00"), "over", "bakery", 12_500, "eur", "Online payment", told, invoice="INV-2002")
    both, shares = "Payment for INV-2003 and INV-2004", {"INV-2003": 10_000, "INV-2004": 15_000}
    yield do.Pay(at("10-09 10:00"), "both", "studio", 25_000, "eur", both, invoices=shares)
    for day, part in (("10-10", 3_000), ("10-17", 6_000)):
        told = {"invoice_number": "INV-2005"}
        yield do.Pay(at(f"{day} 10:00"), "", "books", part, "eur", "Part payment", told, invoice="INV-2005")
    # The payment is there five days before its invoice.
    early = {"invoice_number": "INV-2006"}
    yield do.Pay(at("10-15 10:00"), "early", "bakery", 4_321, "eur", "Advance payment", early, invoice="INV-2006")
    yield do.Pay(at("10-16 10:00"), "ghost", "books", 4_200, "eur", "Online payment", {"invoice_number": "INV-9999"})


def _stripe_invoices(at: At) -> Iterator[do.Action]:
    def issue(day: str, label: str, customer: str, total: int, number: str, tax: int = 0, draft: bool = False) -> do.Action:
        text = f"Services in October ({number})"
        return do.IssueStripeInvoice(at(day), label, customer, "eur", total, number, text, draft=draft, tax=tax)

    yield issue("10-08 07:30", "taxed", "bakery", 11_900, "SI-0001", 1_900)
    yield do.PayStripeInvoice(at("10-09 18:45"), "taxed pay", "taxed")
    yield issue("10-08 07:40", "parts", "cafe", 9_000, "SI-0002")
    yield do.FailStripeInvoice(at("10-09 08:00"), "parts")
    yield do.PayStripeInvoice(at("10-10 18:45"), "", "parts", amount=4_000)
    yield do.PayStripeInvoice(at("10-20 18:45"), "", "parts")
    yield issue("10-08 07:50", "overpaid", "studio", 5_000, "SI-0003")
    yield do.PayStripeInvoice(at("10-11 18:45"), "", "overpaid", amount=5_500)
    yield issue("10-08 08:00", "one of two", "books", 2_000, "SI-0004")
    yield issue("10-08 08:10", "two of two", "books", 3_000, "SI-0005")
    yield bill.PaySeveralInvoices(at("10-12 18:45"), "two at once", ("one of two", "two of two"))
    # A payment that was there before its invoice is put against it.
    yield do.Pay(at("10-13 08:00"), "before", "cafe", 7_000, "eur", "Advance payment")
    yield issue("10-15 08:00", "afterwards", "cafe", 7_000, "SI-0006", draft=True)
    yield bill.UpdateInvoice(at("10-15 08:30"), "afterwards", "Services in October, as agreed")
    yield bill.FinalizeInvoice(at("10-15 09:00"), "afterwards", "SI-0006")
    yield bill.AttachPayment(at("10-15 09:05"), "afterwards", "before")


def _given_up_invoices(at: At) -> Iterator[do.Action]:
    for label, number in (("void", "SI-0010"), ("bad debt", "SI-0011"), ("overdue", "SI-0012"), ("paid late", "SI-0013")):
        yield do.IssueStripeInvoice(at("10-09 07:30"), label, "books", "eur", 3_300, number, "Services in October")
    for label in ("thrown away", "still a draft"):
        yield do.IssueStripeInvoice(at("10-09 07:45"), label, "books", "eur", 4_400, "", "Services in October", draft=True)
    yield bill.EndInvoice(at("10-13 07:30"), "void", "void")
    for label in ("bad debt", "overdue", "paid late"):
        yield bill.MissDueDate(at("10-24 00:00"), label)
    yield bill.EndInvoice(at("10-30 07:30"), "bad debt", "uncollectible")
    yield bill.EndInvoice(at("10-30 07:35"), "paid late", "uncollectible")
    yield do.PayStripeInvoice(at("11-01 07:35"), "", "paid late")
    yield bill.EndInvoice(at("10-12 07:30"), "thrown away", "deleted")


def _credit_notes(at: At) -> Iterator[do.Action]:
    for label, number in (("refunded", "SI-0020"), ("credited", "SI-0021"), ("elsewhere", "SI-0022"), ("lowered", "SI-0023")):
        yield do.IssueStripeInvoice(at("10-10 07:30"), label, "bakery", "eur", 11_900, number, "Goods", tax=1_900)
    for label in ("refunded", "credited", "elsewhere"):
        yield do.PayStripeInvoice(at("10-11 07:30"), "", label)
    yield bill.IssueCreditNote(at("10-14 07:30"), "", "refunded", 2_380, "refund", "product_unsatisfactory", "One was broken")
    yield bill.IssueCreditNote(at("10-14 07:40"), "", "credited", 1_190, "customer_balance")
    yield bill.IssueCreditNote(at("10-14 07:50"), "", "elsewhere", 1_190, "out_of_band")
    yield bill.IssueCreditNote(at("10-14 08:00"), "mistaken", "lowered", 5_950, reason="order_change")
    yield bill.VoidCreditNote(at("10-15 08:00"), "mistaken")
    yield bill.IssueCreditNote(at("10-15 08:10"), "", "lowered", 1_190, reason="duplicate")
    yield do.PayStripeInvoice(at("10-16 08:00"), "", "lowered")
    # The credit from above is used up by the next invoice.
    yield do.IssueStripeInvoice(at("10-20 08:00"), "next one", "bakery", "eur", 5_000, "SI-0024", "Goods")
    yield do.PayStripeInvoice(at("10-21 08:00"), "", "next one")


def _subscriptions(at: At) -> Iterator[do.Action]:
    yield do.Subscribe(at("10-06 09:00"), "plan", "cafe", 2_900, "eur")
    first = do.IssueStripeInvoice(at("10-06 09:00"), "plan 1", "cafe", "eur", 2_900, "SI-0030", "1 x Sample plan", "plan", None)
    yield first
    yield do.PayStripeInvoice(at("10-06 09:01"), "", "plan 1")
    yield bill.ChangeSubscription(at("10-16 09:00"), "upgrade", "plan", 5_900, "SI-0031")
    yield bill.ChangeSubscription(at("10-26 09:00"), "downgrade", "plan", 1_900, "SI-0032")
    yield bill.RenewSubscription(at("11-05 09:00"), "", "plan", "SI-0033")
    yield do.CancelSubscription(at("11-06 09:00"), "plan", at_period_end=True)
    yield do.Subscribe(at("10-07 09:00"), "monthly", "books", 1_500, "eur")
    yield bill.RenewSubscription(at("10-07 09:00"), "", "monthly", "SI-0034")
    yield bill.RenewSubscription(at("11-01 09:00"), "", "monthly", "SI-0035")
    yield bill.RenewSubscription(at("11-02 09:00"), "", "monthly", "SI-0036", fails=True)
    yield do.Subscribe(at("10-08 09:00"), "trial", "studio", 9_900, "eur", trial_days=14)
    yield do.CancelSubscription(at("10-20 09:00"), "trial")
    yield do.Subscribe(at("10-09 09:00"), "paused", "bakery", 900, "eur")
    yield bill.SetSubscriptionStatus(at("10-19 09:00"), "paused", "paused")
    yield bill.SetSubscriptionStatus(at("10-29 09:00"), "paused", "active")
    yield bill.SetSubscriptionStatus(at("11-01 10:00"), "paused", "unpaid")
    yield do.Subscribe(at("10-10 09:00"), "leaving", "leaver", 700, "eur")


def _balance(at: At) -> Iterator[do.Action]:
    yield do.TopUp(at("10-12 10:00"), "", 50_000, "eur")
    for label, status in (("slow", "succeeded"), ("failed", "failed"), ("off", "canceled"), ("back", "reversed")):
        yield do.TopUp(at("10-13 10:00"), f"top-up {label}", 10_000, "eur", pending=True)
        if status == "reversed":
            yield do.EndTopUp(at("10-14 10:00"), f"top-up {label}", "succeeded")
        yield do.EndTopUp(at("10-15 10:00"), f"top-up {label}", status)
    yield do.HoldReserve(at("10-16 10:00"), "hold", 20_000, "eur")
    yield do.ReleaseReserve(at("10-26 10:00"), "hold", 5_000)
    yield do.ReleaseReserve(at("11-06 10:00"), "hold")
    yield do.Convert(at("10-14 12:00"), 10_000, "usd", "eur", fee=184)
    yield do.Move(at("11-01 00:05"), "stripe_fee", -1_250, "eur", description="Billing - Usage Fee (2026-10-31)")


def _payouts(at: At) -> Iterator[do.Action]:
    for day in ("10-15", "10-22", "10-29", "11-05"):
        yield do.PayOut(at(f"{day} 04:00"), "eur")
        yield do.PayOut(at(f"{day} 04:00"), "usd")
    yield do.PayOut(at("10-13 04:00"), "eur", "by hand", automatic=False, amount=10_000)
    yield do.ReversePayout(at("10-20 04:00"), "fetched back", "by hand")
    yield do.PayOut(at("10-13 05:00"), "eur", "instant", automatic=False, amount=20_000, instant=True)
    yield do.PayOut(at("10-14 04:00"), "eur", "bouncing", automatic=False, amount=5_000, fails=True)
    yield do.PayOut(at("10-14 05:00"), "eur", "called off", automatic=False, amount=6_000, pending=True)
    yield do.CancelPayout(at("10-14 06:00"), "called off")
    # Francs have nothing but a fee on them: the bank account is asked for the debt.
    yield do.Move(at("10-06 05:00"), "stripe_fee", -900, "chf", description="Billing - Usage Fee (2026-10-05)")
    yield do.PayOut(at("10-09 04:00"), "chf", "debit", debit=True)


def _platform(at: At) -> Iterator[do.Action]:
    yield link.ConnectAccount(at("10-07 06:00"), "shop one", "Example Shop One")
    yield link.ConnectAccount(at("10-07 06:10"), "shop two", "Example Shop Two", "US", "usd")
    yield link.ConnectAccount(at("10-07 06:20"), "left", "Example Shop That Left")
    yield link.DisconnectAccount(at("10-20 06:20"), "left")

    def inside(account: str, *doings: do.Action) -> Iterator[do.Action]:
        for doing in doings:
            yield link.Within(doing.at, account, doing)

    yield from inside(
        "shop one",
        do.NewCustomer(at("10-08 06:00"), "shopper", "Example Shopper", "shopper@example.com"),
        do.Pay(at("10-08 06:30"), "shop sale", "shopper", 10_000, "eur", "Order SHOP-1", application_fee=1_000),
        do.Pay(at("10-09 06:30"), "shop sale 2", "shopper", 8_000, "eur", "Order SHOP-2", application_fee=800),
        do.GiveRefund(at("10-12 06:30"), "", "shop sale", 2_500),
        do.PayOut(at("10-15 04:00"), "eur"),
    )
    yield from inside("shop two", do.Pay(at("10-09 07:30"), "", None, 7_000, "usd", "Order SHOP-3", application_fee=700))
    yield link.RefundApplicationFee(at("10-12 06:35"), "shop sale", 250)
    yield link.SendTransfer(at("10-13 06:00"), "to shop", "shop one", 15_000, "eur", "float", "GROUP-1")
    yield link.SendTransfer(at("10-13 06:10"), "too much", "shop one", 4_000, "eur")
    yield link.ReverseTransfer(at("10-16 06:00"), "", "too much", 1_000)
    yield link.ReverseTransfer(at("10-17 06:00"), "", "too much")


def _every_type(at: At) -> Iterator[do.Action]:
    """A line of the balance of every other type and category that Stripe's documentation names."""
    start = at("10-18 00:00")
    for index, (type, sign) in enumerate(PLAIN.items()):
        text = f"Example of {type}"
        yield do.Move(start + 600 * index, type, sign * (101 + index), "eur", description=text, origin=type in BEHIND)
    start = at("10-19 00:00")
    for index, (type, category) in enumerate(FURTHER):
        amount = 11 + index if category == "dispute_reversal" else -(11 + index)
        yield do.Move(start + 600 * index, type, amount, "eur", category=category, description=f"Example of {category}")
    yield do.Move(start + 7_000, "adjustment", 333, "eur", description="Goodwill")
