"""CSV for spreadsheets (RFC 4180): no cell of text is a formula. The only place where a formula is made harmless."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TextIO

_LINES_CHARACTERS = 64 * 1024
# What a spreadsheet takes for the beginning of a formula, in the middle of spaces and marks that it does not show; full-width
# forms count too, since some turn them into plain ones.
_FORMULA = re.compile("[ \u00a0\u200b-\u200f\u2060\ufeff]*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20\u2212]")


def inert(cell: object) -> object:
    """A text that a spreadsheet would calculate gets an apostrophe in front; everything else is as it was."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def lines(columns: Sequence[str], numbers: Collection[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The same, some lines at a time, for whoever writes the file."""
    out = io.StringIO(newline="")
    write(out, columns, numbers, ())
    typed = [name in numbers for name in columns]
    writer = csv.writer(out)
    for row in rows:
        writer.writerow(_cells(row, typed))
        if out.tell() > _LINES_CHARACTERS:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def write(out: TextIO, columns: Sequence[str], numbers: Collection[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows one by one; the columns named in `numbers` hold plain decimals of ours and stay numbers."""
    writer = csv.writer(out)
    writer.writerow(columns)
    typed = [name in numbers for name in columns]
    for row in rows:
        writer.writerow(_cells(row, typed))


def _cells(row: Sequence[object], typed: Sequence[bool]) -> list[object]:
    return [cell if number else inert(cell) for cell, number in zip(row, typed, strict=True)]
