"""What an auditor reads: transactions, entries and documents as rows that are joined by their keys (see docs/export.md).

Subjects are read some hundreds at a time, so memory stays flat; their order is that of their first instant, and within one
subject rows are sorted, so that the same state always gives the same file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from syncjob.errors import Misconfigured, RecordRefused
from syncjob.model import Application, Delivery, Entry, Kind, Reading, Transaction, movement_key
from syncjob.moment import business_date, iso
from syncjob.money import plain

if TYPE_CHECKING:
    from datetime import datetime

    from syncjob.chart import Chart
    from syncjob.config import Config
    from syncjob.model import Line, Refusal
    from syncjob.money import Money
    from syncjob.store import Store, Story

BATCH = 400
BETWEEN = " | "
Cell: TypeAlias = "str | int | tuple[str, ...] | None"  # several texts: joined in CSV, a list in JSON
Row: TypeAlias = tuple[tuple[Cell, ...], Sequence[tuple[Cell, ...]]]  # and its lines, where the table has some


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of an export; `lines` are repeated under one row (nested in JSON), `numbers` are our own plain digits."""

    name: str
    columns: tuple[str, ...]
    lines: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()


TRANSACTIONS = Table(
    "transactions",
    (
        *("transaction", "source", "account", "mode", "id", "kind", "type", "bucket", "subject"),
        *("origin", "parent", "reverses"),
        *("date", "effective", "occurred", "available", "gross", "fee", "net", "currency", "presented", "presented_currency"),
        *("customer", "references", "description", "entry", "invoices", "rule"),
    ),
    numbers=frozenset({"gross", "fee", "net", "presented"}),
)
ENTRIES = Table(
    "entries",
    ("entry", "source", "subject", "kind", "date", "effective", "transaction", "origin", "documents"),
    ("line", "role", "account", "amount", "currency", "bucket", "reference", "home_amount", "home_currency", "rate_source"),
    numbers=frozenset({"line", "amount", "home_amount"}),
)
DOCUMENTS = Table(
    "documents",
    (
        *("document", "target", "kind", "status", "action", "revision", "generation", "source", "subject", "date", "as_of"),
        *("amount", "currency", "entries", "remote", "remote_version", "delivered_revision", "attempts", "why", "cure"),
    ),
    numbers=frozenset({"amount", "revision", "generation", "delivered_revision", "attempts"}),
)
SCHEDULE = Table(
    "schedule",
    ("source", "subject", "how", "first", "until", "month", "earned", "so_far", "total", "currency"),
    numbers=frozenset({"earned", "so_far", "total"}),
)
JOURNAL = replace(ENTRIES, name="journal")  # the same rows, day by day
TABLES = {table.name: table for table in (TRANSACTIONS, ENTRIES, DOCUMENTS, JOURNAL, SCHEDULE)}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are wanted: business dates, both inclusive, one source, one target; nothing said is everything."""

    since: date = date.min
    until: date = date.max
    source: str = ""
    target: str = ""

    def has(self, day: date) -> bool:
        """Whether a business date is wanted."""
        return self.since <= day <= self.until


@dataclass(slots=True)
class LeftOut:
    """Records that say nothing readable: they are in no row, and whoever exports must be told so."""

    number: int = 0
    sources: dict[str, None] = field(default_factory=dict)

    def add(self, source: str, number: int) -> None:
        """Note records of a source."""
        if number:
            self.number += number
            self.sources[source] = None


def rows(table: Table, config: Config, store: Store, choice: Choice, left_out: LeftOut) -> Iterator[Row]:
    """The wanted rows of a table in their order. Raises Misconfigured, before any row, for a name that nothing here has."""
    _known(config, store, choice)
    if table is TRANSACTIONS:
        return _transactions(config, store, choice, left_out)
    if table is SCHEDULE:
        return _schedule(config, store, choice)
    if table is JOURNAL:
        return _journal(config, store, choice)
    return _entries(config, store, choice) if table is ENTRIES else _documents(config, store, choice)


def _known(config: Config, store: Store, choice: Choice) -> None:
    bound = store.bindings()  # a name that syncjob.yaml has no more may still have its history
    gateways = {block.name for block in config.of("gateways")}
    targets = {block.name for block in config.blocks} - gateways
    for option, name, names in (
        ("--source", choice.source, bound.keys() - targets | gateways),
        ("--target", choice.target, bound.keys() - gateways | targets),
    ):
        if name and name not in names:
            raise Misconfigured(f"{option} is {name!r}, which is not in syncjob.yaml; it names {', '.join(sorted(names))}")


def _stories(store: Store, source: str) -> Iterator[Story]:
    subjects = (one for one in store.all_subjects(source or None))
    while batch := list(islice(subjects, BATCH)):
        yield from store.stories(batch)


# ---------------------------------------------------------------- transactions


def _transactions(config: Config, store: Store, choice: Choice, left_out: LeftOut) -> Iterator[Row]:
    from syncjob.mapping import load_gateway

    maps = {block.name: load_gateway(block.connector, config.home) for block in config.of("gateways")}
    for story in _stories(store, choice.source):
        if story.stream is None or not story.records:
            continue
        source_map = maps.get(story.subject.scope)
        if source_map is None:
            left_out.add(story.subject.scope, len(story.records))
            continue
        readable = [record for record in story.records if record.problem is None]
        reading = source_map.read(story.stream, story.subject.name, readable) if readable else Reading()
        wanted = [refusal for refusal in reading.problems if _may_be_wanted(refusal, config, choice)]
        left_out.add(story.subject.scope, len(wanted) + len(story.records) - len(readable))
        posted = {entry.key for entry in story.entries}
        applied = {one.movement: one for one in story.applications}
        for one in sorted(reading.transactions, key=lambda one: (one.effective, one.id)):
            day = business_date(one.effective, config.zone)
            if choice.has(day):
                key = movement_key(one.stream, one.id)
                yield _transaction(one, key, day, key in posted, applied.get(key)), ()


def _may_be_wanted(refusal: Refusal, config: Config, choice: Choice) -> bool:
    return refusal.effective is None or choice.has(business_date(refusal.effective, config.zone))


def _transaction(one: Transaction, key: str, day: date, posted: bool, applied: Application | None) -> tuple[Cell, ...]:
    presented = one.presented
    return (
        key,
        one.stream.source,
        one.stream.account or None,
        one.stream.mode,
        one.id,
        one.kind.value,
        one.type,
        one.bucket,
        one.subject,
        one.origin or None,
        one.parent or None,
        one.reverses or None,
        day.isoformat(),
        iso(one.effective),
        iso(one.occurred),
        _instant(one.available),
        _amount(one.gross),
        _amount(one.gross - one.net),
        _amount(one.net),
        one.gross.currency,
        _amount(presented),
        presented.currency if presented else None,
        one.customer or None,
        tuple(dict.fromkeys(reference.text for reference in one.references)),
        one.description or None,
        key if posted else None,
        tuple(dict.fromkeys(part.invoice for part in applied.parts if part.invoice)) if applied else (),
        applied.rule if applied else None,
    )


# ---------------------------------------------------------------- the schedule of deferred revenue


def _schedule(config: Config, store: Store, choice: Choice) -> Iterator[Row]:
    from syncjob.jobs.recognition import schedule

    for source in [block.name for block in config.of("gateways") if choice.source in ("", block.name)]:
        for one in schedule(store, source):
            if choice.has(one.month):
                how, first, until = one.time
                days = first.isoformat(), until.isoformat(), one.month.isoformat()
                amounts = _amount(one.earned), _amount(one.sofar), _amount(one.total)
                yield (source, one.subject, how.value, *days, *amounts, one.total.currency), ()


# ---------------------------------------------------------------- entries


def _entries(config: Config, store: Store, choice: Choice) -> Iterator[Row]:
    from syncjob.jobs import charts

    several = len(charts.ever(store, config.chart)) > 2  # else today's codes are those of every document
    for story in _stories(store, choice.source):
        wanted = [entry for entry in story.entries if choice.has(entry.date)]
        if not wanted:
            continue
        brought = carried(story)
        written = charts.written_with(store, config.chart, story.deliveries) if several else {}
        for entry in sorted(wanted, key=lambda entry: (entry.effective, entry.key)):
            told = [one for one in brought.get(entry.key, ()) if choice.target in ("", one[0])]
            chart = next((written[one] for one in told if one in written), config.chart)
            lines = [_line(number, line, _code(chart, entry, line)) for number, line in enumerate(entry.lines, 1)]
            yield _entry(entry, [key for _, key in told]), lines


def _journal(config: Config, store: Store, choice: Choice) -> Iterator[Row]:
    """The rows of ENTRIES as a journal has them: by date, instant and key."""
    from syncjob.jobs import charts

    ever = charts.ever(store, config.chart)
    several = len(ever) > 2
    for entry, carried_by in store.daybook(choice.since, choice.until, choice.source):
        told = [one for one in carried_by if choice.target in ("", one.target)]
        chart = ever[told[0].chart] if told and several else config.chart
        lines = [_line(number, line, _code(chart, entry, line)) for number, line in enumerate(entry.lines, 1)]
        yield _entry(entry, [one.document for one in told]), lines


def _entry(entry: Entry, documents: Sequence[str]) -> tuple[Cell, ...]:
    moved = entry.kind in _MOVEMENTS
    return (
        entry.key,
        entry.source,
        entry.subject,
        entry.kind,
        entry.date.isoformat(),
        iso(entry.effective),
        f"{entry.source}:{entry.origin}" if moved else None,
        entry.origin,
        tuple(documents),
    )


_MOVEMENTS = frozenset({*(kind.value for kind in Kind), "application", "fees"})  # their origin is a ledger id


def _line(number: int, line: Line, code: str | None) -> tuple[Cell, ...]:
    home = line.home
    return (
        number,
        line.role.value,
        code,
        _amount(line.amount),
        line.amount.currency,
        line.bucket or None,
        line.reference or None,
        _amount(home),
        home.currency if home else None,
        line.rate_source or None,
    )


def _code(chart: Chart, entry: Entry, line: Line) -> str | None:
    try:
        return chart.code(line.role, entry.source, line.amount.currency)
    except Misconfigured:
        return None  # a role that accounts.csv does not have yet: the entry is there all the same


def carried(story: Story) -> dict[str, list[tuple[str, str]]]:
    """Entry key -> the documents that bring it to books, as (target, document key)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for (target, entry), document in sorted(story.posted.items()):
        found.setdefault(entry, []).append((target, document))
    return found


