"""What a movement means in the books, read with a bookkeeper's eyes: debit positive, credit negative, cents exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import (
    BERLIN,
    NOON,
    START,
    application,
    charge,
    dispute,
    dispute_reversal,
    entry,
    eur,
    fact,
    movement,
    payout,
    payout_failure,
    refund,
    refund_failure,
    sums,
)

from syncjob.errors import RecordRefused
from syncjob.model import BUCKETS, Entry, FactKind, Fee, Kind, Line, Part, Role, Transaction
from syncjob.moment import from_text, zone
from syncjob.money import Money
from syncjob.posting import apply, changed, claim, open_balance, post, post_facts, undo
from syncjob.posting.rules import APPLIED, standard


def posted(*transactions: Transaction) -> list[Entry]:
    return [post(one, BERLIN, "EUR") for one in transactions]


@pytest.mark.parametrize(
    ("story", "accounts"),
    [
        (charge(100_00, 3_20), {"clearing": 96_80, "fees": 3_20, "unapplied": -100_00}),
        (refund(40_00), {"clearing": -40_00, "unapplied": 40_00}),
        (refund_failure(40_00), {"clearing": 40_00, "unapplied": -40_00}),
        (movement(Kind.PAYMENT_FAILURE, "py_1", eur(-100_00), 5_00), {"clearing": -105_00, "fees": 5_00, "unapplied": 100_00}),
        (dispute(), {"clearing": -115_00, "dispute_fees": 15_00, "disputed": 100_00}),
        (dispute_reversal(), {"clearing": 115_00, "dispute_fees": -15_00, "disputed": -100_00}),
        (dispute_reversal(fee=0), {"clearing": 100_00, "disputed": -100_00}),
        (movement(Kind.FEE, "", eur(-5_00)), {"clearing": -5_00, "fees": 5_00}),
        (payout(96_80), {"clearing": -96_80, "payouts_in_transit": 96_80}),
        (payout(-20_00), {"clearing": 20_00, "payouts_in_transit": -20_00}),
        (movement(Kind.PAYOUT, "po_2", eur(-99_00), 1_00), {"clearing": -100_00, "fees": 1_00, "payouts_in_transit": 99_00}),
        (payout_failure(96_80), {"clearing": 96_80, "payouts_in_transit": -96_80}),
        (movement(Kind.TOPUP, "tu_1", eur(50_00)), {"clearing": 50_00, "bank": -50_00}),
        (movement(Kind.RESERVE, "", eur(-30_00)), {"clearing": -30_00, "reserve": 30_00}),
        (movement(Kind.TRANSFER, "tr_1", eur(-70_00)), {"clearing": -70_00, "seller_liability": 70_00}),
        (movement(Kind.CONVERSION, "", eur(92_00)), {"clearing": 92_00, "fx_conversion": -92_00}),
        (movement(Kind.ADJUSTMENT, "", eur(7_00)), {"clearing": 7_00, "suspense": -7_00}),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Transaction) else "",
)
def test_each_movement_moves_these_accounts(story: Transaction, accounts: dict[str, int]) -> None:
    assert sums(posted(story)) == accounts


def test_every_kind_of_movement_has_its_rule() -> None:
    assert set(standard().movements) == set(Kind)
    assert set(standard().facts) == set(FactKind)


def test_tax_on_a_fee_goes_to_its_own_account_and_a_fee_given_back_lowers_it() -> None:
    fees = (Fee("stripe_fee", eur(2_00)), Fee("tax", eur(38)))
    assert sums(posted(charge(fees=fees))) == {"clearing": 97_62, "fees": 2_00, "fee_tax": 38, "unapplied": -100_00}
    back = (Fee("stripe_fee", eur(-2_00)), Fee("tax", eur(-38)))
    assert sums(posted(charge(fees=fees), refund(100_00, fees=back))) == {}


def test_a_payment_in_dollars_that_settles_in_euro_states_both_amounts_and_multiplies_no_rate() -> None:
    (told,) = posted(charge(92_00, 3_00, presented=Money(100_00, "USD"), rate_source="exchange_rate of txn_ch_1"))
    assert sums([told]) == {
        "clearing": 89_00,
        "fees": 3_00,
        "fx_conversion": -92_00,
        "fx_conversion USD": 100_00,
        "unapplied USD": -100_00,
    }
    crossed = [line for line in told.lines if line.role in (Role.FX_CONVERSION, Role.UNAPPLIED)]
    assert [(line.home, line.rate_source) for line in crossed] == [
        (eur(-92_00), "exchange_rate of txn_ch_1"),
        (eur(92_00), "exchange_rate of txn_ch_1"),
        (eur(-92_00), "exchange_rate of txn_ch_1"),
    ]


def test_its_full_refund_at_another_rate_leaves_the_difference_in_conversion_and_nothing_on_the_customer() -> None:
    paid = charge(92_00, presented=Money(100_00, "USD"))
    back = refund(95_00, presented=Money(-100_00, "USD"))
    assert sums(posted(paid, back)) == {"clearing": -3_00, "fx_conversion": 3_00}


def test_where_neither_currency_is_the_books_own_no_home_amount_is_invented() -> None:
    (entry,) = posted(charge(gross=Money(80_00, "GBP"), presented=Money(100_00, "USD")))
    assert {line.home for line in entry.lines} == {None}


def test_an_amount_shown_in_the_settled_currency_never_leaves_a_rest_on_unapplied() -> None:
    odd = charge(100_00, presented=eur(120_00))
    assert claim(odd) == eur(100_00)
    assert "unapplied" not in sums([*posted(odd), apply(odd, application(odd.id, ("", 100_00)), NOON.date())])


def test_an_unknown_balance_bucket_is_refused_and_named() -> None:
    with pytest.raises(RecordRefused, match="'treasury'"):
        posted(charge(bucket="treasury"))


def test_a_hold_that_shows_in_two_buckets_counts_once() -> None:
    out = movement(Kind.RESERVE, "", eur(-30_00), id="txn_out")
    into = movement(Kind.RESERVE, "", eur(30_00), id="txn_in", bucket="risk_reserved")
    entries = posted(out, into)
    assert sums(entries) == {"clearing": -30_00, "reserve": 30_00}
    in_bucket = [line.amount.minor for entry in entries for line in entry.lines if line.bucket == "risk_reserved"]
    assert in_bucket == [30_00]


@pytest.mark.parametrize(
    ("effective", "where", "day"),
    [
        ("2026-10-31T22:59:59Z", "Europe/Berlin", date(2026, 10, 31)),
        ("2026-10-31T23:00:00Z", "Europe/Berlin", date(2026, 11, 1)),
        ("2026-11-01T04:00:00Z", "America/Los_Angeles", date(2026, 10, 31)),
        ("2026-10-31T11:00:00Z", "Pacific/Auckland", date(2026, 11, 1)),
    ],
)
def test_a_payment_is_dated_by_the_companys_calendar(effective: str, where: str, day: date) -> None:
    assert post(charge(effective=from_text(effective)), zone(where), "EUR").date == day


# ---------------------------------------------------------------- in general


@st.composite
def movements(draw: st.DrawFn) -> Transaction:
    currency = draw(st.sampled_from(["EUR", "USD", "JPY", "KWD"]))
    minor = draw(st.integers(-(10**12), 10**12))
    kind = draw(st.sampled_from(list(Kind)))
    charged = draw(st.lists(st.tuples(st.sampled_from(["stripe_fee", "tax"]), st.integers(-(10**6), 10**6)), max_size=3))
    shown = draw(st.one_of(st.none(), st.tuples(st.integers(0, 10**12), st.sampled_from(["EUR", "USD", "GBP"]))))
    more: dict[str, Any] = {"bucket": draw(st.sampled_from(sorted(BUCKETS)))}
    if shown:
        more["presented"] = Money(-shown[0] if minor < 0 else shown[0], shown[1])
    fees = tuple(Fee(type, Money(amount, currency)) for type, amount in charged)
    return movement(kind, "x_1", Money(minor, currency), fees=fees, **more)


@given(movements())
def test_every_entry_balances_and_its_balance_line_is_the_net(one: Transaction) -> None:
    entry = post(one, BERLIN, "EUR")  # an Entry refuses to exist unbalanced
    of_bucket = [line for line in entry.lines if line.bucket]
    assert sum(line.amount.minor for line in of_bucket) == one.net.minor
    assert {(line.role, line.bucket, line.amount.currency) for line in of_bucket} <= {
        (BUCKETS[one.bucket], one.bucket, one.net.currency)
    }
    assert all(line.amount.minor for line in entry.lines)
    homes = [line.home.minor for line in entry.lines if line.home]
    if one.gross.currency == "EUR" and homes:
        assert sum(homes) == -one.gross.minor  # the claim, the way out of euro and the way into dollars


@given(movements())
def test_undoing_an_entry_leaves_nothing_in_any_account(one: Transaction) -> None:
    entry = post(one, BERLIN, "EUR")
    opposite = undo(entry, entry.date + timedelta(days=3))
    assert sums([entry, opposite]) == {}
    assert (opposite.key, opposite.date) == (f"{entry.key}:undo", entry.date + timedelta(days=3))
    assert [line.bucket for line in opposite.lines] == [line.bucket for line in entry.lines]


@given(movements().filter(lambda one: one.kind in APPLIED))
def test_what_is_applied_in_full_leaves_nothing_unapplied(one: Transaction) -> None:
    amount = claim(one)
    half = Money(amount.minor // 2, amount.currency)
    told = replace(application(), parts=(Part("INV-1", half), Part("", amount - half)))
    entries = [post(one, BERLIN, "EUR"), apply(one, told, NOON.date())]
    assert not [name for name in sums(entries) if name.startswith("unapplied")]


def test_an_application_credits_the_invoice_by_name_and_the_rest_to_the_customer() -> None:
    told = apply(charge(120_00), application("shop:txn_ch_1", ("INV-1", 100_00), ("", 20_00)), NOON.date())
    assert sums([told]) == {"unapplied": 120_00, "receivable": -100_00, "customer_credit": -20_00}
    assert [line.reference for line in told.lines if line.role is Role.RECEIVABLE] == ["INV-1"]


def test_an_unbalanced_entry_stops_the_program() -> None:
    with pytest.raises(AssertionError, match="does not balance"):
        entry("x", Line(Role.CLEARING, eur(1)), Line(Role.FEES, Money(-1, "USD")))


# ---------------------------------------------------------------- facts


class Payout:
    """One payout of 96.80 told fact by fact; keeps what was posted."""

    def __init__(self) -> None:
        self.movements: list[Transaction] = [payout()]
        self.entries = posted(*self.movements)

    def say(self, kind: FactKind | None, at: datetime = NOON, *more: Transaction) -> list[Entry]:
        self.movements += more
        self.entries += posted(*more)
        facts = [fact(kind, "po_1", at)] if kind else []
        new = post_facts(facts, self.movements, self.entries, BERLIN)
        self.entries += new
        assert len({one.key for one in self.entries}) == len(self.entries)
        return new


def test_a_payout_that_arrives_moves_from_transit_to_the_bank_on_its_arrival_day() -> None:
    story = Payout()
    (entry,) = story.say(FactKind.PAYOUT_PAID, datetime.fromisoformat("2026-10-08T00:00:00Z"))
    assert sums(story.entries) == {"clearing": -96_80, "bank": 96_80}
    assert (entry.key, entry.date) == ("shop:po_1:payout_paid:1", date(2026, 10, 8))
    assert story.say(FactKind.PAYOUT_PAID) == []  # told again: nothing new


def test_an_arrival_day_stays_the_same_day_west_of_greenwich() -> None:
    facts = [fact(FactKind.PAYOUT_PAID, "po_1", datetime.fromisoformat("2026-10-08T00:00:00Z"))]
    (entry,) = post_facts(facts, [payout()], [], zone("America/Los_Angeles"))
    assert entry.date == date(2026, 10, 8)


def test_a_payout_paid_then_failed_then_paid_again_is_in_the_bank_once() -> None:
    story = Payout()
    story.say(FactKind.PAYOUT_PAID)
    (undone,) = story.say(FactKind.PAYOUT_FAILED, NOON + timedelta(days=2))
    assert (undone.key, undone.date) == ("shop:po_1:payout_paid:1:undo", date(2026, 10, 8))
    assert sums(story.entries) == {"clearing": -96_80, "payouts_in_transit": 96_80}
    (again,) = story.say(FactKind.PAYOUT_PAID, NOON + timedelta(days=3))
    assert again.key == "shop:po_1:payout_paid:2"
    assert sums(story.entries) == {"clearing": -96_80, "bank": 96_80}
    (undone,) = story.say(FactKind.PAYOUT_FAILED, NOON + timedelta(days=4), payout_failure())
    assert undone.key == "shop:po_1:payout_paid:2:undo"
    assert sums(story.entries) == {}


def test_a_payout_whose_money_came_back_is_taken_from_the_bank_before_its_status_says_so() -> None:
    story = Payout()
    story.say(FactKind.PAYOUT_PAID)
    story.say(FactKind.PAYOUT_PAID, NOON, payout_failure())
    assert sums(story.entries) == {}


def test_a_payout_record_that_cannot_be_read_today_undoes_nothing() -> None:
    story = Payout()
    story.say(FactKind.PAYOUT_PAID)
    assert story.say(None) == []


def test_an_undo_is_never_dated_before_what_it_undoes() -> None:
    story = Payout()
    (paid,) = story.say(FactKind.PAYOUT_PAID, NOON + timedelta(days=3))
    (undone,) = story.say(FactKind.PAYOUT_FAILED, NOON)
    assert undone.date == paid.date


def test_a_payout_from_before_the_cut_over_is_part_of_the_opening_balance() -> None:
    assert post_facts([fact(FactKind.PAYOUT_PAID, "po_1")], [], [], BERLIN) == []


def test_a_lost_dispute_becomes_a_loss_and_a_dispute_won_later_takes_the_loss_back() -> None:
    moved = [dispute()]
    entries = posted(*moved)
    entries += post_facts([fact(FactKind.DISPUTE_LOST, "dp_1")], moved, entries, BERLIN)
    assert sums(entries) == {"clearing": -115_00, "dispute_fees": 15_00, "dispute_loss": 100_00}
    moved.append(dispute_reversal())
    entries += posted(moved[1])
    entries += post_facts([fact(FactKind.DISPUTE_WON, "dp_1")], moved, entries, BERLIN)
    assert sums(entries) == {}


def test_a_dispute_lost_in_part_is_a_loss_of_that_part() -> None:
    moved = [dispute(100_00), dispute_reversal(30_00, 0)]
    entries = posted(*moved)
    entries += post_facts([fact(FactKind.DISPUTE_LOST, "dp_1")], moved, entries, BERLIN)
    assert sums(entries) == {"clearing": -85_00, "dispute_fees": 15_00, "dispute_loss": 70_00}


def test_life_cycle_facts_never_touch_the_gateways_balance() -> None:
    moved = [payout(), dispute(id="po_1")]
    for kind in FactKind:
        for told in post_facts([fact(kind, "po_1")], moved, [], BERLIN):
            assert not {line.role for line in told.lines} & {Role.CLEARING, Role.RESERVE}


# ---------------------------------------------------------------- what was posted


def test_money_posted_before_and_said_otherwise_today_is_a_problem() -> None:
    (before,) = posted(charge(100_00, 3_00))
    for otherwise in (
        charge(100_01, 3_00),
        charge(100_00, 3_01),
        charge(gross=Money(100_00, "USD"), fee=3_00),
        charge(100_00, 3_00, effective=NOON + timedelta(seconds=1)),
        charge(100_00, 3_00, bucket="issuing"),
        charge(100_00, 3_00, presented=Money(110_00, "USD")),
    ):
        (now,) = posted(otherwise)
        problem = changed(now, before)
        assert problem is not None
        assert "no longer what was posted" in problem.why
    issuing, risk = posted(charge(bucket="issuing"), charge(bucket="risk_reserved"))
    assert changed(issuing, risk) is not None


def test_another_zone_or_order_of_fees_or_description_changes_no_money() -> None:
    fees = (Fee("stripe_fee", eur(2_00)), Fee("tax", eur(38)))
    late = from_text("2026-10-31T23:30:00Z")
    before = post(charge(fees=fees, effective=late), BERLIN, "EUR")
    assert changed(before, before) is None
    assert changed(post(charge(fees=fees[::-1], effective=late), BERLIN, "EUR"), before) is None
    assert changed(post(charge(fees=fees, effective=late, description="new"), zone("UTC"), "USD"), before) is None


def test_what_the_gateway_held_before_the_cut_over_stands_against_opening() -> None:
    opened = open_balance("shop", "risk_reserved", eur(-5_00), START, BERLIN)
    assert sums([opened]) == {"reserve": -5_00, "opening": 5_00}
    assert (opened.date, opened.lines[0].bucket) == (date(2026, 10, 1), "risk_reserved")
