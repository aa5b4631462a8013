"""What is landed of some ids, for a feed that is read again to compare."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from syncjob.model import Stream
from syncjob.store import subjects
from syncjob.store.database import Database, among
from syncjob.store.tables import RECORD

_R = RECORD.c
_DIGESTS = select(_R.type, _R.name, _R.digest).where(_R.stream == bindparam("stream"), _R.head == 1, among(_R.name, "names"))


def digests(database: Database, stream: Stream, ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """(type, id) -> the digest of the newest landed version, for those of these ids that were landed."""
    number = next((id for id, one in subjects.streams(database).items() if one == stream), None)
    if number is None or not ids:
        return {}
    return {(type, name): digest for type, name, digest in database.rows(_DIGESTS, stream=number, names=list(ids))}
