"""The main job at work, for real: the simulator in its process, the ordinary commands in theirs, real HTTP between them."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from syncjob.cli import demo as demo_module
from syncjob.cli import main
from syncjob.errors import Misconfigured

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 15
KNOWN_MINOR = {"EUR": 2, "GBP": 2, "USD": 2, "JPY": 0, "KWD": 3, "ISK": 2}  # as the simulator writes them


def syncjob(*arguments, timeout=60):
    command = [sys.executable, "-m", "syncjob", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT)


def ask(url, route, body=None, method=None):
    data = json.dumps(body).encode() if body is not None else None
    wish = Request(f"{url}/_sandbox/{route}", data, method=method)  # noqa: S310 - our own simulator on this machine
    with build_opener(ProxyHandler({})).open(wish, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def served(*arguments) -> Iterator[str]:
    """A simulator in the foreground of a process of its own, until the block ends; gives its URL."""
    command = [sys.executable, "-u", "-m", "syncjob", "sandbox", *map(str, arguments)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        line = child.stdout.readline()
        assert line.startswith("ready "), line + child.stderr.read()
        yield line.split()[1]
    finally:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
        assert "Traceback" not in out + err


def folder():
    return Path(tempfile.mkdtemp(prefix="sj-"))  # short, as a person's home is: lines must fit


def bytes_of(home):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(home.rglob("*")) if path.is_file()}


def held_by_books(home):
    text = "".join(path.read_text() for path in sorted((home / "books").glob("2*.beancount")))
    return set(re.findall(r'ledger-id: "(txn_\w+)"', text))


def page_of(home):
    return json.loads(syncjob("summary", "--json", "--home", home).stdout)


def proves(page):
    """Whether every balance is stated, and agrees with gateway and books to the last minor unit."""
    zeros = [one["gateway"]["difference"]["amount"] for one in page["balances"]]
    zeros += [books["difference"]["amount"] for one in page["balances"] for books in one["books"]]
    provable = all(one["gateway"]["provable"] and one["closes"] and one["books"] for one in page["balances"])
    return page["agrees"] and provable and not any(amount.strip("0.") for amount in zeros)


def in_minor(amount):
    whole, _, fraction = amount["amount"].partition(".")
    return int(whole + fraction.ljust(KNOWN_MINOR[amount["currency"]], "0"))


@pytest.fixture(scope="module")
def tidy():
    """The demo, once: its home, what it said, and how long it took. Nobody may change this home."""
    home = folder() / "demo"
    started = time.monotonic()
    done = syncjob("demo", "--home", home)
    yield home, done, time.monotonic() - started
    shutil.rmtree(home.parent)


@pytest.fixture
def copy(tidy, tmp_path):
    """A copy of the demo's home, for tests that go on from there."""
    shutil.copytree(tidy[0], tmp_path / "demo")
    return tmp_path / "demo"


# ---------------------------------------------------------------- the demo


def test_the_demo_shows_the_job_on_one_screen(tidy):
    home, done, seconds = tidy
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert seconds < SECONDS_MAX
    assert "A tidy scenario" in done.stdout
    assert str(home) in done.stdout


def test_what_the_demo_names_is_there(tidy):
    home, done, _ = tidy
    for name in ("books/main.beancount", "crm.sqlite", "state/syncjob.sqlite"):
        assert name in done.stdout
        assert (home / name).stat().st_size
    [line] = [line for line in done.stdout.splitlines() if re.match(r"  (python -m )?syncjob show ", line)]
    shown = syncjob(*line.partition("syncjob ")[2].split())
    assert shown.returncode == 0
    assert "receivable (INV-" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_gateway_sub_ledger_and_books_agree_in_every_currency(tidy):
    page = page_of(tidy[0])
    assert proves(page)
    assert {one["currency"] for one in page["balances"]} == {"EUR", "ISK", "JPY", "KWD", "USD"}
    assert page["held"] == []


