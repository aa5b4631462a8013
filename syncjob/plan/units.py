"""Posting units: which document of the books an entry belongs to, one of its own or the summary of its day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from syncjob.chart import Chart
from syncjob.model import Document, DocumentKind, Entry, Kind, Role, digest
from syncjob.plan.books import postings
from syncjob.plan.locking import Late
from syncjob.ports import FieldMap
from syncjob.posting import FEES


class Mode(StrEnum):
    """How the sub-ledger comes to the books."""

    PER_TRANSACTION = "per_transaction"
    PER_DAY = "per_day"
    HYBRID = "hybrid"


# What a bank line or another document is compared with one by one, whatever the mode.
_ALWAYS_ITS_OWN = frozenset(
    {Kind.PAYOUT.value, Kind.PAYOUT_FAILURE.value, Kind.TOPUP.value, "payout_paid", "payout_failed", "opening", "fee_bill"}
)
_CALLED = {"fees": "payment fee", "dispute_lost": "lost dispute", "reserve": "reserve movement"}


@dataclass(frozen=True, slots=True)
class Booking:
    """How one target's books are kept, and from which instant on: what moved the balance before is a document of its own."""

    mode: Mode = Mode.PER_TRANSACTION
    since: datetime | None = None
    late: Late = Late.HOLD  # what becomes of what falls into a closed period

    def summarises(self, entry: Entry, matched: frozenset[str] = frozenset()) -> bool:
        """Whether an entry belongs into a summary; `matched` are the movements that pay an invoice or give its money back."""
        if self.mode is Mode.PER_TRANSACTION or entry.kind in _ALWAYS_ITS_OWN:
            return False
        if self.since is not None and entry.effective < self.since:
            return False
        return self.mode is Mode.PER_DAY or movement_of(entry) not in matched


PER_TRANSACTION = Booking()


def movement_of(entry: Entry) -> str:
    """The key of the movement that an entry posts, splits or applies."""
    return entry.key.partition(":application:")[0].removesuffix(FEES)


def matched(entries: Iterable[Entry]) -> frozenset[str]:
    """The movements that pay an invoice, or did so."""
    return frozenset(movement_of(one) for one in entries if any(line.role is Role.RECEIVABLE for line in one.lines))


@dataclass(frozen=True, slots=True)
class Unit:
    """What one summary stands for: a gateway account's entries of one day in one settlement currency."""

    source: str
    currency: str
    day: date

    @property
    def subject(self) -> str:
        """What people look it up by."""
        return f"summary:{self.day.isoformat()}:{self.currency}"

    def key(self, target: str, part: int) -> str:
        """The document key of its n-th part."""
        return f"{target}:{self.source}:{self.currency}:{self.day.isoformat()}:{DocumentKind.SUMMARY.value}:{part}"


def named(key: str, source: str) -> tuple[Unit, int]:
    """The unit and part that a document key names."""
    currency, day, _, part = key.rsplit(":", 4)[1:]
    return Unit(source, currency, date.fromisoformat(day)), int(part)


def units(entries: Iterable[Entry], booking: Booking) -> dict[Unit, list[Entry]]:
    """The entries that belong into summaries, by unit, in the order in which they are given."""
    every = list(entries)
    of_invoices = matched(every)
    movements: dict[str, str] = {movement_of(e): _settled(e) for e in every if any(line.bucket for line in e.lines)}
    found: dict[Unit, list[Entry]] = {}
    for one in every:
        if one.lines and booking.summarises(one, of_invoices):
            currency = movements.get(movement_of(one)) or _settled(one)
            found.setdefault(Unit(one.source, currency, one.date), []).append(one)
    return found


def _settled(entry: Entry) -> str:
    """The currency that the gateway's balance moved in, or that of the first line where it did not move."""
    return next((line.amount.currency for line in entry.lines if line.bucket), entry.lines[0].amount.currency)


def summary(
    target: str, unit: Unit, part: int, entries: Sequence[Entry], map: FieldMap, chart: Chart, at: datetime
) -> Document:
    """The document of a unit's n-th part: every entry summed by account. Raises RecordRefused where it cannot be made."""
    kinds: dict[str, int] = {}
    for one in entries:
        name = _CALLED.get(one.kind, one.kind.replace("_", " "))
        kinds[name] = kinds.get(name, 0) + 1
    text = ", ".join(f"{number} {name}{'s' * (number > 1)}" for name, number in sorted(kinds.items()))
    happening: Mapping[str, object] = {
        "source": unit.source,
        "subject": unit.subject,
        "date": unit.day,
        "title": f"Summary of {unit.day.isoformat()}" + (f", part {part}" if part > 1 else ""),
        "text": text,
        "settled_currency": unit.currency,
    }
    body = map.body(DocumentKind.SUMMARY, happening)
    body["date"] = unit.day.isoformat()
    body["postings"] = postings([line for one in entries for line in one.lines], unit.source, chart)
    return Document(
        key=unit.key(target, part),
        kind=DocumentKind.SUMMARY,
        subject=unit.subject,
        as_of=at,
        body=body,
        entries=tuple(one.key for one in entries),
        date=unit.day,
    )


def facts(entries: Sequence[Entry]) -> str:
    """What stands for the entries of a summary."""
    return digest(*(one.key for one in entries))
