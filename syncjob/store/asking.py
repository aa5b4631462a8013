"""What people ask of the state: what is held, and what an id belongs to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, or_, select

from syncjob.matching import normal
from syncjob.model import Refusal
from syncjob.store import rows
from syncjob.store.database import Database
from syncjob.store.tables import APPLICATION, DELIVERY, ENTRY, INVOICE, PART, RECORD, REFUSAL, SUBJECT
from syncjob.store.values import Subject

_S, _A = SUBJECT.c, APPLICATION.c
_SUBJECT = (_S.scope, _S.name, _S.position)
_REFUSALS = (
    select(*_SUBJECT, *rows.REFUSAL_COLUMNS)
    .select_from(REFUSAL.join(SUBJECT, _S.id == REFUSAL.c.subject))
    .order_by(_S.position, _S.name, _S.scope, REFUSAL.c.ordinal)
)
_REFUSALS_OF = _REFUSALS.where(_S.scope == bindparam("scope"))


def _about(table: Any, *conditions: Any) -> Any:
    return select(*_SUBJECT).select_from(table.join(SUBJECT, _S.id == table.c.subject)).where(or_(*conditions)).distinct()


def _is(column: Any) -> Any:
    return column == bindparam("id")


def _ends(column: Any) -> Any:
    """The name itself or what stands after its last colons: a person pastes pi_1, not payment:pi_1."""
    return or_(_is(column), column.like(bindparam("tail"), escape="\\"))


# The tails have no index: they are read through once when a person asks, and cost a run nothing.
_SEARCHES = (
    _about(RECORD, _is(RECORD.c.name)),
    select(*_SUBJECT).where(_ends(_S.name)),
    _about(ENTRY, _ends(ENTRY.c.key), _ends(ENTRY.c.origin)),
    _about(DELIVERY, _is(DELIVERY.c.key)),
)
_NUMBERS = (
    _about(APPLICATION, _is(_A.number)),
    select(*_SUBJECT)
    .select_from(PART.join(APPLICATION, _A.id == PART.c.application).join(SUBJECT, _S.id == _A.subject))
    .where(_is(PART.c.number))
    .distinct(),
)
_INVOICES = (
    select(*_SUBJECT)
    .select_from(INVOICE.join(SUBJECT, (_S.scope == INVOICE.c.target) & (_S.name == "invoice:" + INVOICE.c.number)))
    .where(or_(INVOICE.c.normal == bindparam("number"), INVOICE.c.id == bindparam("id")))
)


def refusals(database: Database, source: str | None) -> list[tuple[Subject, Refusal]]:
    """Records that are held, in the order of their subjects."""
    found = database.rows(_REFUSALS) if source is None else database.rows(_REFUSALS_OF, scope=source)
    return [(Subject(scope, name, position), rows.refusal_of(row)) for scope, name, position, *row in found]


def search(database: Database, id: str) -> list[Subject]:
    """Every subject that an id belongs to, in order of position."""
    escaped = id.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    number = normal(id)
    with database.reading():
        found = [row for one in _SEARCHES for row in database.rows(one, id=id, tail=f"%:{escaped}")]
        if number:
            found += [row for one in _NUMBERS for row in database.rows(one, id=number)]
        found += database.rows(_INVOICES, id=id, number=number)
    subjects = {Subject(*row) for row in found}
    return sorted(subjects, key=lambda one: (one.position, one.name, one.scope))
