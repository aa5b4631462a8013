"""Opening the state: where it lies, who may read it, whether it is sound, and the settings that make a commit durable."""

from __future__ import annotations

import os
import socket
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from syncjob.errors import Misconfigured, StateDamaged
from syncjob.moment import from_micros, micros
from syncjob.store.database import Database
from syncjob.store.faults import WAIT_SECONDS, explained, from_os
from syncjob.store.lock import is_held
from syncjob.store.tables import META

_SQLITE = (
    f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}",
    "PRAGMA synchronous = FULL",  # in WAL mode, NORMAL may forget a committed transaction when power fails
    "PRAGMA fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is forgotten about a person is overwritten, not only unlinked
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -8000",
    "PRAGMA wal_autocheckpoint = 8000",  # pages, 32 MB: what is written again and again is copied into the file once
)
_POSTGRESQL = (
    "SET synchronous_commit = on",
    f"SET lock_timeout = '{WAIT_SECONDS}s'",
    "SET standard_conforming_strings = on",
)
_SMALL = 32 * 1024 * 1024  # bytes that are checked within a fraction of a second, so at each opening
_DAILY = timedelta(hours=20)
_CHECKED = "checked"
_LAST_CHECK = select(META.c.value).where(META.c.name == _CHECKED)


def address(url: str) -> URL:
    """A SQLAlchemy URL, or the path of a SQLite file, as the URL with the driver that we use."""
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as wrong:
        raise Misconfigured(
            f"the state's URL cannot be read: {wrong}; write a path, or postgresql://user@host/database"
        ) from wrong
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise Misconfigured(f"the state's URL names {parsed.drivername}; syncjob keeps its state in SQLite or postgresql+psycopg")


def path_of(url: URL) -> Path | None:
    """The file of a SQLite URL; None for PostgreSQL and for a database in memory."""
    name = url.database or ""
    return Path(name) if url.drivername == "sqlite" and name not in ("", ":memory:") else None


def lock_path(path: Path) -> Path:
    """The lock file beside a state file."""
    return path.with_name(path.name + ".lock")


def connect(url: URL, *, create: bool) -> Database:
    """Connect and set what makes a commit durable; the tables may still be missing or old."""
    path = path_of(url)
    place = str(path) if path else url.render_as_string(hide_password=True)
    if path is not None:
        _file(path, create=create)
    settings: dict[str, Any] = {"timeout": WAIT_SECONDS}
    more: dict[str, Any] = {}
    if url.drivername != "sqlite":
        name = f"syncjob process {os.getpid()} on {socket.gethostname()}"
        settings = {"connect_timeout": WAIT_SECONDS, "application_name": name[:63], "client_encoding": "utf8"}
        more = {"paramstyle": "format"}
    try:
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=settings, **more)
        database = Database(engine.connect(), place)
    except ImportError as wrong:
        raise Misconfigured(
            "the state is in PostgreSQL, but its driver is missing: pip install 'syncjob[postgresql]'"
        ) from wrong
    except DBAPIError as wrong:
        raise explained(place, wrong) from wrong
    try:
        _settle_in(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _settle_in(database: Database, path: Path | None) -> None:
    for words in _SQLITE if database.sqlite else _POSTGRESQL:
        database.command(words)
    if database.sqlite:
        mode = database.command("PRAGMA journal_mode = WAL")[0][0]
        if path is not None and mode != "wal":
            raise StateDamaged(f"the state {path} cannot keep a write-ahead log here ({mode}); move it to a local disk")
    elif (encoding := database.command("SHOW server_encoding")[0][0]) != "UTF8":
        raise StateDamaged(f"the database {database.place} is encoded in {encoding}; make one with ENCODING 'UTF8'")


def _file(path: Path, *, create: bool) -> None:
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode):
            raise StateDamaged(f"the state {path} is no file; check the path")
        if known.st_size == 0 and lock_path(path).exists():
            raise StateDamaged(f"the state {path} is empty, though it has been in use; restore its last backup")
    except FileNotFoundError:
        if not create:
            raise Misconfigured(f"there is no state in {path} yet: run syncjob run once, or check the path") from None
        _make(path)
    except OSError as wrong:
        raise from_os(str(path), wrong) from wrong


def _make(path: Path) -> None:
    """Create the file before SQLite does, readable by its owner alone; SQLite gives its log the same permissions."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return  # another process was faster
    except OSError as wrong:
        raise from_os(str(path), wrong) from wrong


def unclean(path: Path | None) -> bool:
    """Whether the last program that had the file open was killed: its log is there, nobody works. Ask before connecting."""
    if path is None or is_held(lock_path(path)):
        return False
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def check(database: Database, path: Path | None, now: datetime | None, *, killed: bool) -> None:
    """Read the whole file for damage: each time while it is small or after a kill, once a day when it is large."""
    if path is None or not (killed or now is None or path.stat().st_size < _SMALL or _check_is_due(database, now)):
        return
    found = database.command("PRAGMA quick_check(1)")
    if not found or found[0][0] != "ok":
        what = found[0][0] if found else "no answer"
        raise StateDamaged(
            f"the state {path} is damaged ({' '.join(str(what).split())}); restore its last backup, then run again"
        )
    if now is not None and path.stat().st_size >= _SMALL:
        with database.writing():
            database.upsert(META, [(_CHECKED, str(micros(now)))])


def _check_is_due(database: Database, now: datetime) -> bool:
    known = database.rows(_LAST_CHECK)
    return not known or now - from_micros(int(known[0][0])) > _DAILY
