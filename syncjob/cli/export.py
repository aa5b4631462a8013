"""export: transactions, entries and documents for an auditor, and what an embedded CRM holds, as CSV or JSON lines."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.cli.leaving import PASSING, forget_stdout
from syncjob.errors import EXIT_HELD, EXIT_OK, Misconfigured, TryLater

if TYPE_CHECKING:
    from syncjob.cli.evidence import Row, Table

FORMATS = ("csv", "jsonl")
JOURNALS = ("beancount", "hledger", *FORMATS)

_format = click.option("--format", "kind", type=click.Choice(FORMATS), default="csv", show_default=True, help="The form.")
_out = click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write (else standard output).")
_since = click.option("--from", "since", default="", metavar="DAY", help="The first business date: 2026-11-01.")
_until = click.option("--to", "until", default="", metavar="DAY", help="The last business date, itself included.")
_source = click.option("--source", default="", metavar="NAME", help="One gateway account only.")


@verb("transactions", "syncjob export transactions --from 2026-11-01 --out november.csv")
@_format
@_since
@_until
@_source
@_out
def transactions(kind: str, since: str, until: str, source: str, out: Path | None) -> int:
    """Write every money movement that the gateways told.

    They are read again from the landed records by the maps of today. Records that cannot be read are counted on stderr, and
    the exit code is then 3.
    """
    return _exported("transactions", kind, since, until, source, "", out)


@verb("entries", "syncjob export entries --format jsonl --source stripe")
@_format
@_since
@_until
@_source
@click.option("--target", default="", metavar="NAME", help="Name only the documents of these books.")
@_out
def entries(kind: str, since: str, until: str, source: str, target: str, out: Path | None) -> int:
    """Write the sub-ledger: every posted entry with its lines.

    In CSV each line is a row of its own; in JSON the lines stand inside their entry.
    """
    return _exported("entries", kind, since, until, source, target, out)


@verb("journal", "syncjob export journal --format beancount --out journal.beancount")
@click.option("--format", "kind", type=click.Choice(JOURNALS), default="beancount", show_default=True, help="The form.")
@_since
@_until
@_source
@click.option("--target", default="", metavar="NAME", help="Name only the documents of these books.")
@_out
def journal(kind: str, since: str, until: str, source: str, target: str, out: Path | None) -> int:
    """Write the sub-ledger as a journal that Beancount or hledger reads.

    The same entries as `export entries`, day by day, with the account codes of accounts.csv; each balances in each of its
    currencies.
    """
    return _exported("journal", kind, since, until, source, target, out)


@verb("schedule", "syncjob export schedule --out deferred.csv")
@_format
@_since
@_until
@_source
@_out
def schedule(kind: str, since: str, until: str, source: str, out: Path | None) -> int:
    """Write the schedule of deferred revenue: what each sale earns, month by month.

    Of sales that are recorded here and paid in advance (revenue: by_day or per_period in syncjob.yaml). `month` is the last day
    of each; the amounts of a sale sum to its total to the last cent.
    """
    return _exported("schedule", kind, since, until, source, "", out)


@verb("documents", "syncjob export documents --target books --out documents.csv")
@_format
@_since
@_until
@_source
@click.option("--target", default="", metavar="NAME", help="One target only.")
@_out
def documents(kind: str, since: str, until: str, source: str, target: str, out: Path | None) -> int:
    """Write what books and CRM were sent, with their own ids for it.

    Each row is a document as it stands: delivered, on its way, or held and why.
    """
    return _exported("documents", kind, since, until, source, target, out)


@verb("crm", "syncjob export crm --format csv --table payments --out payments.csv")
@_format
@click.option("--table", default="payments", show_default=True, help="A table or view of the CRM.")
@_out
@click.option("--target", default="", metavar="NAME", help="Which CRM, where syncjob.yaml names several.")
def crm(kind: str, table: str, out: Path | None, target: str) -> None:
    """Write a table of the local CRM.

    No cell is a formula. A file that exists is replaced as a whole or not at all.
    """
    from syncjob.cli.house import configured
    from syncjob.crm.sqlite import export_csv, export_jsonl

    config = configured(frame().home)
    blocks = [one for one in config.of("crm") if one.connector == "sqlite" and target in ("", one.name)]
    if len(blocks) != 1:
        names = ", ".join(one.name for one in config.of("crm") if one.connector == "sqlite") or "none"
        raise Misconfigured(f"--target must name one CRM in a file; syncjob.yaml names {names}")
    path = config.home / (blocks[0].settings.get("path") or "crm.sqlite")
    write = export_csv if kind == "csv" else export_jsonl
    with _output(out) as stream:
        write(path, table, stream)


def _exported(name: str, kind: str, since: str, until: str, source: str, target: str, out: Path | None) -> int:
    from syncjob.cli import evidence
    from syncjob.cli.house import configured, opened
    from syncjob.cli.leaving import say

    choice = evidence.Choice(_day("--from", since, date.min), _day("--to", until, date.max), source, target)
    if choice.since > choice.until:
        raise Misconfigured(f"--from {since} is after --to {until}; write the earlier day first")
    config, table, left_out = configured(frame().home), evidence.TABLES[name], evidence.LeftOut()
    with opened(config) as store:
        rows = evidence.rows(table, config, store, choice, left_out)
        with _output(out) as stream:
            _WRITERS[kind](table, rows, stream)
    if left_out.number:
        records = "record that cannot be read" if left_out.number == 1 else "records that cannot be read"
        say(f"left out: {left_out.number} {records}, of {', '.join(left_out.sources)}; see: syncjob held list")
        return EXIT_HELD
    return EXIT_OK


def _day(option: str, text: str, default: date) -> date:
    if not text:
        return default
    with suppress(ValueError):
        if len(text) == len("2026-11-01"):
            return date.fromisoformat(text)
    raise Misconfigured(f"{option} is {text!r}; write a day such as 2026-11-01")


def _as_csv(table: Table, rows: Iterator[Row], out: TextIO) -> None:
    from syncjob import csvfile
    from syncjob.cli.evidence import as_cells

    cells = (cells for row in rows for cells in as_cells(row))
    csvfile.write(out, (*table.columns, *table.lines), table.numbers, cells)


def _as_jsonl(table: Table, rows: Iterator[Row], out: TextIO) -> None:
    import json

    from syncjob.cli.evidence import as_object

    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    for row in rows:
        out.write(encode(as_object(table, row)) + "\n")


def _as_journal(kind: str, table: Table, rows: Iterator[Row], out: TextIO) -> None:
    from syncjob.accounting.beancount.block import is_account
    from syncjob.cli import journals
    from syncjob.cli.evidence import as_object

    write = journals.beancount if kind == "beancount" else journals.hledger
    write((as_object(table, row) for row in rows), journals.Accounts(is_account), out)


_WRITERS: dict[str, Callable[[Table, Iterator[Row], TextIO], None]] = {
    "csv": _as_csv,
    "jsonl": _as_jsonl,
    "beancount": partial(_as_journal, "beancount"),
    "hledger": partial(_as_journal, "hledger"),
}


# ---------------------------------------------------------------- where it goes


@contextmanager
def _output(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is replaced whole or not at all; a disk that is full is TryLater."""
    from syncjob.wholefile import replacing

    try:
        if out is None:
            with _text(sys.stdout.buffer) as stream:
                yield stream
        else:
            with replacing(out) as file, _text(file) as stream:
                yield stream
    except OSError as wrong:
        if wrong.errno == errno.EPIPE:
            raise  # nobody reads on (| head): click ends the program quietly
        if out is None:
            forget_stdout()
        place = "standard output" if out is None else str(out)
        why = wrong.strerror or type(wrong).__name__
        if wrong.errno in PASSING:
            raise TryLater(f"{place} cannot be written: {why}; make room there and run it again") from wrong
        raise Misconfigured(f"{place} cannot be written: {why}; choose another --out") from wrong


@contextmanager
def _text(file: BinaryIO) -> Iterator[TextIO]:
    # Half a surrogate pair, which a gateway may send, has no UTF-8: it is written as JSON itself would, \ud83d.
    stream = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield stream
        stream.flush()
    finally:
        with suppress(OSError):
            stream.detach()


export = Verbs(
    "export",
    commands=[transactions, entries, documents, journal, schedule, crm],
    sections={
        "For an auditor": ("transactions", "entries", "documents", "journal", "schedule"),
        "Commands": ("crm",),
    },
    help="""Write transactions, entries, documents or the CRM as CSV or JSON lines, the entries as a journal, too.

    The rows can be joined: transactions by their entry, entries by their documents, documents by the target's own ids. Columns
    are told in docs/export.md. No cell is a formula; a file is replaced as a whole or not at all.""",
    short_help="Write transactions, entries, documents or the CRM as files.",
    epilog=example("syncjob export transactions --from 2026-11-01 --out november.csv"),
)
