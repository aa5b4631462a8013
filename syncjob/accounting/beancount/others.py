"""What others booked on our accounts: transactions without a document key, in any file of the books."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path

from syncjob.accounting.beancount import ledger, monthfile
from syncjob.accounting.beancount.block import Block, is_account, unquoted
from syncjob.accounting.beancount.chart import MAIN
from syncjob.errors import RecordRefused
from syncjob.money import Money
from syncjob.ports import Standing

_HEAD = re.compile(r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})\s+(?:txn|[*!&#?%A-Z])(?=\s|\")", re.ASCII)
_DIRECTIVE = re.compile(r"^[0-9]{4}[-/][^\n]*\n?(?:[ \t]+[^\n]*\S[^\n]*\n?)*", re.MULTILINE | re.ASCII)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LINE = re.compile(r"\s+(?:[*!&#?%A-Z]\s+)?([^\s:;\"]+(?::[^\s:;\"]+)+)\s*(.*)")
_AMOUNT = re.compile(r"(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s+([A-Z]{3})", re.ASCII)


def entries(folder: Path, accounts: Collection[str]) -> Iterator[Standing]:
    """Each such transaction that touches one of these accounts, with its lines there alone.

    Raises RecordRefused with file and line where an amount there is neither written out nor told by the other lines.
    """
    seen: dict[str, int] = {}
    for name, block in _unkeyed(folder):
        if any(account in block.text for account in accounts) and (head := _HEAD.match(block.text)):
            place = f"{name}:{block.line}"
            touched = tuple(one for one in _postings(block, accounts, place) if one[0] in accounts)
            if not touched:
                continue
            day = _day(head, place)
            base = f"foreign:{day}:{block.version[:8]}"
            seen[base] = seen.get(base, 0) + 1
            key = base if seen[base] == 1 else f"{base}-{seen[base]}"
            words = [unquoted(one) for one in _STRING.findall(block.text.split("\n", 1)[0])]
            payee = words[0] if len(words) > 1 else None
            yield Standing(key, day, touched, block.version, place, payee, words[-1] if words else "")


def _unkeyed(folder: Path) -> Iterator[tuple[str, Block]]:
    """Directives without a key of ours: between ours in the month files, which may be large, and in all other files."""
    ours = {monthfile.path_of(folder, month).resolve() for month in monthfile.months(folder)}
    for month in monthfile.months(folder):
        for piece in monthfile.pieces(monthfile.path_of(folder, month)):
            if not piece.key:
                yield f"{month}.beancount", piece

    def belongs(path: Path) -> bool:
        """A file that nothing includes is not in the books, unless it is somebody's own root above ours."""
        return path.resolve() not in ours and (path.name == MAIN or ledger.includes(path, MAIN))

    for path, text in ledger.texts(folder, belongs, lambda path: path in ours):
        line, at = 1, 0
        for found in _DIRECTIVE.finditer(text):
            line += text.count("\n", at, found.start())
            at = found.start()
            yield path.name, Block("", found[0], line)


def _day(head: re.Match[str], place: str) -> date:
    try:
        return date(int(head[1]), int(head[2]), int(head[3]))
    except ValueError:
        raise RecordRefused(f"{head[0].split()[0]} is no day", place=place) from None


def _postings(block: Block, accounts: Collection[str], place: str) -> list[tuple[str, Money]]:
    """The lines of a transaction; what Beancount would fill in is filled in where the other lines tell it."""
    postings: list[tuple[str, Money]] = []
    open_line = ""
    plain = True
    for line in block.text.rstrip("\n").split("\n")[1:]:
        found = _LINE.fullmatch(line)
        if found is None or not is_account(found[1]):
            continue
        rest = found[2].partition(";")[0].strip()
        amount = _AMOUNT.fullmatch(rest)
        if amount:
            postings.append((found[1], Money.of(amount[1].replace(",", ""), amount[2])))
        elif rest or open_line:
            plain = False
            priced = _AMOUNT.match(rest)  # a cost or a price behind it: what moves here is the amount in front
            if priced:
                postings.append((found[1], Money.of(priced[1].replace(",", ""), priced[2])))
            else:
                open_line = open_line or found[1]
        else:
            open_line = found[1]
    if open_line not in accounts:
        return postings
    if not plain:
        raise RecordRefused(f"what it moves in {open_line} is not written out", place=place, cure="write the amount there")
    sums: dict[str, int] = {}
    for _, money in postings:
        sums[money.currency] = sums.get(money.currency, 0) + money.minor
    return [*postings, *((open_line, Money(-minor, currency)) for currency, minor in sums.items() if minor)]
