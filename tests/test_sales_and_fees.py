"""Where sales are recorded, and how fees come to the books: three ways of each, over the simulator's worlds, to the cent."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from beancount import loader
from simulated import House
from stories import entry as posting_of
from test_demo import ask, served

from syncjob.cli import main
from syncjob.jobs.planning import save_entries
from syncjob.model import Line, Role
from syncjob.money import Money

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
SCENARIOS = ("tidy", "busy", "whole")
TAX = """\
tax:
  - {name: standard, country: [DE, AT, FR, NL, ES, IT, IE, BE], rate: "19"}
  - {name: elsewhere, rate: "0"}
"""


def posting(home: Path, old: str, new: str) -> None:
    """Change the posting rules of a home."""
    path = home / "mappings/posting.yaml"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text((Path(__file__).parent.parent / "mappings/posting.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new) if old else f"{text}{new}", encoding="utf-8")


def night(folder: Path, scenario: str, lines: str, tax: str = "", seed: int = 1, *, by_number: bool = False) -> House:
    """A home whose gateway is booked as these lines say, after one night over a whole month; `by_number`: no sum is matched."""
    arguments = ("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", END.isoformat())
    with served(*arguments) as url:
        house = House(folder, url, ask(url, "invoices"), whole=scenario == "whole")
        house.set("    sales: invoiced_in_books\n", lines)
        if scenario != "whole":
            house.match("gateway_numbers: yes")
        if by_number:
            house.match("by_customer: no")
        if tax:
            posting(folder, "", tax)
        report = house.run(nightly=True)
        assert [leg for leg in report.legs if leg.unexplained.minor] == []
        assert loader.load_file(str(folder / "books/main.beancount"))[1] == []
        again = house.run(nightly=True)
        assert [leg for leg in again.legs if leg.unexplained.minor] == []
        assert {name: count for name, count in again.counts.items() if "delivered" in name and count} == {}
        return house


def entries(house: House, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    capsys.readouterr()
    main(["export", "entries", "--home", str(house.folder)])
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))


def sums(rows: list[dict[str, str]]) -> Mapping[str, Mapping[str, int]]:
    """Role -> currency -> what stands there, in the smallest digits that are written."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        found[row["role"]][row["currency"]] += int(row["amount"].replace(".", ""))
    return {role: {code: minor for code, minor in of.items() if minor} for role, of in found.items()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_sales_recorded_elsewhere_clear_the_control_account_and_post_no_revenue(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = sums(entries(night(tmp_path / "usual", scenario, "    sales: invoiced_in_books\n"), capsys))
    there = sums(entries(night(tmp_path / "elsewhere", scenario, "    sales: recorded_elsewhere\n"), capsys))
    assert there["clearing"] == usual["clearing"]
    assert "revenue" not in there
    assert not any(there.get(role) for role in ("unapplied", "receivable", "customer_credit", "returns"))
    for currency, minor in there["control"].items():
        assert minor == sum(usual.get(role, {}).get(currency, 0) for role in ("receivable", "customer_credit", "unapplied"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_sales_recorded_here_are_revenue_and_tax_and_unknown_tax_waits_as_credit(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = sums(entries(night(tmp_path / "usual", scenario, "    sales: invoiced_in_books\n", by_number=True), capsys))
    unknown = sums(entries(night(tmp_path / "unknown", scenario, "    sales: recorded_here\n"), capsys))
    rows = entries(night(tmp_path / "here", scenario, "    sales: recorded_here\n", TAX), capsys)
    here = sums(rows)
    assert here["clearing"] == unknown["clearing"] == usual["clearing"]
    assert here["receivable"] == unknown["receivable"] == usual["receivable"]
    credit = usual["customer_credit"]
    for currency in credit:
        ours = sum(here.get(role, {}).get(currency, 0) for role in ("revenue", "returns", "tax", "customer_credit"))
        assert ours == credit[currency]
    assert "EUR" in here["revenue"]
    assert "EUR" in here["tax"]
    if scenario != "whole":  # only there Stripe itself has sent invoices, which say their tax
        assert "revenue" not in unknown
    by_entry: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        by_entry[row["entry"]][row["role"]] += int(row["amount"].replace(".", ""))
    sold = [one for one in by_entry.values() if one.get("revenue") and one.get("tax")]
    assert sold
    assert all(one["unapplied"] == -one["revenue"] - one["tax"] for one in sold)


@pytest.mark.parametrize("fees", ["own_expense", "monthly_bill"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_fees_come_to_the_same_sum_however_they_come_to_the_books(
    fees: str, scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = sums(entries(night(tmp_path / "usual", scenario, "    sales: invoiced_in_books\n"), capsys))
    rows = entries(night(tmp_path / "other", scenario, f"    sales: invoiced_in_books\n    fees: {fees}\n"), capsys)
    other = sums(rows)
    assert other["clearing"] == usual["clearing"]
    charged = [{role: of.get(role, {}) for role in ("fees", "fee_tax", "dispute_fees")} for of in (usual, other)]
    if fees == "own_expense":
        assert charged[0] == charged[1]
        assert not other.get("fees_prepaid")
        apart = [row for row in rows if row["kind"] == "fees"]
        assert apart
        payments = {row["entry"]: row for row in rows if row["kind"] == "payment" and row["role"] == "unapplied"}
        balances = {row["entry"]: row["amount"] for row in rows if row["kind"] == "payment" and row["role"] == "clearing"}
        same = [one for one in payments if payments[one]["currency"] == "EUR" and one in balances]
        costs = {row["entry"] for row in apart}
        assert all(payments[one]["amount"] == f"-{balances[one]}" for one in same if f"{one}:fees" in costs)
        assert all(row["documents"].endswith(":expense") for row in apart)
    else:  # the bill of October is there, November's waits
        prepaid = other["fees_prepaid"]
        for currency in {code for of in charged[0].values() for code in of}:
            whole = [sum(of[role].get(currency, 0) for role in of) for of in charged]
            assert whole[0] == whole[1] + prepaid.get(currency, 0)
        bills = {row["entry"]: row["date"] for row in rows if row["kind"] == "fee_bill"}
        assert list(bills.values()) == ["2026-10-31"]
        november = [row for row in rows if row["role"] == "fees_prepaid" and row["date"] > "2026-10-31"]
        assert sums(november).get("fees_prepaid", {}) == prepaid


def test_tax_under_reverse_charge_is_owed_and_deducted_of_the_months_sum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = '    sales: invoiced_in_books\n    fees: monthly_bill\n    reverse_charge: "19"\n'
    rows = [row for row in entries(night(tmp_path / "home", "tidy", lines), capsys) if row["kind"] == "fee_bill"]
    found = {role: of["EUR"] for role, of in sums(rows).items() if "EUR" in of}
    assert found["fee_tax"] == -found["tax"] == ((found["fees"] + found["dispute_fees"]) * 19 + 50) // 100


def test_a_fee_that_comes_to_light_after_the_bill_makes_a_second_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "    sales: invoiced_in_books\n    fees: monthly_bill\n"
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        house.set("    sales: invoiced_in_books\n", lines)
        house.run(nightly=True)
        lines_of_late = (
            Line(Role.FEES_PREPAID, Money(123, "EUR"), reference="fees"),
            Line(Role.SUSPENSE, Money(-123, "EUR")),
        )
        late = replace(posting_of("shop:late"), date=date(2026, 10, 20), lines=lines_of_late)
        with house.job() as job:
            save_entries(job, "shop", [late])
        house.run(nightly=True)
        house.run(nightly=True)
        bills = [row for row in entries(house, capsys) if row["kind"] == "fee_bill" and row["role"] == "fees"]
        assert list(dict.fromkeys(row["entry"] for row in bills)) == ["shop:fees:2026-10:1", "shop:fees:2026-10:2"]
        assert bills[-1]["amount"] == "1.23"


def test_a_platforms_share_is_held_with_its_price_until_the_rules_name_an_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served("stripe", "--port", 0, "--scenario", "whole", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=True)
        report = house.run(nightly=True)
        waiting = [one for one in house.held() if "share of others' sales" in one]
        assert waiting
        assert report.exit == 3
        path = Path(__file__).parent.parent / "mappings/posting.yaml"
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in [line for line in lines if line.startswith("    application_fee")]:
            posting(house.folder, line, f"{line.partition(':')[0]}: {{against: revenue, fees: fees}}")
        assert main(["held", "retry", "--all", "--home", str(house.folder)]) == 0
        house.run(nightly=True)
        assert not [one for one in house.held() if "share of others' sales" in one]
        assert "revenue" in sums(entries(house, capsys))


def test_other_accounts_in_the_rules_change_what_comes_and_nothing_that_is_posted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served("stripe", "--port", 0, "--scenario", "whole", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=True)
        house.run(nightly=True)
        before, held = entries(house, capsys), house.held()
        posting(house.folder, "adjustment: {against: suspense, fees: fees}", "adjustment: {against: write_off, fees: fees}")
        old, new = "{against: disputed, fees: dispute_fees}", "{against: dispute_loss, fees: fees}"
        posting(house.folder, f"dispute: {old}", f"dispute: {new}")
        posting(house.folder, f"dispute_reversal: {old}", f"dispute_reversal: {new}")
        posting(
            house.folder,
            "dispute_lost: {settles: [dispute, dispute_reversal], from: disputed, to: dispute_loss}",
            "dispute_lost: {no_entry: it is a loss from the first day}",
        )
        with house.job() as job:
            job.store.mark_dirty(list(job.store.all_subjects()))
        report = house.run(nightly=True)
        assert house.held() == held
        assert entries(house, capsys) == before
        assert [leg for leg in report.legs if leg.unexplained.minor] == []


def test_an_unseen_type_is_held_with_its_price_or_goes_to_suspense_by_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served("stripe", "--port", 0, "--scenario", "busy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        house.run(nightly=True)
        home = ["--home", str(house.folder)]
        capsys.readouterr()
        main(["held", "list", *home])
        assert "-7.77 EUR" in capsys.readouterr().out
        assert "suspense" not in sums(entries(house, capsys))
        assert main(["mapping", "edit", "gateways/stripe", *home]) == 0
        path = house.folder / "mappings/gateways/stripe.yaml"
        text = path.read_text(encoding="utf-8")
        begins = "      from: [reporting_category, type]\n"
        path.write_text(text.replace(begins, f"{begins}      otherwise: adjustment\n"), encoding="utf-8")
        assert main(["held", "retry", "--all", *home]) == 0
        report = house.run(nightly=True)
        assert sums(entries(house, capsys))["suspense"] == {"EUR": 777}
        assert [leg for leg in report.legs if leg.unexplained.minor] == []


@pytest.mark.parametrize("seed", range(1, 21))
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_way_of_booking_ties_for_twenty_seeds(
    scenario: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sales and fees take turns, so that each of the six combinations meets each scenario at least three times."""
    sales = ("invoiced_in_books", "recorded_here", "recorded_elsewhere")[seed % 3]
    fees = ("own_expense", "monthly_bill")[seed % 2]
    lines = f'    sales: {sales}\n    fees: {fees}\n    reverse_charge: "19"\n'
    rows = entries(night(tmp_path / "home", scenario, lines, TAX, seed), capsys)
    trial: dict[str, int] = defaultdict(int)
    for row in rows:
        trial[row["currency"]] += int(row["amount"].replace(".", ""))
    assert set(trial.values()) == {0}
