"""What an edited map or account code would alter is shown before, to the document and the cent; then exactly that is done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from edited import EVERY, OCTOBER, Reads, Shop, Tells, accounts, autumn_of, changes

from syncjob.errors import Misconfigured
from syncjob.jobs.preview import span
from syncjob.model import DocumentKind
from syncjob.plan.preview import Held, Otherwise

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


# ---------------------------------------------------------------- three months of a shop


@pytest.fixture
def shop(store_url: str, tmp_path: Path) -> Shop:
    return Shop(store_url, tmp_path)


@pytest.fixture
def autumn(shop: Shop) -> Shop:
    return autumn_of(shop)


# By hand: the documents with a fee in them, and what the two accounts hold of them.
FEES = {
    "books:shop:fee_a:expense": "closed",
    "books:shop:fee_b:expense": "open",
    "books:shop:fee_c:expense": "open",
}
FEES_BY_MONTH = [
    ("Assets:fees", "2026-10", True, 2_50, 0),
    ("Assets:fees", "2026-11", False, 1_25, 0),
    ("Assets:fees", "2026-12", False, 1_75, 0),
    ("Expenses:Fees", "2026-10", True, 0, 2_50),
    ("Expenses:Fees", "2026-11", False, 0, 1_25),
    ("Expenses:Fees", "2026-12", False, 0, 1_75),
]


# ---------------------------------------------------------------- what is shown


def test_nothing_was_edited_and_nothing_would_change(autumn: Shop) -> None:
    found, seen = autumn.preview()
    assert (found, seen.totals.counts, seen.totals.moved()) == ([], {}, [])


def test_a_changed_account_code_lists_exactly_the_documents_of_a_hand_count(autumn: Shop) -> None:
    autumn.edited.codes["fees"] = "Expenses:Fees"
    found, seen = autumn.preview()
    assert {one.key: "closed" if one.stays else "open" for one in changes(found).values()} == FEES
    assert accounts(seen) == FEES_BY_MONTH
    assert seen.totals.counts == {"closed": 1, "delivered": 2}
    november = changes(found)["books:shop:fee_b:expense"]
    assert (november.date, november.kind, november.state) == (date(2026, 11, 3), DocumentKind.EXPENSE, "delivered")
    assert november.fields == ()
    assert [(one.account, str(one.before), str(one.after)) for one in november.moved] == [
        ("Assets:fees", "1.25 EUR", "0.00 EUR"),
        ("Expenses:Fees", "0.00 EUR", "1.25 EUR"),
    ]


def test_a_code_that_every_document_has_lists_every_document_of_the_days_that_were_named(autumn: Shop) -> None:
    autumn.edited.codes["clearing"] = "Assets:Gateway"
    assert set(changes(autumn.preview()[0])) == {f"books:shop:{name}" for name in EVERY}
    found, seen = autumn.preview(NOVEMBER, date(2026, 11, 30))
    assert set(changes(found)) == {f"books:shop:{name}" for name in EVERY[2:4]}
    assert accounts(seen) == [
        ("Assets:Gateway", "2026-11", False, 0, 38_75),
        ("Assets:clearing", "2026-11", False, 38_75, 0),
    ]


def test_an_edited_text_is_shown_field_by_field_in_books_and_crm(autumn: Shop) -> None:
    autumn.edited.tells = Tells("tells 2", "Sale: ")
    found, seen = autumn.preview(DECEMBER)
    assert seen.totals.moved() == []
    shown = changes(found)
    assert {key for key in shown if key.startswith("books:")} == {f"books:shop:{name}" for name in EVERY[4:]}
    assert {"crm:shop:ch_c:payment", "crm:shop:cus_ch_c:contact"} <= set(shown)
    assert shown["books:shop:ch_c:receipt"].fields == (("name", "", "Sale: "),)
    assert shown["books:shop:ch_c:receipt"].moved == ()


def test_a_line_added_to_a_lookup_shows_what_is_held_no_longer_and_its_new_documents(autumn: Shop) -> None:
    autumn.sells(date(2026, 12, 2), ("ch_cake", 30_00), name="cake")
    autumn.edited.reads = Reads("reads 2", ("bread", "cake"))
    found, seen = autumn.preview(DECEMBER)
    (freed,) = (one for one in found if isinstance(one, Held))
    assert (freed.id, freed.freed, freed.problem.why) == ("ch_cake", True, "'cake' is not listed")
    new = changes(found)["books:shop:ch_cake:receipt"]
    assert (new.state, new.date, new.stays) == ("new", date(2026, 12, 2), False)
    assert ("Assets:clearing", "2026-12", False, 58_25, 88_25) in accounts(seen)


def test_a_line_lost_from_a_lookup_shows_what_would_be_held_with_its_sentence(autumn: Shop) -> None:
    autumn.sells(date(2026, 12, 2), ("ch_bread", 30_00), name="bread")
    autumn.edited.reads = Reads("reads 2", ())
    found, seen = autumn.preview()
    (held,) = (one for one in found if isinstance(one, Held))
    assert (held.id, held.freed, held.posted, held.problem.why) == ("ch_bread", False, True, "'bread' is not listed")
    assert seen.totals.moved() == []
    assert not [one for one in found if isinstance(one, Otherwise)]  # its sentence says it already


def test_posted_money_that_the_map_reads_otherwise_is_named_and_stays(autumn: Shop) -> None:
    autumn.edited.reads = Reads("reads 2", refunds=("ch_b",), leaves_out=("fee_b",))
    found, seen = autumn.preview()
    said = {one.key: one.said for one in found if isinstance(one, Otherwise)}
    assert said == {
        "shop:ch_b": (("kind", "payment", "refund"),),
        "shop:fee_b": (("kind", "fee of -1.25 EUR", "nothing"),),
    }
    assert seen.totals.moved() == []
    before = autumn.bodies()
    autumn.apply("correct", seen)
    autumn.ties()
    assert autumn.bodies() == before


def test_money_that_a_map_would_double_is_held_and_stays_as_it_was_posted(autumn: Shop) -> None:
    autumn.edited.reads = Reads("reads 2", doubles=("ch_b",))
    found, seen = autumn.preview()
    (said,) = (one.said for one in found if isinstance(one, Otherwise))
    assert said == (("clearing EUR", "40.00 EUR", "80.00 EUR"), ("unapplied EUR", "-40.00 EUR", "-80.00 EUR"))
    (held,) = (one for one in found if isinstance(one, Held))
    assert (held.id, held.posted) == ("ch_b", True)
    assert held.problem.why.startswith("its amount, fee, currency or date is no longer what was posted")
    assert (changes(found), seen.totals.moved()) == ({}, [])
    before = autumn.bodies()
    autumn.apply("correct", seen)
    report = autumn.run(nightly=True, later=timedelta(hours=1))
    assert report.exit == 3  # it waits for a person
    assert [leg for leg in report.legs if not leg.ties] == []
    assert autumn.bodies() == before


def test_a_preview_writes_nothing(autumn: Shop) -> None:
    autumn.edited.codes["fees"] = "Expenses:Fees"
    autumn.edited.tells = Tells("tells 2", "Sale: ")
    state, books, crm = autumn.rows(), autumn.books.truth(), autumn.crm.truth()
    assert autumn.preview()[0]
    assert (autumn.rows(), autumn.books.truth(), autumn.crm.truth()) == (state, books, crm)


def test_what_has_not_been_sent_yet_is_told_apart(autumn: Shop) -> None:
    autumn.books.script = ["later"] * 9
    autumn.clock = datetime(2026, 12, 5, 9, tzinfo=UTC)
    autumn.gateway.charge("fee_d", -3_00)
    autumn.run()
    autumn.books.script = []
    autumn.edited.codes["fees"] = "Expenses:Fees"
    found, _ = autumn.preview(DECEMBER)
    assert {one.key: one.state for one in changes(found).values()} == {
        "books:shop:fee_c:expense": "delivered",
        "books:shop:fee_d:expense": "unsent",
    }


def test_until_before_since_is_refused() -> None:
    with pytest.raises(Misconfigured, match="--until 2026-10-06 is before --since 2026-11-01"):
        span(NOVEMBER, OCTOBER)
