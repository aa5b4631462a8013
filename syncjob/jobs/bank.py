"""The bank's statements: reading them in, and which payout is which line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from syncjob.bankfile import Layout, read
from syncjob.errors import Misconfigured
from syncjob.jobs.payouts import LONG_AGO
from syncjob.reconcile import Banked, Payout, banked
from syncjob.reconcile.bank import LATEST
from syncjob.store import Store


def layout_of(layouts: Mapping[str, Layout], account: str) -> tuple[str, Layout]:
    """A bank account by its name, or the only one. Raises Misconfigured with the names that there are."""
    if not layouts:
        raise Misconfigured("syncjob.yaml: no bank account is named; add a block bank: as docs/payouts.md shows")
    if not account and len(layouts) == 1:
        return next(iter(layouts.items()))
    if account not in layouts:
        names = ", ".join(layouts)
        said = f"{account!r} is none of the bank accounts" if account else "there are several bank accounts"
        raise Misconfigured(f"{said} in syncjob.yaml; give --account with one of {names}")
    return account, layouts[account]


def take(store: Store, account: str, layout: Layout, data: bytes, name: str, now: datetime) -> tuple[int, int]:
    """Keep the lines of a statement; gives how many it has, and how many of them are new."""
    lines = read(data, layout, name)
    return len(lines), store.land_bank(account, lines, now)


def on_the_bank(payout: Payout, bank: Banked) -> str:
    """What the bank says of a payout, in words; "" where nothing is known or to be expected yet."""
    line, contested = bank.lines.get(payout.key), bank.contested.get(payout.key)
    if line is not None:
        return f"on the bank's statement of {line[0]}, {line[1].day}"
    if contested:
        return f"{len(contested)} lines of the bank fit it, of {', '.join(sorted({str(one.day) for one in contested}))}"
    through = bank.through.get(payout.amount.currency)
    if through is not None and payout.sent + LATEST < through:
        return f"NOT on the bank's statement, whose lines are known through {through}"
    return ""


def banked_payouts(store: Store, sources: Iterable[str]) -> Banked:
    """What the bank says of every payout of these gateway accounts."""
    payouts = [payout for source in sources for payout in store.payouts(source, LONG_AGO)]
    return banked(payouts, store.bank_lines())
