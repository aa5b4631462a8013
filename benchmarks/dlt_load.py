"""dlt loading the same lists into SQLite, incrementally by `created`, as its REST source and its own Stripe source do it.

Nothing is tuned: default workers, default normaliser (nested objects become columns, nested lists become tables),
append with a primary key. With "flat" as the last argument nested values stay JSON in one column (max_table_nesting=0),
which is the leanest setting that dlt offers for this and is shown beside for fairness.
With "parallel" its lists are read side by side (parallelized resources).
Usage: python benchmarks/dlt_load.py URL FOLDER FEEDS_JSON SINCE_UNIX_SECONDS [flat|parallel]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")  # before the import: a benchmark calls nobody

import dlt
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source

KEY = "sk_test_sandbox"


def load(url: str, folder: Path, feeds: list[dict[str, object]], since: int, way: str) -> int:
    """Bring every feed up to date in FOLDER/dlt.sqlite; returns how many rows were loaded."""
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "bearer", "token": KEY},
                "paginator": JSONResponseCursorPaginator("data[-1].id", "starting_after", has_more_path="has_more"),
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "append"},
            "resources": [{**_resource(feed, since), "parallelized": way == "parallel"} for feed in feeds],  # type: ignore[list-item, misc]
        },
        name="stripe",
    )
    if way == "flat":
        source.max_table_nesting = 0
    pipeline = dlt.pipeline(
        "stripe",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.sqlalchemy(f"sqlite:///{folder / 'dlt.sqlite'}"),
        dataset_name="main",  # SQLite's own name for the file itself; any other becomes a second file
    )
    pipeline.run(source).raise_on_failed_jobs()
    counts = pipeline.last_trace.last_normalize_info.row_counts
    return sum(counts.get(str(feed["name"]), 0) for feed in feeds)


def _resource(feed: dict[str, object], since: int) -> dict[str, object]:
    # requests writes a list as a repeated name, which is what types[]=a&types[]=b needs.
    params: dict[str, object] = {}
    for name, text in feed["params"]:  # type: ignore[attr-defined]
        params.setdefault(name, []).append(text)  # type: ignore[attr-defined]
    created = {"type": "incremental", "cursor_path": "created", "initial_value": since}
    return {
        "name": feed["name"],
        "endpoint": {
            "path": feed["path"],
            "data_selector": "data",
            "params": {**params, "limit": 100, "created[gte]": created},
        },
    }


if __name__ == "__main__":
    done = load(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4]), "".join(sys.argv[5:]))
    sys.stdout.write(json.dumps({"records": done}) + "\n")
