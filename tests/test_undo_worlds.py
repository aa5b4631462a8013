"""Whole worlds undone run by run, in any order and in changing modes; and undo and redo as people do it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from simulated import START, House
from test_demo import ask, served
from test_modes import balances

from syncjob.cli import main
from syncjob.errors import EXIT_HELD, EXIT_OK
from syncjob.jobs import undoing
from syncjob.jobs.undoing import Outcome, Wish

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
SCENARIOS = ("tidy", "busy", "whole")
MODES = ("per_transaction", "per_day", "hybrid", "per_payout")


# ---------------------------------------------------------------- over whole worlds


@contextmanager
def months(scenario: str, seed: int, tmp_path: Path, mode: str = "") -> Iterator[tuple[House, list[dict[str, str]], list[int]]]:
    """A world that was read by four runs, in changing modes unless one is named; what stood before each, and their numbers."""
    dice = random.Random(seed)  # noqa: S311 - a story that can be told again
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed) as whole:
        invoices = ask(whole, "invoices")
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", START.isoformat()) as url:
        home = House(tmp_path / "home", url, invoices, whole=scenario == "whole")
        kept = mode or dice.choice(MODES)
        home.set("    connector: beancount\n", f"    connector: beancount\n    mode: {kept}\n")
        span, clock = (END - START).total_seconds(), 0.0
        held: list[dict[str, str]] = []
        runs: list[int] = []
        home.run(nightly=False)
        for moment in (*sorted(dice.uniform(0, span) for _ in range(3)), span):
            ask(url, "advance", {"seconds": int(moment - clock)})
            clock += int(moment - clock)
            held.append(balances(home) if (home.folder / "books/main.beancount").exists() else {})
            if not mode:
                home.set(f"    mode: {kept}\n", f"    mode: {(kept := dice.choice(MODES))}\n")
            home.run(nightly=dice.random() < 0.5)
            with home.job() as job:
                runs.append(job.store.runs(1)[0].id)
        yield home, held, runs


def undone(home: House, run: int) -> Outcome:
    with home.job() as job:
        books = [one for one in job.sinks if one.ledger.books]
        return undoing.undo(job, books, Wish(run), undoing.planned(job, books, Wish(run)), "somebody")


@pytest.mark.parametrize("seed", range(1, 7))
def test_undo_after_do_is_the_trial_balance_of_before_and_redo_that_of_after(seed: int, tmp_path: Path) -> None:
    mode = MODES[seed % 4]
    with months(SCENARIOS[seed % 3], seed, tmp_path, mode) as (home, held, runs):
        done = balances(home)
        for run, before in zip(reversed(runs), reversed(held), strict=True):
            outcome = undone(home, run)
            assert outcome.exit in (EXIT_OK, EXIT_HELD)
            assert outcome.left == ()
            assert balances(home) == before, run
            assert not any(leg.unexplained.minor for leg in outcome.legs if leg.name == "books")
        for run in runs:
            with home.job() as job:
                undoing.redo(job, job.sinks, Wish(run), "somebody")
        report = home.run(nightly=True)
        assert balances(home) == done
        assert not any(leg.unexplained.minor for leg in report.legs)


@pytest.mark.parametrize("seed", range(8, 12))
def test_in_changing_modes_undone_in_any_order_with_a_closed_month_both_legs_tie(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story that can be told again
    with months(SCENARIOS[seed % 3], seed, tmp_path) as (home, _, runs):
        home.run(nightly=True)  # so that nothing waits for a night when this begins
        done = balances(home)
        home.set("    connector: beancount\n", "    connector: beancount\n    closed_through: 2026-10-20\n")
        dice.shuffle(runs)
        for run in runs[: dice.randint(1, 4)]:
            outcome = undone(home, run)
            assert not any(leg.unexplained.minor for leg in outcome.legs if leg.name == "books")
            balances(home)  # Beancount's own reader complains of nothing
            report = home.run(nightly=True)
            assert not any(leg.unexplained.minor for leg in report.legs)
        for run in runs:
            with home.job() as job:
                undoing.redo(job, job.sinks, Wish(run), "somebody")
        report = home.run(nightly=True)
        assert not any(leg.unexplained.minor for leg in report.legs)
        assert balances(home) == done


# ---------------------------------------------------------------- as people do it


def test_undo_and_redo_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with months("tidy", 1, tmp_path, "per_transaction") as (home, held, runs):
        done = balances(home)
        capsys.readouterr()
        assert main(["undo", str(runs[-1]), "--target", "books", "--home", str(home.folder)]) == 2
        told = capsys.readouterr()
        assert "to be made void (" in told.out
        assert "nothing was done yet: if this is right, give the command again with --yes" in told.err
        assert all(len(line) <= 80 for line in told.out.splitlines() if " " in line.strip()), told.out
        assert balances(home) == done
        assert main(["undo", str(runs[-1]), "--target", "books", "--yes", "--home", str(home.folder)]) == 0
        told = capsys.readouterr()
        assert "The books agree with what was delivered to the last cent" in told.out
        assert balances(home) == held[-1]
        assert main(["undo", str(runs[-1]), "--target", "books", "--yes", "--home", str(home.folder)]) == 0
        assert "There is nothing to undo." in capsys.readouterr().out
        assert main(["redo", str(runs[-1]), "--home", str(home.folder)]) == 0
        assert "will be sent again by the next run: syncjob run" in capsys.readouterr().out
        home.run(nightly=True)
        assert balances(home) == done
        assert main(["undo", "3", "--document", "books:x", "--home", str(home.folder)]) == 2
        assert "give the number of a run, or --document KEY" in capsys.readouterr().err


def test_what_a_person_has_tagged_as_reconciled_in_the_books_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with months("tidy", 1, tmp_path, "per_transaction") as (home, _, runs):
        with home.job() as job:
            keys = job.store.undoing.carried(runs[-1])["books"]
        key = next(one for one in keys if one.endswith(":transfer"))
        path = next(one for one in sorted((home.folder / "books").glob("2*.beancount")) if f'"{key}"' in one.read_text())
        head, _, rest = path.read_text().partition(f'\n  syncjob: "{key}"')
        path.write_text(f'{head} #reconciled\n  syncjob: "{key}"{rest}')
        capsys.readouterr()
        assert main(["undo", "--document", key, "--yes", "--home", str(home.folder)]) == EXIT_HELD
        told = " ".join(capsys.readouterr().out.split())
        assert "books: 1 cannot be undone" in told
        assert "books says that it is reconciled with the bank cure: book against it there by hand" in told
        assert f'"{key}"' in path.read_text()


def test_by_night_the_page_names_what_was_undone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with months("tidy", 1, tmp_path, "per_transaction") as (home, _, runs):
        assert main(["undo", str(runs[0]), "--target", "books", "--yes", "--home", str(home.folder)]) == 0
        assert main(["run", "--nightly", "--home", str(home.folder)]) in (EXIT_OK, EXIT_HELD)
        capsys.readouterr()
        assert main(["summary", "--home", str(home.folder)]) == 0
        page = capsys.readouterr().out
        assert "THIS PAGE DOES NOT CLOSE" not in page
        assert "EUR was undone in books" in page
        assert "is void until it is sent again: syncjob redo" in " ".join(page.split())
        with home.job() as job:
            key = job.store.undoing.lacking("books")[0].document
        assert main(["show", key, "--home", str(home.folder)]) == 0
        assert "undone" in capsys.readouterr().out
        assert main(["status", "--home", str(home.folder)]) in (EXIT_OK, EXIT_HELD)
        assert re.search(r"^books .* 0 held, \d+ undone$", capsys.readouterr().out, re.MULTILINE)
        assert main(["undo", "--home", str(home.folder)]) == EXIT_OK
        told = capsys.readouterr().out.splitlines()
        assert re.fullmatch(r"Run +Kind +Began +Documents", told[0])
        row = next(one for one in told if one.startswith(f"{runs[0]} "))
        assert re.fullmatch(rf"{runs[0]} +\w+ +[\w ,:]+ books \d+, crm \d+", row)
        pack = tmp_path / "pack"
        assert main(["close", "2026-10", "--home", str(home.folder), "--out", str(pack)]) == EXIT_HELD
        listed = "".join(path.read_text() for path in sorted(pack.glob("*.csv")))
        assert f"{key},undone,it was undone,syncjob redo --document {key}" in listed


@pytest.mark.parametrize("verdict", ["restore", "adopt"])
def test_what_a_person_edited_is_not_undone_before_somebody_decides(
    verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with months("tidy", 1, tmp_path, "per_transaction") as (home, _, runs):
        with home.job() as job:
            key = next(one for one in job.store.undoing.carried(runs[-1])["books"] if one.endswith(":receipt"))
        path = next(one for one in sorted((home.folder / "books").glob("2*.beancount")) if f'"{key}"' in one.read_text())
        head, _, rest = path.read_text().partition(f'\n  syncjob: "{key}"')
        first, _, day = head.rpartition("\n")
        path.write_text(f'{first}\n{day[:10].replace(day[8:10], "28")}{day[10:]}\n  syncjob: "{key}"{rest}')
        (outcome,) = [undone_document(home, key)]
        assert outcome.exit == EXIT_HELD
        assert "edited by hand" in str(outcome.left[0][1].problem)
        assert f'"{key}"' in path.read_text()
        assert main(["reconcile", verdict, key, "--home", str(home.folder)]) == EXIT_OK
        report = home.run(nightly=True)
        assert not any(leg.unexplained.minor for leg in report.legs)
        with home.job() as job:
            (found,) = job.store.lookup("books", [key]).values()
        assert (found.word, found.is_undone) == (("undone", True) if verdict == "restore" else ("delivered", False))


def undone_document(home: House, key: str) -> Outcome:
    with home.job() as job:
        wish = Wish(keys=(key,))
        return undoing.undo(job, job.sinks, wish, undoing.planned(job, job.sinks, wish), "somebody")
