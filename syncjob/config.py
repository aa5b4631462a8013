"""syncjob.yaml: read whole, checked before any request, and put together into a job."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, tzinfo
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeAlias, TypeVar

from syncjob import chart, moment, secrets, timetable, yamlfile
from syncjob.bankfile import COLUMNS, Days, Decimals, Layout
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.matching import Ladder, normal
from syncjob.money import Money, Percent, decimals
from syncjob.plan.locking import Late
from syncjob.plan.units import PER_TRANSACTION, Booking, Mode
from syncjob.ports import Options
from syncjob.posting import rules
from syncjob.posting.rules import Fees, PostingRules, Revenue, Sales, Schedule, Treatment
from syncjob.redact import Secret
from syncjob.yamlfile import Node

GROUPS = ("gateways", "accounting", "crm")
_BOOKED = ("sales", "fees", "reverse_charge", "revenue", "deferred")  # how a gateway's money is booked
_KEPT = ("mode", "mode_since", "late", "shadow")  # how the sub-ledger comes to books
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_KEYS = ("books_zone", "home_currency", "start", "nightly_at", "schedule", "state", "matching", "bank", *GROUPS)
_BANK = ("columns", "currency", "days", "decimals", "separator", "encoding")
_MATCHING = ("series", "gateway_numbers", "by_customer", "tolerance")
_SCHEDULE = ("every", "cron", "zone", "jitter", "misfire_grace")

Value = TypeVar("Value")
Environ: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """One configured connector: its name, which module serves it, its secret's reference, and its settings."""

    group: str  # gateways, accounting or crm
    name: str
    connector: str
    key: str  # the reference, never the key
    settings: Mapping[str, str]
    place: str  # file:line:column of the block
    sales: Sales = Sales.INVOICED_IN_BOOKS  # gateways only: where the sales behind its payments are recorded
    fees: Fees = Fees.ON_RECEIPT
    reverse_charge: Percent | None = None
    revenue: Revenue = Revenue.ON_PAYMENT
    schedule: Schedule = Schedule.ENTRIES
    booking: Booking = PER_TRANSACTION  # books only: how the sub-ledger comes to them


@dataclass(frozen=True, slots=True)
class Config:
    """A checked syncjob.yaml with its accounts.csv."""

    home: Path
    zone: tzinfo
    zone_name: str
    home_currency: str
    start: datetime
    nightly_at: time
    schedule: timetable.Timetable
    state: str
    blocks: tuple[Block, ...]
    chart: chart.Chart
    posting: PostingRules
    matching: Ladder  # how payments find their invoices
    bank: Mapping[str, Layout]  # by bank account, how its statements are written

    def treatment(self, block: Block) -> Treatment:
        """How a gateway account is booked."""
        fees = (block.sales, block.fees, block.reverse_charge)
        return Treatment(self.posting, block.connector, *fees, block.revenue, block.schedule)

    def of(self, group: str) -> tuple[Block, ...]:
        """The blocks of one group, in the order in which they are written."""
        return tuple(block for block in self.blocks if block.group == group)


def read(home: Path) -> Config:
    """Read a home's syncjob.yaml and accounts.csv. Raises Misconfigured naming file, line, what was seen and the cure."""
    path = home / "syncjob.yaml"
    if not path.is_file():
        raise Misconfigured(f"{path}: there is no such file; make one with: syncjob init --home {home}")
    root = yamlfile.load(path, "syncjob.yaml")
    top = root.mapping(_KEYS, ("books_zone", "home_currency", "start", "gateways"))
    blocks = tuple(block for group in GROUPS if group in top for block in _blocks(group, top[group]))
    _distinct(blocks)
    _itemised(blocks, top)
    nightly = _clock(top["nightly_at"]) if "nightly_at" in top else time(2, 0)
    zone = _placed(top["books_zone"], moment.zone)
    return Config(
        home=home,
        zone=zone,
        zone_name=top["books_zone"].text(),
        home_currency=_currency(top["home_currency"]),
        start=_placed(top["start"], moment.from_text),
        nightly_at=nightly,
        schedule=_schedule(top.get("schedule"), timetable.Timetable(nightly, zone, zone=zone)),
        state=_state(home, top["state"].text() if "state" in top else "state/syncjob.sqlite"),
        blocks=blocks,
        chart=_chart(home),
        posting=rules.load(home),
        matching=_matching(top["matching"]) if "matching" in top else Ladder(),
        bank={name: _layout(node) for name, node in _named(top["bank"])} if "bank" in top else {},
    )


def module(block: Block) -> ModuleType:
    """The module that serves a block, bundled or from an installed package by entry point."""
    known = connectors(block.group)
    if block.connector not in known:
        raise Misconfigured(
            f"{block.place}: connector is {block.connector!r}; the {block.group} known here are {', '.join(sorted(known))}"
        )
    return known[block.connector]()