# ---------------------------------------------------------------- documents


def _documents(config: Config, store: Store, choice: Choice) -> Iterator[Row]:
    for story in _stories(store, choice.source):
        wanted = [one for one in story.deliveries if choice.target in ("", one.target)]
        wanted = [one for one in wanted if choice.has(one.date or business_date(one.as_of, config.zone))]
        if not wanted:
            continue
        brings: dict[tuple[str, str], list[str]] = {}
        for entry, documents in carried(story).items():
            for document in documents:
                brings.setdefault(document, []).append(entry)
        source = story.subject.scope if story.stream else None
        for one in sorted(wanted, key=lambda one: (one.target, one.key)):
            yield _document(one, source, sorted(brings.get((one.target, one.key), ()))), ()


def _document(one: Delivery, source: str | None, entries: Sequence[str]) -> tuple[Cell, ...]:
    worth = _worth(one)
    return (
        one.key,
        one.target,
        one.kind.value,
        one.word,
        one.action.value,
        one.revision,
        one.generation,
        source,
        one.subject,
        one.date.isoformat() if one.date else None,
        iso(one.as_of),
        _amount(worth),
        worth.currency if worth else None,
        tuple(entries),
        one.remote.id if one.remote else None,
        (one.remote.version or None) if one.remote else None,
        one.delivered_revision or None,
        one.attempts,
        one.problem.why if one.problem else None,
        (one.problem.cure or None) if one.problem else None,
    )


def _worth(one: Delivery) -> Money | None:
    from syncjob.cli.night import price

    try:
        return price(one)
    except RecordRefused:
        return None  # a map of the home's own may write an amount in another way than ours


def _amount(amount: Money | None) -> str | None:
    return plain(amount.minor, amount.currency) if amount is not None else None


def _instant(instant: datetime | None) -> str | None:
    return iso(instant) if instant is not None else None


def as_object(table: Table, row: Row) -> Mapping[str, object]:
    """A row as JSON has it: the same names, an entry's lines nested."""
    head, lines = row
    told: dict[str, object] = dict(zip(table.columns, head, strict=True))
    if table.lines:
        told["lines"] = [dict(zip(table.lines, line, strict=True)) for line in lines]
    return told


def as_cells(row: Row) -> Iterator[tuple[Cell, ...]]:
    """A row as a sheet has it: once for each of its lines, or once where it has none."""
    head, lines = row
    flat = tuple(BETWEEN.join(cell) if type(cell) is tuple else cell for cell in head)
    return (flat + line for line in lines) if lines else iter((flat,))
