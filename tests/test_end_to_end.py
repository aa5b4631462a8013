"""The whole job in real processes over real HTTP: kill -9, planted card numbers, a misbehaving wire, wrong keys, two at once.

The kills run over SYNCJOB_KILL_CHARGES charges, 1000 unless set; a long run sets 5000.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from syncjob.cli.setup import write_home

ROOT = Path(__file__).parent.parent
START = "2026-10-06T00:00:00Z"
KEY = "sk_test_sandbox"
CARD = "4242424242424242"
KILLS = 10
KILL_CHARGES = int(os.environ.get("SYNCJOB_KILL_CHARGES", "1000"))
RUN_SECONDS_MAX = 60 + KILL_CHARGES // 50
MAP = Path("mappings") / "gateways" / "stripe.yaml"


# ---------------------------------------------------------------- a gateway and its homes


@dataclass(frozen=True)
class Shop:
    """A simulated gateway in a process of its own."""

    url: str

    def ask(self, route: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        wish = Request(f"{self.url}/_sandbox/{route}", data, method=method)  # noqa: S310 - our own loopback address
        with build_opener(ProxyHandler({})).open(wish, timeout=30) as answer:
            return json.load(answer)

    def home(self, folder: Path) -> Path:
        """A fresh home whose gateway this is, and whose books know its invoices."""
        write_home(
            folder, zone="Europe/Berlin", currency="EUR", start=START, gateway="shop",
            key="file:state/shop.key", more={"base_url": self.url},
        )  # fmt: skip
        key_of(folder).write_text(f"{KEY}\n")
        key_of(folder).chmod(0o600)
        with (folder / "books" / "invoices.csv").open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for one in self.ask("invoices"):
                rows.writerow([one[name] for name in ("number", "customer", "email", "currency", "total", "issued", "due")])
        return folder


@contextmanager
def trading(charges: int) -> Iterator[Shop]:
    command = [sys.executable, "-u", "-m", "syncjob.sandbox.stripe", "--scenario", "bulk", "--charges", str(charges)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        line = child.stdout.readline()
        assert line.startswith("ready "), line + child.stderr.read()
        yield Shop(line.split()[1])
    finally:
        child.terminate()
        out, err = child.communicate(timeout=10)
        assert "Traceback" not in out + err


def key_of(home: Path) -> Path:
    return home / "state" / "shop.key"


def command_of(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "syncjob", "--home", str(home), *arguments]


def syncjob(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command_of(home, *arguments), capture_output=True, text=True, timeout=RUN_SECONDS_MAX, cwd=ROOT)


def begun(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_of(home, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of_crm(home: Path, without: str = "") -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, leaving out one column where that is wished."""
    with closing(sqlite3.connect(f"file:{home / 'crm.sqlite'}?mode=ro", uri=True)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        found = {}
        for table in tables:
            rows = db.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name from the file itself
            places = [at for at, column in enumerate(rows.description) if column[0] != without]
            found[table] = sorted((tuple(row[at] for at in places) for row in rows), key=repr)
        return found


def assert_same(home: Path, calm: Path, without: str = "") -> None:
    """Books byte for byte, and every row of every table of the CRM (without one column, where two histories differ)."""
    mine, theirs = files_of(home / "books"), files_of(calm / "books")
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []
    rows, calm_rows = rows_of_crm(home, without), rows_of_crm(calm, without)
    assert rows.keys() == calm_rows.keys()
    assert [table for table in rows if rows[table] != calm_rows[table]] == []


def assert_reconciled(home: Path, shop: Shop) -> None:
    """Gateway, sub-ledger and books agree to the last minor unit, and the closing balance is what the gateway holds."""
    told = syncjob(home, "summary", "--json")
    assert told.returncode == 0, told.stderr
    page = json.loads(told.stdout)
    assert page["agrees"], page["complaints"]
    assert page["held"] == []
    assert {one["currency"] for one in page["balances"]} == {"EUR", "JPY", "USD"}
    for one in page["balances"]:
        assert one["gateway"]["provable"]
        assert one["closes"]
        assert one["books"]
        zeros = [one["gateway"]["difference"], *(books["difference"] for books in one["books"])]
        assert [Decimal(zero["amount"]) for zero in zeros] == [0] * len(zeros)
    minor = {"EUR": 100, "USD": 100, "JPY": 1}
    closing_balances = {one["currency"]: Decimal(one["closing"]["amount"]) * minor[one["currency"]] for one in page["balances"]}
    held_there = shop.ask("books")["balances"]
    assert closing_balances == {code: held_there.pop(code.lower()) for code in closing_balances}
    assert not any(held_there.values())


def assert_one_sentence(done: subprocess.CompletedProcess[str], code: int) -> None:
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """A small shop with 120 charges: more than one page of everything that matters."""
    with trading(120) as small:
        yield small


@pytest.fixture(scope="module")
def calm(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the small shop after one undisturbed run. Nobody may change it."""
    home = shop.home(tmp_path_factory.mktemp("calm") / "home")
    done = syncjob(home, "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_reconciled(home, shop)
    return home


@pytest.fixture
def home(shop: Shop, tmp_path: Path) -> Iterator[Path]:
    """A fresh home of the small shop, whose misfortunes end with the test."""
    shop.ask("requests", method="DELETE")
    yield shop.home(tmp_path / "home")
    shop.ask("quirks", method="DELETE")


# ---------------------------------------------------------------- kill -9


def killed(home: Path, seconds: float) -> bool:
    """Start a run and kill it after so long; False when it had ended by then."""
    child = begun(home, "run")
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return child.returncode == -signal.SIGKILL
    assert (child.returncode, out, err) == (0, "", "")
    return False


def test_ten_kills_at_random_moments_and_a_plain_re_run_leave_what_an_undisturbed_run_leaves(tmp_path: Path) -> None:
    moments = random.Random(20261006)  # noqa: S311 - a story that can be told again, no secret
    with trading(KILL_CHARGES) as shop:
        calm = shop.home(tmp_path / "calm")
        started = time.monotonic()
        assert syncjob(calm, "run").returncode == 0
        seconds = time.monotonic() - started
        assert_reconciled(calm, shop)
        kills = homes = unfinished = 0
        while kills < KILLS:
            # A run that ended before its kill leaves nothing to kill: the next kills meet a new home.
            homes += 1
            assert homes <= 2 * KILLS, f"only {kills} of {homes} runs could be killed"
            home = shop.home(tmp_path / f"killed-{homes}")
            while kills < KILLS and killed(home, moments.uniform(0.2, 0.9) * seconds):
                kills += 1
                unfinished += (home / "state" / "syncjob.sqlite").exists()
            done = syncjob(home, "run")
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert_same(home, calm)
            assert_reconciled(home, shop)
    assert unfinished >= KILLS // 2, "most kills came before the run had begun its work"


# ---------------------------------------------------------------- card numbers


def spellings(number: str) -> Iterator[tuple[str, bytes]]:
    """What a card number may look like in a file, as people and programs write it."""
    fours = [number[at : at + 4] for at in range(0, len(number), 4)]
    wide = "".join(chr(ord("\uff10") + int(digit)) for digit in number)
    written = {"plain": number, "spaced": " ".join(fours), "dashed": "-".join(fours), "dotted": ".".join(fours)}
    for name, text in written.items():
        yield name, text.encode()
        yield f"{name}, UTF-16", text.encode("utf-16-le")
        yield f"{name}, hex", text.encode().hex().encode()
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, text.encode(), usedforsecurity=False)
            yield f"{name}, {algorithm}", digest.digest()
            yield f"{name}, {algorithm} in hex", digest.hexdigest().encode()
            yield f"{name}, {algorithm} in base64", base64.b64encode(digest.digest()).rstrip(b"=")
        for shift in range(3):
            # What stands before and after shares characters with the ends, which are left out.
            coded = base64.b64encode(b"\0" * shift + text.encode())
            skipped = (8 * shift + 5) // 6
            whole = (8 * (shift + len(text))) // 6
            yield f"{name}, base64 at {shift}", coded[skipped:whole]
    yield "full width", wide.encode()
    yield "full width, spaced", " ".join(wide[at : at + 4] for at in range(0, len(wide), 4)).encode()
    yield "full width, escaped", json.dumps(wide)[1:-1].encode()


def leaks(content: bytes) -> list[str]:
    """Which spellings of the number stand in these bytes, whatever the case of hex digits."""
    lower = content.lower()
    return [
        name for name, bytes_ in spellings(CARD) if bytes_ in content or ("base64" not in name and bytes_.lower() in lower)
    ]


@pytest.mark.parametrize(
    "number",
    [
        b"4242 4242 4242 4242",
        b"x4242-4242-4242-4242",
        "\uff14\uff12".encode() * 8,
        b"txn_" + CARD.encode(),
        CARD.encode().hex().upper().encode(),
    ],
)
def test_the_search_for_card_numbers_finds_them(number: bytes) -> None:
    assert leaks(b"before " + number + b" after")
    for before in (b"", b"a", b"ab"):
        assert leaks(base64.b64encode(before + CARD.encode() + b"more"))
    assert leaks(hashlib.md5(CARD.encode(), usedforsecurity=False).hexdigest().upper().encode())
    assert not leaks(b"4242 was the last of it, order 1234 5678 9012 3456")


def test_no_byte_of_a_home_holds_a_card_number_that_people_typed(tmp_path: Path) -> None:
    with trading(60) as shop:
        shop.ask("quirks", {"name": "card_numbers"})
        shop.ask("quirks", {"name": "card_in_id"})
        shop.ask("advance", {"seconds": 900})  # past the settling lag, so that the record is there to be read
        home = shop.home(tmp_path / "home")
        ran = syncjob(home, "run")
        again = syncjob(home, "run")
    assert ran.returncode == again.returncode == 3, ran.stderr + again.stderr
    listed = syncjob(home, "held", "list")
    told = syncjob(home, "held", "list", "--json")
    shown = syncjob(home, "summary")
    status = syncjob(home, "status")
    assert (listed.returncode, told.returncode, shown.returncode, status.returncode) == (0, 0, 0, 3)
    [held] = json.loads(told.stdout)
    assert held["id"] in listed.stdout
    assert "card number" in held["why"]
    assert held["cure"]
    said = "".join(done.stdout + done.stderr for done in (ran, again, listed, told, shown, status))
    assert leaks(said.encode()) == []
    assert not re.search(r"4242", said)
    found = {name: leaks(content) for name, content in files_of(home).items()}
    assert {"crm.sqlite", "state/syncjob.sqlite"} <= found.keys()
    assert {name: leak for name, leak in found.items() if leak} == {}
    assert "[card number removed]" in str(rows_of_crm(home)) + str(files_of(home / "books"))


def test_the_money_of_a_held_record_does_not_pass_for_an_opening_balance(tmp_path: Path) -> None:
    with trading(20) as shop:
        shop.ask("quirks", {"name": "card_in_id"})
        shop.ask("advance", {"seconds": 900})
        home = shop.home(tmp_path / "home")
        assert syncjob(home, "run").returncode == 3
    assert "Equity:Opening" not in "".join(path.read_text() for path in (home / "books").glob("2*.beancount"))


# ---------------------------------------------------------------- the wire misbehaves

MISFORTUNES = {
    "429 with Retry-After": {"name": "429", "retry_after": 1},
    "429 with Retry-After 0": {"name": "429", "retry_after": 0},
    "429 without Retry-After": {"name": "429", "times": 2},
    "500": {"name": "500", "times": 2},
    "reset": {"name": "reset", "times": 2},
    "truncated": {"name": "truncated", "times": 2},
    "duplicate_rows": {"name": "duplicate_rows"},
}


@pytest.mark.parametrize("quirk", MISFORTUNES.values(), ids=MISFORTUNES.keys())
def test_a_misfortune_on_the_wire_is_not_seen_in_books_and_crm(
    shop: Shop, home: Path, calm: Path, quirk: dict[str, Any]
) -> None:
    shop.ask("quirks", {**quirk, "path": "/v1/balance_transactions"})
    done = syncjob(home, "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    seen = shop.ask("requests")
    if quirk["name"] == "duplicate_rows":
        turned = re.compile(r"/v1/balance_transactions\?.*(starting_after|ending_before)=")
        assert any(turned.match(line["path"]) for line in seen)
    else:
        assert [line["quirk"] for line in seen if line["quirk"]] == [quirk["name"]] * quirk.get("times", 1)
    assert_same(home, calm)
    assert_reconciled(home, shop)


# ---------------------------------------------------------------- what a person must mend


def test_a_wrong_key_is_one_sentence_and_ends_with_6(home: Path) -> None:
    key_of(home).write_text("sk_test_wrongexample0000\n")
    done = syncjob(home, "run")
    assert_one_sentence(done, 6)
    assert "key: of shop in syncjob.yaml" in done.stderr
    assert "wrongexample" not in done.stderr


@pytest.fixture(scope="module")
def away(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A home whose first run met nobody at the gateway's address, and that run. Nobody may change this home."""
    home = shop.home(tmp_path_factory.mktemp("away") / "home")
    settings = home / "syncjob.yaml"
    there = settings.read_text()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port, and nobody answers
        settings.write_text(there.replace(shop.url, f"http://127.0.0.1:{nobody.getsockname()[1]}"))
        done = syncjob(home, "run")
    settings.write_text(there)
    return home, done


def test_a_gateway_that_is_away_is_one_sentence_and_ends_with_5_and_the_next_nightly_run_makes_up_for_it(
    away: tuple[Path, subprocess.CompletedProcess[str]], shop: Shop, calm: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(away[0], tmp_path / "home")
    assert_one_sentence(away[1], 5)
    assert "cannot be reached" in away[1].stderr
    assert syncjob(home, "run", "--nightly").returncode == 0
    assert_same(home, calm, without="revision")  # the deals were open before they were paid: one revision more
    assert_reconciled(home, shop)


def test_a_nightly_run_that_met_no_gateway_is_made_up_for_by_the_next_plain_run(
    away: tuple[Path, subprocess.CompletedProcess[str]], shop: Shop, calm: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(away[0], tmp_path / "home")
    assert syncjob(home, "run").returncode == 0
    assert_same(home, calm, without="revision")
    assert_reconciled(home, shop)


@pytest.mark.parametrize(
    ("above", "field"),
    [
        ("      - receipt_email", "payment_method_details.card.fingerprint"),
        ("      - receipt_email", "payment_method_details.card.number"),
    ],
)
def test_a_map_that_asks_for_card_data_is_refused_with_its_line(shop: Shop, home: Path, above: str, field: str) -> None:
    lines = (ROOT / MAP).read_text().splitlines()
    at = lines.index(above) + 1
    lines.insert(at, f"      - {field}")
    (home / MAP).parent.mkdir(parents=True)
    (home / MAP).write_text("\n".join(lines) + "\n")
    before = files_of(home)
    refused, checked = syncjob(home, "run"), syncjob(home, "check")
    assert_one_sentence(refused, 2)
    assert (checked.returncode, checked.stderr) == (2, "")
    for said in (refused.stderr, checked.stdout):  # what check finds is what it was asked for
        assert len(said.splitlines()) == 1
        assert f"stripe.yaml:{at + 1}:" in said
        assert field in said
    assert shop.ask("requests") == []
    assert not (home / "crm.sqlite").exists()
    after = files_of(home)
    assert {name: after.get(name) for name in before} == before


# ---------------------------------------------------------------- looking without touching, and two at once


@pytest.mark.parametrize("has_run", [False, True], ids=["a new home", "a home that has run"])
def test_a_dry_run_leaves_the_home_byte_identical_and_only_reads(shop: Shop, home: Path, calm: Path, has_run: bool) -> None:
    if has_run:
        shutil.rmtree(home)
        shutil.copytree(calm, home)
    before = files_of(home)
    done = syncjob(home, "run", "--dry-run", "--diff")
    after = files_of(home)
    assert done.returncode == 0, done.stderr
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
    told = re.search(r"books +create +receipt", done.stdout) is not None and "Example Customer 1" in done.stdout
    assert told is not has_run, done.stdout[:2_000]
    assert {line["method"] for line in shop.ask("requests")} == {"GET"}


def test_of_two_runs_at_once_one_ends_with_4_and_the_other_ends_its_work(shop: Shop, home: Path, calm: Path) -> None:
    shop.ask("quirks", {"name": "slow", "ms": 1000})
    first = begun(home, "run")
    try:
        while not shop.ask("requests") and first.poll() is None:
            pass  # an answer was given: the first run is at work
        assert first.poll() is None
        second = syncjob(home, "run")
        assert first.poll() is None, "the first run had ended: the two were not at work at once"
        assert_one_sentence(second, 4)
        assert str(first.pid) in second.stderr
        shop.ask("quirks", method="DELETE")
        out, err = first.communicate(timeout=RUN_SECONDS_MAX)
    finally:
        if first.poll() is None:
            first.kill()
            first.communicate()
    assert (first.returncode, out, err) == (0, "", "")
    assert_same(home, calm)
