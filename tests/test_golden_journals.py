"""The sub-ledger of every scenario of the simulator: a journal that a bookkeeper can read, and the gateway's money to the cent.

The journals stand in tests/fixtures/journals; `pytest tests/test_golden_journals.py --write-expected` writes them anew.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from simulated import House
from test_demo import ask, served

from syncjob import config
from syncjob.cli import main
from syncjob.errors import RecordRefused
from syncjob.money import Money, from_gateway, totals
from syncjob.store import Store

GOLDEN = Path(__file__).parent / "fixtures/journals"
END = datetime(2026, 11, 3, 6, tzinfo=UTC)
SCENARIOS = ("tidy", "busy", "whole")


def night(folder: Path, scenario: str, seed: int) -> tuple[House, dict[str, Any]]:
    """A home after one night that read the whole month of a world, and what the world itself says that it holds."""
    arguments = ("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", END.isoformat())
    with served(*arguments) as url:
        house = House(folder, url, ask(url, "invoices"), whole=scenario == "whole")
        report = house.run(nightly=True)
        assert [leg for leg in report.legs if leg.unexplained.minor] == []
        return house, ask(url, "books")


def rows(home: Path, name: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    capsys.readouterr()
    main(["export", name, "--home", str(home)])
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))


def journal(entries: list[dict[str, str]], movements: list[dict[str, str]]) -> Iterator[str]:
    """The journal as a bookkeeper reads it: by day, what happened, and each account with its amount."""
    about = {one["transaction"]: one["description"] for one in movements}
    by_entry: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for one in entries:
        by_entry.setdefault((one["date"], one["effective"], one["entry"]), []).append(one)
    for (date, _, key), lines in sorted(by_entry.items()):
        first = lines[0]
        text = about.get(first["transaction"]) or first["origin"]
        undone = " undone" if key.endswith(":undo") else ""
        yield f"{date}  {first['kind'].replace('_', ' ')}{undone}: {text}"
        for line in lines:
            beside = f"  {line['reference'] or line['bucket']}".rstrip()
            yield f"    {line['role']:<20}{line['amount']:>14} {line['currency']}{beside}"
        yield ""


def balances(entries: list[dict[str, str]]) -> Mapping[tuple[str, str], Decimal]:
    """What stands on each role: (role, currency) -> amount."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in entries:
        found[one["role"], one["currency"]] += Decimal(one["amount"])
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_journal_of_a_scenario_reads_as_its_golden_file(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    house, _ = night(tmp_path / "home", scenario, 1)
    entries = rows(house.folder, "entries", capsys)
    text = "\n".join(journal(entries, rows(house.folder, "transactions", capsys)))
    held = [(role, currency, amount) for (role, currency), amount in sorted(balances(entries).items()) if amount]
    text += "\nWhat stands on each account\n" + "".join(f"    {role:<20}{amount:>14} {of}\n" for role, of, amount in held)
    golden = GOLDEN / f"{scenario}.txt"
    if request.config.getoption("--write-expected", default=False):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", range(1, 21))
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_accounts_hold_what_the_gateway_holds_and_the_trial_balance_is_zero(
    scenario: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house, world = night(tmp_path / "home", scenario, seed)
    entries = rows(house.folder, "entries", capsys)
    trial: dict[str, Decimal] = defaultdict(Decimal)
    clearing: dict[str, Decimal] = defaultdict(Decimal)
    for one in entries:
        trial[one["currency"]] += Decimal(one["amount"])
        if one["bucket"] == "payments":
            clearing[one["currency"]] += Decimal(one["amount"])
    assert set(trial.values()) == {Decimal(0)}
    theirs, unknown = at_the_gateway(world["balances"])
    held = unposted(house)
    ours = {currency: Money.of(str(amount), currency) for currency, amount in clearing.items()}
    for currency, amount in held.items():
        ours[currency] = ours.get(currency, Money(0, currency)) + amount
    assert {currency: amount for currency, amount in ours.items() if amount.minor} == theirs
    assert [currency for currency in unknown if not any(f"'{currency.lower()}'" in why for why in house.held())] == []
    out = tmp_path / "journal.beancount"
    assert main(["export", "journal", "--home", str(house.folder), "--out", str(out)]) == 0
    assert loader.load_file(str(out))[1] == []


def at_the_gateway(balances: Mapping[str, int]) -> tuple[dict[str, Money], list[str]]:
    """What the world says that it holds, in the gateway's own decimals, and the currencies that nobody knows."""
    known, unknown = {}, []
    for currency, minor in balances.items():
        try:
            amount = from_gateway("stripe", minor, currency)
        except RecordRefused:
            unknown.append(currency.upper())
        else:
            known |= {amount.currency: amount} if minor else {}
    return known, unknown


def unposted(house: House) -> Mapping[str, Money]:
    """What is held and not posted, by currency: the books do not have it yet, the gateway does."""
    with closing(Store.open(config.read(house.folder).state)) as store:
        nets = [one.net for _, one in store.refusals() if one.net is not None and one.bucket == "payments"]
    return totals(nets)
