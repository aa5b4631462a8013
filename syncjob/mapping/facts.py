"""The rules for life-cycle facts: what happened without moving the gateway's balance."""

from __future__ import annotations

from syncjob.mapping import soundness
from syncjob.mapping.blocks import Block, Known
from syncjob.mapping.counting import Counts
from syncjob.mapping.files import MapFile
from syncjob.mapping.keep import Keeping
from syncjob.mapping.rules import NOTHING
from syncjob.model import Fact, FactKind, Record, Stream
from syncjob.yamlfile import Node

FIELDS = {
    "occurred": ("instant", True),
    "amount": ("money", False),
    "customer": ("text", False),
    "due": ("instant", False),
    "reason": ("text", False),
}
TYPES = {name: wanted for name, (wanted, _) in FIELDS.items()}
KINDS: dict[str, FactKind | None] = {**{kind.value: kind for kind in FactKind}, NOTHING: None}


class Facts(Block):
    """The rules for one life-cycle fact of one record type."""

    what = "fact"
    types = TYPES
    required = tuple(name for name, (_, must) in FIELDS.items() if must)
    kinds = KINDS

    def __init__(self, file: MapFile, node: Node, keeping: Keeping, counts: Counts) -> None:
        super().__init__(file, node, keeping, counts, ["kind", "detail", *FIELDS])
        node.mapping(None, ["kind", *(name for name, (_, required) in FIELDS.items() if required)])
        self.kind = self.rules.choice(self.words["kind"], self.kinds, f"{self.record}.kind")
        fields = {name: self.value(name, wanted, required=required) for name, (wanted, required) in FIELDS.items()}
        self.occurred, self.amount, self.due = fields["occurred"], fields["amount"], fields["due"]
        self.customer, self.reason = fields["customer"], fields["reason"]
        details = self.words["detail"].mapping().items() if "detail" in self.words else ()
        soundness.words_are_listed(self.words, self.rules.table)
        field = f"{self.record}.detail"
        self.details = tuple((name, self.rules.value(rule, "text", f"{field}.{name}")) for name, rule in details)

    def fact(self, stream: Stream, subject: str, record: Record, known: Known) -> Fact | None:
        """The fact that a record tells now, or None where its state is known to tell none."""
        scope, _ = self.scopes(stream, record, known)
        kind = self.kind(scope) if scope is not None else None
        if kind is None or scope is None:
            return None
        detail = {name: rule(scope) for name, rule in self.details}
        return Fact(
            stream=stream,
            id=record.id,
            kind=kind,
            subject=subject,
            occurred=self.occurred(scope),
            amount=self.amount(scope),
            customer=self.customer(scope) or "",
            due=self.due(scope),
            reason=self.reason(scope) or "",
            detail={name: text for name, text in detail.items() if text is not None},
        )
