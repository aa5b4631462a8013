"""backfill from the command line, over real HTTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from simulated import START, House
from test_demo import served, syncjob


def test_before_start_the_changed_opening_balance_is_shown_and_nothing_is_done_until_it_was_agreed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with served("stripe", "--port", 0, "--scenario", "tidy") as url:
        home = House(tmp_path / "home", url, [], whole=False, start=START + timedelta(days=10))
        assert home.run(nightly=True).exit == 0
        before = home.books()
        days = ("--from", "2026-10-07", "--to", "2026-10-16")
        refused = syncjob("backfill", *days, "--home", home.folder)
        assert refused.returncode == 2
        assert "add --before-start" in refused.stderr
        shown = syncjob("backfill", *days, "--before-start", "--home", home.folder)
        assert shown.returncode == 2
        assert "with --yes" in shown.stderr
        told = [line for line in shown.stdout.splitlines() if line.startswith("Opening balance of shop, payments: ")]
        assert len(told) >= 3  # one for each currency that was held
        assert home.books() == before
        done = syncjob("backfill", *days, "--before-start", "--yes", "--home", home.folder)
        assert done.returncode == 0, done.stderr
        assert "documents delivered" in done.stdout
        night = home.run(nightly=True)
        assert night.exit == 0, night.problems
        assert all(leg.ties for leg in night.legs)
    assert "2026-10-07" in home.books()["2026-10.beancount"]
