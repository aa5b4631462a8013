"""balances.beancount (what our accounts must show) and invoice-states.csv (what each invoice still asks for)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from syncjob import csvfile
from syncjob.accounting.beancount.monthfile import HEADER
from syncjob.money import plain
from syncjob.ports import Assertion, InvoiceState

STATES = "invoice-states.csv"
_COLUMNS = ("number", "customer", "currency", "total", "paid", "open", "state")
_AMOUNTS = ("total", "paid", "open")
_BALANCE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) balance (\S+)\s+(-?[0-9.]+) ~ 0 ([A-Z]{3})", re.ASCII)


def balances_text(old: str, assertions: Sequence[Assertion]) -> str:
    """The balances that must hold, sorted; one that moved since the last time keeps its earlier amounts as comments."""
    before = _before(old)
    rows: dict[tuple[str, str, str], str] = {}
    for wanted in assertions:
        # Beancount checks a balance at the start of its date: the end of a day is the start of the next.
        day = (wanted.day + timedelta(days=1)).isoformat()
        rows[day, wanted.account, wanted.amount.currency] = plain(wanted.amount.minor, wanted.amount.currency)
    lines = [""] if rows else []
    for (day, account, currency), amount in sorted(rows.items()):
        # Without "~ 0" Beancount lets a difference of one cent pass.
        lines.append(f"{day} balance {account:<44}  {amount:>14} ~ 0 {currency}")
        was, comments = before.get((day, account, currency), (amount, []))
        lines += comments
        if was != amount:
            lines.append(f"; was {was} {currency}")
    return HEADER + "".join(f"{line}\n" for line in lines)


def states_lines(invoices: Iterable[InvoiceState]) -> Iterator[str]:
    """What each invoice asked for, got and still asks for, in the order given: CSV in which no cell of data is a formula."""
    yield from csvfile.lines(_COLUMNS, _AMOUNTS, map(_state, invoices))


def _state(invoice: InvoiceState) -> tuple[str, ...]:
    total, paid = invoice.total, invoice.paid
    amounts = [plain(amount.minor, amount.currency) for amount in (total, paid, total - paid)]
    return (invoice.number, invoice.customer, total.currency, *amounts, invoice.state)


def _before(old: str) -> dict[tuple[str, str, str], tuple[str, list[str]]]:
    """The amount that each balance had and the comments under it."""
    rows: dict[tuple[str, str, str], tuple[str, list[str]]] = {}
    comments: list[str] = []
    for line in old.split("\n"):
        found = _BALANCE.fullmatch(line)
        if found:
            comments = []
            rows[found[1], found[2], found[4]] = found[3], comments
        elif line.startswith("; was "):
            comments.append(line)
    return rows
