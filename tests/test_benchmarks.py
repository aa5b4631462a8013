"""The benchmark still runs, and still measures what it says: a run over fifty charges, without dlt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import simulator

    return simulator


def test_fifty_charges_are_measured_and_the_quiet_tick_asks_each_feed_once(tmp_path: Path) -> None:
    told = tmp_path / "measured.json"
    size = ["--charges", "50", "--skip-dlt", "--repeat", "1"]
    command = [sys.executable, str(BENCHMARKS / "run.py"), *size, "--json", str(told)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(told.read_text())
    lines = {line["what"]: line for line in report["measured"]}
    assert "full sync" in ended.stdout
    assert set(lines) >= {"syncjob, full sync", "syncjob, quiet tick", "syncjob, 20 new charges", "requests loop, full load"}
    assert all(line["cpu"] > 0 and line["peak"] > 0 for line in lines.values())
    assert lines["syncjob, full sync"]["records"] > 50
    assert lines["syncjob, full sync"]["written"] > lines["syncjob, 20 new charges"]["written"] > 0
    met = {goal["name"]: goal["met"] for goal in report["goals"]}
    assert met["requests of a quiet tick"]
    assert met["peak memory of the full sync"]


def test_loop_and_dlt_are_given_the_lists_that_the_job_paged_without_its_cursors(simulator: ModuleType) -> None:
    requests = [
        "/v1/account",
        "/v1/balance_transactions?limit=100&expand[]=data.source&created[gte]=5&created[lt]=9",
        "/v1/balance_transactions?limit=100&expand[]=data.source&created[gte]=5&created[lt]=9&starting_after=txn_1",
        "/v1/events?limit=100&created[gte]=5&types[]=payout.paid&types[]=payout.failed",
        "/v1/invoice_payments?limit=100&payment[type]=payment_intent",
    ]
    assert simulator.feeds_of(requests) == [
        simulator.Feed("balance_transactions", "/v1/balance_transactions", (("expand[]", "data.source"),)),
        simulator.Feed("events", "/v1/events", (("types[]", "payout.paid"), ("types[]", "payout.failed"))),
    ]


def test_matching_is_measured_by_number_and_by_customer_and_stays_within_its_limit(tmp_path: Path) -> None:
    told = tmp_path / "measured.json"
    command = [sys.executable, str(BENCHMARKS / "matching.py"), "--payments", "5000", "--json", str(told)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    number, customer = json.loads(told.read_text())["measured"]
    assert (number["payments"], number["matched"]) == (5000, 5000)
    assert customer["matched"] > 4900
