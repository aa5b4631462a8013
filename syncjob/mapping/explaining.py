"""Why a record means what it means: each rule is asked once more, by itself, so that the one that decided can be named.

The compiled map is not touched by this: `GatewayMap.read` runs as fast as if nobody could ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncjob.errors import RecordRefused
from syncjob.mapping import conversions
from syncjob.mapping.blocks import Block, Known
from syncjob.mapping.dating import dating
from syncjob.mapping.gateway import GatewayMap
from syncjob.mapping.paths import Scope
from syncjob.mapping.rules import CONDITIONS
from syncjob.model import Reading, Record, Stream, Transaction
from syncjob.yamlfile import Node, Place


@dataclass(frozen=True, slots=True)
class Answer:
    """One field of ours: its value, the rule that decided, and which field of which record it read."""

    field: str
    value: object  # None where nothing stands
    place: Place | None = None  # of the rule; None where no rule of the map makes it
    record: str = ""  # "charge ch_1"; "" where the rule reads no record
    path: str = ""  # as written in the map
    how: str = ""  # what became of what was read, and which rule of several it was
    refused: str = ""  # why there is no value, where the rule refuses the record


@dataclass(frozen=True, slots=True)
class Explained:
    """What one block of the map makes of one record, field by field."""

    what: str  # movement, fact or person
    record: Record
    place: Place  # of the block
    answers: tuple[Answer, ...]


def explained(rules: GatewayMap, stream: Stream, subject: str, records: Sequence[Record]) -> tuple[Explained, ...]:
    """Every movement, fact and person that the map reads in a subject's records; what refuses a record is told in its place."""
    known = rules.newest(stream, records)
    reading = rules.read(stream, subject, records)
    found = []
    for block in rules.blocks():
        for record in known.values():
            if record.type == block.record and record.problem is None:
                answers = tuple(_answers(block, stream, record, known, reading))
                if answers:
                    found.append(Explained(block.what, record, block.place, answers))
    tells = _tellers(found)
    return tuple(one if tells(one) else _unused(one) for one in found)


def _answers(block: Block, stream: Stream, record: Record, known: Known, reading: Reading) -> Iterator[Answer]:
    try:
        scope, further = block.scopes(stream, record, known)
    except RecordRefused as refused:
        yield Answer("", None, block.place, refused=str(refused))
        return
    if scope is None:
        return
    answers = [*_fields(block, scope), *_lists(block, [scope, *further])]
    if block.what == "fact" and answers[0].value is None and not answers[0].refused:
        answers = answers[:1]  # its kind is `nothing`: the state is known and tells no fact
    if block.what == "person" and answers[0].value is None and not answers[0].refused:
        return  # the record does not say who it was
    if block.what == "movement":
        yield from _of_movement(block, answers, reading.transactions)
        if not any(answer.refused for answer in answers):
            # Each field can be read, and together they do not close.
            whole = (one for one in reading.problems if (one.type, one.id) == (record.type, record.id))
            yield from (Answer("", None, block.place, refused=one.problem.why) for one in whole)
    else:
        yield from answers


def _fields(block: Block, scope: Scope) -> Iterator[Answer]:
    if "kind" in block.words:
        yield _asked(block, "kind", block.words["kind"], scope, "")
    for name, wanted in block.types.items():
        if name in block.words:
            yield _asked(block, name, block.words[name], scope, wanted)


def _lists(block: Block, scopes: Sequence[Scope]) -> Iterator[Answer]:
    """The fields that hold several values, each of which has a rule of its own."""
    for name in ("detail", "address"):
        node = block.words.get(name)
        if node is not None:
            for key, rule in node.mapping().items():
                yield _asked(block, f"{name} {key}", rule, scopes[0], "text")
    named: set[str] = set()
    node = block.words.get("references")
    for scope in scopes if node is not None else ():
        rules_of = node.sequence() if node is not None else ()
        for number, rule in enumerate(rules_of, start=1):
            try:
                texts = block.rules.references(Node(rule.place, (rule,)))(scope)
            except RecordRefused as refused:
                yield Answer("reference", None, rule.place, refused=str(refused))
                continue
            for reference in texts:
                if reference.text not in named:
                    named.add(reference.text)
                    yield _told(block, "reference", reference, rule, scope, (number, len(rules_of)))


def _asked(block: Block, field: str, node: Node, scope: Scope, wanted: str) -> Answer:
    """The first rule of a field that has a value, asked one by one."""
    rules = node.one_or_more()
    for number, rule in enumerate(rules, start=1):
        if not wanted:  # of a choice the first rule that counts decides, whatever it comes to
            counts = block.rules.condition(rule.mapping())
            if counts is not None and not counts(scope):
                continue
        compiled = block.rules.value(rule, wanted) if wanted else block.rules.choice(rule, block.kinds)
        try:
            value = compiled(scope)
        except RecordRefused as refused:
            return replace(_told(block, field, None, rule, scope, (number, len(rules))), refused=str(refused))
        if value is not None and value != ():
            return _told(block, field, value, rule, scope, (number, len(rules)))
        if not wanted:
            return _told(block, field, None, rule, scope, (number, len(rules)))
    why = _why_nothing(block, rules, scope)
    return Answer(field, None, rules[0].place, how=why, refused="" if wanted else f"no rule of {field} counts for it")


