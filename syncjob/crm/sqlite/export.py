"""Tables and views as rows for people: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from syncjob import csvfile
from syncjob.crm.sqlite.schema import BY_NAME, NUMBERS, VIEWS, opened
from syncjob.errors import Misconfigured

_BUSY_SECONDS = 5


def tables() -> tuple[str, ...]:
    """The tables and views that can be exported."""
    return (*BY_NAME, *VIEWS)


def export_csv(path: Path, table: str, out: TextIO) -> None:
    """Write a table or view as CSV (RFC 4180) in which no cell of data is a formula; amounts are plain decimals.

    An unknown table, or a file that cannot be read, is Misconfigured.
    """
    with _rows(path, table) as (names, rows):
        csvfile.write(out, names, NUMBERS, rows)


def export_jsonl(path: Path, table: str, out: TextIO) -> None:
    """Write a table or view as one JSON object a line, amounts as plain decimal text; raises what `export_csv` raises."""
    with _rows(path, table) as (names, rows):
        for row in rows:
            out.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n")


@contextmanager
def _rows(path: Path, table: str) -> Iterator[tuple[Sequence[str], Iterator[Sequence[object]]]]:
    if table not in tables():
        raise Misconfigured(f"table is {table!r}; write one of {', '.join(tables())}")
    if not path.exists():
        raise Misconfigured(f"{path} does not exist; run: syncjob run")
    view = f"readable_{table}" if table in BY_NAME else table
    try:
        with closing(opened(path, _BUSY_SECONDS)) as db:
            order = " ORDER BY external_id" if table in BY_NAME else ""
            rows = db.execute(f"SELECT * FROM {view}{order}")  # noqa: S608  (a name from our own list)
            yield [column[0] for column in rows.description], rows
    except sqlite3.Error as wrong:
        raise Misconfigured(f"{path} cannot be read as the CRM's file: {wrong}") from wrong
