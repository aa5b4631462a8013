"""Gateway, sub-ledger and books agree to the cent, or named items say why not; a coincidence is no proof."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import NOON, START, eur

from syncjob.errors import Problem
from syncjob.model import Refusal, Role
from syncjob.money import Money
from syncjob.ports import Balance
from syncjob.reconcile import Leg, Movement, books_legs, clearing_accounts, gateway_legs, opening_balances

PAYMENTS = ("payments", "EUR")
SECOND = timedelta(seconds=1)


def stated(minor: int, place: str = "payments", currency: str = "EUR", as_of: datetime = NOON) -> Balance:
    return Balance(place, Money(minor, currency), as_of)


def held(minor: int, effective: datetime = NOON, *, currency: str = "EUR", bucket: str = "payments") -> Refusal:
    problem = Problem("balance_transaction txn_9", "shop", "its type is unknown")
    return Refusal("balance_transaction", "txn_9", problem, effective, Money(minor, currency), bucket)


def moved(minor: int, effective: datetime, key: str = "k", bucket: str = "payments", currency: str = "EUR") -> Movement:
    return Movement(key, effective, bucket, currency, minor)


def leg_of(
    theirs: int, ours: int, *later: Movement, refused: tuple[Refusal, ...] = (), since: datetime = START
) -> Leg:
    (leg,) = gateway_legs("shop", [stated(theirs)], {PAYMENTS: ours} if ours else {}, later, refused, since)
    return leg


def test_equal_sums_tie() -> None:
    leg = leg_of(100_00, 100_00)
    assert leg.ties
    assert (leg.difference, leg.unexplained) == (eur(0), eur(0))


def test_a_missing_cent_does_not_tie_and_is_not_explained() -> None:
    leg = leg_of(100_01, 100_00)
    assert not leg.ties
    assert (leg.difference, leg.unexplained) == (eur(1), eur(1))
    assert leg_of(99_99, 100_00).unexplained == eur(-1)


def test_a_held_record_explains_its_own_amount_and_no_more() -> None:
    leg = leg_of(110_00, 100_00, refused=(held(10_00),))
    assert not leg.ties
    assert (leg.difference, leg.unexplained) == (eur(10_00), eur(0))
    assert [(item.name, item.amount, item.why) for item in leg.items] == [
        ("balance_transaction txn_9", eur(10_00), "its type is unknown")
    ]
    assert leg_of(111_00, 100_00, refused=(held(10_00),)).unexplained == eur(1_00)
    assert leg_of(90_00, 100_00, refused=(held(-10_00),)).unexplained == eur(0)


@pytest.mark.parametrize(
    "refused",
    [
        held(10_00, START - SECOND),  # before the cut-over: part of the opening balance
        held(10_00, NOON + SECOND),  # after the balance was struck
        held(10_00, currency="USD"),
        held(10_00, bucket="risk_reserved"),
        Refusal("charge", "ch_9", Problem("ch_9", "shop", "unreadable")),
    ],
)
def test_a_held_record_of_another_time_currency_or_bucket_explains_nothing(refused: Refusal) -> None:
    leg = leg_of(110_00, 100_00, refused=(refused,))
    assert leg.items == ()
    assert leg.unexplained == eur(10_00)


def test_held_records_at_the_cut_over_and_at_the_balances_instant_count() -> None:
    for at in (START, NOON):
        assert leg_of(110_00, 100_00, refused=(held(10_00, at),)).unexplained == eur(0)


# ---------------------------------------------------------------- the cut


def test_a_balance_that_already_holds_the_next_movement_is_cut_after_it() -> None:
    after = (moved(5_00, NOON + SECOND, "a"), moved(7_00, NOON + SECOND, "b"))
    assert leg_of(105_00, 100_00, *after).ties
    assert leg_of(112_00, 100_00, *after).ties


def test_a_balance_that_does_not_yet_hold_the_last_movement_of_its_second_is_cut_before_it() -> None:
    around = (moved(40_00, NOON - SECOND, "a"), moved(5_00, NOON, "b"), moved(7_00, NOON, "c"))
    assert leg_of(93_00, 100_00, *around).ties  # without c
    assert leg_of(88_00, 100_00, *around).ties  # without b and c
    assert not leg_of(95_00, 100_00, *around).ties  # without b alone: no cut in feed order


def test_the_cut_never_skips_a_movement() -> None:
    after = (moved(5_00, NOON + SECOND, "a"), moved(7_00, NOON + 2 * SECOND, "b"))
    leg = leg_of(107_00, 100_00, *after)
    assert not leg.ties
    assert leg.ours == eur(100_00)


def test_the_cut_looks_only_at_movements_of_its_bucket_and_currency() -> None:
    others = (moved(5_00, NOON + SECOND, bucket="risk_reserved"), moved(5_00, NOON + SECOND, currency="USD"))
    assert not leg_of(105_00, 100_00, *others).ties


def test_the_cut_goes_together_with_held_records() -> None:
    leg = leg_of(115_00, 100_00, moved(5_00, NOON + SECOND), refused=(held(10_00),))
    assert (leg.ours, leg.unexplained) == (eur(105_00), eur(0))


@given(st.lists(st.integers(-100, 100), max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_whatever_stretch_of_the_feed_the_vendor_has_counted_it_ties(amounts: list[int], counted: int, known: int) -> None:
    counted, known = min(counted, len(amounts)), min(known, len(amounts))
    feed = [
        moved(minor, NOON if place < known else NOON + SECOND, f"k{place}") for place, minor in enumerate(amounts)
    ]
    (leg,) = gateway_legs("shop", [stated(sum(amounts[:counted]))], {PAYMENTS: sum(amounts[:known])}, feed, (), START)
    assert leg.ties
    assert leg.ours.minor == sum(amounts[:counted])


# ---------------------------------------------------------------- several balances


def test_each_bucket_and_currency_is_a_leg_of_its_own() -> None:
    ours = {PAYMENTS: 1, ("payments", "USD"): 2, ("risk_reserved", "EUR"): 3}
    balances = [stated(1), stated(2, currency="USD"), stated(3, "risk_reserved")]
    legs = gateway_legs("shop", balances, ours, (), (), START)
    assert [(leg.place, leg.currency, leg.ties) for leg in legs] == [
        ("payments", "EUR", True),
        ("payments", "USD", True),
        ("risk_reserved", "EUR", True),
    ]


def test_a_gateway_without_a_balance_is_said_to_be_not_provable() -> None:
    (leg,) = gateway_legs("shop", [], {PAYMENTS: 100_00}, (), (), START)
    assert (leg.theirs, leg.ours, leg.ties, leg.unexplained) == (None, eur(100_00), False, eur(0))


def test_a_currency_left_out_of_a_stated_bucket_is_nothing_and_must_be_explained() -> None:
    legs = gateway_legs("shop", [stated(0)], {("payments", "USD"): 5_00}, (), (), START)
    assert [(leg.currency, leg.theirs, leg.unexplained.minor) for leg in legs] == [
        ("EUR", eur(0), 0),
        ("USD", Money(0, "USD"), -5_00),
    ]


# ---------------------------------------------------------------- books


def test_books_are_compared_account_by_account_and_what_only_one_side_knows_shows() -> None:
    day = date(2026, 10, 6)
    legs = books_legs(
        [stated(100_00, "1000"), stated(5, "1001")], {("1000", "EUR"): 100_00, ("1002", "EUR"): 7}, {("1003", "EUR"): 9}, day
    )
    assert [(leg.place, leg.theirs, leg.ours, leg.ties) for leg in legs] == [
        ("1000", eur(100_00), eur(100_00), True),
        ("1001", eur(5), eur(0), False),
        ("1002", eur(0), eur(7), False),
        ("1003", eur(0), eur(0), True),
    ]
    assert {leg.as_of for leg in legs} == {day}


def test_the_same_account_in_two_currencies_is_two_legs() -> None:
    legs = books_legs(
        [stated(1, "1000"), stated(2, "1000", "USD")], {("1000", "EUR"): 1, ("1000", "USD"): 3}, {}, date(2026, 10, 6)
    )
    assert [(leg.currency, leg.ties) for leg in legs] == [("EUR", True), ("USD", False)]


# ---------------------------------------------------------------- opening


def test_the_opening_balance_is_what_was_there_before_everything_since() -> None:
    found = opening_balances([stated(100_00)], {PAYMENTS: 30_00}, [held(-5_00)])
    assert [(one.place, one.amount) for one in found] == [("payments", eur(75_00))]


def test_a_balance_spent_to_nothing_since_the_cut_over_is_opened_too() -> None:
    found = opening_balances([stated(0)], {("payments", "USD"): -50_00}, [])
    assert [(one.place, one.amount) for one in found] == [("payments", eur(0)), ("payments", Money(50_00, "USD"))]


def test_a_held_record_without_a_readable_amount_makes_the_opening_unknowable() -> None:
    unreadable = Refusal("charge", "ch_9", Problem("ch_9", "shop", "unreadable"))
    assert opening_balances([stated(100_00)], {}, [unreadable]) == []


def test_the_accounts_that_stand_for_a_gateway_are_clearing_and_reserve() -> None:
    rows = [(role, "shop", "", "EUR") for role in (Role.RESERVE, Role.FEES, Role.CLEARING, Role.CLEARING)]
    assert clearing_accounts(rows) == [(Role.CLEARING, "shop", "EUR"), (Role.RESERVE, "shop", "EUR")]
