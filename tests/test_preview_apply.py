"""What was previewed is applied, from now on or to what was delivered; and every night after it ties to the cent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from edited import EVERY, Reads, Shop, Tells, accounts, autumn_of, changes
from house import DoomedStore, FakeGateway, Killed

from syncjob.errors import Misconfigured
from syncjob.jobs import charts
from syncjob.jobs.preview import apply_correct
from syncjob.model import Invoice, Status
from syncjob.money import Money

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture
def shop(store_url: str, tmp_path: Path) -> Shop:
    return Shop(store_url, tmp_path)


@pytest.fixture
def autumn(shop: Shop) -> Shop:
    return autumn_of(shop)


# ---------------------------------------------------------------- without a decision


def test_a_run_with_a_changed_code_is_refused_and_names_the_preview(autumn: Shop) -> None:
    autumn.edited.codes["fees"] = "Expenses:Fees"
    with pytest.raises(Misconfigured, match=r"fees of shop in EUR is Expenses:Fees.*syncjob mapping preview --since"):
        autumn.run()


def test_a_run_with_an_edited_map_goes_on_from_now(autumn: Shop) -> None:
    before = autumn.bodies()
    autumn.edited.tells = Tells("tells 2", "Sale: ")
    autumn.apply("from-now", autumn.preview()[1])  # which only writes down who decided it
    with autumn.job() as job:
        (line,) = (one for one in job.store.audit_log() if one.who == "controller")
        assert isinstance(line.detail["before"], dict)
        assert line.detail["before"]["shop"] == ["reads"]
        assert ["tells"] in line.detail["before"].values()
        assert line.detail["maps"] == {"books": "tells 2", "crm": "tells 2", "shop": "reads"}
    autumn.sells(date(2026, 12, 9), ("ch_d", 10_00))
    assert {key: body for key, body in autumn.bodies().items() if key in before} == before
    assert autumn.bodies()["books:shop:ch_d:receipt"]["name"] == "Sale: "


# ---------------------------------------------------------------- from now on


def test_from_now_leaves_what_was_delivered_and_the_night_ties_over_both_codes(autumn: Shop) -> None:
    before = autumn.bodies()
    autumn.edited.codes |= {"clearing": "Assets:Gateway", "fees": "Expenses:Fees"}
    _, seen = autumn.preview()
    autumn.apply("from-now", seen)
    autumn.sells(date(2026, 12, 9), ("ch_d", 10_00), ("fee_d", -50))
    after = autumn.bodies()
    assert {key: body for key, body in after.items() if key in before} == before
    assert [one["account"] for one in after["books:shop:fee_d:expense"]["postings"]] == ["Assets:Gateway", "Expenses:Fees"]
    autumn.ties()
    with autumn.job() as job:
        (line,) = (one for one in job.store.audit_log() if one.who == "controller")
        assert line.what == "mapping preview --apply from-now"
        assert line.detail["codes"] == {
            "books clearing shop EUR": "Assets:clearing -> Assets:Gateway",
            "books fees shop EUR": "Assets:fees -> Expenses:Fees",
        }
        assert len(charts.standing(job)) == 2
        noted = job.store.get_fact(charts.FACT)
        assert isinstance(noted, list)
        assert [one["since"][:10] for one in noted] == ["2026-10-07", "2026-12-01"]


def test_a_stray_amount_in_either_account_still_shows(autumn: Shop) -> None:
    autumn.edited.codes["clearing"] = "Assets:Gateway"
    autumn.apply("from-now", autumn.preview()[1])
    autumn.sells(date(2026, 12, 9), ("ch_d", 10_00))
    (receipt,) = (one for one in autumn.books.objects if one["key"] == "books:shop:ch_a:receipt")
    receipt["body"]["postings"][0]["account"] = "Assets:Gateway"  # somebody moved it in the books, past us
    report = autumn.run(nightly=True, later=timedelta(hours=1))
    assert {leg.place: leg.unexplained.minor for leg in report.legs if leg.name == "books"} == {
        "Assets:Gateway": 100_00,
        "Assets:clearing": -100_00,
    }


def test_from_now_takes_what_was_not_sent_yet_along(autumn: Shop) -> None:
    autumn.books.script = ["later"] * 9
    autumn.clock = datetime(2026, 12, 5, 9, tzinfo=UTC)
    autumn.gateway.charge("fee_d", -3_00)
    autumn.run()
    autumn.books.script = []
    autumn.edited.codes["fees"] = "Expenses:Fees"
    assert autumn.apply("from-now", autumn.preview()[1]) == 1
    autumn.run(later=timedelta(days=1))
    postings = autumn.bodies()["books:shop:fee_d:expense"]["postings"]
    assert postings[1] == {"account": "Expenses:Fees", "amount": "3.00", "currency": "EUR"}
    autumn.ties()


def test_a_request_that_is_on_its_way_arrives_with_the_old_code_and_the_night_ties(shop: Shop) -> None:
    shop.sells(date(2026, 10, 7), ("ch_a", 100_00))
    shop.books.script = ["silence before write"] * 3
    shop.clock = datetime(2026, 10, 8, 9, tzinfo=UTC)
    shop.gateway.charge("ch_b", 40_00)
    shop.run()
    shop.edited.codes["clearing"] = "Assets:Gateway"
    _, seen = shop.preview()
    assert seen.totals.later == 1
    shop.apply("from-now", seen)
    shop.books.script = []
    shop.run(later=timedelta(days=2))
    shop.gateway.charge("ch_c", 5_00)
    shop.ties()
    assert {key: body["postings"][0]["account"] for key, body in shop.bodies().items()} == {
        "books:shop:ch_a:receipt": "Assets:clearing",
        "books:shop:ch_b:receipt": "Assets:clearing",
        "books:shop:ch_c:receipt": "Assets:Gateway",
    }


def test_a_code_that_changes_before_anything_was_delivered_asks_nobody(shop: Shop) -> None:
    shop.books.script = ["later"] * 9
    shop.clock = datetime(2026, 10, 7, 9, tzinfo=UTC)
    shop.gateway.charge("ch_a", 100_00)
    shop.run()
    shop.books.script = []
    shop.edited.codes["clearing"] = "Assets:Gateway"
    shop.run(later=timedelta(days=1))
    assert shop.bodies()["books:shop:ch_a:receipt"]["postings"][0]["account"] == "Assets:Gateway"
    shop.ties()


def test_what_is_left_in_an_account_that_plays_no_part_any_more_shows(shop: Shop) -> None:
    shop.sells(date(2026, 11, 3), ("ch_a", 100_00))
    shop.edited.codes["clearing"] = "Assets:Gateway"
    shop.apply("correct", shop.preview()[1])
    shop.run()
    shop.ties()
    shop.books.objects[0]["body"]["postings"][0]["account"] = "Assets:clearing"  # somebody put it back, past us
    report = shop.run(nightly=True, later=timedelta(hours=1))
    assert {leg.place: leg.unexplained.minor for leg in report.legs if leg.name == "books"} == {
        "Assets:Gateway": -100_00,
        "Assets:clearing": 100_00,
    }


def test_one_of_two_sources_that_share_an_account_leaves_it_and_one_currency_leaves_with_it(shop: Shop) -> None:
    other = FakeGateway(lambda: shop.clock, name="kiosk", account="acct_kiosk")
    shop.others.append(other)
    other.charge("k_1", 30_00)
    other.charge("k_2", 20_00, "CHF")
    shop.sells(date(2026, 11, 3), ("ch_a", 100_00), ("fee_a", -2_50))
    shop.ties()
    shop.edited.codes |= {"clearing kiosk": "Assets:Kiosk", "clearing kiosk CHF": "Assets:Kiosk:Francs"}
    found, seen = shop.preview()
    assert set(changes(found)) == {"books:kiosk:k_1:receipt", "books:kiosk:k_2:receipt"}
    shop.apply("from-now", seen)
    other.charge("k_3", 7_00)
    other.charge("k_4", 9_00, "CHF")
    shop.sells(date(2026, 11, 20), ("ch_b", 50_00))
    shop.ties()
    found, seen = shop.preview()
    assert set(changes(found)) == {"books:kiosk:k_1:receipt", "books:kiosk:k_2:receipt"}
    shop.apply("correct", seen)
    shop.run()
    shop.ties()
    shop.edited.codes = {}  # all of it back into the account that both share
    shop.apply("correct", shop.preview()[1])
    shop.run()
    shop.ties()
    held = {one["body"]["postings"][0]["account"] for one in shop.books.objects}
    assert held == {"Assets:clearing"}


def test_a_state_of_before_charts_were_noted_ties_after_a_change(autumn: Shop) -> None:
    with autumn.job() as job:
        job.store.set_fact(charts.FACT, None)
    autumn.edited.codes["clearing"] = "Assets:Gateway"
    autumn.apply("from-now", autumn.preview()[1])
    autumn.sells(date(2026, 12, 9), ("ch_d", 10_00))
    autumn.ties()
    autumn.apply("correct", autumn.preview(NOVEMBER)[1])
    autumn.run()
    autumn.ties()


def test_two_roles_that_swap_their_accounts_tie(autumn: Shop) -> None:
    autumn.edited.codes |= {"clearing": "Assets:reserve", "reserve": "Assets:clearing"}
    autumn.apply("from-now", autumn.preview()[1])
    autumn.sells(date(2026, 12, 9), ("ch_d", 10_00))
    autumn.ties()


# ---------------------------------------------------------------- corrected


def planned_keys(shop: Shop) -> set[str]:
    with shop.job() as job:
        found, _ = job.store.due("books", shop.clock + timedelta(days=1), 500, None)
        return {one.key for one in found if one.status is Status.PLANNED}


def test_correct_does_what_was_listed_key_by_key_and_the_night_ties(autumn: Shop) -> None:
    autumn.edited.codes["fees"] = "Expenses:Fees"
    found, seen = autumn.preview()
    before = autumn.bodies()
    autumn.apply("correct", seen)
    listed = {one.key: one for one in changes(found).values() if not one.stays}
    assert planned_keys(autumn) == set(listed) == {"books:shop:fee_b:expense", "books:shop:fee_c:expense"}
    assert autumn.bodies() == before  # the next run sends it
    autumn.run()
    after = autumn.bodies()
    assert {key for key in after if after[key] != before[key]} == set(listed)
    for key in listed:
        assert after[key]["postings"][1]["account"] == "Expenses:Fees"
        assert after[key]["date"] == before[key]["date"]
    autumn.ties()
    again, left = autumn.preview()
    assert {one.key for one in changes(again).values()} == {"books:shop:fee_a:expense"}  # closed, and told again
    assert left.totals.counts == {"closed": 1}


def test_a_clearing_code_that_is_corrected_ties_before_and_after_it_is_sent(autumn: Shop) -> None:
    autumn.edited.codes["clearing"] = "Assets:Gateway"
    autumn.apply("correct", autumn.preview(NOVEMBER)[1])
    autumn.books.script = ["later"] * 9  # nothing arrives tonight: the books hold what they held
    report = autumn.run(nightly=True, later=timedelta(hours=1))
    assert [leg for leg in report.legs if not leg.ties] == []
    autumn.books.script = []
    autumn.run(later=timedelta(days=1))
    autumn.ties()
    codes = {key: body["postings"][0]["account"] for key, body in autumn.bodies().items()}
    assert {code for key, code in codes.items() if "_a:" in key} == {"Assets:clearing"}
    assert {code for key, code in codes.items() if "_a:" not in key} == {"Assets:Gateway"}


def test_a_code_that_goes_there_and_back_again_ties_each_time(autumn: Shop) -> None:
    before = autumn.bodies()
    for code in ("Assets:Gateway", "Assets:clearing", "Assets:Gateway", "Assets:clearing"):
        autumn.edited.codes["clearing"] = code
        autumn.apply("correct", autumn.preview(NOVEMBER)[1])
        autumn.run()
        autumn.ties()
    assert autumn.bodies() == before


def test_a_code_that_goes_back_before_anything_was_sent_sends_nothing(autumn: Shop) -> None:
    sent = len(autumn.books.sent)
    for code in ("Assets:Gateway", "Assets:clearing"):
        autumn.edited.codes["clearing"] = code
        autumn.apply("correct", autumn.preview(NOVEMBER)[1])
    assert planned_keys(autumn) == set()
    autumn.ties()
    assert len(autumn.books.sent) == sent


def test_from_now_first_and_corrected_later_ties(autumn: Shop) -> None:
    autumn.edited.codes["clearing"] = "Assets:Gateway"
    autumn.apply("from-now", autumn.preview()[1])
    autumn.sells(date(2026, 12, 9), ("ch_d", 10_00))
    autumn.ties()
    found, seen = autumn.preview(NOVEMBER)
    assert set(changes(found)) == {f"books:shop:{name}" for name in EVERY[2:]}  # ch_d has the new code already
    autumn.apply("correct", seen)
    autumn.run()
    autumn.ties()


def test_correct_frees_what_was_held_and_corrects_the_texts(autumn: Shop) -> None:
    autumn.sells(date(2026, 12, 2), ("ch_cake", 30_00), name="cake")
    autumn.edited.reads = Reads("reads 2", ("bread", "cake"))
    autumn.edited.tells = Tells("tells 2", "Sale: ")
    found, seen = autumn.preview()
    autumn.apply("correct", seen)
    autumn.run()
    after = autumn.bodies()
    assert after["books:shop:ch_cake:receipt"]["name"] == "Sale: cake"
    assert {key for key, body in after.items() if body["name"].startswith("Sale: ")} == {
        one.key for one in changes(found).values() if one.target == "books" and not one.stays
    }
    assert after["books:shop:ch_a:receipt"]["name"] == ""  # its period is closed
    in_crm = {one["key"]: one["body"]["name"] for one in autumn.crm.objects}
    assert in_crm["crm:shop:ch_cake:payment"] == "Sale: cake"
    assert in_crm["crm:shop:cus_ch_b:contact"] == "Sale: "
    autumn.ties()


def test_an_applied_payment_its_later_application_and_its_deal_follow_as_well(shop: Shop) -> None:
    shop.sells(date(2026, 11, 3), ("ch_a", 100_00), invoice="INV-1")
    eur = Money(100_00, "EUR")
    shop.books.invoices.append(
        Invoice(
            target="books", id="1", number="INV-1", customer="Example Bakery", email="", total=eur, open=eur,
            issued=date(2026, 11, 5), due=None, as_of=shop.clock,
        )
    )  # fmt: skip
    shop.sells(date(2026, 11, 6))
    (applied,) = (key for key in shop.bodies() if ":application:" in key)
    assert shop.preview()[0] == []
    shop.edited.codes |= {"receivable": "Assets:Debtors", "clearing": "Assets:Gateway"}
    found, seen = shop.preview()
    assert set(changes(found)) == {"books:shop:ch_a:receipt", applied}
    shop.apply("correct", seen)
    shop.run()
    assert "Assets:Debtors" in {one["account"] for one in shop.bodies()[applied]["postings"]}
    shop.ties()
    shop.edited.tells = Tells("tells 2", "Sale: ")
    found, seen = shop.preview()
    assert {"crm:books:INV-1:deal", applied} <= set(changes(found))
    shop.apply("correct", seen)
    shop.run()
    assert {one["body"]["name"][:6] for one in (*shop.books.objects, *shop.crm.objects)} == {"Sale: "}


def test_a_document_of_another_day_stays_where_its_payment_has_one_of_these_days(shop: Shop) -> None:
    shop.sells(date(2026, 11, 3), ("ch_a", 100_00), invoice="INV-1")
    eur = Money(100_00, "EUR")
    shop.books.invoices.append(
        Invoice(
            target="books", id="1", number="INV-1", customer="Example Bakery", email="", total=eur, open=eur,
            issued=date(2026, 11, 5), due=None, as_of=shop.clock,
        )
    )  # fmt: skip
    shop.sells(date(2026, 11, 6))
    shop.edited.codes["customer_credit"] = "Liabilities:Owed"
    found, seen = shop.preview(date(2026, 11, 5))
    (applied,) = changes(found)
    assert ":application:" in applied
    assert accounts(seen) == [
        ("Assets:customer_credit", "2026-11", False, 100_00, 0),
        ("Liabilities:Owed", "2026-11", False, 0, 100_00),
    ]
    shop.apply("correct", seen)
    assert planned_keys(shop) == {applied}
    shop.run()
    shop.ties()


def test_the_opening_balance_moves_with_its_account(shop: Shop) -> None:
    shop.clock = datetime(2026, 10, 1, tzinfo=UTC)
    shop.gateway.charge("ch_old", 70_00)  # before the cut-over: part of the opening balance
    shop.sells(date(2026, 10, 7), ("ch_a", 100_00))
    shop.run()
    opening = next(key for key in shop.bodies() if ":opening:" in key)
    shop.edited.codes["clearing"] = "Assets:Gateway"
    found, seen = shop.preview()
    assert set(changes(found)) == {opening, "books:shop:ch_a:receipt"}
    shop.apply("correct", seen)
    shop.run()
    assert shop.bodies()[opening]["postings"][0]["account"] == "Assets:Gateway"
    shop.ties()


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_at_any_write_of_a_correction_the_next_run_ties_and_the_rest_can_be_done(
    fresh_url: Callable[[], str], tmp_path: Path, committed: bool
) -> None:
    for at in count(1):
        (tmp_path / f"{at}").mkdir()
        shop = Shop(fresh_url(), tmp_path / f"{at}")
        shop.sells(date(2026, 11, 3), ("ch_a", 40_00), ("fee_a", -1_25))
        shop.edited.codes["clearing"] = "Assets:Gateway"
        _, seen = shop.preview()
        with shop.job(lambda store: DoomedStore(store, at, committed=committed)) as job:  # noqa: B023 - used at once
            try:
                apply_correct(job, seen, "controller")
            except Killed:
                killed = True
            else:
                killed = False
        try:
            shop.run()
        except Misconfigured:
            assert killed  # nothing was begun: the decision is asked for again
        else:
            shop.ties()
        found, again = shop.preview()
        if not killed:
            assert not changes(found)
            assert at > 2
            return
        shop.apply("correct", again)
        shop.run()
        shop.ties()
        assert {body["postings"][0]["account"] for body in shop.bodies().values()} == {"Assets:Gateway"}


# ---------------------------------------------------------------- refused


def test_books_that_can_only_take_back_are_not_corrected(autumn: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    promises = replace(autumn.books.promises, corrects_by="reverse")
    monkeypatch.setattr(type(autumn.books), "promises", property(lambda _: promises))
    autumn.edited.codes["fees"] = "Expenses:Fees"
    _, seen = autumn.preview()
    state = autumn.rows()
    with pytest.raises(Misconfigured, match=r"books cannot update what it holds.*--apply from-now"):
        autumn.apply("correct", seen)
    assert autumn.rows() == state


def test_what_was_seen_before_another_run_is_not_applied(autumn: Shop) -> None:
    autumn.edited.tells = Tells("tells 2", "Sale: ")
    _, seen = autumn.preview()
    autumn.run()
    with pytest.raises(Misconfigured, match="a run has been at work since"):
        autumn.apply("correct", seen)
