"""Money is exact or refused: no rounding that nobody asked for, no currency whose decimals are guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob.errors import RecordRefused
from syncjob.money import _ISO, Money, allocate, decimals, from_gateway, is_currency, plain, totals

CURRENCIES = st.sampled_from(sorted(_ISO))
MINORS = st.integers(-(2**63) + 1, 2**63 - 1)


@given(MINORS, CURRENCIES)
def test_what_is_written_plainly_is_read_back_as_the_same_money(minor: int, currency: str) -> None:
    assert Money.of(plain(minor, currency), currency) == Money(minor, currency)


@given(MINORS, CURRENCIES)
def test_the_plain_text_is_the_number_that_a_calculator_would_show(minor: int, currency: str) -> None:
    text = plain(minor, currency)
    assert Decimal(text) == Decimal(minor).scaleb(-decimals(currency))
    assert len(text.partition(".")[2]) == decimals(currency)


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("JPY", 0), ("ISK", 0), ("UGX", 0), ("KWD", 3), ("BHD", 3), ("MGA", 2), ("CLF", 4)]
)
def test_decimals_are_those_of_iso_4217(currency: str, digits: int) -> None:
    assert decimals(currency) == digits
    assert is_currency(currency)


def test_no_currency_stands_in_two_rows_of_the_table() -> None:
    from syncjob.money import _DECIMALS

    assert sum(len(codes.split()) for codes in _DECIMALS.values()) == len(_ISO)


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "BTC", "€", None])
def test_an_unknown_currency_is_refused_and_never_taken_as_two_decimals(code: str) -> None:
    with pytest.raises(RecordRefused, match="never guessed"):
        Money(1, code)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "1,5", "1_000", "1e3", ".5", "5.", "--1", "NaN", "inf", "١٢٣", "1\uff12", "0x10", "1.0\n"]
)
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(RecordRefused, match="not a plain decimal"):
        Money.of(text, "EUR")


@pytest.mark.parametrize(("text", "currency"), [("1.005", "EUR"), ("0.5", "JPY"), ("1.0001", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused_not_rounded(text: str, currency: str) -> None:
    with pytest.raises(RecordRefused, match="more decimals"):
        Money.of(text, currency)


def test_zeros_beyond_the_decimals_say_nothing_and_are_accepted() -> None:
    assert Money.of("48.2500", "EUR") == Money(4825, "EUR")
    assert Money.of("500.00", "JPY") == Money(500, "JPY")
    assert Money.of("0" * 6000 + "1", "EUR") == Money(100, "EUR")
    assert Money.of("-0.00", "EUR") == Money(0, "EUR")


@pytest.mark.parametrize("minor", [1.0, "1", True, None, 2**63, -(2**63)])
def test_an_amount_is_a_whole_number_that_the_store_can_hold(minor: int) -> None:
    with pytest.raises(RecordRefused, match="not a whole number"):
        Money(minor, "EUR")


def test_an_amount_too_large_for_the_store_is_refused_where_it_is_read_and_where_it_is_computed() -> None:
    with pytest.raises(RecordRefused):
        Money.of("92233720368547758.08", "EUR")
    with pytest.raises(RecordRefused, match="too large"):
        Money.of("9" * 5000, "EUR")
    with pytest.raises(RecordRefused):
        Money(2**63 - 1, "EUR") + Money(1, "EUR")


def test_euro_and_dollar_cannot_be_added_or_subtracted() -> None:
    with pytest.raises(ValueError, match="two currencies"):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(ValueError, match="two currencies"):
        Money(1, "EUR") - Money(1, "USD")


# ---------------------------------------------------------------- gateways


@pytest.mark.parametrize(
    ("amount", "currency", "meant"),
    [
        (4825, "eur", "48.25 EUR"),
        (500, "jpy", "500 JPY"),
        (50000, "isk", "500 ISK"),  # Stripe writes krónur in hundredths that are always 00
        (50000, "ugx", "500 UGX"),
        (500, "mga", "500.00 MGA"),  # and ariary without decimals
        (5120, "kwd", "5.120 KWD"),
        (-990, "bhd", "-0.990 BHD"),
        (10045, "huf", "100.45 HUF"),
        (80000, "twd", "800.00 TWD"),
        (700, "xof", "700 XOF"),
        (4825, "EUR", "48.25 EUR"),
    ],
)
def test_stripes_whole_numbers_are_read_by_stripes_own_decimals(amount: int, currency: str, meant: str) -> None:
    assert str(from_gateway("stripe", amount, currency)) == meant


@given(st.integers(-(10**15), 10**15), CURRENCIES)
def test_every_stripe_amount_is_exact_or_refused(amount: int, currency: str) -> None:
    theirs = {"ISK": 2, "UGX": 2, "MGA": 0}.get(currency, decimals(currency))
    value = Decimal(amount).scaleb(-theirs)
    if currency in {"IQD", "LYD", "CLF", "UYI", "UYW"}:
        with pytest.raises(RecordRefused, match="no documented decimals"):
            from_gateway("stripe", amount, currency.lower())
    elif value.scaleb(decimals(currency)) % 1:
        with pytest.raises(RecordRefused, match="trailing zeros"):
            from_gateway("stripe", amount, currency.lower())
    else:
        assert Decimal(plain(from_gateway("stripe", amount, currency.lower()).minor, currency)) == value


@pytest.mark.parametrize(("amount", "currency"), [(50001, "isk"), (-1, "ugx"), (50, "ISK")])
def test_hundredths_that_stripe_says_are_always_zero_are_refused_where_they_are_not(amount: int, currency: str) -> None:
    with pytest.raises(RecordRefused, match="trailing zeros"):
        from_gateway("stripe", amount, currency)


@pytest.mark.parametrize("amount", ["100", 100.0, True, None])
def test_a_gateway_amount_that_is_no_whole_number_is_refused(amount: object) -> None:
    with pytest.raises(RecordRefused, match="not a whole number"):
        from_gateway("stripe", amount, "eur")


@pytest.mark.parametrize("currency", ["", "xyz", None, 978, "u\u017fd"])  # a long s becomes S in upper case
def test_a_gateway_currency_that_iso_does_not_list_is_refused(currency: object) -> None:
    with pytest.raises(RecordRefused, match="never guessed"):
        from_gateway("stripe", 1, currency)


# ---------------------------------------------------------------- sums and shares


@given(MINORS, CURRENCIES, st.lists(st.integers(0, 10**12), min_size=1, max_size=8).filter(any))
def test_shares_sum_to_the_whole_and_each_is_within_one_unit_of_its_due(minor: int, currency: str, weights: list[int]) -> None:
    parts = allocate(Money(minor, currency), weights)
    assert sum(part.minor for part in parts) == minor
    assert {part.currency for part in parts} == {currency}
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor * sum(weights) - minor * weight) < sum(weights)


def test_the_cent_left_over_goes_to_the_largest_remainder_and_of_equals_to_the_first() -> None:
    assert [part.minor for part in allocate(Money(100, "EUR"), [1, 1, 1])] == [34, 33, 33]
    assert [part.minor for part in allocate(Money(-100, "EUR"), [1, 1, 1])] == [-34, -33, -33]
    assert [part.minor for part in allocate(Money(5, "EUR"), [1, 3])] == [1, 4]


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
def test_weights_that_mean_nothing_are_an_error_of_the_program(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(Money(1, "EUR"), weights)


def test_totals_are_per_currency_and_never_across() -> None:
    amounts = [Money(3, "USD"), Money(1, "EUR"), Money(-5, "EUR"), Money(2, "JPY")]
    assert totals(amounts) == {"EUR": Money(-4, "EUR"), "JPY": Money(2, "JPY"), "USD": Money(3, "USD")}
    assert list(totals(amounts)) == ["EUR", "JPY", "USD"]
