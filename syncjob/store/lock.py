"""The one-writer lock of a state: the operating system or PostgreSQL frees it when its holder dies, never a time-out."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncjob.errors import Busy, StateDamaged
from syncjob.store.database import Database
from syncjob.store.faults import from_os

_FAMILY = 0x53594E43  # "SYNC": the first half of our advisory lock's number; the second stands for the schema
_MINE = f"{_FAMILY}, hashtext(current_schema())"
_HOLDER = (
    "SELECT activity.application_name FROM pg_locks JOIN pg_stat_activity activity ON activity.pid = pg_locks.pid"  # noqa: S608 - of constants
    " WHERE pg_locks.locktype = 'advisory' AND pg_locks.granted AND pg_locks.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
    f" AND pg_locks.classid = {_FAMILY} AND pg_locks.objid::bigint = (hashtext(current_schema())::bigint & 4294967295)"
)


@contextmanager
def file_lock(path: Path, place: str) -> Iterator[None]:
    """Hold a lock file; Busy, with the holder's process id, if another process holds it."""
    handle = _taken(path, place)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)  # the file stays: deleting it would let two runs hold two locks of one name


def _taken(path: Path, place: str) -> int:
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as wrong:
            raise from_os(place, wrong) from wrong
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            os.close(handle)
            if not isinstance(wrong, BlockingIOError):
                raise from_os(place, wrong) from wrong
            raise Busy(_sentence(place, f"process {holder}" if holder else "another process")) from None
        if _same_file(handle, path):
            return handle
        os.close(handle)  # somebody deleted the file between our two calls: lock the one that is there now


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool:
    """Whether a process holds a lock file now."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def advisory_lock(database: Database) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock on the connection that does the work, so that losing one is losing the other."""
    if not database.command(f"SELECT pg_try_advisory_lock({_MINE})")[0][0]:
        holder = database.command(_HOLDER)
        raise Busy(_sentence(database.place, str(holder[0][0]) if holder else "another process"))
    try:
        yield
    finally:
        try:
            database.command(f"SELECT pg_advisory_unlock({_MINE})")
        except StateDamaged:
            database.close()  # the connection is gone, and its lock with it


def _sentence(place: str, holder: str) -> str:
    return f"another run ({holder}) is working with the state {place}; wait until it has ended"
