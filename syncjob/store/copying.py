"""Copying the whole state into a fresh SQLite file, for a dry run or a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from syncjob.errors import Misconfigured
from syncjob.store.database import Database
from syncjob.store.faults import explained
from syncjob.store.opening import address, connect
from syncjob.store.schema import prepare
from syncjob.store.tables import METADATA

_AT_ONCE = 1000


def copy_to(database: Database, path: Path) -> None:
    """Copy into a file that does not exist yet, all of one instant."""
    if path.exists():
        raise Misconfigured(f"{path} exists already: a copy of the state needs a file name of its own")
    copy = connect(address(str(path)), create=True)
    try:
        if database.sqlite:
            _back_up(database, copy)
        else:
            _copy_rows(database, copy)
    finally:
        copy.close()


def _back_up(database: Database, copy: Database) -> None:
    source: Any = database.connection.connection.driver_connection
    try:
        source.backup(copy.connection.connection.driver_connection)
    except copy.complaints as wrong:
        raise explained(copy.place, wrong) from wrong


def _copy_rows(database: Database, copy: Database) -> None:
    prepare(copy, create=True)
    with database.reading(), copy.writing(fenced=False):
        for table in METADATA.sorted_tables:
            copy.command(f'DELETE FROM "{table.name}"')  # noqa: S608 - a name of ours
            for page in database.pages(select(table), _AT_ONCE):
                copy.many(insert(table), [column.name for column in table.columns], page)
