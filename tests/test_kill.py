"""kill -9 at random moments of a real run, over real HTTP: nothing is lost, nothing is doubled, no card number stays behind."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from test_demo import ROOT, ask, served, syncjob

CHARGES = int(os.environ.get("SYNCJOB_KILL_CHARGES", "1000"))  # the full promise is 5,000
KILLS = 10
CARD = "4242424242424242"


def home_at(folder: Path, url: str) -> Path:
    """A home as init writes it, with the simulator as its gateway and the scenario's invoices in its books."""
    assert syncjob("init", "--home", folder, "--zone", "Europe/Berlin", "--currency", "EUR").returncode == 0
    (folder / "secrets").mkdir(mode=0o700)
    key = folder / "secrets" / "stripe"
    key.write_text("sk_test_sandbox\n")
    key.chmod(0o600)
    config = folder / "syncjob.yaml"
    text = re.sub(r"(?m)^start: .*$", 'start: "2026-10-06T00:00:00Z"', config.read_text())
    text = re.sub(r"(?m)^( +)key: .*$", rf"\1key: file:secrets/stripe\n\1base_url: {url}", text, count=1)
    config.write_text(text)
    with (folder / "books" / "invoices.csv").open("w", newline="") as out:
        rows = csv.DictWriter(out, ("number", "customer", "email", "currency", "total", "issued", "due"), extrasaction="ignore")
        rows.writeheader()
        rows.writerows(ask(url, "invoices"))
    return folder


def held_in(home: Path) -> tuple[dict[str, str], dict[str, list[tuple[object, ...]]]]:
    """What books (every byte) and CRM (every row) hold."""
    books = {path.name: path.read_text() for path in sorted((home / "books").iterdir())}
    with closing(sqlite3.connect(home / "crm.sqlite")) as crm:
        names = [name for (name,) in crm.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {name: sorted(crm.execute(f"SELECT * FROM {name}"), key=repr) for name in names}  # noqa: S608 - the schema's own
    return books, rows


def test_a_run_killed_at_ten_random_moments_and_run_again_equals_an_undisturbed_one(tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 - moments, not secrets
    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", CHARGES) as url:
        calm = home_at(tmp_path / "calm", url)
        began = time.monotonic()
        done = syncjob("run", "--home", calm, timeout=300)
        lasts = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        rough = home_at(tmp_path / "rough", url)
        killed = 0
        for _ in range(KILLS):
            # Enough for the imports, then some of the work: each run goes on where the last one was cut off.
            moment = 0.6 + dice.random() * max(lasts - 0.6, 0.3) * 0.35
            run = subprocess.Popen([sys.executable, "-m", "syncjob", "run", "--home", rough], cwd=ROOT)
            try:
                run.wait(moment)
            except subprocess.TimeoutExpired:
                run.kill()
                killed += 1
            run.wait()
        assert killed >= 3, f"only {killed} runs were cut off: the moments are too late"
        again = syncjob("run", "--home", rough, timeout=300)
        assert again.returncode == 0, again.stderr
        night = syncjob("run", "--nightly", "--home", rough, timeout=300)
        assert night.returncode == 0, night.stderr
    assert held_in(rough) == held_in(calm)


def test_card_numbers_planted_anywhere_are_in_no_byte_of_the_home(tmp_path: Path) -> None:
    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", 60) as url:
        ask(url, "quirks", {"name": "card_numbers"})
        ask(url, "quirks", {"name": "card_in_id"})
        home = home_at(tmp_path / "home", url)
        done = syncjob("run", "--home", home)
        assert done.returncode == 3, done.stderr
        listed = syncjob("held", "list", "--home", home)
    said = done.stdout + done.stderr + listed.stdout + listed.stderr
    assert "card number" in listed.stdout
    assert "the opening balance" in done.stderr  # the money of the held record must not pass for one
    assert not [path for path in (home / "books").glob("2*.beancount") if "opening" in path.read_text().lower()]
    spellings = {
        CARD.encode(),
        b"4242 4242 4242 4242",
        b"4242-4242-4242-4242",
        CARD.translate({ord(str(d)): 0xFF10 + d for d in range(10)}).encode(),
        CARD.encode("utf-16-le"),
        CARD.encode().hex().encode(),
        *(base64.b64encode(b" " * pad + CARD.encode())[4:-4] for pad in range(3)),
        *(hashlib.new(name, CARD.encode()).hexdigest().encode() for name in ("md5", "sha1", "sha256")),
    }
    for path in [one for one in home.rglob("*") if one.is_file()]:
        found = [spelling for spelling in spellings if spelling in path.read_bytes()]
        assert not found, f"{path.name} holds a card number as {found[0]!r}"
    assert not [spelling for spelling in spellings if spelling in said.encode()]


@pytest.mark.parametrize(
    "quirk",
    [
        {"name": "429", "retry_after": 0},
        {"name": "429"},
        {"name": "500"},
        {"name": "reset"},
        {"name": "truncated"},
        {"name": "duplicate_rows"},
    ],
    ids=lambda quirk: "-".join(str(part) for part in quirk.values()),
)
def test_a_gateway_in_trouble_changes_nothing_of_what_arrives(tmp_path: Path, quirk: dict[str, object]) -> None:
    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", 220) as url:
        calm = home_at(tmp_path / "calm", url)
        assert syncjob("run", "--home", calm).returncode == 0
        ask(url, "quirks", quirk)
        rough = home_at(tmp_path / "rough", url)
        troubled = syncjob("run", "--home", rough)
        assert troubled.returncode in (0, 5), troubled.stderr
        if troubled.returncode == 5:  # said, and healed by the next run
            assert syncjob("run", "--nightly", "--home", rough).returncode == 0
    assert held_in(rough) == held_in(calm)


def test_a_payment_by_day_rewrites_the_balances_that_were_asserted_last_night(tmp_path: Path) -> None:
    from beancount import loader

    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", 40) as url:
        home = home_at(tmp_path / "home", url)
        assert syncjob("run", "--nightly", "--home", home).returncode == 0
        before = (home / "books" / "balances.beancount").read_text()
        ask(url, "act", {"action": "charge", "amount": 4321, "currency": "eur"})
        ask(url, "advance", {"seconds": 600})
        by_day = syncjob("run", "--home", home)
        assert by_day.returncode == 0, by_day.stderr
    assert (home / "books" / "balances.beancount").read_text() != before
    _, errors, _ = loader.load_file(str(home / "books" / "main.beancount"))
    assert errors == []
