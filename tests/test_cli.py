"""What people type: help, exit codes, what is held, and how things stand. Runs against the simulator are in test_demo.py."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from house import House

from syncjob import cli, errors
from syncjob.cli import main, running, standing
from syncjob.cli.command import Frame
from syncjob.cli.house import configured, now
from syncjob.cli.leaving import STOPPED, leave
from syncjob.jobs import Report
from syncjob.store import Store
from syncjob.store.lock import file_lock
from syncjob.store.opening import lock_path

ROOT = Path(__file__).parent.parent
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
HEAVY = ("sqlmodel", "sqlalchemy", "requests", "babel", "jinja2", "rich", "werkzeug", "apscheduler", "yaml", "tenacity")


def verbs(group=cli.syncjob, path=()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))


EVERY = dict(verbs())


@pytest.fixture(autouse=True)
def _signals_and_home(monkeypatch):
    monkeypatch.delenv("SYNCJOB_HOME", raising=False)
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.fixture
def home(tmp_path):
    """A home named shop, books and crm, in which one payment was delivered and one was refused by both targets."""
    assert main(["init", "--home", str(tmp_path), "--gateway-name", "shop"]) == 0
    house = House(str(tmp_path / "state" / "syncjob.sqlite"), tmp_path)
    house.gateway.charge("ch_1", 48_25, name="Example Bakery")
    house.run()
    house.gateway.charge("ch_2", 19_00, name="Sample Studio")
    house.books.script = ["refuse"]
    assert house.run(later=timedelta(hours=1)).exit == errors.EXIT_HELD
    return tmp_path


def run(*arguments, home=None):
    return main([*(["--home", str(home)] if home else []), *arguments])


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_verb_has_help_with_a_worked_example_in_80_columns(path, capsys):
    assert main([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"syncjob {' '.join(path)}" in text.split("Example:")[1]
    assert max(map(len, text.splitlines())) <= 80
    assert EVERY[path].help


def test_the_worked_examples_use_options_that_exist():
    for path, command in EVERY.items():
        for line in (command.epilog or "").splitlines():
            words = line.split()
            if words[: len(path) + 1] == ["syncjob", *path] and not isinstance(command, click.Group):
                known = {option for param in command.params for option in param.opts}
                assert {word for word in words if word.startswith("--")} <= known, line


def test_help_groups_the_verbs_by_what_a_person_wants(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n{title}:") for title in ("Every day", "Set up", "Repair", "Evidence", "Try it")]
    assert places == sorted(places)
    assert text.count("...") == 1  # that of the usage line: no verb's sentence is cut
    assert "the state is damaged, full or newer" in text
    assert {name for names in cli.SECTIONS.values() for name in names} == set(cli.syncjob.commands)


def test_help_costs_nothing():
    code = f"import sys; from syncjob.cli import main; main(['--help']); print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_printed_and_nothing_else(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"syncjob \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_the_readme_names_every_verb():
    text = (ROOT / "README.md").read_text()
    assert [name for name in cli.syncjob.commands if f"syncjob {name}" not in text] == []


# ---------------------------------------------------------------- leaving


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Misconfigured("accounts.csv:3: role is 'bnk'"), 2),
        (errors.RecordRefused("currency is 'xxx'"), 2),
        (errors.Busy("another run (process 7) is at work"), 4),
        (errors.TryLater("429"), 5),
        (errors.ConnectorDown("stripe is down"), 5),
        (errors.NeedsPerson("the key was revoked"), 6),
        (errors.StateDamaged("the state is of a newer version"), 7),
        (OSError(errno.ENOSPC, "No space left on device", "state/x"), 7),
        (OSError(errno.EROFS, "Read-only file system", "state/x"), 7),
        (click.UsageError("no such option"), 2),
        (click.FileError("x"), 2),
        (KeyboardInterrupt(), 5),
        (click.Abort(), 5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_refusal_is_a_sentence_with_its_exit_code(error, code, tmp_path, capsys):
    assert leave(error, Frame(tmp_path)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip()
    assert "Traceback" not in said.err


def test_a_bug_is_one_sentence_and_a_private_redacted_traceback(tmp_path, capsys):
    (tmp_path / "state").mkdir()
    bug = ValueError("the card 4242 4242 4242 4242 and sk_live_abcdefghijklmnop")
    assert leave(bug, Frame(tmp_path)) == 1
    said = capsys.readouterr().err
    [kept] = (tmp_path / "state").iterdir()
    assert str(kept) in said
    assert len(said.strip().splitlines()) == 1
    assert "4242" not in said + kept.read_text()
    assert "sk_live" not in said + kept.read_text()
    assert "ValueError" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_no_core_dump_can_hold_a_key(tmp_path):
    main(["--version"])
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def test_an_unknown_verb_or_option_is_usage(capsys):
    assert main(["fly"]) == 2
    assert main(["run", "--fast"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_home_may_be_named_before_or_after_the_verb_or_by_the_environment(home, capsys, monkeypatch):
    said = []
    for arguments in (["--home", str(home), "held", "list"], ["held", "list", "--home", str(home)]):
        assert main(arguments) == 0
        said.append(capsys.readouterr().out)
    monkeypatch.setenv("SYNCJOB_HOME", str(home))
    assert main(["held", "list"]) == 0
    said.append(capsys.readouterr().out)
    monkeypatch.delenv("SYNCJOB_HOME")
    monkeypatch.chdir(home)
    assert main(["held", "list"]) == 0
    said.append(capsys.readouterr().out)
    assert len(set(said)) == 1


def test_a_reader_that_goes_away_is_no_error(home):
    command = [sys.executable, "-m", "syncjob", "status", "--json", "--home", str(home)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_report_that_finds_no_room_is_one_sentence_and_passing(home, unbuffered):
    command = [sys.executable, "-m", "syncjob", "status", "--home", str(home)]
    with Path("/dev/full").open("wb") as full:
        environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environ)
    assert done.returncode == errors.EXIT_TRANSIENT
    [line] = done.stderr.splitlines()
    assert line.startswith("syncjob: standard output cannot be written: ")
    assert "make room there" in line


def test_what_was_stopped_says_that_nothing_is_lost(capsys, tmp_path):
    leave(KeyboardInterrupt(), Frame(tmp_path))
    assert capsys.readouterr().err == f"syncjob: {STOPPED}\n"


# ---------------------------------------------------------------- how things stand


def test_status_ends_with_3_while_something_is_held(home, capsys):
    assert run("status", home=home) == 3
    text = capsys.readouterr().out
    assert "books" in text
    assert "held list" in text
    assert max(map(len, text.splitlines())) <= 80


def test_status_as_json_counts_and_sums_by_currency_and_reason(home, capsys):
    assert run("status", "--json", home=home) == 3
    told = json.loads(capsys.readouterr().out)
    books = told["targets"]["books"]
    assert books["applied"]["count"] == 1
    assert books["parked"] == {
        "count": 1,
        "sums": {"EUR": "19.00"},
        "reasons": [{"why": "the period is closed", "count": 1, "sums": {"EUR": "19.00"}}],
    }
    assert books["applied"]["sums"] == {"EUR": "48.25"}
    assert (books["pending"]["count"], books["unknown"]["count"]) == (0, 0)
    assert set(told["sources"]) == {"shop"}
    assert told["runs"]["last"]["exit"] == 3


def home_called(folder, name):
    assert main(["init", "--home", str(folder), "--gateway-name", name]) == 0
    return configured(folder)


def stood(home, capsys):
    run("status", home=home)
    return capsys.readouterr().out


def noted(home, kind, code):
    """A run of this very moment that ended so; None: it has not ended."""
    store = Store.open(str(home / "state" / "syncjob.sqlite"), create=False)
    try:
        number = store.start_run(kind, now())
        if code is not None:
            store.end_run(number, now(), code, {})
    finally:
        store.close()


def test_status_says_that_the_next_run_makes_up_for_a_night_that_went_wrong(home, capsys):
    noted(home, "nightly", errors.EXIT_AUTHORISATION)
    text = stood(home, capsys)
    assert re.search(r"^Last night .* exit 6 \(a key needs a person\)$", text, re.MULTILINE)
    assert re.search(r"^Next night +the next run: that of .* is still to be done$", text, re.MULTILINE)
    noted(home, "nightly", errors.EXIT_HELD)
    assert re.search(r"^Next night +the first run after ", stood(home, capsys), re.MULTILINE)


def test_status_tells_a_run_that_is_at_work_from_one_that_was_killed(home, capsys):
    noted(home, "nightly", None)
    noted(home, "tick", None)
    with file_lock(lock_path(home / "state" / "syncjob.sqlite"), "the state"):
        text = stood(home, capsys)
    assert re.search(r"^Last run +tick, began .*, is at work$", text, re.MULTILINE)
    assert re.search(r"^Last night +nightly, began .*, was killed; run it again$", text, re.MULTILINE)
    assert re.search(r"^Last run +tick, began .*, was killed; run it again$", stood(home, capsys), re.MULTILINE)


def test_status_folds_its_lines_however_long_names_and_sums_are(tmp_path):
    config = home_called(tmp_path, "payments-of-the-northern-shop")
    sums = dict.fromkeys(("CHF", "DKK", "EUR", "GBP", "NOK", "SEK", "USD"), "1234567.89")
    parked = {"count": 7, "sums": sums, "reasons": []}
    feeds = {"events": {"under_way": True}}
    source = {"complete_through": None, "lag_seconds": None, "parked": parked, "not_offered": ["x" * 20] * 9, "feeds": feeds}
    runs = {"last": None, "last_nightly": None, "at_work": False, "next": None}
    runs |= {"night_missed": None, "next_nightly_after": "2026-11-04T01:00:00Z"}
    sources = {"payments-of-the-northern-shop": source}
    lines = standing._lines(config, {"runs": runs, "sources": sources, "targets": {}, "exit": 3})
    assert max(map(len, lines)) <= 80
    assert lines[3].startswith("payments-of-the-northern-shop the first reading is under way; 7 held (1234567.89")
    assert lines[0].index("never") == lines[3].index("the first")


def test_what_a_run_did_and_would_send_fits_80_columns(capsys):
    counts = {"records": 1_234_567, "new": 1_000_000, "changed": 9}
    report = Report("nightly", 0, NOON, NOON, {**counts, "books-of-the-north: delivered": 4711, "crm: delivered": 4712})
    running._tell(None, report, None)
    text = capsys.readouterr().out
    assert text == (
        "nightly run in 0 s (exit 0): 1234567 records, 1000000 new, 9 changed, 4711 to\n    books-of-the-north, 4712 to crm\n"
    )


def test_a_dry_run_shows_each_posting_on_a_line_and_only_those_that_change():
    fee, clearing = ({"account": "Expenses:Fees", "amount": amount, "currency": "EUR"} for amount in ("0.62", "24.32"))
    assert running._change("postings", None, [fee, fee], new=True) == ["    postings:", *["      Expenses:Fees 0.62 EUR"] * 2]
    assert running._change("postings", [clearing, fee], [fee, fee], new=False) == [
        "    postings:",
        "      - Expenses:Fees 24.32 EUR",
        "      + Expenses:Fees 0.62 EUR",
    ]
    assert running._change("postings", [clearing, fee], [fee, clearing], new=False) == [
        "    postings: the same lines in another order"
    ]
    assert running._change("status", "paid", None, new=False) == ['    status: "paid" -> nothing']


def test_a_home_that_never_ran_stands_well(tmp_path, capsys):
    main(["init", "--home", str(tmp_path)])
    assert run("status", home=tmp_path) == 0
    assert "syncjob run" in capsys.readouterr().out
    assert not list((tmp_path / "state").glob("*.sqlite*"))


def test_a_summary_before_the_first_night_says_what_to_run(home, capsys):
    assert run("summary", home=home) == 2
    assert "run --nightly" in capsys.readouterr().err


# ---------------------------------------------------------------- held


def test_what_is_held_is_listed_with_reason_cure_and_amount(home, capsys):
    assert run("held", "list", home=home) == 0
    text = capsys.readouterr().out
    assert "19.00 EUR" in text
    assert "the period is closed" in text
    assert "cure: open it" in text
    assert "After the cure: syncjob held retry ID, or syncjob held retry --all" in text
    assert run("held", "list", "--json", home=home) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row["amount"] == {"amount": "19.00", "currency": "EUR"}
    assert run("held", "show", row["id"], home=home) == 0
    assert "refused: the period is closed" in capsys.readouterr().out


def test_a_retry_is_a_new_request_and_the_second_one_does_nothing(home, capsys):
    run("held", "list", "--json", home=home)
    [row] = json.loads(capsys.readouterr().out)
    assert run("held", "retry", row["id"], home=home) == 0
    assert "1 will be tried again" in capsys.readouterr().out
    assert run("held", "retry", row["id"], home=home) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run("status", home=home) == 0
    store = Store.open(str(home / "state" / "syncjob.sqlite"), create=False)
    try:
        lines = [line for line in store.audit_log() if line.what == "held retry"]
        [delivery] = store.lookup("books", [row["id"]]).values()
    finally:
        store.close()
    assert [line.detail["id"] for line in lines] == [row["id"]]
    assert delivery.generation == 2


def test_a_held_record_is_planned_again_by_the_next_run_once_however_often_it_is_asked_for(home, capsys):
    house = House(str(home / "state" / "syncjob.sqlite"), home)
    house.gateway.charge("ch_1", 50_00, name="Example Bakery")  # the same ledger id, another amount
    assert house.run(later=timedelta(hours=2)).exit == errors.EXIT_HELD
    for words in ("1 will be tried again", "0 will be tried again by the next run. 1 already waits for it."):
        assert run("held", "retry", "ch_1", home=home) == 0
        assert words in capsys.readouterr().out
    store = Store.open(str(home / "state" / "syncjob.sqlite"), create=False)
    try:
        assert [one.name for one in store.dirty(10)] == ["payment:ch_1"]
        assert len([line for line in store.audit_log() if line.what == "held retry"]) == 1
    finally:
        store.close()


def test_a_retry_wants_to_know_what(home, capsys):
    assert run("held", "retry", home=home) == 2
    assert run("held", "retry", "ch_1", "--all", home=home) == 2
    assert run("held", "retry", "nothing-like-it", home=home) == 2
    assert "held list" in capsys.readouterr().err


# ---------------------------------------------------------------- backfill


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("0001-01-01", "2026-10-07", "'0001-01-01' is in no year of a gateway; write a day of 1970 to 2999"),
        ("2026-10-06", "9999-12-31", "'9999-12-31' is in no year of a gateway"),
        ("2026-02-30", "2026-10-07", "'2026-02-30' is not a day; write it as 2026-10-06"),
        ("2026-10-07", "2026-10-06", "--to 2026-10-06 is before --from 2026-10-07; write the earlier day first"),
    ],
)
def test_days_that_are_none_are_one_sentence_with_the_cure(home, capsys, first, last, words):
    assert run("backfill", "--from", first, "--to", last, home=home) == 2
    assert words in capsys.readouterr().err


# ---------------------------------------------------------------- show


@pytest.mark.parametrize("id", ["ch_2", "shop:ch_2", "payment:ch_2"])
def test_one_payment_is_told_whole_by_any_of_its_ids(home, capsys, id):
    assert run("show", id, home=home) == 0
    text = capsys.readouterr().out
    for words in ("payment:ch_2 of shop", "Posted", "clearing", "19.00 EUR", "no number named", "books: create receipt, held"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_story_as_json_names_map_rule_lines_and_attempts(home, capsys):
    assert run("show", "ch_1", "--json", home=home) == 0
    [story] = json.loads(capsys.readouterr().out)
    assert story["map"]["name"] == "mappings/gateways/stripe.yaml"
    assert story["applied"][0]["rule"] == "no number named"
    assert sum(1 for entry in story["posted"] for line in entry["lines"] if line["role"] == "clearing") == 1
    receipt = next(one for one in story["documents"] if one["target"] == "books")
    assert (receipt["status"], len(receipt["calls"])) == ("delivered", 1)
    assert receipt["maps"]["maps"] == {"shop": "fake", "books": "fields"}
    assert run("show", "ch_1", home=home) == 0
    assert "made by the map of books fields, of shop fake" in capsys.readouterr().out


def test_an_id_that_nobody_knows_is_said_to_be_unknown(home, capsys):
    assert run("show", "ch_nobody", home=home) == 2
    assert "ch_nobody" in capsys.readouterr().err


# ---------------------------------------------------------------- check and connectors


def test_a_check_tells_each_problem_on_a_line_and_makes_no_request(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("STRIPE_KEY", raising=False)
    main(["init", "--home", str(tmp_path)])
    accounts = tmp_path / "accounts.csv"
    rows = [line for line in accounts.read_text().splitlines(True) if not line.startswith("fees,")]
    accounts.write_text("".join(rows).replace("Assets:Bank:Current", "1200 Bank"))
    capsys.readouterr()
    assert run("check", home=tmp_path) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "'1200 Bank' for the role bank is no account of beancount" in lines[0]
    assert "no account plays the role fees" in lines[1]
    assert "STRIPE_KEY" in lines[2]


def test_every_connector_says_what_it_reads_or_writes(capsys):
    assert main(["connectors"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert main(["connectors", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"stripe", "beancount", "sqlite"} <= set(rows)
    assert rows["stripe"]["reads"][:3] == ["balance_transactions (posts)", "billing_events", "events"]
    assert rows["beancount"]["class"].startswith("A")
    assert "contact" in rows["sqlite"]["writes"]


# ---------------------------------------------------------------- what runs it


def test_each_line_of_the_crontab_parses_and_calls_a_verb_that_exists():
    from apscheduler.triggers.cron import CronTrigger

    lines = [line for line in (ROOT / "crontab.example").read_text().splitlines() if line and not line.startswith("#")]
    jobs = [line for line in lines if "=" not in line.split()[0]]
    assert jobs
    for line in jobs:
        *when, command = line.split(maxsplit=5)
        CronTrigger.from_crontab(" ".join(when))
        program, *arguments = command.split()
        assert program.endswith("/syncjob")
        assert tuple(word for word in arguments if not word.startswith("-") and not word.isdigit()) in EVERY


def test_the_units_take_held_and_passing_for_success_and_call_run():
    unit = (ROOT / "examples" / "systemd" / "syncjob.service").read_text()
    assert "SuccessExitStatus=3 5" in unit
    assert re.search(r"^ExecStart=\S+/syncjob run\b", unit, re.MULTILINE)
    assert "OnCalendar=" in (ROOT / "examples" / "systemd" / "syncjob.timer").read_text()
