"""What is asked of the gateway: as little as there is to ask, and after a long silence as much as was missed."""

from __future__ import annotations

import math
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from simulated import START, House
from test_demo import ask, served

from syncjob import config
from syncjob.gateways.stripe.feeds import LISTS, TYPES
from syncjob.store import Store

HEADERS = {"Authorization": "Bearer sk_test_sandbox", "Stripe-Version": "2026-10-28.endive"}


def rows_of(url: str, path: str, **params: Any) -> list[dict[str, Any]]:
    """All rows of a list, by a loop that knows nothing of ours."""
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        body = requests.get(f"{url}/v1/{path}", params={"limit": 100, **params, **after}, headers=HEADERS, timeout=30).json()
        found += body["data"]
        if not body["has_more"]:
            return found
        after = {"starting_after": found[-1]["id"]}


def test_a_full_sync_asks_within_a_tenth_of_the_arithmetic_minimum_also_where_it_reads_side_by_side(tmp_path: Path) -> None:
    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", 8000) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        ask(url, "quirks", {"name": "slow", "ms": 100})
        ask(url, "requests", method="DELETE")
        report = house.run(nightly=True)
        assert report.exit == 0, report.problems
        asked = [line["path"] for line in ask(url, "requests")]
        ask(url, "quirks", method="DELETE")
        rows = [len(rows_of(url, "balance_transactions"))]
        rows += [len(rows_of(url, "events", **{"types[]": list(types)})) for types in TYPES.values()]
    pages = sum(max(1, math.ceil(number / 100)) for number in rows)
    least = pages + 2  # whose account it is, and what it states as its balance
    assert any("created%5Blt%5D" in path for path in asked), "nothing was read side by side"
    assert least <= len(asked) <= least * 1.1, (least, len(asked))


def test_an_account_silent_for_40_days_heals_by_itself_and_no_object_is_missing(tmp_path: Path) -> None:
    with served("stripe", "--port", 0, "--scenario", "whole", "--clock", (START + timedelta(days=9)).isoformat()) as url:
        house = House(tmp_path / "home", url, [], whole=True)
        assert house.run(nightly=True).exit in (0, 3)
        ask(url, "advance", {"seconds": 40 * 86_400})
        ask(url, "requests", method="DELETE")
        report = house.run(nightly=True)
        assert report.counts["gaps healed"] == len(TYPES), report.problems
        assert [leg.unexplained.minor for leg in report.legs] == [0] * len(report.legs)
        hidden = {"subscriptions": {"status": "all"}}  # cancelled ones are shown only when all are asked for
        theirs = {one.type: rows_of(url, one.name, **hidden.get(one.name, {})) for one in LISTS}
        movements = rows_of(url, "balance_transactions")
        ask(url, "requests", method="DELETE")
        house.run()
        assert len(ask(url, "requests")) == len(TYPES) + 1  # healed for good
    with closing(Store.open(config.read(house.folder).state)) as store:
        (identity, _) = store.bindings()["shop"]
        stream = next(one.stream for one in store.stories(list(store.all_subjects("shop"))[:1]))
        assert stream is not None
        assert stream.account == identity.account
        until = datetime(2027, 1, 1, tzinfo=UTC)
        for kind, rows in {**theirs, "balance_transaction": movements}.items():
            known = set(store.known_between(stream, kind, START, until))
            wanted = {row["id"] for row in rows if row["created"] >= START.timestamp()}
            assert wanted - known == set(), kind
            assert wanted, kind
