"""Lines of the bank's statements, each kept once however often its file is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import bindparam, select

from syncjob.bankfile import Line
from syncjob.moment import micros
from syncjob.store.database import Database
from syncjob.store.tables import BANKLINE

_B = BANKLINE.c
_LINE = (_B.day, _B.currency, _B.minor, _B.text, _B.nth)
_OF_DAYS = select(*_LINE).where(_B.account == bindparam("account"), _B.day >= bindparam("first"), _B.day <= bindparam("last"))
_ALL = select(_B.account, *_LINE).order_by(_B.day, _B.account, _B.currency, _B.minor, _B.text, _B.nth)


def land(database: Database, account: str, lines: Sequence[Line], now: datetime) -> int:
    """Keep the lines that are not known yet; gives how many these are."""
    if not lines:
        return 0
    days = [line.day.isoformat() for line in lines]
    with database.writing():
        known = {
            Line(date.fromisoformat(day), currency, int(minor), text, int(nth))
            for day, currency, minor, text, nth in database.rows(_OF_DAYS, account=account, first=min(days), last=max(days))
        }
        new = [line for line in lines if line not in known]
        at = micros(now)
        rows = [(account, line.day.isoformat(), line.currency, line.minor, line.text, line.nth, at) for line in new]
        if rows:
            database.insert(BANKLINE, rows)
    return len(new)


def lines(database: Database) -> list[tuple[str, Line]]:
    """(account, line) of every statement, by day."""
    return [
        (account, Line(date.fromisoformat(day), currency, int(minor), text, int(nth)))
        for account, day, currency, minor, text, nth in database.rows(_ALL)
    ]
