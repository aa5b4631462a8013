"""What the installation remembers of itself: names and their accounts, runs, statements, small facts, and the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from syncjob.errors import Misconfigured
from syncjob.model import Json, canonical, digest
from syncjob.moment import from_micros, micros
from syncjob.money import Money
from syncjob.ports import Balance, Identity
from syncjob.store import rows
from syncjob.store.database import Database
from syncjob.store.tables import AUDIT, BALANCE, BINDING, CODE, FACT, RUN
from syncjob.store.values import AuditLine, Run

_B, _U = BINDING.c, AUDIT.c
_BINDINGS = select(_B.name, _B.account, _B.mode, _B.label, _B.fingerprint, _B.bound).order_by(_B.name)
_CODES = select(CODE.c.role, CODE.c.source, CODE.c.currency, CODE.c.code).where(CODE.c.target == bindparam("target"))
_RUNS = select(RUN).order_by(RUN.c.id.desc()).limit(bindparam("at_most"))
_RUNS_OF = _RUNS.where(RUN.c.kind == bindparam("wanted"))
_ENDED = (
    update(RUN)
    .values(ended=bindparam("at"), exit=bindparam("code"), counts=bindparam("sums"))
    .where(RUN.c.id == bindparam("number"))
)
_BALANCES = (
    select(BALANCE.c.place, BALANCE.c.currency, BALANCE.c.minor, BALANCE.c.as_of)
    .where(BALANCE.c.source == bindparam("source"))
    .order_by(BALANCE.c.place, BALANCE.c.currency)
)
_FORGET_BALANCES = delete(BALANCE).where(BALANCE.c.source == bindparam("source"))
_FACT = select(FACT.c.value).where(FACT.c.name == bindparam("name"))
_LAST_AUDIT = select(_U.id, _U.chain).order_by(_U.id.desc()).limit(1)
_AUDIT = select(AUDIT).where(_U.id > bindparam("after")).order_by(_U.id).limit(1000)


# ---------------------------------------------------------------- names and accounts


def bindings(database: Database) -> dict[str, tuple[Identity, str]]:
    """Whose each connector is, and the fingerprint of its key."""
    return {
        name: (Identity(account, mode, label), fingerprint)
        for name, account, mode, label, fingerprint, _ in database.rows(_BINDINGS)
    }


def bind(database: Database, name: str, identity: Identity, fingerprint: str, now: datetime) -> None:
    """Bind a name on first use; afterwards only the fingerprint and the label may change."""
    with database.writing():
        standing = {row[0]: row for row in database.rows(_BINDINGS)}.get(name)
        if standing and (standing[1], standing[2]) != (identity.account, identity.mode):
            raise Misconfigured(
                f"{name} has been {standing[1]} ({standing[2]}) so far, but its key opens {identity.account} ({identity.mode});"
                " put the old key back, or give the new account a name of its own"
            )
        bound = standing[5] if standing else micros(now)
        row = (name, identity.account, identity.mode, identity.name, fingerprint, bound, micros(now))
        database.upsert(BINDING, [row])


def bound_accounts(database: Database, target: str) -> dict[tuple[str, str, str], str]:
    """Account codes as first used."""
    found = database.rows(_CODES, target=target)
    return {(role, source, currency): code for role, source, currency, code in found}


def bind_accounts(database: Database, target: str, codes: Mapping[tuple[str, str, str], str]) -> None:
    """Remember account codes that have none yet."""
    with database.writing():
        standing = bound_accounts(database, target)
        database.insert(CODE, [(target, *key, code) for key, code in codes.items() if key not in standing])


def rebind_accounts(database: Database, target: str, codes: Mapping[tuple[str, str, str], str]) -> None:
    """Let account codes that are remembered be others from now on."""
    with database.writing():
        standing = bound_accounts(database, target)
        database.upsert(CODE, [(target, *key, code) for key, code in codes.items() if key in standing])


# ---------------------------------------------------------------- runs


def start_run(database: Database, kind: str, now: datetime) -> int:
    """Note that a run has begun."""
    with database.writing():
        number = database.next_id(RUN)
        database.insert(RUN, [(number, kind, micros(now), None, None, "")])
    return number


def end_run(database: Database, id: int, now: datetime, exit: int, counts: Mapping[str, Json]) -> None:
    """Note how it ended."""
    with database.writing():
        database.run(_ENDED, number=id, at=micros(now), code=exit, sums=rows.object_text(counts))


def runs(database: Database, limit: int, kind: str | None) -> list[Run]:
    """The latest runs, newest first."""
    found = database.rows(_RUNS, at_most=limit) if kind is None else database.rows(_RUNS_OF, at_most=limit, wanted=kind)
    return [
        Run(id, kind_, from_micros(started), rows.instant_of(ended), exit, rows.json_of(counts))
        for id, kind_, started, ended, exit, counts in found
    ]


# ---------------------------------------------------------------- statements and facts


def note_balances(database: Database, source: str, balances: Sequence[Balance]) -> None:
    """Keep the latest statement, in place of the one before: what it no longer names is not stated any more."""
    with database.writing():
        database.run(_FORGET_BALANCES, source=source)
        noted = [(source, one.place, one.amount.currency, one.amount.minor, micros(one.as_of)) for one in balances]
        database.upsert(BALANCE, noted)


def noted_balances(database: Database, source: str) -> list[Balance]:
    """The vendor's latest statement."""
    found = database.rows(_BALANCES, source=source)
    return [Balance(place, Money(minor, currency), from_micros(as_of)) for place, currency, minor, as_of in found]


def set_fact(database: Database, name: str, value: Json) -> None:
    """Remember a fact."""
    with database.writing():
        database.upsert(FACT, [(name, canonical(value))])


def get_fact(database: Database, name: str) -> Json:
    """A remembered fact, or None."""
    found = database.rows(_FACT, name=name)
    value: Json = rows.json_of(found[0][0]) if found else None
    return value


# ---------------------------------------------------------------- audit


def audit(database: Database, now: datetime, who: str, what: str, detail: Mapping[str, Json]) -> None:
    """Append a line whose chain covers the line before: an edit, a gap or a changed order shows."""
    with database.writing():
        last = database.rows(_LAST_AUDIT)
        number, before = (last[0][0] + 1, last[0][1]) if last else (1, "")
        written = rows.object_text(detail)
        database.insert(AUDIT, [(number, micros(now), who, what, written, chain(before, number, now, who, what, detail))])


def chain(before: str, number: int, at: datetime, who: str, what: str, detail: Mapping[str, Json]) -> str:
    """The digest of an audit line and of the chain before it."""
    said = canonical([number, micros(at), who, what, dict(detail)])
    return digest(before, said.encode(errors="backslashreplace").decode())  # half a surrogate pair has no bytes of its own


def audit_log(database: Database) -> Iterator[AuditLine]:
    """Every line, oldest first, some at a time."""
    last = 0
    while page := database.rows(_AUDIT, after=last):
        for id, at, who, what, detail, linked in page:
            yield AuditLine(id, from_micros(at), who, what, rows.json_of(detail), linked)
        last = page[-1][0]
