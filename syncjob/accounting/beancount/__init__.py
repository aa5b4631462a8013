"""Plain-text books for Beancount: a folder of month files that syncjob writes and everybody can read.

Each document is one directive in the file of its month (2026-11.beancount), sorted by date and key, and carries its document
key as the metadata `syncjob`; so writing it again replaces it (class A). A month file is replaced whole: temporary file,
fsync, rename, fsync of the folder. accounts.beancount, balances.beancount and invoice-states.csv stand beside; main.beancount
is written once and then the user's. What surprised us: `balance` is checked at the START of its date, and lets a cent pass
unless told otherwise; an include that finds nothing is an error; the search for doubles does not look at metadata.
The beancount package is never imported here: it is GPL, and only the tests load the books with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from syncjob import moment
from syncjob.accounting.beancount import chart, closing, invoices, ledger, monthfile, others
from syncjob.accounting.beancount.block import Block, content, echo
from syncjob.accounting.beancount.changes import KINDS, Changes, Item, changes, item_of
from syncjob.errors import ConnectorDown, Misconfigured, OutcomeUnknown, Problem, RecordRefused
from syncjob.model import Json, Remote, canonical, idempotency_key
from syncjob.money import Money, decimals
from syncjob.ports import (
    Absent,
    Account,
    Assertion,
    Balance,
    Call,
    CannotTell,
    Delivered,
    Found,
    Identity,
    InvoiceState,
    Lock,
    Member,
    MirrorPage,
    Options,
    Outcome,
    Present,
    Promises,
    Put,
    Refused,
    Standing,
    TargetClass,
    Unknown,
    Unsent,
)

SETTINGS = {
    "path": "The folder of the books, seen from the home (default: books).",
    "title": "The title that main.beancount gets when it is written for the first time.",
    "currency": "The operating currency that main.beancount gets when it is written for the first time.",
    "open_accounts": "yes (default): syncjob keeps accounts.beancount; no: you open the accounts yourself.",
    "closed_through": "The last day of the closed periods, such as 2026-09-30: nothing on or before it is written.",
}
PROMISES = Promises(grade=TargetClass.A, batch=2000, kinds=KINDS)
_INVOICES_PER_PAGE = 500
_FINAL = {"reconciled": "reconciled with the bank", "filed": "filed"}  # tags that a person writes behind a directive


def _now() -> datetime:
    return datetime.now(UTC)


def connect(options: Options, http: object | None = None, *, clock: Callable[[], datetime] = _now) -> Books:
    """The books in a folder under the home; a setting that cannot be is Misconfigured. `clock` gives aware UTC."""
    del http  # a folder needs no network
    settings = options.settings
    opens = settings.get("open_accounts") or "yes"
    if opens not in ("yes", "no"):
        raise Misconfigured(f"{options.name}: open_accounts is {opens!r}; write yes or no")
    closed = settings.get("closed_through")
    try:
        through = date.fromisoformat(closed) if closed else None
    except ValueError:
        raise Misconfigured(f"{options.name}: closed_through is {closed!r}; write a day such as 2026-09-30") from None
    currency = settings.get("currency") or ""
    try:
        decimals(currency or "EUR")
    except RecordRefused as wrong:
        raise Misconfigured(f"{options.name}: currency is {currency!r}: {wrong}; write one such as EUR") from wrong
    house = _House(
        folder=options.home / (settings.get("path") or "books"),
        title=settings.get("title") or "",
        currency=currency,
        opens=opens == "yes",
        closed=through.isoformat() if through else "",
    )
    return Books(options.name, house, clock)


def opens_accounts(settings: Mapping[str, str]) -> bool:
    """Whether an account that the books do not have yet is opened by syncjob when it is first used."""
    return (settings.get("open_accounts") or "yes") == "yes"


@dataclass(frozen=True, slots=True)
class _House:
    folder: Path
    title: str
    currency: str
    opens: bool
    closed: str  # YYYY-MM-DD, or ""

    def file(self, month: str) -> Path:
        return monthfile.path_of(self.folder, month)


class Books:
    """The plain-text books of one folder."""

    promises = PROMISES

    def __init__(self, name: str, house: _House, clock: Callable[[], datetime]) -> None:
        self.name = name
        self._house = house
        self._clock = clock
        self._tails: dict[str, monthfile.Tail] = {}  # month files as we left them

    # ------------------------------------------------------------ about the books

    def check(self) -> list[Problem]:
        """Whether the folder can be written to and every file of it read; nothing is written."""
        folder = self._house.folder
        problems = []
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            cure = "give syncjob's user the right to write there"
            problems.append(Problem(str(folder), self.name, "it cannot be written to", cure))
        for month in monthfile.months(folder):
            try:
                seen: set[str] = set()
                for piece in monthfile.pieces(self._house.file(month)):
                    if piece.key and piece.key in seen:
                        place = f"{month}.beancount:{piece.line}"
                        problems.append(Problem(piece.key, place, "it stands there twice", "remove the copy"))
                    seen.add(piece.key)
            except (RecordRefused, OSError) as wrong:
                problems.append(self._problem(f"{month}.beancount", wrong))
        try:
            invoices.read(folder / invoices.NAME, self.name)
        except Misconfigured as wrong:
            problems.append(Problem(invoices.NAME, self.name, str(wrong)))
        return problems

    def identity(self) -> Identity:
        """Always the same: a folder has no account, and its path changes when a home moves."""
        return Identity("beancount", "live", self._house.title)

    def locks(self) -> list[Lock]:
        """The closed periods of the setting closed_through."""
        return [Lock(date.fromisoformat(self._house.closed), hard=True)] if self._house.closed else []

    # ------------------------------------------------------------ writing

    def prepare(self, batch: Sequence[Put]) -> Sequence[Call]:
        """One Call a month, members by key and revision; what cannot stand in the books is in a Call of refusals."""
        rows: dict[str, list[tuple[Member, Mapping[str, Json]]]] = {}
        opens: dict[str, dict[str, str]] = {}
        for put in batch:
            member = Member(put.key, put.revision, put.generation)
            try:
                month, item, accounts = item_of(put)
            except RecordRefused as wrong:
                rows.setdefault("", []).append((member, _refusal(self._problem(f"{put.kind} {put.key}", wrong))))
                continue
            rows.setdefault(month, []).append((member, item.row()))
            dates, day = opens.setdefault(month, {}), item.text[:10]
            for account in accounts:
                dates[account] = min(day, dates.get(account, day))
        return [_call(month, rows[month], opens.get(month, {})) for month in sorted(rows)]

    def send(self, call: Call) -> Sequence[Outcome]:
        """Merge a Call's blocks into their month; sent again, it changes nothing."""
        request: dict[str, Any] = json.loads(call.request)
        if not request["month"]:
            refusals = zip(call.members, request["items"], strict=True)
            return [Refused(member.key, Problem(**problem)) for member, problem in refusals]
        items = [Item.of(row) for row in request["items"]]
        outcomes = self._carried_out(request["month"], items, request["opens"])
        return [outcomes[member.key] for member in call.members]

    def _carried_out(self, month: str, items: Sequence[Item], opens: Mapping[str, str]) -> dict[str, Outcome]:
        keys = {item.key for item in items}
        touched = False
        tail: monthfile.Tail | None = None
        try:
            end = self._end_for(month, items)
            standing = self._standing(month, items) if end is None else {month: {}}
            planned = changes(month, items, standing, self._house.closed)
            self._house.folder.mkdir(parents=True, exist_ok=True)
            if self._house.opens and month in planned.blocks:
                chart.open_accounts(self._house.folder, opens)
            for name in sorted(planned.blocks, key=lambda name: (name == month, name)):
                file, new = self._house.file(name), list(planned.blocks[name].values())
                tail = monthfile.append(file, end, new) if end is not None else monthfile.merge(file, new)
                self._tails[name] = tail
                touched = True
            if monthfile.months(self._house.folder):
                chart.start_books(self._house.folder, self._house.title, self._house.currency, self._house.opens)
            if month not in planned.blocks:
                after = standing[month]
            elif tail is not None and tail.written.stands(self._house.file(month)):  # the Call's own month is written last
                after = {**standing[month], **planned.blocks[month]}
            else:
                after = monthfile.blocks(self._house.file(month), keys)
        except OutcomeUnknown as wrong:
            return {key: Unknown(key, str(wrong)) for key in keys}
        except (OSError, RecordRefused) as wrong:
            if touched:
                return {key: Unknown(key, self._reason(wrong)) for key in keys}
            if isinstance(wrong, RecordRefused):
                return {key: Refused(key, self._problem(key, wrong)) for key in keys}
            return {key: Unsent(key, self._reason(wrong)) for key in keys}
        return {key: self._outcome(key, month, planned, after.get(key)) for key in keys}

    def _end_for(self, month: str, items: Sequence[Item]) -> monthfile.Tail | None:
        """The end of a month's file, where it stands as we left it and all that these items write is new and belongs behind."""
        tail = self._tails.get(month)
        if tail is None or any(item.was or item.anywhere or not item.text for item in items):
            return None
        if not tail.is_before(Block(item.key, item.text) for item in items):
            return None
        return tail if tail.written.stands(self._house.file(month)) else None

    def _standing(self, month: str, items: Sequence[Item]) -> dict[str, dict[str, Block]]:
        """The blocks of these items as they stand, in the Call's month and in the other months where they may be."""
        wanted = {month: {item.key for item in items}}
        anywhere = [item.key for item in items if item.anywhere]
        for name in monthfile.months(self._house.folder) if anywhere else ():
            wanted.setdefault(name, set()).update(anywhere)
        for item in items:
            if item.was:
                wanted.setdefault(item.was, set()).add(item.key)
        return {name: monthfile.blocks(self._house.file(name), keys) for name, keys in wanted.items()}

    def _outcome(self, key: str, month: str, planned: Changes, after: Block | None) -> Outcome:
        if key in planned.refused:
            return Refused(key, self._problem(key, planned.refused[key]))
        if key in planned.newer:
            month, after = planned.newer[key]
        written = planned.blocks.get(month, {}).get(key)
        if written is not None and (after is None or after.text != written.text):
            return Unknown(key, f"{month}.beancount does not show what was written; another program changes the file")
        remote = Remote(f"{month}.beancount#{key}", after.version if after else "")
        return Delivered(key, remote, None if after is None or after.is_note else _echo(after))

    # ------------------------------------------------------------ reading

    def find(self, puts: Sequence[Put]) -> Sequence[Found]:
        """Look documents up in all month files; one that was undone is absent."""
        keys = {put.key for put in puts}
        asked = self._clock()
        found: dict[str, list[tuple[str, Block]]] = {}
        try:
            for month in monthfile.months(self._house.folder):
                for piece in monthfile.pieces(self._house.file(month)):
                    if piece.key in keys and not piece.is_note:
                        found.setdefault(piece.key, []).append((month, piece))
        except (RecordRefused, OSError) as wrong:
            return [CannotTell(put.key, self._reason(wrong)) for put in puts]
        return [_found(put.key, found.get(put.key, []), asked) for put in puts]

    def mirror(self, since: str | None) -> Iterator[MirrorPage]:
        """The invoices of invoices.csv when the file changed; a bad line is Misconfigured with its place and cure."""
        read = invoices.read(self._house.folder / invoices.NAME, self.name, since)
        if read is None or read[0] == since:
            return
        cursor, rows = read
        page = tuple(islice(rows, _INVOICES_PER_PAGE))
        while following := tuple(islice(rows, _INVOICES_PER_PAGE)):
            # Until the last page is stored the old cursor stays true: a crash in between reads the file again.
            yield MirrorPage(page, since or "")
            page = following
        yield MirrorPage(page, cursor)

    def final(self, keys: Collection[str]) -> Mapping[str, str]:
        """What a person has tagged #reconciled or #filed. Raises ConnectorDown where a file cannot be read."""
        found: dict[str, str] = {}
        for month in monthfile.months(self._house.folder):
            try:
                for piece in monthfile.pieces(self._house.file(month)):
                    words = [_FINAL[tag] for tag in piece.tags if tag in _FINAL] if piece.key in keys else []
                    if words:
                        found[piece.key] = words[0]
            except (RecordRefused, OSError) as wrong:
                raise ConnectorDown(f"{self.name}: {month}.beancount: {wrong}; undo the edit there") from wrong
        return found

    def balances(self, accounts: Sequence[str], through: date) -> list[Balance]:
        """What all transactions up to the end of a day sum to in these accounts, also those that others wrote in other files.

        Raises ConnectorDown where a file cannot be read.
        """
        wanted, last = set(accounts), through.isoformat()
        sums: dict[tuple[str, str], int] = {}
        for month in monthfile.months(self._house.folder):
            if month > last[:7]:
                break
            try:
                for piece in monthfile.pieces(self._house.file(month)):
                    if piece.key and piece.date <= last:
                        for account, amount in content(piece).postings:
                            if account in wanted:
                                place = account, amount.currency
                                sums[place] = sums.get(place, 0) + amount.minor
            except RecordRefused as wrong:
                line = wrong.place if wrong.place.startswith(month) else f"{month}.beancount:{wrong.place}"
                raise ConnectorDown(f"{self.name}: {line}: {wrong}; undo the edit there") from wrong
            except OSError as wrong:
                raise ConnectorDown(f"{self.name}: {self._reason(wrong)}") from wrong
        for strange in self.foreign(wanted):
            for account, amount in strange.postings if strange.day <= through else ():
                place = account, amount.currency
                sums[place] = sums.get(place, 0) + amount.minor
        as_of = moment.start_of(through + timedelta(days=1), UTC)
        return [Balance(account, Money(minor, currency), as_of) for (account, currency), minor in sorted(sums.items())]

    def versions(self) -> Iterator[tuple[str, str]]:
        """Every transaction of ours in every month; ConnectorDown where a file cannot be read."""
        return ((piece.key, piece.version) for _, piece in self._transactions())

    def standing(self, keys: Collection[str]) -> Iterator[Standing]:
        """These transactions as they stand; ConnectorDown where one cannot be read."""
        for month, piece in self._transactions():
            if piece.key in keys:
                place = f"{month}.beancount:{piece.line}"
                try:
                    said = content(piece)
                    day = date.fromisoformat(said.date)
                except RecordRefused as wrong:
                    raise self._unreadable(wrong) from wrong
                except ValueError as wrong:
                    raise self._unreadable(RecordRefused(f"{piece.date} is no day", place=place)) from wrong
                yield Standing(piece.key, day, said.postings, piece.version, place, said.payee, said.narration)

    def foreign(self, accounts: Collection[str]) -> Iterator[Standing]:
        """The transactions of other people's files, and those that they wrote between ours; ConnectorDown as above."""
        try:
            yield from others.entries(self._house.folder, accounts)
        except (RecordRefused, OSError) as wrong:
            raise self._unreadable(wrong) from wrong

    def _transactions(self) -> Iterator[tuple[str, Block]]:
        for month in monthfile.months(self._house.folder):
            try:
                for piece in monthfile.pieces(self._house.file(month)):
                    if piece.key and not piece.is_note:
                        yield month, piece
            except (RecordRefused, OSError) as wrong:
                raise self._unreadable(wrong) from wrong

    def _unreadable(self, wrong: RecordRefused | OSError) -> ConnectorDown:
        return ConnectorDown(f"{self.name}: {self._reason(wrong)}; undo the edit there")

    def accounts(self) -> list[Account]:
        """The accounts that the *.beancount files of the folder open; ConnectorDown where one cannot be read."""
        try:
            return ledger.accounts(self._house.folder, self._clock().date())
        except (RecordRefused, OSError) as wrong:
            raise ConnectorDown(f"{self.name}: {self._reason(wrong)}") from wrong

    # ------------------------------------------------------------ when a run ends

    def close(self, assertions: Sequence[Assertion], invoices: Iterable[InvoiceState]) -> None:
        """Write the balances that must hold and the state of each invoice; ConnectorDown where the folder refuses."""
        folder = self._house.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._house.opens and assertions:
                days: dict[str, str] = {}
                for wanted in assertions:
                    day = (wanted.day + timedelta(days=1)).isoformat()
                    days[wanted.account] = min(day, days.get(wanted.account, day))
                chart.open_accounts(folder, days)
            balances = folder / chart.BALANCES
            old = monthfile.text_of(balances)
            new = closing.balances_text(old, assertions)
            if new != old:
                monthfile.replace(balances, [new])
            monthfile.replace(folder / closing.STATES, closing.states_lines(invoices))
            if monthfile.months(folder):
                chart.start_books(folder, self._house.title, self._house.currency, self._house.opens)
        except (OSError, OutcomeUnknown, RecordRefused) as wrong:
            raise ConnectorDown(f"{self.name}: {self._reason(wrong)}") from wrong

    # ------------------------------------------------------------ sentences

    def _problem(self, what: str, wrong: Exception) -> Problem:
        if isinstance(wrong, RecordRefused):
            return Problem(what, wrong.place or self.name, str(wrong), wrong.cure)
        return Problem(what, self.name, self._reason(wrong))

    def _reason(self, wrong: Exception) -> str:
        if isinstance(wrong, OSError) and wrong.strerror:
            return f"{wrong.filename or self._house.folder} cannot be read or written: {wrong.strerror}"
        return f"{wrong.place}: {wrong}" if isinstance(wrong, RecordRefused) and wrong.place else str(wrong)


def _refusal(problem: Problem) -> Mapping[str, Json]:
    return {"what": problem.what, "where": problem.where, "why": problem.why, "cure": problem.cure}


def _call(month: str, rows: list[tuple[Member, Mapping[str, Json]]], opens: Mapping[str, str]) -> Call:
    """The Call of one month, or of what is refused (month "")."""
    rows.sort(key=lambda row: (row[0].key, row[0].revision))
    members = tuple(member for member, _ in rows)
    request: Mapping[str, Json] = {"month": month, "items": [item for _, item in rows], "opens": opens}
    key = idempotency_key([(member.key, member.revision, member.generation) for member in members])
    return Call(key, members, canonical(request).encode())


def _found(key: str, places: list[tuple[str, Block]], asked: datetime) -> Found:
    if not places:
        return Absent(key, asked)
    remotes = tuple(Remote(f"{month}.beancount#{key}", block.version) for month, block in places)
    return Present(key, remotes, _echo(places[0][1]))


def _echo(block: Block) -> Mapping[str, Json] | None:
    try:
        return echo(block)
    except RecordRefused:
        return None  # a person left it in a form that we cannot sum
