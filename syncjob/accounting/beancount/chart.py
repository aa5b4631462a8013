"""accounts.beancount (when each account was first used) and main.beancount (what belongs to the books)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from syncjob.accounting.beancount.block import quoted
from syncjob.accounting.beancount.monthfile import HEADER, replace, text_of

ACCOUNTS = "accounts.beancount"
BALANCES = "balances.beancount"
MAIN = "main.beancount"
_OPEN = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\s+open\s+(\S+)(.*)", re.ASCII)


def open_accounts(folder: Path, wanted: Mapping[str, str]) -> None:
    """Make sure that each account is open from its date on; raises what `replace` raises."""
    path = folder / ACCOUNTS
    old = text_of(path)
    new = opened(old, wanted)
    if new != old:
        replace(path, [new])


def opened(old: str, wanted: Mapping[str, str]) -> str:
    """The text of accounts.beancount with each account open from the earliest date known; other lines are kept at the end."""
    dates: dict[str, str] = {}
    rest: dict[str, str] = {}  # what a person added behind the account: currencies, a booking method, metadata
    others: list[str] = []
    account = ""
    for line in old.split("\n"):
        found = _OPEN.fullmatch(line)
        if found:
            account = found[2]
            dates[account], rest[account] = found[1], found[3]
        elif account and line[:1] in (" ", "\t") and line.strip():
            rest[account] += f"\n{line}"
        else:
            account = ""
            if line.strip() and line.strip() != HEADER.strip():
                others.append(line)
    for account, day in wanted.items():
        dates[account] = min(day, dates.get(account, day))
    opens = [f"{dates[account]} open {account}{rest.get(account, '')}" for account in sorted(dates)]
    return HEADER + "".join(f"{line}\n" for line in ["", *opens, *others])


def start_books(folder: Path, title: str, currency: str, opens: bool) -> None:
    """Write main.beancount once; it belongs to the user from then on. Raises what `replace` raises."""
    path = folder / MAIN
    if path.exists():
        return
    own = [ACCOUNTS, BALANCES] if opens else [BALANCES]
    for name in own:
        if not (folder / name).exists():  # Beancount complains about an include that finds nothing
            replace(folder / name, [HEADER])
    lines = ["; syncjob wrote this file once and leaves it alone: add your own options and includes"]
    lines += [f'option "title" {quoted(title)}'] if title else []
    lines += [f'option "operating_currency" "{currency}"'] if currency else []
    lines += ["", *(f'include "{name}"' for name in own), 'include "[0-9][0-9][0-9][0-9]-[0-9][0-9].beancount"']
    replace(path, [f"{line}\n" for line in lines])
