"""Cases beside the maps: what a gateway shows, and what its map, or a target's map, must make of it, in files for people.

They stand in mappings/cases/KIND/MAP/CASE.yaml. A home's own file wins over the one of the same name that came with syncjob.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import TypeVar

from syncjob import moment, shipped, yamlfile
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.mapping import files
from syncjob.model import Invoice, Json, Raw, Stream
from syncjob.money import Money
from syncjob.yamlfile import Node

SOURCE, ACCOUNT = "shop", "acct_1Example"  # the account whose records all cases are
BOOKS, CRM = "books", "crm"  # what its targets are called
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}", re.ASCII)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_WORDS: Mapping[str, Json] = {"true": True, "false": False, "null": None}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Where a case stands: of which map it is, its name there, and its file."""

    kind: str  # gateways, accounting or crm
    of: str  # the gateway or target: stripe
    name: str  # payment
    path: Path
    own: bool  # the home's own

    @property
    def map(self) -> str:
        """The map that it tests, as in gateways/stripe."""
        return f"{self.kind}/{self.of}"

    @property
    def called(self) -> str:
        """The file as complaints call it."""
        return called(self.kind, self.of, self.name)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a gateway shows in a case: the records about one subject, before they are reduced to what is kept."""

    gateway: str
    stream: Stream
    subject: str
    records: tuple[tuple[Raw, Node], ...]  # each with the node of its fields


@dataclass(frozen=True, slots=True)
class GatewayCase:
    """What a gateway shows, and what its map makes of it."""

    file: CaseFile
    shows: str
    shown: Shown
    means: Node
    held: Node


@dataclass(frozen=True, slots=True)
class TargetCase:
    """What a gateway shows, by a case of its own or written out, and which documents the target's map makes of it."""

    file: CaseFile
    shows: str
    origin: str  # the name of the gateway's case, "" where the records are written out
    shown: Shown | None
    zone: tzinfo
    invoices: tuple[Invoice, ...]
    documents: Node
    held: Node
    per_day: bool = False  # whether the books get one document for a day
    closed_through: date | None = None  # what lies in this period goes to the first open day


# ---------------------------------------------------------------- where they stand


def called(kind: str, of: str, name: str) -> str:
    """The file of a case as complaints call it."""
    return f"mappings/cases/{kind}/{of}/{name}.yaml"


def found(home: Path | None) -> list[CaseFile]:
    """Every case of every map, those of a map in the order of their names; the home's own win."""
    folders = [(home / "mappings", True)] if home is not None else []
    folders.append((shipped.folder(), False))
    folders += [(folder, False) for name in files.known() if "/" in name and (folder := files.brought(*_parts(name)))]
    known: dict[tuple[str, str, str], CaseFile] = {}
    for folder, own in folders:
        for kind in files.KINDS:
            for path in sorted((folder / "cases" / kind).glob("*/*.yaml")):
                file = CaseFile(kind, path.parent.name, path.stem, path, own)
                known.setdefault((kind, file.of, file.name), file)
    return sorted(known.values(), key=lambda file: (files.KINDS.index(file.kind), file.of, file.name))


def maps(home: Path | None) -> tuple[str, ...]:
    """Every map that a case may be of, as in gateways/stripe: those that came along, and the home's own."""
    known = [name for name in files.known() if name.partition("/")[0] in files.KINDS]
    for kind in files.KINDS if home is not None else ():
        known += [f"{kind}/{path.stem}" for path in sorted((home or Path()).glob(f"mappings/{kind}/*.yaml"))]
    return tuple(dict.fromkeys(known))


def _parts(name: str) -> tuple[str, str]:
    kind, _, of = name.partition("/")
    return kind, of


# ---------------------------------------------------------------- what they say


def read(file: CaseFile) -> GatewayCase | TargetCase:
    """A case by its file. Raises Misconfigured with file, line and column for what is missing, unknown or misspelled in it."""
    if not _NAME.fullmatch(file.name):
        raise Misconfigured(f"{file.called}: {file.name!r} is no name of a case; write letters, digits, _ and -")
    return parsed(file, yamlfile.read_text(file.path, file.called))


