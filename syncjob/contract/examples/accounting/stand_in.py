"""Acmebooks as the tests meet it: a company's vouchers in memory, and a few open invoices.

Make it do what your vendor's API does, also where that is inconvenient: the contract is only as honest as this file. Say here
against which recorded answers it was compared, and when.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from syncjob.contract.wire import Reply, Request, Vendor
from syncjob.money import Money

SECRET = "example-key-of-acmebooks"  # noqa: S105 - it opens nothing but this
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # the vendor's clock
INVOICES: list[dict[str, Any]] = [
    {"id": f"inv_{number}", "number": f"INV-100{number}", "customer": "Example Bakery", "email": "bakery@example.com",
     "currency": "EUR", "total": "48.25", "open": "48.25", "issued": "2026-11-01", "due": "2026-11-30", "change": number}
    for number in (1, 2, 3)
]  # fmt: skip


def vendor(rows_per_page: int) -> Vendor:
    """One company, with lists of at most so many rows whatever was asked for."""
    vouchers: dict[str, dict[str, Any]] = {}  # by reference

    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return Reply(401, {"error": {"message": "the key is wrong"}})
        match request.method, request.path:
            case "GET", "/v1/company":
                return Reply(200, {"id": "company_example", "mode": "test", "name": "Example Ltd", "closed_through": None})
            case "PUT", "/v1/vouchers":
                return Reply(200, {"vouchers": [_written(vouchers, row) for row in request.json()["vouchers"]]})
            case "GET", "/v1/vouchers":
                wanted = request.params["references"].split(",")
                return Reply(200, {"vouchers": [vouchers[one] for one in wanted if one in vouchers]})
            case "GET", "/v1/balances":
                return Reply(200, {"balances": _balances(vouchers, request)})
            case "GET", "/v1/invoices":
                rows = [one for one in INVOICES if one["change"] > int(request.params["changed_after"])]
                return Reply(200, {"invoices": rows[: min(int(request.params["limit"]), rows_per_page)]})
        return Reply(405, {"error": {"message": f"{request.method} {request.path} is not offered"}})

    return answer


def _written(vouchers: dict[str, dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    reference = row["reference"]
    before = vouchers.get(reference, {"id": f"v_{len(vouchers) + 1}", "version": 0})
    if {**before, **row} == before:
        return before
    vouchers[reference] = {**before, **row, "version": before["version"] + 1}
    return vouchers[reference]


def _balances(vouchers: dict[str, dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    accounts, through = request.params["accounts"].split(","), request.params["through"]
    sums: dict[tuple[str, str], Money] = {}
    for voucher in vouchers.values():
        for line in voucher.get("postings", ()):
            if not voucher["void"] and voucher["date"] <= through and line["account"] in accounts:
                place, amount = (line["account"], line["currency"]), Money.of(line["amount"], line["currency"])
                sums[place] = sums[place] + amount if place in sums else amount
    return [
        {"account": account, "currency": currency, "amount": str(amount).split()[0]}
        for (account, currency), amount in sums.items()
    ]