def connectors(group: str) -> dict[str, Callable[[], ModuleType]]:
    """Every connector of a group by name, as a function that imports it only when it is used."""
    package = importlib.import_module(f"syncjob.{group}")
    found: dict[str, Callable[[], ModuleType]] = {}
    for entry in entry_points(group=f"syncjob.{group}"):
        found[entry.name] = entry.load
    for one in iter_modules(package.__path__):
        name = f"syncjob.{group}.{one.name}"
        found[one.name] = lambda name=name: importlib.import_module(name)  # type: ignore[misc]
    return found


def options(config: Config, block: Block, environ: Environ) -> Options:
    """A block's options with its secret resolved. Raises Misconfigured where the reference leads nowhere."""
    secret: Secret | None = None
    if block.key:
        try:
            secret = secrets.resolve(block.key, config.home, environ)
        except Misconfigured as wrong:
            raise Misconfigured(f"{block.place}: {block.name}: {wrong}") from wrong
    return Options(block.name, config.home, block.settings, secret)


def _blocks(group: str, node: Node) -> Iterable[Block]:
    for name, body in _named(node):
        fields = body.mapping(required=("connector",))
        place = str(node.key_place(name))
        key = fields["key"].text() if "key" in fields else ""
        block = Block(group, name, fields["connector"].text(), key, {}, place)
        allowed = dict(getattr(module(block), "SETTINGS", {}))
        booked = {"gateways": _BOOKED, "accounting": _KEPT}.get(group, ())
        body.mapping(("connector", "key", *booked, *allowed))
        settings = {word: value.text() for word, value in fields.items() if word not in ("connector", "key", *booked)}
        block = replace(block, settings=settings)
        if group == "gateways":
            block = _booked(block, body, fields)
        yield replace(block, booking=_booking(fields)) if group == "accounting" else block


def _itemised(blocks: tuple[Block, ...], top: Mapping[str, Node]) -> None:
    """Books that are kept per payout need gateways that say what each payout pays out."""
    silent = [one for one in blocks if one.group == "gateways" and not itemises(module(one))]
    kept = [one for one in blocks if one.group == "accounting" and one.booking.mode is Mode.PER_PAYOUT]
    if silent and kept:
        node = top["accounting"].mapping()[kept[0].name].mapping()["mode"]
        why = f"mode is per_payout, but {silent[0].connector} does not say what a payout of {silent[0].name} pays out"
        raise node.wrong(why, "write mode: per_day")


def itemises(connector: ModuleType) -> bool:
    """Whether a gateway's connector can say what a payout pays out."""
    own = [one for one in vars(connector).values() if isinstance(one, type) and one.__module__ == connector.__name__]
    return any(hasattr(one, "feeds") and hasattr(one, "composition") for one in own)


def _booked(block: Block, body: Node, fields: Mapping[str, Node]) -> Block:
    """A gateway's block with how its money is booked; where its sales are recorded must be said: a guess may double them."""
    if "sales" not in fields:
        why = "'sales' is missing: where are the sales behind these payments recorded?"
        cure = "add a line sales: invoiced_in_books (your invoices post revenue), recorded_here or recorded_elsewhere"
        raise body.wrong(why, f"{cure}; docs/posting.md explains them")
    sales = Sales(fields["sales"].choice(Sales))
    fees = Fees(fields["fees"].choice(Fees)) if "fees" in fields else Fees.ON_RECEIPT
    rate = _placed(fields["reverse_charge"], Percent.of) if "reverse_charge" in fields else None
    revenue = Revenue(fields["revenue"].choice(Revenue)) if "revenue" in fields else Revenue.ON_PAYMENT
    schedule = Schedule(fields["deferred"].choice(Schedule)) if "deferred" in fields else Schedule.ENTRIES
    if revenue is not Revenue.ON_PAYMENT and sales is not Sales.RECORDED_HERE:
        why = f"revenue is {revenue.value}, and no sale is recorded here"
        raise fields["revenue"].wrong(why, "write sales: recorded_here, or leave the line out")
    return replace(block, sales=sales, fees=fees, reverse_charge=rate, revenue=revenue, schedule=schedule)


def _booking(fields: Mapping[str, Node]) -> Booking:
    """How the sub-ledger comes to books, and from which instant on."""
    mode = Mode(fields["mode"].choice([one.value for one in Mode])) if "mode" in fields else Mode.PER_TRANSACTION
    since = _placed(fields["mode_since"], moment.from_text) if "mode_since" in fields else None
    if since is not None and mode is Mode.PER_TRANSACTION:
        why = "mode_since is the instant from which on a summary is made, and none is"
        raise fields["mode_since"].wrong(why, "write mode: per_payout, per_day or hybrid, or leave the line out")
    late = Late(fields["late"].choice([one.value for one in Late])) if "late" in fields else Late.HOLD
    return Booking(mode, since, late, fields["shadow"].flag() if "shadow" in fields else False)


