"""Tables and views as CSV for spreadsheets."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TextIO

from syncjob.crm.sqlite.schema import BY_NAME, NUMBERS, VIEWS, opened
from syncjob.errors import Misconfigured

_BUSY_SECONDS = 5
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")  # noqa: RUF001  (full-width forms count too)


def tables() -> tuple[str, ...]:
    """The tables and views that can be exported."""
    return (*BY_NAME, *VIEWS)


def export_csv(path: Path, table: str, out: TextIO) -> None:
    """Write a table or view as CSV (RFC 4180) in which no cell of data is a formula; amounts are plain decimals.

    An unknown table, or a file that cannot be read, is Misconfigured.
    """
    if table not in tables():
        raise Misconfigured(f"table is {table!r}; write one of {', '.join(tables())}")
    if not path.exists():
        raise Misconfigured(f"{path} does not exist; run: syncjob run")
    view = f"readable_{table}" if table in BY_NAME else table
    try:
        with closing(opened(path, _BUSY_SECONDS)) as db:
            order = " ORDER BY external_id" if table in BY_NAME else ""
            rows = db.execute(f"SELECT * FROM {view}{order}")  # noqa: S608  (a name from our own list)
            names = [column[0] for column in rows.description]
            writer = csv.writer(out)
            writer.writerow(names)
            typed = [name in NUMBERS for name in names]
            for row in rows:
                writer.writerow([cell if number else _inert(cell) for cell, number in zip(row, typed, strict=True)])
    except sqlite3.Error as wrong:
        raise Misconfigured(f"{path} cannot be read as the CRM's file: {wrong}") from wrong


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA) else cell
