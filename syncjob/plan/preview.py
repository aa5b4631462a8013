"""What a changed map or account code would alter, as values: a document before and after, and posted money read otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any, TypeAlias, cast

from syncjob.errors import Problem, RecordRefused
from syncjob.model import Delivery, DocumentKind, Entry, Json, Kind, Line, Transaction, movement_key
from syncjob.money import Money
from syncjob.posting import FEES, post, together
from syncjob.posting.rules import Treatment

Sums: TypeAlias = dict[tuple[str, str], int]  # (account, currency) -> minor units
_MOVEMENTS = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True)
class Moved:
    """What one document would post to an account, before and after."""

    account: str
    before: Money
    after: Money


@dataclass(frozen=True, slots=True)
class Change:
    """One document that would be another: its fields and postings before and after, only those that differ."""

    target: str
    key: str
    kind: DocumentKind
    subject: str
    date: date | None
    state: str  # "delivered", "unsent", or "new": nobody has planned it so far
    closed: bool  # its day lies in a closed period of the target
    fields: tuple[tuple[str, Json, Json], ...]
    moved: tuple[Moved, ...]

    @property
    def stays(self) -> bool:
        """Whether nobody alters it here: it is delivered, and its period is closed."""
        return self.closed and self.state == "delivered"


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Posted money of which the maps say something else today: it stays, entry and document, until a person undoes it."""

    source: str
    key: str
    subject: str
    date: date
    said: tuple[tuple[str, str, str], ...]  # what differs, as posted, as read today


@dataclass(frozen=True, slots=True)
class Held:
    """A record that is held before or after: `freed` can be read again, else it could be read so far."""

    source: str
    subject: str
    type: str
    id: str
    problem: Problem
    freed: bool
    posted: bool  # its money is in the sub-ledger and stays there


def change(was: Delivery | None, now: Delivery, *, closed: bool) -> Change | None:
    """What becomes of a delivery, or None where its content stays the same."""
    if was is not None and was.digest == now.digest:
        return None
    before = dict(was.body) if was is not None else {}
    fields = [*_differing("", _texts(before), _texts(now.body))]
    fields += _differing("needs ", dict(was.needs) if was is not None else {}, dict(now.needs))
    state = "new" if was is None else "delivered" if was.delivered_revision else "unsent"
    sums, then = sums_of(before), sums_of(now.body)
    moved = [Moved(account, *_both(account, currency, sums, then)) for account, currency in dict.fromkeys([*sums, *then])]
    return Change(
        *(now.target, now.key, now.kind, now.subject, now.date, state, closed, tuple(fields)),
        moved=tuple(one for one in moved if one.before != one.after),
    )


def _both(account: str, currency: str, before: Sums, after: Sums) -> tuple[Money, Money]:
    place = account, currency
    return Money(before.get(place, 0), currency), Money(after.get(place, 0), currency)


def sums_of(body: Mapping[str, Json]) -> Sums:
    """What the postings of a document's body bring to each account."""
    sums: Sums = {}
    for posting in cast("Sequence[Mapping[str, Any]]", body.get("postings", ())):
        place = posting["account"], posting["currency"]
        sums[place] = sums.get(place, 0) + Money.of(posting["amount"], posting["currency"]).minor
    return sums


def _texts(body: Mapping[str, Json]) -> dict[str, Json]:
    """The fields of a body, those of a mapping inside it one by one."""
    found: dict[str, Json] = {}
    for name, value in body.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": one for inner, one in value.items()})
        elif name != "postings":
            found[name] = value
    return found


def _differing(prefix: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[tuple[str, Json, Json]]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{prefix}{name}", before.get(name), after.get(name)


def otherwise(
    entries: Sequence[Entry],
    transactions: Iterable[Transaction],
    refused: Iterable[str],
    zone: tzinfo,
    home: str,
    how: Treatment,
) -> Iterator[Otherwise]:
    """The posted movements of which maps and posting rules tell another kind, account, amount or day now, or nothing at all.

    `refused` are the ids of records that are held today: what those say is told by their own sentence.
    """
    fees = {entry.key: entry for entry in entries if entry.key.endswith(FEES)}
    posted = {e.key: together(e, fees.get(f"{e.key}{FEES}")) for e in entries if e.kind in _MOVEMENTS}
    untold = set(refused)
    for one in transactions:
        entry = posted.pop(movement_key(one.stream, one.id), None)
        if entry is None:
            continue
        try:
            today = post(one, zone, home, how)
        except RecordRefused:
            continue
        said = tuple((name, before, after) for name, before, after in _said(entry, today) if before != after)
        if said:
            yield Otherwise(entry.source, entry.key, entry.subject, entry.date, said)
    for entry in posted.values():
        if entry.origin not in untold:
            was = f"{entry.kind} of {entry.lines[0].amount}" if entry.lines else entry.kind
            yield Otherwise(entry.source, entry.key, entry.subject, entry.date, (("kind", was, "nothing"),))


def _said(posted: Entry, today: Entry) -> Iterator[tuple[str, str, str]]:
    yield "kind", posted.kind, today.kind
    yield "day", posted.date.isoformat(), today.date.isoformat()
    yield "effective", posted.effective.isoformat(), today.effective.isoformat()
    before, after = _by_role(posted.lines), _by_role(today.lines)
    for role, currency in dict.fromkeys([*before, *after]):
        amounts = [str(Money(sums.get((role, currency), 0), currency)) for sums in (before, after)]
        yield f"{role} {currency}", amounts[0], amounts[1]


def _by_role(lines: Sequence[Line]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for line in lines:
        place = line.role.value, line.amount.currency
        sums[place] = sums.get(place, 0) + line.amount.minor
    return sums
