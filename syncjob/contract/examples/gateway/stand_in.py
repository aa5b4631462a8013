"""Acmepay as the tests meet it: rows.json behind the few places of the API that the connector reads.

Replace the rows by recorded answers of your vendor's test mode (say here when and how they were recorded), with every name,
address and number in them replaced by invented ones: example.com, Example Bakery. At least five rows, every type once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncjob.contract.wire import Reply, Request, Vendor

SETTINGS: dict[str, str] = {}  # what the tests write into syncjob.yaml for this connector
SECRET = "example-key-of-acmepay"  # noqa: S105 - it opens nothing but this
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # the vendor's clock: later than every row
# READS = ("/v1/search",) would name paths that only read although they are asked by POST.

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "rows.json").read_text(encoding="utf-8"))


def vendor(rows_per_page: int) -> Vendor:
    """The vendor, with pages of at most so many rows whatever was asked for."""

    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return Reply(401, {"error": {"message": "the key is wrong"}})
        match request.method, request.path.split("/")[1:]:
            case "GET", ["v1", "account"]:
                return Reply(200, {"id": "acct_example", "mode": "test", "name": "Example Ltd"})
            case "GET", ["v1", "balance"]:
                return Reply(200, {"available": _balance()})
            case "GET", ["v1", "entries"]:
                return _page(request, min(int(request.params.get("limit", "10")), rows_per_page))
            case "GET", ["v1", "entries", id]:
                return next((Reply(200, row) for row in ROWS if row["id"] == id), Reply(404, {"error": "no such entry"}))
        return Reply(405, {"error": {"message": f"{request.method} {request.path} is not offered"}})

    return answer


def _page(request: Request, limit: int) -> Reply:
    since, until = request.params.get("created_from", ""), request.params.get("created_before", "9999")
    rows = [row for row in ROWS if since <= row["created_at"] < until]
    after = request.params.get("after")
    if after is not None:
        rows = rows[[row["id"] for row in rows].index(after) + 1 :]
    return Reply(200, {"entries": rows[:limit], "more": len(rows) > limit})


def _balance() -> list[dict[str, Any]]:
    sums: dict[str, int] = {}
    for row in ROWS:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["net"]
    return [{"currency": currency, "amount": amount} for currency, amount in sums.items()]
