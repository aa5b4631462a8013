"""One defect is planted, in what the gateway shows or in the books: the report names exactly that object and no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doctored import END, LEDGER, OPENED, Doctored, Lies, SmallPages, body, changed, landed, without
from simulated import House
from test_demo import ask, served
from test_hand_edits import BALANCE, MONTH, by_hand, directives, key_of, moved, on, receipt

from syncjob import config
from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_HELD, EXIT_OK, EXIT_TRANSIENT
from syncjob.jobs.assembly import assemble
from syncjob.jobs.job import Deadline
from syncjob.jobs.reconciling import proof
from syncjob.model import Raw
from syncjob.money import plain
from syncjob.store import Store


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 3, "--clock", END.isoformat()) as url:
        yield url


@pytest.fixture(scope="module")
def first_night(world: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "home"
    assert House(folder, world, ask(world, "invoices"), whole=False).run(nightly=True).exit == EXIT_OK
    return folder


@pytest.fixture
def house(first_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A home after a night that tied; each story plants its defect into a copy."""
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    return House.copied(first_night, tmp_path / "home")


def reconcile(house: House, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["reconcile", "--json", *more, "--home", str(house.folder)])
    out = capsys.readouterr()
    assert out.err == ""
    return code, json.loads(out.out)


def named(found: Any) -> list[tuple[str, str]]:
    """Every object that a report names with its reason, each once."""
    items = [(item["name"], item["reason"]) for leg in found["legs"] for item in leg["items"]]
    return sorted({*items, *((one["document"], one["reason"]) for one in found["changed"])})


def unexplained(found: Any) -> list[str]:
    amounts = (leg["unexplained"]["amount"] for leg in found["legs"])
    return [amount for amount in amounts if amount.strip("0.-")]


def bean_check(house: House) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "beancount.scripts.check", str(house.folder / "books" / "main.beancount")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stderr + done.stdout


# ---------------------------------------------------------------- in what the gateway shows