def parsed(file: CaseFile, text: str) -> GatewayCase | TargetCase:
    """A case by its text, whose file may not be written yet. Raises Misconfigured as `read` does."""
    root = yamlfile.load(text, file.called)
    if file.kind == "gateways":
        words = root.mapping(["shows", "mode", "subject", "seen", "records", "means", "held"], ["shows", "means"])
        means = words["means"]
        return GatewayCase(file, _shows(words["shows"]), _shown(root, file.of), means, words.get("held", _none(root)))
    told = ["zone", "invoices", "per_day", "closed_through", "documents", "held"]
    known = ["shows", "from", "gateway", "mode", "subject", "seen", "records", *told]
    words = root.mapping(known, ["shows", "documents"])
    origin, shown = "", None
    if "from" in words:
        for name in ("gateway", "mode", "subject", "seen", "records"):
            if name in words:
                raise words["from"].wrong(f"the case that from: names says {name} already", f"keep from: or {name}:")
        origin = words["from"].text()
        if not origin.startswith("gateways/") or origin.count("/") != 2:
            raise words["from"].wrong(f"{origin!r} is no case of a gateway's map", "write one such as gateways/stripe/payment")
    else:
        root.mapping(None, ["gateway"])
        shown = _shown(root, words["gateway"].text())
    where = moment.zone(words["zone"].text()) if "zone" in words else moment.zone("Europe/Berlin")
    invoices = tuple(_invoice(one) for one in words["invoices"].sequence()) if "invoices" in words else ()
    held = words.get("held", _none(root))
    per_day = words["per_day"].flag() if "per_day" in words else False
    closed = _made(words["closed_through"], moment.to_day) if "closed_through" in words else None
    return TargetCase(file, _shows(words["shows"]), origin, shown, where, invoices, words["documents"], held, per_day, closed)


def _none(root: Node) -> Node:
    return Node(root.place, ())


def _shows(node: Node) -> str:
    return " ".join(node.text().split())


def _shown(root: Node, gateway: str) -> Shown:
    words = root.mapping(None, ["subject", "seen", "records"])
    mode = words["mode"].choice(["live", "test"]) if "mode" in words else "test"
    subject, seen = words["subject"].text(), _made(words["seen"], moment.from_text)
    records = tuple(_record(one, subject, seen) for one in words["records"].sequence())
    if not records:
        raise words["records"].wrong("the list is empty", "write at least one record")
    return Shown(gateway, Stream(SOURCE, ACCOUNT, mode), subject, records)


def _record(node: Node, subject: str, seen: datetime) -> tuple[Raw, Node]:
    words = node.mapping(["type", "id", "occurred", "seen", "fields"], ["type", "id", "fields"])
    as_of = _made(words["seen"], moment.from_text) if "seen" in words else seen
    occurred = _made(words["occurred"], moment.from_text) if "occurred" in words else as_of
    id, fields = words["id"].text(), {name: value(one) for name, one in words["fields"].mapping().items()}
    return Raw(words["type"].text(), id, occurred, as_of, subject, {"id": id, **fields}), words["fields"]


def value(node: Node) -> Json:
    """A field of a record as the gateway sends it: digits are a number and true, false and null what they are in JSON.

    Whatever stands in quotes is text, and so is any other word.
    """
    if isinstance(node.content, dict):
        return {name: value(one) for name, one in node.content.items()}
    if isinstance(node.content, tuple):
        return [value(one) for one in node.content]
    if node.quoted:
        return node.content
    if node.content in _WORDS:
        return _WORDS[node.content]
    return int(node.content) if _WHOLE.fullmatch(node.content) else node.text()


def _invoice(node: Node) -> Invoice:
    """An open invoice of the books, as their mirror shows it."""
    known = ["number", "customer", "email", "total", "open", "issued", "due"]
    words = node.mapping(known, ["number", "total", "issued"])
    total, number = _made(words["total"], money), words["number"].text()
    issued: date = _made(words["issued"], moment.to_day)
    return Invoice(
        target=BOOKS,
        id=number,
        number=number,
        customer=words["customer"].text() if "customer" in words else "",
        email=words["email"].text() if "email" in words else "",
        total=total,
        open=_made(words["open"], money) if "open" in words else total,
        issued=issued,
        due=_made(words["due"], moment.to_day) if "due" in words else None,
        as_of=moment.from_text(f"{issued.isoformat()}T12:00:00Z"),
    )


def money(text: str) -> Money:
    """An amount as cases write it: 48.25 EUR. Raises RecordRefused for anything else."""
    amount, _, currency = text.strip().partition(" ")
    return Money.of(amount, currency.strip())


def _made(node: Node, make: Callable[[str], _T]) -> _T:
    try:
        return make(node.text())
    except RecordRefused as refused:
        raise node.wrong(str(refused)) from None


def unkept(fields: Node, kept: object) -> Iterator[tuple[str, Node]]:
    """The fields of a case's record that landing has left out, each with its node: names that no rule and no list has."""
    if isinstance(fields.content, dict):
        for name, node in fields.content.items():
            inner = kept.get(name, _ABSENT) if isinstance(kept, Mapping) else _ABSENT
            if inner is _ABSENT:
                if value(node) not in (None, "", {}, []):
                    yield name, node
            else:
                yield from ((f"{name}.{below}", at) for below, at in unkept(node, inner))
    elif isinstance(fields.content, tuple) and isinstance(kept, list):
        for node, one in zip(fields.content, kept, strict=False):
            yield from unkept(node, one)


_ABSENT = object()