def _matching(node: Node) -> Ladder:
    """How payments find their invoices: which numbers are the books' own, and whether a customer's only sum decides."""
    fields = node.mapping(_MATCHING)
    series: list[str] = []
    for one in fields["series"].one_or_more() if "series" in fields else ():
        if not normal(one.text()):
            raise one.wrong("series is empty", "write how your invoice numbers begin, such as INV-")
        series.append(one.text())
    of_gateway = fields["gateway_numbers"].flag() if "gateway_numbers" in fields else False
    by_customer = fields["by_customer"].flag() if "by_customer" in fields else True
    tolerance: dict[str, int] = {}
    for currency, amount in fields["tolerance"].mapping().items() if "tolerance" in fields else ():
        missing = _placed(amount, partial(Money.of, currency=currency))
        if missing.minor <= 0:
            raise amount.wrong(f"a tolerance of {missing}", "write an amount above zero, or leave the currency out")
        tolerance[currency] = missing.minor
    return Ladder(tuple(series), of_gateway, by_customer, tolerance)


def _named(node: Node) -> Iterable[tuple[str, Node]]:
    for name, body in node.mapping().items():
        if not _NAME.fullmatch(name):
            cure = "use lower-case letters, digits and '-', beginning with a letter"
            raise yamlfile.complaint(node.key_place(name), f"name is {name!r}", cure)
        yield name, body


def _layout(node: Node) -> Layout:
    """How a bank account's statements are written."""
    fields = node.mapping(_BANK, ("columns",))
    columns = {name: one.text() for name, one in fields["columns"].mapping(COLUMNS, ("date", "amount", "text")).items()}
    if ("currency" in columns) == ("currency" in fields):
        why = "its currency is said twice" if "currency" in columns else "no currency is said"
        raise node.wrong(why, "name its column under columns:, or write currency: such as EUR")
    separator = fields["separator"].text() if "separator" in fields else ","
    if len(separator) != 1:
        raise fields["separator"].wrong(f"separator is {separator!r}", 'write one character such as ";"')
    encoding = fields["encoding"].choice(["utf-8", "cp1252", "iso-8859-1"]) if "encoding" in fields else "utf-8"
    return Layout(
        columns,
        _currency(fields["currency"]) if "currency" in fields else "",
        Days(fields["days"].choice([one.value for one in Days])) if "days" in fields else Days.YMD,
        Decimals(fields["decimals"].choice([one.value for one in Decimals])) if "decimals" in fields else Decimals.POINT,
        separator,
        encoding,
    )


def _distinct(blocks: Iterable[Block]) -> None:
    seen: dict[str, str] = {}
    for block in blocks:
        if block.name in seen:
            raise Misconfigured(f"{block.place}: the name {block.name!r} is already used at {seen[block.name]}; choose another")
        seen[block.name] = block.place


def _placed(node: Node, convert: Callable[[str], Value]) -> Value:
    try:
        return convert(node.text())
    except (Misconfigured, RecordRefused) as wrong:
        raise Misconfigured(f"{node.place}: {wrong}") from wrong


def _currency(node: Node) -> str:
    code = node.text()
    _placed(node, decimals)
    return code


def _clock(node: Node) -> time:
    found = _CLOCK.fullmatch(node.text())
    if found is None:
        raise node.wrong(f"{node.text()!r} is not a time of day", 'write hours and minutes such as "02:00"')
    return time(int(found[1]), int(found[2]))


def _schedule(node: Node | None, table: timetable.Timetable) -> timetable.Timetable:
    """When `syncjob schedule` begins runs; what is not written here is as in the table that is handed in."""
    if node is None:
        return table
    words = node.mapping(_SCHEDULE)
    if "every" in words and "cron" in words:
        raise yamlfile.complaint(node.key_place("cron"), "'every' and 'cron' are both written here", "keep one of them")
    if "zone" in words and "cron" not in words:
        raise yamlfile.complaint(node.key_place("zone"), "only 'cron' has a zone", "remove the line, or write a cron: ... too")
    table = replace(
        table,
        every=_placed(words["every"], timetable.interval) if "every" in words else table.every,
        cron=_placed(words["cron"], timetable.cron) if "cron" in words else None,
        zone=_placed(words["zone"], moment.zone) if "zone" in words else table.zone,
        jitter=_placed(words["jitter"], timetable.delay) if "jitter" in words else table.jitter,
        grace=_placed(words["misfire_grace"], timetable.interval) if "misfire_grace" in words else table.grace,
    )
    if "jitter" in words:
        _placed(words["jitter"], lambda _: timetable.check_jitter(table))
    return table


def _state(home: Path, text: str) -> str:
    if "://" in text:
        return text
    return str(home / text)


def _chart(home: Path) -> chart.Chart:
    path = home / "accounts.csv"
    if not path.is_file():
        raise Misconfigured(f"{path}: there is no such file; syncjob init writes one")
    return chart.read(yamlfile.read_text(path, "accounts.csv"))
