"""The sub-ledger's journal as plain text that Beancount and hledger read: every entry, balanced in each of its currencies.

Accounts have the codes of accounts.csv. One that is no account name there (a number of other books, or a role without an
account) stands under the root of its type, with its code beside it; two codes never come to one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO, TypeAlias

from syncjob.model import Role
from syncjob.money import decimals
from syncjob.ports import AccountType
from syncjob.roles import PARTS

Entry: TypeAlias = "Mapping[str, Any]"  # as evidence.as_object gives it, with its lines

_ROOTS = {
    AccountType.ASSET: "Assets",
    AccountType.LIABILITY: "Liabilities",
    AccountType.EQUITY: "Equity",
    AccountType.INCOME: "Income",
    AccountType.EXPENSE: "Expenses",
}
_TYPES = dict(zip(_ROOTS.values(), "ALERX", strict=True))  # as hledger abbreviates them
_LETTERS = re.compile(r"[^A-Za-z0-9]+", re.ASCII)
_LONG_AGO = "1970-01-01"  # before any gateway's first payment


class Accounts:
    """The name of each account in the journal, given out once and for all of it."""

    def __init__(self, is_account: Callable[[str], bool]) -> None:
        """`is_account` says whether a code is an account name as it stands."""
        self._is_account = is_account
        self._names: dict[str, str] = {}
        self._taken: dict[str, str] = {}
        self._currencies: set[str] = set()

    def fresh(self, currencies: Iterable[str]) -> list[str]:
        """Those of these currencies that are named for the first time."""
        new = [one for one in dict.fromkeys(currencies) if one not in self._currencies]
        self._currencies.update(new)
        return new

    def name(self, role: str, code: str | None) -> tuple[str, bool]:
        """The account of a line, and whether it is named for the first time."""
        key = code or f"role {role}"
        known = self._names.get(key)
        if known is not None:
            return known, False
        name = code if code and self._is_account(code) else self._made(role, code)
        number, free = 1, name
        while self._taken.setdefault(free, key) != key:
            number += 1
            free = f"{name}-{number}"
        self._names[key] = free
        return free, True

    def _made(self, role: str, code: str | None) -> str:
        root = _ROOTS[PARTS[Role(role)].types[0]]
        parts = _LETTERS.sub("-", code).strip("-") if code else f"Unassigned-{role.replace('_', '-')}"
        return f"{root}:{parts[:1].upper()}{parts[1:]}" if parts else f"{root}:Unnamed"


def beancount(entries: Iterable[Entry], accounts: Accounts, out: TextIO) -> None:
    """Write the journal for Beancount; it passes bean-check."""
    out.write("; The journal of the sub-ledger. Made by: syncjob export journal --format beancount\n")
    for entry in entries:
        lines, opened = _placed(entry, accounts)
        for currency in accounts.fresh(line["currency"] for _, line in lines):
            out.write(f"\n{_LONG_AGO} commodity {currency}\n")
        for name, code in opened:
            out.write(f"\n{_LONG_AGO} open {name}\n")
            if code and code != name:
                out.write(f"  code: {_quoted(code)}\n")
        out.write(f"\n{entry['date']} * {_quoted(_told(entry))}\n")
        for word, text in _about(entry):
            out.write(f"  {word}: {_quoted(text)}\n")
        for name, line in lines:
            out.write(f"  {name:<44}  {line['amount']:>14} {line['currency']}\n")


def hledger(entries: Iterable[Entry], accounts: Accounts, out: TextIO) -> None:
    """Write the journal for hledger; it passes hledger check --strict."""
    out.write("; The journal of the sub-ledger. Made by: syncjob export journal --format hledger\ndecimal-mark .\n")
    for entry in entries:
        lines, opened = _placed(entry, accounts)
        for currency in accounts.fresh(line["currency"] for _, line in lines):
            out.write(f"\ncommodity 1000.{'0' * decimals(currency)} {currency}\n")
        for name, code in opened:
            beside = f", code:{_line(code)}" if code and code != name else ""
            out.write(f"\naccount {name}  ; type:{_TYPES.get(name.partition(':')[0], 'A')}{beside}\n")
        out.write(f"\n{entry['date']} * {_line(_told(entry)).replace(';', ',')}\n")
        for word, text in _about(entry):
            out.write(f"    ; {word}:{_line(text)}\n")
        for name, line in lines:
            out.write(f"    {name:<44}  {line['amount']:>14} {line['currency']}\n")


def _placed(entry: Entry, accounts: Accounts) -> tuple[list[tuple[str, Mapping[str, Any]]], list[tuple[str, str | None]]]:
    """The lines of an entry with their accounts, and the accounts that no entry before it has named."""
    lines: list[tuple[str, Mapping[str, Any]]] = []
    opened: list[tuple[str, str | None]] = []
    for line in entry["lines"]:
        name, is_new = accounts.name(line["role"], line["account"])
        lines.append((name, line))
        if is_new:
            opened.append((name, line["account"]))
    return lines, opened


def _told(entry: Entry) -> str:
    return f"{str(entry['kind']).replace('_', ' ')} {entry['origin']}"


def _about(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "entry", entry["entry"]
    yield "source", entry["source"]
    yield "subject", entry["subject"]
    yield "effective", entry["effective"]
    for number, document in enumerate(entry["documents"], 1):
        yield f"document{number if number > 1 else ''}", document


def _quoted(text: str) -> str:
    return '"' + _line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(text: str) -> str:
    return " ".join(text.split())
