"""accounts.csv: which account of the books plays which role. The row that says most about a line wins."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syncjob.errors import Misconfigured
from syncjob.model import Role
from syncjob.money import is_currency

HEADER = ("role", "source", "currency", "account")


@dataclass(frozen=True, slots=True)
class Chart:
    """Role, source and currency -> account code; `where` names the file in complaints."""

    rows: dict[tuple[str, str, str], str]
    where: str = "accounts.csv"

    def code(self, role: Role, source: str, currency: str) -> str:
        """The account code for a line. Raises Misconfigured where no row fits."""
        for key in ((role, source, currency), (role, source, ""), (role, "", currency), (role, "", "")):
            code = self.rows.get(key)
            if code is not None:
                return code
        raise Misconfigured(
            f"{self.where}: no account plays the role {role.value} for {source} in {currency}; "
            f"add a line such as: {role.value},{source},{currency},CODE"
        )


def read(text: str, where: str = "accounts.csv") -> Chart:
    """Read accounts.csv. Raises Misconfigured naming file and line for an unknown role, a double row, a missing column."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    rows: dict[tuple[str, str, str], str] = {}
    header: list[str] | None = None
    for cells in _lines(reader, where):
        if not any(cells) or cells[0].startswith("#"):
            continue
        place = f"{where}:{reader.line_num}"
        if header is None:
            header = cells
            if tuple(cells) != HEADER:
                raise Misconfigured(f"{place}: the first line is {','.join(cells)!r}; write {','.join(HEADER)}")
            continue
        if len(cells) != len(HEADER):
            raise Misconfigured(f"{place}: {len(cells)} columns in {','.join(cells)!r}; each line is {','.join(HEADER)}")
        role, source, currency, account = cells
        if role not in set(Role):
            raise Misconfigured(f"{place}: role is {role!r}; the roles are {', '.join(sorted(Role))}")
        if not account:
            raise Misconfigured(f"{place}: role {role} has no account; write its account code in the last column")
        if currency and not is_currency(currency):
            raise Misconfigured(f"{place}: currency is {currency!r}; write an ISO 4217 code such as EUR, or nothing")
        if (role, source, currency) in rows:
            raise Misconfigured(f"{place}: role {role} is given twice for source {source!r} and currency {currency!r}")
        rows[role, source, currency] = account
    if header is None:
        raise Misconfigured(f"{where}: the file is empty; its first line is {','.join(HEADER)}")
    return Chart(rows, where)


def _lines(reader: Iterable[list[str]], where: str) -> Iterator[list[str]]:
    try:
        for cells in reader:
            yield [cell.strip() for cell in cells]
    except csv.Error as wrong:
        raise Misconfigured(f"{where}: not readable as CSV: {wrong}; look for a quotation mark that is never closed") from wrong
