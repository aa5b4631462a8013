"""What arrives by day, after a night was closed."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from test_demo import ask, served, syncjob


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
