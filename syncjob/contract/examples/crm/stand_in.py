"""Acmecrm as the tests meet it: one account's records in memory.

Make it do what your vendor's API does, also where that is inconvenient: the contract is only as honest as this file. Say here
against which recorded answers it was compared, and when.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from syncjob.contract.wire import Reply, Request, Vendor

SECRET = "example-key-of-acmecrm"  # noqa: S105 - it opens nothing but this
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # the vendor's clock


def vendor(rows_per_page: int) -> Vendor:
    """One account; `rows_per_page` would cut its lists, but it is asked for single records only."""
    del rows_per_page
    fields: list[str] = []
    records: dict[str, dict[str, Any]] = {}  # by reference

    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return Reply(401, {"error": {"message": "the key is wrong"}})
        match request.method, request.path:
            case "GET", "/v1/account":
                return Reply(200, {"id": "acct_example", "mode": "test", "name": "Example Ltd"})
            case "GET", "/v1/fields":
                return Reply(200, {"fields": fields})
            case "POST", "/v1/fields":
                fields.append(request.json()["name"])
                return Reply(200, {"fields": fields})
            case "PUT", "/v1/records":
                return Reply(200, {"records": [_written(records, row) for row in request.json()["records"]]})
            case "GET", "/v1/records":
                wanted = request.params["references"].split(",")
                return Reply(200, {"records": [records[one] for one in wanted if one in records]})
        return Reply(405, {"error": {"message": f"{request.method} {request.path} is not offered"}})

    return answer


def _written(records: dict[str, dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    before = records.get(row["reference"], {"id": f"r_{len(records) + 1}", "version": 0})
    if {**before, **row} != before:
        records[row["reference"]] = {**before, **row, "version": before["version"] + 1}
    return records[row["reference"]]