@pytest.fixture
def young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A home that opened its books truly in October, and a gateway whose clock has gone on to November since."""
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 3, "--clock", OPENED.isoformat()) as url:
        house = House(tmp_path / "young", url, ask(url, "invoices"), whole=False)
        assert house.run(nightly=True).exit == EXIT_OK
        ask(url, "advance", {"seconds": int((END - OPENED).total_seconds())})
        yield house


def since(house: House, **wanted: str) -> dict[str, Any]:
    """A movement of after the opening that is older than anything that a night reads again by itself."""
    first, last = int(OPENED.timestamp()), int((END - timedelta(days=10)).timestamp())
    fits = (one for one in landed(house, LEDGER) if first < one["created"] < last)
    return next(one for one in fits if all(one[name] == value for name, value in wanted.items()))


def after_a_lie(young: House, doctor: Doctored, adds: dict[str, int]) -> House:
    """The home after a night that was shown the doctored ledger, and one that was shown the true one."""
    report = young.run(nightly=True, through=lambda gateway: Lies(gateway, doctor, adds))
    assert (report.problems, [leg for leg in report.legs if not leg.ties]) == ((), [])
    young.run(nightly=True)
    return young


def test_a_missing_fee_is_named_and_a_backfill_of_its_day_brings_it(
    house: House, young: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("time.sleep", lambda _: None)  # a night waits for what may still settle
    fee = since(house, reporting_category="fee", currency="eur")
    lied = after_a_lie(young, without(fee["id"]), {"EUR": -fee["net"]})
    code, found = reconcile(lied, capsys)
    assert (code, named(found), unexplained(found)) == (EXIT_HELD, [(f"{LEDGER} {fee['id']}", "missing")], [])
    (item,) = [item for leg in found["legs"] for item in leg["items"]]
    assert main(["run", "--nightly", "--home", str(lied.folder)]) == EXIT_HELD
    capsys.readouterr()
    assert main(["summary", "--home", str(lied.folder)]) == EXIT_OK
    page = " ".join(capsys.readouterr().out.split())
    assert f"EUR missing: {LEDGER} {fee['id']}: the gateway lists it" in page
    assert "differ only by named items" in page
    assert item["cure"].startswith("syncjob backfill --source shop --from 2026-11-")
    assert main([*item["cure"].split()[1:], "--home", str(lied.folder)]) == EXIT_OK
    report = lied.run(nightly=True)
    assert (report.problems, report.exit) == ((), EXIT_OK)
    assert named(reconcile(lied, capsys)[1]) == []
    assert bean_check(lied) == ""


def test_a_movement_that_we_have_twice_is_named(house: House, young: House, capsys: pytest.CaptureFixture[str]):
    fee = since(house, reporting_category="fee", currency="eur")
    twin = "txn_" + "twin" * 6

    def doubled(records: Sequence[Raw]) -> list[Raw]:
        found = [raw for raw in records if raw.id == fee["id"] and raw.type == LEDGER]
        return [*records, *(replace(body(raw, id=twin), id=twin, subject=f"other:{twin}") for raw in found)]

    lied = after_a_lie(young, doubled, {"EUR": fee["net"]})
    code, found = reconcile(lied, capsys)
    assert (code, named(found), unexplained(found)) == (EXIT_HELD, [(f"{LEDGER} {twin}", "duplicate")], [])


def test_an_amount_that_was_shown_wrong_is_named(house: House, young: House, capsys: pytest.CaptureFixture[str]):
    fee = since(house, reporting_category="fee", currency="eur")

    def more(raw: Raw) -> Raw:
        return body(raw, amount=raw.body["amount"] - 90, net=raw.body["net"] - 90) if raw.type == LEDGER else raw

    lied = after_a_lie(young, changed(fee["id"], more), {"EUR": -90})
    code, found = reconcile(lied, capsys)
    assert (code, named(found), unexplained(found)) == (EXIT_HELD, [(f"{LEDGER} {fee['id']}", "wrong amount")], [])


def test_a_rate_that_slipped_is_named_with_the_amount_that_it_moved(
    house: House, young: House, capsys: pytest.CaptureFixture[str]
):
    abroad = next(
        one
        for charge in landed(house, "charge")
        if charge["currency"] == "gbp" and charge["created"] > OPENED.timestamp()
        for one in landed(house, LEDGER)
        if one["source"] == charge["id"]
    )

    def slipped(raw: Raw) -> Raw:
        return body(raw, amount=raw.body["amount"] + 7, net=raw.body["net"] + 7) if raw.type == LEDGER else raw

    currency = abroad["currency"].upper()
    lied = after_a_lie(young, changed(abroad["id"], slipped), {currency: 7})
    code, found = reconcile(lied, capsys)
    assert (code, named(found), unexplained(found)) == (EXIT_HELD, [(f"{LEDGER} {abroad['id']}", "wrong amount")], [])
    (item,) = [item for leg in found["legs"] for item in leg["items"]]
    assert item["amount"] == {"amount": "-0.07", "currency": currency}


def test_a_movement_that_was_shown_after_the_statement_is_named_with_its_instant(
    house: House, young: House, capsys: pytest.CaptureFixture[str]
):
    fee = since(house, reporting_category="fee", currency="eur")
    last = int(END.timestamp())

    def later(raw: Raw) -> Raw:
        return replace(body(raw, created=last + 86_400), occurred=END + timedelta(days=1)) if raw.type == LEDGER else raw

    lied = after_a_lie(young, changed(fee["id"], later), {"EUR": -fee["net"]})
    code, found = reconcile(lied, capsys)
    assert (code, named(found), unexplained(found)) == (EXIT_HELD, [(f"{LEDGER} {fee['id']}", "wrong date")], [])


def test_what_is_read_again_is_bounded_and_what_is_not_read_is_not_accused(
    house: House, young: House, monkeypatch: pytest.MonkeyPatch
):
    fee = since(house, reporting_category="fee", currency="eur")
    lied = after_a_lie(young, without(fee["id"]), {"EUR": -fee["net"]})
    with closing(Store.open(config.read(lied.folder).state)) as store:
        job = assemble(config.read(lied.folder), store, {"KEY": "sk_test_sandbox"})
        slow = SmallPages(job.sources[0].gateway)
        sources = [replace(job.sources[0], gateway=slow)]
        whole = proof(job, sources, (), END.date(), Deadline(job.monotonic))
        assert [item.name for leg in whole.legs for item in leg.items] == [f"{LEDGER} {fee['id']}"]
        monkeypatch.setattr("syncjob.jobs.reconciling._RECORDS_MAX", 8)
        slow.shown = 0
        part = proof(job, sources, (), END.date(), Deadline(job.monotonic))
        assert slow.shown <= 2 * 20  # of the two windows, with the page that is read ahead
        assert [item.name for leg in part.legs for item in leg.items] == []
        assert [one.what for one in part.problems] == ["reconciliation"]


# ---------------------------------------------------------------- in the books

PLANTED: dict[str, tuple[Callable[[str], str], str]] = {
    "a hand edit of an amount": (lambda one: moved(one, -100), "wrong amount"),
    "a hand edit of an account": (
        lambda one: one.replace("Expenses:Gateway:Fees ", "Expenses:Gateway:Other "), "wrong account"),
    "a wrong date": (lambda one: on(one, "2026-10-30"), "wrong date"),
    "a wrong customer": (lambda one: one.replace('"Example ', '"Sample ', 1), "wrong customer"),
    "a wrong currency": (lambda one: one.replace("EUR", "USD"), "wrong currency"),
    "a deleted document": (lambda _: "", "deleted by hand"),
    "a duplicate": (lambda one: f"{one}\n{one}", "duplicate"),
    "a fee that was left out": (
        lambda one: re.sub(r"\n  Expenses:Gateway:Fees [^\n]*", "", one), "wrong account"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_what_was_changed_in_the_books_is_named_and_nothing_else(what: str, house: House, capsys: pytest.CaptureFixture[str]):
    edit, reason = PLANTED[what]
    before = receipt(house)
    by_hand(house, before, edit(before))
    code, found = reconcile(house, capsys)
    assert (code, named(found), unexplained(found)) == (EXIT_HELD, [(key_of(before), reason)], [])
    assert main(["reconcile", "--home", str(house.folder)]) == EXIT_HELD
    out = capsys.readouterr().out
    assert key_of(before) in out
    assert max(map(len, out.splitlines())) <= 80


FOREIGN = '2026-10-09 * "Example Bank" "Correction"\n  {account}  -1.25 EUR\n  Expenses:Gateway:Fees\n'


@pytest.mark.parametrize("where", ["between ours", "in a file of their own", "with the amount left to Beancount"])
def test_an_entry_of_others_on_the_balance_is_named_and_nothing_else(
    where: str, house: House, capsys: pytest.CaptureFixture[str]
):
    books = house.folder / "books"
    entry = FOREIGN.format(account=BALANCE)
    if where == "between ours":
        with (books / MONTH).open("a") as file:
            file.write(f"\n{entry}\n")
    else:
        if where == "with the amount left to Beancount":
            entry = entry.replace("  -1.25 EUR", "").replace("Fees\n", "Fees  1.25 EUR\n")
        (books / "mine.beancount").write_text(entry)
        with (books / "main.beancount").open("a") as file:
            file.write('include "mine.beancount"\n')
    code, found = reconcile(house, capsys)
    ((key, reason),) = named(found)
    assert (code, reason, unexplained(found)) == (EXIT_HELD, "foreign entry", [])
    (item,) = [item for leg in found["legs"] for item in leg["items"]]
    assert item["amount"] == {"amount": "-1.25", "currency": "EUR"}
    assert '"Example Bank" "Correction"' in item["why"]
    report = house.run(nightly=True)
    assert [one.what for one in report.problems] == [key]
    assert BALANCE in bean_check(house)  # Beancount sees it, too
    assert main(["reconcile", "restore", key, "--home", str(house.folder)]) == EXIT_CONFIGURATION
    assert main(["reconcile", "adopt", key, "--home", str(house.folder)]) == EXIT_OK
    assert house.run(nightly=True).exit == EXIT_OK


def test_a_file_that_nothing_includes_is_not_in_the_books(house: House, capsys: pytest.CaptureFixture[str]):
    (house.folder / "books" / "draft.beancount").write_text(FOREIGN.format(account=BALANCE))
    assert reconcile(house, capsys)[0] == EXIT_OK


def test_a_key_that_no_document_has_is_named(house: House, capsys: pytest.CaptureFixture[str]):
    before = receipt(house)
    by_hand(house, before, f"{before}\n{before.replace(key_of(before), 'books:shop:txn_nobody:receipt')}")
    code, found = reconcile(house, capsys)
    assert (code, named(found), unexplained(found)) == (
        EXIT_HELD, [("books:shop:txn_nobody:receipt", "foreign entry")], [],
    )  # fmt: skip


def test_one_source_or_one_target_may_be_named_alone(house: House, capsys: pytest.CaptureFixture[str]):
    by_hand(house, receipt(house), "")
    code, found = reconcile(house, capsys, "--source", "shop")
    assert (code, {leg["leg"] for leg in found["legs"]}, found["changed"]) == (EXIT_OK, {"gateway"}, [])
    code, found = reconcile(house, capsys, "--target", "books")
    assert (code, {leg["leg"] for leg in found["legs"]}) == (EXIT_HELD, {"books"})
    assert [one["feed"] for one in found["coverage"]] == []


def test_the_report_reads_up_to_when_each_feed_is_complete(house: House, capsys: pytest.CaptureFixture[str]):
    _, found = reconcile(house, capsys)
    covered = {one["feed"]: one for one in found["coverage"]}
    assert covered["balance_transactions"]["gaps"] == []
    ((span),) = covered["balance_transactions"]["complete"]
    assert (span["since"], span["until"][:13]) == ("2026-10-06T00:00:00Z", "2026-11-20T05")
    with closing(Store.open(config.read(house.folder).state)) as store:
        gap = {"since": "2026-11-03T13:05:00Z", "began": "2026-11-03T13:20:00Z", "first": False, "done": [], "listed": []}
        store.set_fact("gap:shop:events", gap)
    assert main(["reconcile", "--home", str(house.folder)]) == EXIT_OK
    told = " ".join(capsys.readouterr().out.split())
    assert "one gap 3 Nov 2026, 14:05 to 3 Nov 2026, 14:20" in told  # in the books' zone
    assert main(["status", "--home", str(house.folder)]) == EXIT_OK
    told = " ".join(capsys.readouterr().out.split())
    assert "events has a gap, 3 Nov 2026, 14:05 to 3 Nov 2026, 14:20, which the next run heals" in told


def test_a_gateway_that_cannot_be_asked_again_leaves_a_guess(
    house: House, young: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    fee = since(house, reporting_category="fee", currency="eur")
    after_a_lie(young, without(fee["id"]), {"EUR": -fee["net"]})
    written = young.folder / "syncjob.yaml"
    written.write_text(re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:9", written.read_text()))
    monkeypatch.setattr("time.sleep", lambda _: None)
    code, found = reconcile(young, capsys)
    assert code in (EXIT_HELD, EXIT_TRANSIENT)
    assert unexplained(found) == [plain(fee["net"], "EUR")]
    assert [one["what"] for one in found["problems"]] == ["shop", "reconciliation"]


def test_nothing_is_compared_before_the_first_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    house = House(tmp_path / "home", "http://127.0.0.1:9", [], whole=False)
    Store.open(config.read(house.folder).state).close()
    assert main(["reconcile", "--home", str(house.folder)]) == EXIT_CONFIGURATION


# ---------------------------------------------------------------- deciding


def audited(house: House) -> list[tuple[str, Any]]:
    with closing(Store.open(config.read(house.folder).state)) as store:
        return [(line.what, line.detail["document"]) for line in store.audit_log() if line.what.startswith("reconcile ")]


def decide(house: House, verdict: str, key: str) -> None:
    assert main(["reconcile", verdict, key, "--home", str(house.folder)]) == EXIT_OK


def test_what_is_adopted_stays_a_named_item_and_asks_nobody_again(house: House, capsys: pytest.CaptureFixture[str]):
    before = receipt(house)
    by_hand(house, before, moved(before, -100))
    decide(house, "adopt", key_of(before))
    report = house.run(nightly=True)
    assert (report.exit, report.problems) == (EXIT_OK, ())
    (leg,) = [leg for leg in report.legs if leg.difference.minor]
    assert [(item.name, item.decided.split(" by ")[0]) for item in leg.items] == [(key_of(before), "adopted")]
    assert not leg.unexplained.minor
    assert moved(before, -100) in (house.folder / "books" / MONTH).read_text()
    assert audited(house) == [("reconcile adopt", key_of(before))]
    by_hand(house, moved(before, -100), moved(before, -200))  # another edit is news again
    assert reconcile(house, capsys)[0] == EXIT_HELD


@pytest.mark.parametrize(
    "what", ["a hand edit of an amount", "a deleted document", "a wrong date", "a duplicate", "a wrong customer"]
)
def test_what_is_restored_stands_there_as_it_was_written(what: str, house: House, capsys: pytest.CaptureFixture[str]):
    before = receipt(house)
    by_hand(house, before, PLANTED[what][0](before))
    decide(house, "restore", key_of(before))
    report = house.run(nightly=True)
    assert (report.exit, report.problems) == (EXIT_OK, ())
    (now,) = [one for one in directives((house.folder / "books" / MONTH).read_text()) if key_of(before) in one]
    assert now.replace("  syncjob-revision: 2\n", "").split() == before.split()
    assert audited(house) == [("reconcile restore", key_of(before))]
    assert reconcile(house, capsys)[0] == EXIT_OK
    assert bean_check(house) == ""


def test_an_edit_after_the_decision_is_not_written_over(house: House):
    before = receipt(house)
    by_hand(house, before, moved(before, -100))
    decide(house, "restore", key_of(before))
    by_hand(house, moved(before, -100), moved(before, -200))
    report = house.run(nightly=True)
    assert report.exit == EXIT_HELD
    assert moved(before, -200) in (house.folder / "books" / MONTH).read_text()


def test_what_is_ignored_goes_on_being_listed_as_known(house: House, capsys: pytest.CaptureFixture[str]):
    before = receipt(house)
    by_hand(house, before, moved(before, -100))
    decide(house, "ignore", key_of(before))
    assert house.run(nightly=True).exit == EXIT_OK
    assert main(["run", "--nightly", "--home", str(house.folder)]) == EXIT_OK
    capsys.readouterr()
    assert main(["summary", "--home", str(house.folder)]) == EXIT_OK
    page = capsys.readouterr().out
    assert "Known in books: 1." in page
    assert "Changed by hand" not in page
    assert named(reconcile(house, capsys)[1]) == [(key_of(before), "wrong amount")]


def test_nothing_is_decided_about_what_stands_as_it_was_written(house: House, capsys: pytest.CaptureFixture[str]):
    assert main(["reconcile", "adopt", key_of(receipt(house)), "--home", str(house.folder)]) == EXIT_CONFIGURATION
    assert "otherwise than we left it" in capsys.readouterr().err


# ---------------------------------------------------------------- what waits to be written over an edit


def with_another_map(house: House) -> None:
    """All documents are to be written anew, with other words."""
    path = house.folder / "mappings/accounting/beancount.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    shipped = Path(__file__).parent.parent / "mappings/accounting/beancount.yaml"
    path.write_text(shipped.read_text().replace("{from: kind, as: words}", "{from: type}", 1))
    preview = ["mapping", "preview", "--since", "2026-10-01", "--apply", "correct", "--yes"]
    assert main([*preview, "--home", str(house.folder)]) in (EXIT_OK, EXIT_HELD)


def held(house: House) -> list[tuple[str, str]]:
    with closing(Store.open(config.read(house.folder).state)) as store:
        return [(one.key, str(one.problem)) for one in store.held()]


@pytest.mark.parametrize("what", ["a hand edit of an amount", "a deleted document"])
def test_an_update_waits_for_a_decision_about_what_a_person_changed(what: str, house: House):
    before = receipt(house)
    after = PLANTED[what][0](before)
    by_hand(house, before, after)
    with_another_map(house)
    house.run(nightly=True)
    ((key, problem),) = held(house)
    assert key == key_of(before)
    assert f"syncjob reconcile adopt|restore {key}" in problem
    assert "by hand" in problem
    text = (house.folder / "books" / MONTH).read_text()
    assert (after in text) if after else (key not in text)
    decide(house, "adopt", key)
    report = house.run(nightly=True)
    assert (report.problems, held(house)) == ((), [])
    decide(house, "restore", key)
    assert (house.run(nightly=True).problems, held(house)) == ((), [])
    (now,) = [one for one in directives((house.folder / "books" / MONTH).read_text()) if key in one]
    assert "Payment: " not in now  # in the new map's words
    assert bean_check(house) == ""


# ---------------------------------------------------------------- the page for people


def test_the_page_for_controllers_shows_what_the_command_says(
    house: House, young: House, capsys: pytest.CaptureFixture[str]
):
    fee = since(house, reporting_category="fee", currency="eur")
    after_a_lie(young, without(fee["id"]), {"EUR": -fee["net"]})
    before = receipt(young)
    by_hand(young, before, moved(before, -100))
    books = young.folder / "books"
    (books / "mine.beancount").write_text(FOREIGN.format(account=BALANCE))
    with (books / "main.beancount").open("a") as file:
        file.write('include "mine.beancount"\n')
    other = next(one for one in directives((books / MONTH).read_text()) if ':receipt"' in one and '"Sample ' in one)
    by_hand(young, other, other.replace('"Sample ', '"Specimen ', 1))
    capsys.readouterr()
    assert main(["reconcile", "--home", str(young.folder)]) == EXIT_HELD
    out = capsys.readouterr().out
    page = (Path(__file__).parent.parent / "docs" / "reconciliation.md").read_text()
    assert out in page, out