def _why_nothing(block: Block, rules: Sequence[Node], scope: Scope) -> str:
    tried: dict[str, None] = {}
    for rule in rules:
        condition = block.rules.condition(rule.mapping())
        if (condition is None or condition(scope)) and "from" in rule.mapping():
            tried.update(dict.fromkeys(path.text() for path in rule.mapping()["from"].one_or_more()))
    which = "the rule" if len(rules) == 1 else f"all {len(rules)} rules"
    if tried:
        return f"nothing stands at {' or '.join(tried)}"
    asked = [f"{word}:" for word in CONDITIONS if any(word in rule.mapping() for rule in rules)]
    return f"{' or '.join(asked)} of {which} said no"


def _told(block: Block, field: str, value: object, rule: Node, scope: Scope, number: tuple[int, int]) -> Answer:
    """An answer with its origin: the first path of the rule where something stands."""
    words = rule.mapping()
    which = f"rule {number[0]} of {number[1]}" if number[1] > 1 else ""
    if "value" in words:
        return Answer(field, value, rule.place, how=_joined("a fixed text", which))
    conversion = words["as"].text() if "as" in words else ""
    for path in words["from"].one_or_more():
        is_landed = path.text().startswith("landed.")
        parts = conversions.PARTS.get(conversion, ())
        reader = block.paths.landed(path) if is_landed else block.paths.reader(path, parts=parts)
        raw = reader[1](scope)
        if raw is None or raw == "":
            continue
        record = scope[block.paths.index(path)]
        place, how = rule.place, f"as {conversion}" if conversion else ""
        if "lookup" in words and isinstance(raw, (str, bool)):
            place, how = _looked_up(block, words, rule, conversions.word(path.text(), raw))
        elif "currency" in words:
            currency = next((one.text() for one in words["currency"].one_or_more() if _stands(block, one, scope)), "nothing")
            how = f"{how}, currency from {currency}"
        elif "zone" in words:
            how = f"{how} in {words['zone'].text()}"
        return Answer(field, value, place, f"{record.type} {record.id}", path.text(), _joined(how, which))
    if "default" in words:
        return Answer(field, value, words["default"].place, how=_joined("the default", which))
    return Answer(field, value, rule.place, how=which)


def _stands(block: Block, path: Node, scope: Scope) -> bool:
    return block.paths.reader(path)[1](scope) not in (None, "")


def _looked_up(block: Block, words: Mapping[str, Node], rule: Node, key: str) -> tuple[Place, str]:
    """The line of the lookup or table that decided, or that of the word's refusal, or of what it becomes otherwise."""
    for name in ("lookup", "refuse"):
        if name in words and key in (listed := block.rules.table(words[name])).mapping():
            named = f"table {words[name].text()}" if listed is not words[name] else name
            return listed.key_place(key), f"{named} {key}: {listed.mapping()[key].text()}"
    if "otherwise" in words:
        return words["otherwise"].place, f"{key!r} is not in the lookup, otherwise: {words['otherwise'].text()}"
    return rule.place, f"{key!r} is not in the lookup"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


# ---------------------------------------------------------------- what syncjob itself adds or leaves out


def _of_movement(block: Block, answers: Sequence[Answer], transactions: Sequence[Transaction]) -> Iterator[Answer]:
    id = next((answer.value for answer in answers if answer.field == "id"), None)
    one = next((transaction for transaction in transactions if transaction.id == id), None)
    for answer in answers:
        if one is not None and answer.field == "presented" and answer.value is not None and answer.value != one.presented:
            why = "left out: the currency is the settled one" if one.presented is None else "with the sign of gross"
            answer = replace(answer, value=one.presented, how=_joined(answer.how, why))
        yield answer
    if one is not None:
        yield _date(block, one)
    if one is not None and one.rate_source:
        yield Answer("rate_source", one.rate_source, how="made by syncjob: presented has another currency than gross")
    if one is not None and one.reverses:
        yield Answer("reverses", one.reverses, how="made by syncjob: the earlier movement of the same origin")


def _date(block: Block, one: Transaction) -> Answer:
    """The instant that decides the business date, by the rule of the map or else as always."""
    for dated in dating(block.words):
        instant = getattr(one, dated.field)
        if instant is not None and instant == (one.dated or one.effective):
            zone = dated.zone or "the zone of the books"
            return Answer("date", instant, dated.node.place, how=f"the day of {dated.field} in {zone}")
    return Answer("date", one.dated or one.effective, how="made by syncjob: the day of effective in the zone of the books")


def _tellers(blocks: Sequence[Explained]) -> Callable[[Explained], bool]:
    """Whether a block is the one that tells a person: the first that knows them wins, and of one block the newest record."""
    first: dict[object, Explained] = {}
    for one in blocks:
        if one.what == "person":
            before = first.setdefault(one.answers[0].value, one)
            if before.place == one.place and before.record.as_of < one.record.as_of:
                first[one.answers[0].value] = one
    return lambda one: one.what != "person" or first[one.answers[0].value] is one


def _unused(one: Explained) -> Explained:
    """A person whom another block tells: one line says so."""
    id = one.answers[0]
    why = "not used: an earlier block or a newer record tells this person"
    return replace(one, answers=(replace(id, how=_joined(id.how, why)),))
