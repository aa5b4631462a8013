"""The chart of an existing ledger: which accounts its files open and close. Our own reader; beancount is never imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from syncjob.accounting.beancount.block import is_account
from syncjob.accounting.beancount.monthfile import text_of
from syncjob.ports import Account, AccountType

_TYPES = {
    "Assets": AccountType.ASSET,
    "Liabilities": AccountType.LIABILITY,
    "Equity": AccountType.EQUITY,
    "Income": AccountType.INCOME,
    "Expenses": AccountType.EXPENSE,
}
# Comments, headings and strings may hold anything, also what looks like a directive; a string may go over several lines.
_TALK = re.compile(r'^[;*:#!&?%][^\n]*|"(?:[^"\\]|\\.)*"|;[^\n]*', re.MULTILINE | re.DOTALL)
_OPEN = re.compile(r"^(\d{4})[-/](\d{2})[-/](\d{2})[ \t]+open[ \t]+(\S+)[ \t]*([A-Z][^\n]*)?", re.MULTILINE | re.ASCII)
_CLOSE = re.compile(r"^(\d{4})[-/](\d{2})[-/](\d{2})[ \t]+close[ \t]+(\S+)", re.MULTILINE | re.ASCII)
_INCLUDE = re.compile(r'^include[ \t]+"([^"\n]+)"', re.MULTILINE)
_FILES_MAX = 10_000


def accounts(folder: Path, today: date) -> list[Account]:
    """The accounts of a folder's *.beancount files and of what they include, by code; one closed before today is not active.

    Raises RecordRefused and OSError for a file that cannot be read.
    """
    found: dict[str, Account] = {}
    closed: dict[str, date] = {}
    for _, text in texts(folder):
        plain = _TALK.sub(lambda talk: '""' if talk[0].startswith('"') else "", text)
        for _, _, _, code, rest in _OPEN.findall(plain):
            if is_account(code):
                found[code] = Account(code, code.rpartition(":")[2], _TYPES[code.partition(":")[0]], _currency(rest))
        for year, month, day, code in _CLOSE.findall(plain):
            closed[code] = _day(year, month, day)
    return [_as_of(found[code], closed.get(code), today) for code in sorted(found)]


def includes(path: Path, name: str) -> bool:
    """Whether a file includes another one of its folder."""
    return name in _INCLUDE.findall(text_of(path))


def _as_of(account: Account, closed: date | None, today: date) -> Account:
    if closed is None or closed > today:
        return account
    return Account(account.code, account.name, account.type, account.currency, active=False)


def _currency(rest: str) -> str:
    """The one currency that an open directive allows, "" where it allows several or any."""
    allowed = [word for word in re.split(r"[\s,]+", rest.partition('"')[0]) if word]
    return allowed[0] if len(allowed) == 1 else ""


def _day(year: str, month: str, day: str) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return date.max  # Beancount itself refuses such a date, so nothing was closed


def texts(
    folder: Path, roots: Callable[[Path], bool] = lambda _: True, but: Callable[[Path], bool] = lambda _: False
) -> Iterator[tuple[Path, str]]:
    """A folder's *.beancount files and what they include, each with its text; those that are left out are not read.

    `roots` tells with which of the folder's files it begins.
    """
    waiting = [path for path in sorted(folder.glob("*.beancount")) if roots(path)] if folder.is_dir() else []
    seen: set[Path] = set()
    while waiting and len(seen) < _FILES_MAX:
        path = waiting.pop(0).resolve()
        if path in seen or not path.is_file() or but(path):
            continue
        seen.add(path)
        text = text_of(path)
        yield path, text
        for pattern in _INCLUDE.findall(text):
            anchor = Path(pattern).anchor  # "/" where the path begins there
            waiting += sorted(Path(anchor).glob(pattern.lstrip("/")) if anchor else path.parent.glob(pattern))
