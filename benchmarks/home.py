"""A fresh home for the measured job: the simulator as its gateway, plain-text books and a local CRM as its targets."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

KEY_NAME = "SYNCJOB_BENCHMARK_KEY"
_ZONE = "Europe/Berlin"
_ACCOUNTS = {
    "clearing": "Assets:Stripe:Clearing",
    "reserve": "Assets:Stripe:Reserve",
    "payouts_in_transit": "Assets:Stripe:InTransit",
    "bank": "Assets:Bank",
    "receivable": "Assets:Receivable",
    "unapplied": "Liabilities:Unapplied",
    "customer_credit": "Liabilities:CustomerCredit",
    "suspense": "Liabilities:Suspense",
    "revenue": "Income:Sales",
    "deferred_revenue": "Liabilities:DeferredRevenue",
    "returns": "Income:Returns",
    "tax": "Liabilities:Tax",
    "fees": "Expenses:Fees",
    "fee_tax": "Assets:InputTax",
    "fees_prepaid": "Assets:FeesPrepaid",
    "disputed": "Assets:Disputed",
    "dispute_fees": "Expenses:DisputeFees",
    "dispute_loss": "Expenses:DisputeLoss",
    "write_off": "Expenses:WriteOff",
    "rounding": "Expenses:Rounding",
    "fx": "Expenses:ExchangeDifference",
    "fx_conversion": "Equity:Conversion",
    "seller_liability": "Liabilities:Sellers",
    "control": "Assets:Control",
    "opening": "Equity:Opening",
}
_MOVEMENT = re.compile(r"\btxn_[A-Za-z0-9]+", re.ASCII)
_CONFIG = """\
books_zone: {zone}
home_currency: EUR
start: {start}
nightly_at: "{nightly}"
gateways:
  shop:
    connector: stripe
    key: env:{key}
    base_url: {url}
    sales: invoiced_in_books
accounting:
  books:
    connector: beancount
crm:
  contacts:
    connector: sqlite
"""


def make(home: Path, url: str, start: int, invoices: Sequence[Mapping[str, str]]) -> None:
    """Write syncjob.yaml, accounts.csv and books/invoices.csv; `start` is in Unix seconds."""
    (home / "books").mkdir(parents=True)
    home.chmod(0o700)
    instant = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # An hour ago: the full sync is the nightly run, and no tick that follows becomes one by the time of day.
    nightly = (datetime.now(ZoneInfo(_ZONE)) - timedelta(hours=1)).strftime("%H:%M")
    text = _CONFIG.format(zone=_ZONE, start=instant, nightly=nightly, key=KEY_NAME, url=url)
    (home / "syncjob.yaml").write_text(text, encoding="utf-8")
    with (home / "accounts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("role", "source", "currency", "account"))
        rows.writerows((role, "", "", account) for role, account in _ACCOUNTS.items())
    with (home / "books" / "invoices.csv").open("w", encoding="utf-8", newline="") as file:
        columns = ("number", "customer", "email", "currency", "total", "issued", "due")
        lines = csv.DictWriter(file, columns)
        lines.writeheader()
        lines.writerows(invoices)


def movements_in(home: Path) -> int:
    """How many of the gateway's balance transactions the books name: a run that skips its work must not win."""
    found: set[str] = set()
    for path in (home / "books").glob("*.beancount"):
        # Line by line, since the size of this process is part of every peak that it measures.
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                found.update(_MOVEMENT.findall(line))
    return len(found)
