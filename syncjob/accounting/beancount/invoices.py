"""invoices.csv: the sales invoices that payments are matched with, kept by the user of the plain-text books."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

from syncjob import moment
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.model import Invoice
from syncjob.money import Money

NAME = "invoices.csv"
COLUMNS = ("number", "customer", "email", "currency", "total", "issued", "due")
OPTIONAL = ("open",)


def read(path: Path, target: str, known: str | None = None) -> tuple[str, Iterator[Invoice]] | None:
    """The digest of the file and its invoices, or None where there is no file; a bad line is Misconfigured with its place.

    The whole file is looked through before its first invoice is given. A file whose digest is `known` is not read again: its
    invoices are then left out.
    """
    try:
        data = path.read_bytes()
        as_of = moment.from_micros(path.stat().st_mtime_ns // 1000)
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise Misconfigured(f"{path} cannot be read: {wrong.strerror}; let syncjob's user read it") from wrong
    digest = hashlib.sha256(data).hexdigest()
    if digest == known:
        return digest, iter(())
    for _ in _invoices(data, target, as_of):
        pass
    return digest, _invoices(data, target, as_of)


def _invoices(data: bytes, target: str, as_of: datetime) -> Iterator[Invoice]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise Misconfigured(f"{NAME}: byte {wrong.start} is not UTF-8; save the file as CSV in UTF-8") from wrong
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    seen: dict[str, int] = {}
    try:
        for cells in lines:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if not header:
                header = _header(row)
                continue
            place = f"{NAME}:{lines.line_num}"
            if len(row) != len(header):
                raise Misconfigured(f"{place}: {len(row)} cells under {len(header)} columns; quote cells that hold a comma")
            invoice = _invoice(dict(zip(header, row, strict=True)), place, target, as_of)
            first = seen.setdefault(invoice.number, lines.line_num)
            if first != lines.line_num:
                raise Misconfigured(f"{place}: number is {invoice.number!r}, as on line {first}; give each invoice its own")
            yield invoice
    except csv.Error as wrong:
        raise Misconfigured(f"{NAME}:{lines.line_num}: {wrong}; save the file as comma-separated CSV") from wrong


def _header(row: list[str]) -> list[str]:
    allowed = {*COLUMNS, *OPTIONAL}
    if len(set(row)) == len(row) and set(COLUMNS) <= set(row) <= allowed:
        return row
    wanted = ",".join(COLUMNS)
    raise Misconfigured(f"{NAME}:1: the columns are {','.join(row)!r}; write {wanted} and, if you like, open")


def _invoice(row: dict[str, str], place: str, target: str, as_of: datetime) -> Invoice:
    if not row["number"]:
        raise Misconfigured(f"{place}: number is empty; give each invoice its number")
    total = _money(row, "total", place)
    still = _money(row, "open", place) if row.get("open") else total
    if not 0 <= still.minor <= total.minor:
        raise Misconfigured(f"{place}: open is {still} and total {total}; write an open amount between 0 and the total")
    return Invoice(
        target=target,
        id=row["number"],
        number=row["number"],
        customer=row["customer"],
        email=row["email"],
        total=total,
        open=still,
        issued=_day(row["issued"], "issued", place),
        due=_day(row["due"], "due", place) if row["due"] else None,
        as_of=as_of,
    )


def _money(row: dict[str, str], column: str, place: str) -> Money:
    try:
        return Money.of(row[column], row["currency"])
    except RecordRefused as wrong:
        cure = "write a plain decimal such as 48.25 and a currency such as EUR"
        raise Misconfigured(f"{place}: {column} is {row[column]!r} {row['currency']!r}: {wrong}; {cure}") from wrong


def _day(text: str, column: str, place: str) -> date:
    try:
        if len(text) == len("2026-11-03"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Misconfigured(f"{place}: {column} is {text!r}; write a day such as 2026-11-03")
