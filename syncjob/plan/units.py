"""Posting units: which document of the books an entry belongs to, one of its own or the summary of its day or payout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from syncjob.chart import Chart
from syncjob.model import Document, DocumentKind, Entry, Kind, Role, digest
from syncjob.moment import month_end
from syncjob.plan.books import postings
from syncjob.plan.locking import Late
from syncjob.ports import FieldMap
from syncjob.posting import FEES


class Mode(StrEnum):
    """How the sub-ledger comes to the books."""

    PER_TRANSACTION = "per_transaction"
    PER_PAYOUT = "per_payout"
    PER_DAY = "per_day"
    HYBRID = "hybrid"


# What a bank line or another document is compared with one by one, whatever the mode.
_ALWAYS_ITS_OWN = frozenset(
    {
        *(Kind.PAYOUT.value, Kind.PAYOUT_FAILURE.value, Kind.TOPUP.value, "payout_paid", "payout_failed"),
        *("opening", "fee_bill", "recognition"),
    }
)
_CALLED = {"fees": "payment fee", "dispute_lost": "lost dispute", "reserve": "reserve movement"}


@dataclass(frozen=True, slots=True)
class Booking:
    """How one target's books are kept, and from which instant on: what moved the balance before is a document of its own."""

    mode: Mode = Mode.PER_TRANSACTION
    since: datetime | None = None
    late: Late = Late.HOLD  # what becomes of what falls into a closed period
    shadow: bool = False  # everything is derived, nothing is sent, and what people book is held against it

    def summarises(self, entry: Entry, matched: frozenset[str] = frozenset()) -> bool:
        """Whether an entry belongs into a summary; `matched` are the movements that pay an invoice or give its money back."""
        if self.mode is Mode.PER_TRANSACTION or entry.kind in _ALWAYS_ITS_OWN:
            return False
        if self.since is not None and entry.effective < self.since:
            return False
        return self.mode is not Mode.HYBRID or movement_of(entry) not in matched


PER_TRANSACTION = Booking()


def movement_of(entry: Entry) -> str:
    """The key of the movement that an entry posts, splits or applies."""
    return entry.key.partition(":application:")[0].removesuffix(FEES)


def matched(entries: Iterable[Entry]) -> frozenset[str]:
    """The movements that pay an invoice, or did so."""
    return frozenset(movement_of(one) for one in entries if any(line.role is Role.RECEIVABLE for line in one.lines))


@dataclass(frozen=True, slots=True)
class Unit:
    """What one summary stands for: a gateway account's entries in one settlement currency, of one day or one payout.

    A payout's are split by month: `day` is then that of the document, and its month that of the entries. `payout` is AWAITING
    for what stood in no payout when its month was over.
    """

    source: str
    currency: str
    day: date
    payout: str = ""

    @property
    def _about(self) -> tuple[str, ...]:
        return (self.currency, self.payout, f"{self.day:%Y-%m}") if self.payout else (self.currency, self.day.isoformat())

    @property
    def subject(self) -> str:
        """What people look it up by."""
        return ":".join(("summary", *self._about[1:], self.currency))

    def key(self, target: str, part: int) -> str:
        """The document key of its n-th part."""
        return ":".join((target, self.source, *self._about, DocumentKind.SUMMARY.value, f"{part}"))

    @property
    def title(self) -> str:
        """What it is, for people."""
        if not self.payout:
            return f"Summary of {self.day.isoformat()}"
        if self.payout == AWAITING:
            return f"Awaiting a payout at the end of {self.day:%Y-%m}"
        return f"Settlement {self.payout}, {self.day:%Y-%m}"


AWAITING = "awaiting"


def named(key: str, source: str, day: date) -> tuple[Unit, int]:
    """The unit and part that a document key of this day names."""
    pieces = key.split(":")
    part, is_of_day = int(pieces[-1]), pieces[-3] == day.isoformat()
    return (Unit(source, pieces[-4], day) if is_of_day else Unit(source, pieces[-5], day, pieces[-4])), part


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


@dataclass(frozen=True, slots=True)
class Paid:
    """What is known of the payouts of a gateway account: when each was sent, and by movement key which one pays it out."""

    sent: Mapping[str, date]
    out: Mapping[str, str]
    open_since: date | None = None  # the first day on which one was sent of which it is not known yet what is in it


def payout_units(entries: Iterable[Entry], booking: Booking, paid: Paid, through: date) -> dict[Unit, list[Entry]]:
    """The same by payout and month, of what may be summed up by now: every movement up to and with `through` has been read.

    A payout's entries are summed up when its day is over, those of a month that has ended at once. What no payout pays out
    when its month is over is cut into a document of its own, so that clearing is right at close: once it is known of every
    payout of that month what is in it, but not later than ten days after its end.
    """
    every = [one for one in entries if one.lines and booking.summarises(one)]
    movements = {movement_of(one): _settled(one) for one in every if any(line.bucket for line in one.lines)}
    groups: dict[tuple[str, str, str, date], list[Entry]] = {}
    for one in every:
        movement = movement_of(one)
        payout, end = paid.out.get(movement, AWAITING), month_end(one.date)
        sent = paid.sent.get(payout, date.max)
        ready = end <= through or sent <= through
        if payout == AWAITING:
            known = paid.open_since is None or paid.open_since > end or through >= end + _PATIENCE
            ready = end <= through and known
        if ready:
            currency = movements.get(movement) or _settled(one)
            groups.setdefault((one.source, currency, payout, end), []).append(one)
    found: dict[Unit, list[Entry]] = {}
    for (source, currency, payout, end), group in groups.items():
        found[Unit(source, currency, _day_of(paid.sent.get(payout, date.max), end, group), payout)] = group
    return found


_PATIENCE = timedelta(days=10)


def _day_of(sent: date, end: date, group: Sequence[Entry]) -> date:
    """The day of the document that holds a payout's entries of one month: its own, or the month's last for an earlier one."""
    if sent > end:
        return end
    last = max(one.date for one in group)
    return max(sent, last) if month_end(sent) == end else last


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
        "title": unit.title + (f", part {part}" if part > 1 else ""),
        "payout": unit.payout if unit.payout not in ("", AWAITING) else None,
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