def test_bean_check_passes_on_the_books(tidy):
    command = [sys.executable, "-m", "beancount.scripts.check", str(tidy[0] / "books" / "main.beancount")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_key_and_the_state_are_their_owner_s_alone(tidy):
    for path in (tidy[0] / "state").glob("s*"):
        if path.name != "sandbox.json":
            assert not path.stat().st_mode & 0o077, path


def test_the_demo_stops_its_simulator(tidy):
    world = json.loads((tidy[0] / "state" / "sandbox.json").read_text())
    assert world["scenario"] == "tidy"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", world["port"])) != 0


def test_a_demo_that_is_stopped_stops_its_simulator_too():
    ports = []

    def stopped():
        with demo_module.simulator("tidy", 1, 0) as url:
            ports.append(int(url.rpartition(":")[2]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ports[0])) != 0


def test_the_busy_demo_shows_what_is_held_and_ends_with_3():
    home = folder()
    done = syncjob("demo", "--home", home, "--scenario", "busy")
    lines = done.stdout.splitlines()
    assert done.returncode == 3
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "climate_mystery" in done.stdout
    listed = syncjob("held", "list", "--home", home).stdout
    assert "-7.77 EUR" in listed
    page = page_of(home)
    assert page["agrees"], page["complaints"]
    assert syncjob("status", "--home", home).returncode == 3
    shutil.rmtree(home)


def test_a_home_with_something_in_it_is_no_place_for_a_demo(tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")
    assert main(["demo", "--home", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# ---------------------------------------------------------------- going on in the same world


def test_a_second_run_finds_nothing_to_do_and_says_nothing(copy):
    before = bytes_of(copy / "books"), rows_of_crm(copy)
    with served("resume", "--home", copy):
        done = syncjob("run", "--home", copy)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (bytes_of(copy / "books"), rows_of_crm(copy)) == before
    assert before[1]


def rows_of_crm(home):
    with closing(sqlite3.connect(f"file:{home / 'crm.sqlite'}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def test_the_crm_is_exported_as_one_csv_file_or_not_at_all(copy, tmp_path):
    out = tmp_path / "payments.csv"
    assert syncjob("export", "crm", "--format", "csv", "--out", out, "--home", copy).returncode == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {row["currency"] for row in rows} >= {"EUR", "JPY", "KWD"}
    out.write_text("old")
    refused = syncjob("export", "crm", "--table", "secrets", "--out", out, "--home", copy)
    assert refused.returncode == 2
    assert "payments" in refused.stderr
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_three_days_later_exactly_the_difference_arrives(copy):
    before, first = held_by_books(copy), page_of(copy)
    with served("resume", "--home", copy, "--advance", "3d") as url:
        truth = ask(url, "books")
        ran = syncjob("run", "--nightly", "--home", copy)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    after = held_by_books(copy)
    assert before < after
    assert len(after) == truth["transactions"]
    page = page_of(copy)
    assert proves(page)
    closings = {one["currency"]: in_minor(one["closing"]) for one in page["balances"]}
    assert closings == {code.upper(): minor for code, minor in truth["balances"].items() if minor}
    openings = {one["currency"]: one["opening"] for one in page["balances"]}
    assert openings == {one["currency"]: one["closing"] for one in first["balances"]}
    assert json.loads((copy / "state" / "sandbox.json").read_text())["clock"] == truth["clock"]


def test_a_dry_run_tells_what_would_be_sent_and_leaves_the_home_as_it_was(copy):
    before = bytes_of(copy)
    with served("resume", "--home", copy, "--advance", "3d"):
        clock = bytes_of(copy)
        plain = syncjob("run", "--dry-run", "--home", copy)
        told = syncjob("run", "--dry-run", "--diff", "--home", copy)
        after = bytes_of(copy)
    assert (plain.returncode, told.returncode) == (0, 0)
    assert re.search(r"books +create +refund +1 +40\.00 EUR", plain.stdout)
    assert re.search(r"crm +update +payment ", plain.stdout)
    assert re.search(r'status: "paid" -> "part refunded"', told.stdout)
    assert after == clock
    changed = [path for path in before if before[path] != after[path]]
    assert [Path(path).name for path in changed] == ["sandbox.json"]


def test_a_dry_run_in_a_new_home_makes_no_state(copy):
    for path in (copy / "state").glob("syncjob.sqlite*"):
        path.unlink()
    (copy / "crm.sqlite").unlink()
    before = bytes_of(copy)
    with served("resume", "--home", copy):
        done = syncjob("run", "--dry-run", "--home", copy)
    assert done.returncode == 0
    assert "contact" in done.stdout
    assert bytes_of(copy) == before


def test_a_check_with_requests_needs_the_gateway_and_its_rights(copy):
    assert syncjob("check", "--home", copy).stdout == "everything fits\n"
    with served("resume", "--home", copy):
        live = syncjob("check", "--live", "--home", copy)
        assert (live.returncode, live.stdout) == (0, "everything fits\n")
        key = copy / "state" / "sandbox.key"
        key.write_text("rk_test_limited\n")
        limited = syncjob("check", "--live", "--home", copy)
    assert limited.returncode == 6
    assert "Events" in limited.stdout
    assert "rk_test_limited" not in limited.stdout + limited.stderr


def test_a_start_that_is_moved_back_to_nothing_older_leaves_the_opening_balance(copy):
    days = ("--from", "2026-10-01", "--to", "2026-10-07", "--before-start", "--home", copy)
    with served("resume", "--home", copy):
        shown = syncjob("backfill", "--dry-run", *days)
        asked = syncjob("backfill", *days)
    for done, code in ((shown, 0), (asked, 2)):
        assert done.returncode == code
        assert "The opening balance of stripe-demo stays as it is." in done.stdout
    assert "give the command again with --yes" in asked.stderr


def test_a_gateway_that_is_away_is_passing(copy):
    done = syncjob("run", "--home", copy)
    assert done.returncode == 5
    assert done.stdout == ""
    assert "cannot be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_run_that_is_told_to_stop_leaves_in_good_order_and_the_next_one_ends_it(copy):
    command = [sys.executable, "-m", "syncjob", "run", "--nightly", "--home", str(copy)]
    with served("resume", "--home", copy, "--advance", "3d") as url:
        ask(url, "quirks", {"name": "slow", "ms": 400})
        seen = len(ask(url, "requests"))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        while len(ask(url, "requests")) == seen and child.poll() is None:
            pass  # the first answer is on its way: the run is at work
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=30)
        assert child.returncode == 5, err
        assert "the next run goes on from here" in err
        assert "Traceback" not in err
        assert out == ""
        ask(url, "quirks", method="DELETE")
        assert syncjob("run", "--nightly", "--home", copy).returncode == 0
        truth = ask(url, "books")
    assert len(held_by_books(copy)) == truth["transactions"]
    assert proves(page_of(copy))


def test_a_demo_wants_a_folder_that_is_new_or_empty(tmp_path, capsys):
    file = tmp_path / "notes.txt"
    file.write_text("mine\n")
    for home, words in ((file, "is no folder"), (tmp_path, "is not empty")):
        assert main(["demo", "--home", str(home)]) == 2
        assert f"{home} {words}, and the demo wants a fresh home" in capsys.readouterr().err
    assert file.read_text() == "mine\n"


# ---------------------------------------------------------------- the simulator by itself


def test_a_port_in_use_is_one_sentence_and_costs_no_day(copy):
    world = json.loads((copy / "state" / "sandbox.json").read_text())
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", world["port"]))
        taken.listen()
        for arguments in (
            ("sandbox", "resume", "--home", copy, "--advance", "3d"),
            ("sandbox", "stripe", "--port", world["port"]),
            ("demo", "--home", copy.parent / "fresh", "--port", world["port"]),
        ):
            done = syncjob(*arguments)
            assert done.returncode == 2, arguments
            assert str(world["port"]) in done.stderr
            assert len(done.stderr.splitlines()) == 1
    assert json.loads((copy / "state" / "sandbox.json").read_text()) == world


def test_a_home_without_a_demo_cannot_be_resumed(tmp_path, capsys):
    assert main(["sandbox", "resume", "--home", str(tmp_path)]) == 2
    assert "syncjob demo" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["3", "d", "-3d", "3w", "٣d", "1e3d"])
def test_a_span_is_a_number_and_a_unit(text):
    with pytest.raises(Misconfigured, match="--advance"):
        demo_module._span(text)


def test_the_simulator_can_be_started_by_itself_at_a_time():
    with served("stripe", "--scenario", "bulk", "--charges", "20", "--clock", "2026-12-01T00:00:00Z") as url:
        assert ask(url, "clock")["clock"] == 1_796_083_200
        assert ask(url, "books")["charges"]["total"] == 20
