"""A bank's statement as CSV, by a layout that says what the bank calls its columns and how it writes days and amounts."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from syncjob.errors import Misconfigured, RecordRefused
from syncjob.money import Money

COLUMNS = ("date", "amount", "currency", "text")
_NUMBERS = re.compile(r"[0-9]+")


class Days(StrEnum):
    """How a bank writes a day."""

    YMD = "ymd"  # 2026-10-24
    DMY = "dmy"  # 24.10.2026
    MDY = "mdy"  # 10/24/2026


class Decimals(StrEnum):
    """What stands before the cents."""

    POINT = "point"  # 1,340.21
    COMMA = "comma"  # 1.340,21


@dataclass(frozen=True, slots=True)
class Layout:
    """How one bank account's statements are written.

    `columns` gives by our names those of the file's header; without one for the currency all lines are in `currency`.
    """

    columns: Mapping[str, str]
    currency: str = ""
    days: Days = Days.YMD
    decimals: Decimals = Decimals.POINT
    separator: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line of a statement; `nth` tells apart lines of a day that are alike in everything."""

    day: date
    currency: str
    minor: int
    text: str
    nth: int = 1

    @property
    def amount(self) -> Money:
        """What came to the account, negative where it left it."""
        return Money(self.minor, self.currency)


def read(data: bytes, layout: Layout, name: str) -> list[Line]:
    """The lines of a file. Raises Misconfigured with file, line, what was seen and the cure; then no line of it is kept."""
    try:
        text = data.decode("utf-8-sig" if layout.encoding == "utf-8" else layout.encoding)
    except UnicodeDecodeError as wrong:
        raise Misconfigured(f"{name}: byte {wrong.start} is not {layout.encoding}; write its encoding under bank:") from wrong
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=layout.separator, strict=True)
    header: list[str] = []
    found: list[Line] = []
    alike: Counter[Line] = Counter()
    try:
        for cells in rows:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if not header:
                header = _header(row, layout, name)
                continue
            place = f"{name}:{rows.line_num}"
            if len(row) != len(header):
                raise Misconfigured(f"{place}: {len(row)} cells under {len(header)} columns; save the file as the bank gave it")
            line = _line(dict(zip(header, row, strict=True)), layout, place)
            alike[line] += 1
            found.append(Line(line.day, line.currency, line.minor, line.text, alike[line]))
    except csv.Error as wrong:
        raise Misconfigured(f"{name}:{rows.line_num}: {wrong}; save the file as the bank gave it") from wrong
    if not header:
        raise Misconfigured(f"{name}: there is no line in it; name the statement that the bank gave you")
    return found


def _header(row: Sequence[str], layout: Layout, name: str) -> list[str]:
    missing = [f"{ours}: {theirs}" for ours, theirs in layout.columns.items() if theirs not in row]
    if missing:
        seen = ", ".join(cell for cell in row if cell)
        why = f"no column for {', '.join(missing)}; its columns are {seen}"
        raise Misconfigured(f"{name}:1: {why}; correct columns: under bank: in syncjob.yaml")
    return list(row)


def _line(row: Mapping[str, str], layout: Layout, place: str) -> Line:
    told = {ours: row[theirs] for ours, theirs in layout.columns.items()}
    try:
        money = Money.of(_plain(told["amount"], layout.decimals), told.get("currency") or layout.currency)
        return Line(_day(told["date"], layout.days), money.currency, money.minor, " ".join(told["text"].split()))
    except RecordRefused as wrong:
        raise Misconfigured(f"{place}: {wrong}; correct the layout under bank:, or the line") from wrong


def _plain(text: str, decimals: Decimals) -> str:
    """An amount as a plain decimal: no marks between thousands, a minus in front."""
    thousands, point = (",", ".") if decimals is Decimals.POINT else (".", ",")
    bare = text.replace(" ", "").replace("\u00a0", "").replace("'", "").replace("\u2212", "-")
    bare = f"-{bare[:-1]}" if bare.endswith("-") else bare.removeprefix("+")
    whole, mark, cents = bare.partition(point)
    groups = whole.removeprefix("-").split(thousands)
    if thousands in cents or any(len(group) != 3 for group in groups[1:]) or (len(groups) > 1 and not 1 <= len(groups[0]) <= 3):
        raise RecordRefused(f"amount is {text!r}, which is no amount with a decimal {decimals.value}")
    return f"{whole.replace(thousands, '')}{'.' if mark else ''}{cents}"


def _day(text: str, days: Days) -> date:
    parts = [int(number) for number in _NUMBERS.findall(text)]
    order = {Days.YMD: (0, 1, 2), Days.DMY: (2, 1, 0), Days.MDY: (2, 0, 1)}[days]
    if len(parts) == 3:
        year, month, day = (parts[place] for place in order)
        try:
            return date(year + 2000 if year < 100 else year, month, day)
        except ValueError:
            pass
    raise RecordRefused(f"date is {text!r}, which is no day written {days.value}")
