"""accounts.csv says which account plays which role; a slip of the pen is named by its line, never passed over."""

from __future__ import annotations

import pytest

from syncjob.chart import read
from syncjob.errors import Misconfigured
from syncjob.model import Role

GOOD = """\ufeffrole,source,currency,account
# the gateway's own balance
clearing,,,Assets:Gateway
clearing,shop,,Assets:Shop
clearing,,USD,Assets:Dollars
clearing,,GBP,Assets:Pounds
clearing, shop ,USD, Assets:Shop:USD

"fees",,,"Expenses:Fees, bank"
"""


@pytest.mark.parametrize(
    ("source", "currency", "account"),
    [
        ("shop", "USD", "Assets:Shop:USD"),
        ("shop", "EUR", "Assets:Shop"),
        ("shop", "GBP", "Assets:Shop"),  # the gateway says more than the currency
        ("stall", "USD", "Assets:Dollars"),
        ("stall", "EUR", "Assets:Gateway"),
    ],
)
def test_the_row_that_says_most_about_a_line_wins(source: str, currency: str, account: str) -> None:
    assert read(GOOD).code(Role.CLEARING, source, currency) == account


def test_an_account_may_bear_a_comma_in_quotation_marks() -> None:
    assert read(GOOD).code(Role.FEES, "shop", "EUR") == "Expenses:Fees, bank"


def test_a_role_that_nobody_plays_is_named_with_the_line_to_add() -> None:
    with pytest.raises(Misconfigured, match=r"no account plays the role tax for shop in EUR.*tax,shop,EUR,CODE"):
        read(GOOD).code(Role.TAX, "shop", "EUR")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("clearings,,,X", "role is 'clearings'"),
        ("clearing,,eur,X", "currency is 'eur'"),
        ("clearing,,EUX,X", "currency is 'EUX'"),
        ("clearing,,EURO,X", "currency is 'EURO'"),
        ("clearing,,ÄÖÜ,X", "currency is 'ÄÖÜ'"),
        ("clearing,,,", "no account"),
        ("clearing,,X", "3 columns"),
        ("clearing,,,X,Y", "5 columns"),
        ("clearing,,,Y\nclearing,,,X", "given twice"),
        ('clearing,,,"X\nfees,,,Y', "never closed"),
    ],
)
def test_a_slip_in_a_line_is_refused_and_named(line: str, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint) as told:
        read(f"role,source,currency,account\n{line}\n", "home/accounts.csv")
    assert str(told.value).startswith("home/accounts.csv:")


def test_a_file_without_its_first_line_or_without_anything_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"accounts.csv:1: the first line is"):
        read("clearing,,,X\n")
    with pytest.raises(Misconfigured, match="empty"):
        read("\n# nothing\n")
