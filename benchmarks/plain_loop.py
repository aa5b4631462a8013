"""What a colleague would write in an afternoon: page Stripe's lists with requests, keep the raw JSON in SQLite.

It neither maps, posts, matches nor delivers; it is the floor against which the job's CPU seconds are seen.
Usage: python benchmarks/plain_loop.py URL FOLDER FEEDS_JSON SINCE_UNIX_SECONDS
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import requests

KEY = "sk_test_sandbox"
TIMEOUT_SECONDS = 30


def load(url: str, folder: Path, feeds: list[dict[str, object]], since: int) -> int:
    """Bring every feed up to date in FOLDER/plain.sqlite; returns how many rows were read."""
    database = sqlite3.connect(folder / "plain.sqlite")
    database.execute("CREATE TABLE IF NOT EXISTS cursor (feed TEXT PRIMARY KEY, created INTEGER NOT NULL)")
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {KEY}"
    rows = 0
    for feed in feeds:
        rows += _feed(database, session, f"{url}{feed['path']}", str(feed["name"]), feed["params"], since)
    database.close()
    return rows


def _feed(database: sqlite3.Connection, session: requests.Session, address: str, name: str, fixed: object, since: int) -> int:
    database.execute(f'CREATE TABLE IF NOT EXISTS "{name}" (id TEXT PRIMARY KEY, body TEXT NOT NULL)')
    known = database.execute("SELECT created FROM cursor WHERE feed = ?", (name,)).fetchone()
    newest = since if known is None else known[0]
    params = [*map(tuple, fixed), ("limit", "100"), ("created[gte]", str(newest))]  # type: ignore[call-overload]
    rows, last = 0, None
    while True:
        answer = session.get(address, params=[*params, ("starting_after", last)] if last else params, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        page = answer.json()
        data = page["data"]
        database.executemany(
            f'INSERT OR REPLACE INTO "{name}" VALUES (?, ?)',  # noqa: S608 - the name is one of our own feeds
            [(row["id"], json.dumps(row)) for row in data],
        )
        database.commit()
        rows += len(data)
        newest = max([newest, *(row["created"] for row in data)])
        if not page["has_more"]:
            break
        last = data[-1]["id"]
    database.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (name, newest))
    database.commit()
    return rows


if __name__ == "__main__":
    done = load(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps({"records": done}) + "\n")
