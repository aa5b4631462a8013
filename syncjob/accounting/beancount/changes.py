"""What a Call changes: its items against what stands in the month files. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncjob.accounting.beancount.block import Block, checked_key, day_of, rendered, retired
from syncjob.accounting.beancount.monthfile import month_of
from syncjob.errors import RecordRefused
from syncjob.model import UNDOING, Action, DocumentKind, Json
from syncjob.ports import Put

KINDS = (
    DocumentKind.RECEIPT,
    DocumentKind.SALE,
    DocumentKind.CREDIT_NOTE,
    DocumentKind.APPLICATION,
    DocumentKind.REFUND,
    DocumentKind.EXPENSE,
    DocumentKind.TRANSFER,
    DocumentKind.JOURNAL,
    DocumentKind.SUMMARY,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One document in a Call: the directive to write, or none to undo it, and what is known about where it was."""

    key: str
    revision: int
    text: str  # "" : undo
    was: str  # the month in which we last saw it, or ""
    version: str  # of the directive as we last saw it, or ""
    anywhere: bool  # nobody knows where it stands: look in every month
    updates: bool = False  # it changes what stands there; one that is gone was deleted by a person

    @property
    def word(self) -> str:
        """What happened to a directive that this item replaces in another month."""
        return f"moved to {self.text[:10]}" if self.text else "void"

    def row(self) -> Mapping[str, Json]:
        """The item as a row of a request."""
        return {
            "key": self.key,
            "revision": self.revision,
            "text": self.text,
            "was": self.was,
            "version": self.version,
            "anywhere": self.anywhere,
            **({"updates": True} if self.updates else {}),
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Item:
        """The item of a row of a request."""
        return cls(**row)


@dataclass(frozen=True, slots=True)
class Changes:
    """The blocks to write per month, who may not, and what stands in a newer revision than the item has."""

    blocks: dict[str, dict[str, Block]] = field(default_factory=dict)
    refused: dict[str, RecordRefused] = field(default_factory=dict)
    newer: dict[str, tuple[str, Block]] = field(default_factory=dict)


def item_of(put: Put) -> tuple[str, Item, tuple[str, ...]]:
    """The month of a Put, its item, and the accounts it uses; RecordRefused where it cannot stand in the books."""
    if put.kind not in KINDS:
        raise RecordRefused(f"plain-text books hold no {put.kind}", cure="take it out of this target's map")
    was = month_of(put.expected.id) if put.expected else ""
    version = put.expected.version if put.expected else ""
    anywhere = put.expected is None and put.action is not Action.CREATE
    checked_key(put.key)
    if put.action in UNDOING:
        day = put.date.isoformat() if put.date else "" if was else day_of(put.body)
        return was or day[:7], Item(put.key, put.revision, "", was, version, anywhere), ()
    block, accounts = rendered(put)
    updates = put.action is Action.UPDATE and version != ""
    return block.date[:7], Item(put.key, put.revision, block.text, was, version, anywhere, updates), accounts


def changes(month: str, items: Iterable[Item], found: Mapping[str, dict[str, Block]], closed: str) -> Changes:
    """Decide for each item what to write; `found` holds, month by month, the blocks of these documents as they stand."""
    result = Changes()
    standing = {name: dict(blocks) for name, blocks in found.items()}
    for item in items:
        places = [(name, blocks[item.key]) for name, blocks in standing.items() if item.key in blocks]
        newer = next((place for place in places if place[1].revision > item.revision), None)
        if newer:
            result.newer[item.key] = newer
            continue
        try:
            decided = _decided(month, item, places, closed)
        except RecordRefused as wrong:
            result.refused[item.key] = wrong
            continue
        for name, block in decided:
            result.blocks.setdefault(name, {})[item.key] = block
            standing.setdefault(name, {})[item.key] = block
    return result


def _decided(month: str, item: Item, places: Sequence[tuple[str, Block]], closed: str) -> list[tuple[str, Block]]:
    """The blocks to write for one item, other months first: a crash in between then leaves none rather than two."""
    here = next((block for name, block in places if name == month), None)
    if item.updates and not places:
        raise RecordRefused("the directive was deleted by hand", place=f"{item.was}.beancount", cure=_decide(item.key))
    writes = []
    for name, block in places:
        if not block.is_note and (name != month or not item.text):
            _may_change(block, item, closed)
            writes.append((name, retired(block, item.word, item.revision)))
    if item.text:
        new = Block(item.key, item.text)
        if here is None or (here.text != new.text and here.version != new.version):
            if here is not None:
                _may_change(here, item, closed)
            if new.date <= closed:
                raise _in_closed_period(new.date, closed)
            writes.append((month, new))
    return writes


def _may_change(block: Block, item: Item, closed: str) -> None:
    if block.date <= closed:
        raise _in_closed_period(block.date, closed)
    # Only a person leaves an older revision with another content; a note has nothing to lose.
    if item.version not in ("", block.version) and block.revision < item.revision and not block.is_note:
        place = f"{block.date[:7]}.beancount:{block.line}"
        raise RecordRefused("the directive was edited by hand", place=place, cure=f"undo the edit, or {_decide(block.key)}")


def _decide(key: str) -> str:
    return f"decide who is right: syncjob reconcile adopt|restore {key}"


def _in_closed_period(day: str, closed: str) -> RecordRefused:
    cure = "reopen the period (setting closed_through) or choose an open day, then run: syncjob held retry"
    return RecordRefused(f"{day} lies in a period closed through {closed}", cure=cure)
