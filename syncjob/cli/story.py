"""show: the whole story of one payment, from the gateway's record to the last document, by any of its ids."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from syncjob.config import Config
    from syncjob.model import Application, Delivery, Entry, Json, Reading, Record
    from syncjob.money import Money
    from syncjob.store import Store, Story

    Kinds: TypeAlias = Mapping[tuple[str, str], Json]  # (kind, id) -> the line of the map that says so

STORIES_MAX = 5
WIDTH = 80
_GLUE = "\u00a0"  # holds the words of an instant together while lines are folded


@verb("show", "syncjob show ch_3SxExample", "syncjob show INV-1001 --json")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def show(id: str, as_json: bool) -> None:
    """Tell the whole story of one payment by any of its ids.

    ID is an id of the gateway (charge, refund, dispute, payout, customer, balance transaction), a document number of the
    books, or a key of ours: what was seen, what it means, how it was posted and matched and by which rule, and what became of
    each document.
    """
    from syncjob.cli.house import configured, opened

    config = configured(frame().home)
    with opened(config) as store:
        subjects = store.search(id)
        if not subjects:
            cure = "give an id of the gateway, a document number, or a key of ours"
            raise Misconfigured(f"nothing here is called {id!r}; {cure}")
        stories = [_told(config, store, story) for story in store.stories(subjects[:STORIES_MAX])]
    if as_json:
        click.echo(json.dumps(stories, indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join("\n".join(_lines(config, story)) for story in stories))
    if len(subjects) > STORIES_MAX:
        rest = ", ".join(subject.name for subject in subjects[STORIES_MAX:])
        click.echo("\n" + textwrap.shorten(f"and {len(subjects) - STORIES_MAX} more: {rest}", WIDTH))


# ---------------------------------------------------------------- the story as values


def _told(config: Config, store: Store, story: Story) -> dict[str, Json]:

    reading, decided_by, kinds = _reading(config, story)
    refused = [refusal for subject, refusal in store.refusals(story.subject.scope) if subject.name == story.subject.name]
    return {
        "subject": story.subject.name,
        "source": story.subject.scope,
        "account": story.stream.account if story.stream else None,
        "mode": story.stream.mode if story.stream else None,
        "seen": [_record(record, landed) for record, landed in store.versions(story.subject)],
        "customers": _linked(store, story, reading),
        "map": decided_by,
        "means": [*_movements(reading, kinds), *_facts(reading, kinds)],
        "posted": [_entry(entry) for entry in story.entries],
        "applied": [_application(one) for one in story.applications],
        "documents": [_document(store, one) for one in (*story.deliveries, *_summaries(store, story))],
        "held": [
            {"type": r.type, "id": r.id, "why": r.problem.why, "cure": r.problem.cure, "amount": _money(r.net)} for r in refused
        ],
    }


def _summaries(store: Store, story: Story) -> list[Delivery]:
    """The documents about more than this subject that bring entries of it to the books."""
    own = {(one.target, one.key) for one in story.deliveries}
    more: dict[str, dict[str, None]] = {}
    for (target, _), document in story.posted.items():
        if (target, document) not in own:
            more.setdefault(target, {})[document] = None
    return [one for target, keys in more.items() for one in store.lookup(target, list(keys)).values()]


def _record(one: Record, landed: datetime) -> Json:
    from syncjob.moment import iso

    return {
        "type": one.type,
        "id": one.id,
        "occurred": iso(one.occurred),
        "as_of": iso(one.as_of),
        "landed": iso(landed),
        "digest": one.digest,
    }


def _reading(config: Config, story: Story) -> tuple[Reading | None, Json, Kinds]:
    """What the gateway's map reads in the newest records, which map that is, and its line behind each kind."""
    from syncjob.mapping import load_gateway
    from syncjob.mapping.explaining import explained

    block = next((one for one in config.of("gateways") if one.name == story.subject.scope), None)
    records = [record for record in story.records if record.problem is None]
    if block is None or story.stream is None:
        return None, None, {}
    rules = load_gateway(block.connector, config.home)
    own = config.home / "mappings" / "gateways" / f"{block.connector}.yaml"
    decided_by: Json = {
        "name": f"mappings/gateways/{block.connector}.yaml",
        "whose": "the home's own" if own.exists() else "came with syncjob",
        "digest": rules.digest,
    }
    if not records:
        return None, decided_by, {}
    kinds: dict[tuple[str, str], Json] = {}
    for one in explained(rules, story.stream, story.subject.name, records):
        answers = {answer.field: answer for answer in one.answers}
        kind, id = answers.get("kind"), answers.get("id")
        if kind is not None and kind.place is not None:
            named = str(id.value) if id is not None else one.record.id
            kinds[str(kind.value), named] = {"file": kind.place.file, "line": kind.place.line, "how": kind.how or None}
    return rules.read(story.stream, story.subject.name, records), decided_by, kinds


def _linked(store: Store, story: Story, reading: Reading | None) -> Json:
    """Those of its customers whom other systems know, each with their other names."""
    from syncjob.crosswalk import spelled

    ids = [story.subject.name.partition(":")[2]] if story.subject.name.startswith("customer:") else []
    if reading is not None:
        ids += [person.id for person in reading.people] + [one.customer for one in reading.transactions]
    names = [(story.subject.scope, id) for id in dict.fromkeys(ids) if id]
    found = store.customers(names) if names else {}
    return [
        {"id": name[1], "also": [spelled(one) for one in customer.names if one != name]}
        for name, customer in found.items()
        if len(customer.names) > 1
    ]


def _movements(reading: Reading | None, kinds: Kinds) -> Iterable[Json]:
    from syncjob.moment import iso

    for one in reading.transactions if reading else ():
        yield {
            "what": one.kind.value,
            "type": one.type,
            "id": one.id,
            "origin": one.origin,
            "effective": iso(one.effective),
            "gross": _money(one.gross),
            "fees": [{"type": fee.type, "amount": _money(fee.amount)} for fee in one.fees],
            "net": _money(one.net),
            "presented": _money(one.presented),
            "names": [{"text": reference.text, "place": reference.place} for reference in one.references],
            "decided": kinds.get((one.kind.value, one.id)),
        }


def _facts(reading: Reading | None, kinds: Kinds) -> Iterable[Json]:
    from syncjob.moment import iso

    for fact in reading.facts if reading else ():
        yield {
            "what": fact.kind.value,
            "id": fact.id,
            "effective": iso(fact.occurred),
            "amount": _money(fact.amount),
            "reason": fact.reason or None,
            "decided": kinds.get((fact.kind.value, fact.id)),
        }


def _entry(entry: Entry) -> Json:
    from syncjob.moment import iso

    return {
        "key": entry.key,
        "kind": entry.kind,
        "date": entry.date.isoformat(),
        "effective": iso(entry.effective),
        "lines": [
            {"role": line.role.value, "amount": _money(line.amount), "bucket": line.bucket, "reference": line.reference}
            for line in entry.lines
        ],
    }


def _application(one: Application) -> Json:
    return {
        "movement": one.movement,
        "version": one.version,
        "parts": [{"invoice": part.invoice or None, "amount": _money(part.amount)} for part in one.parts],
        "rule": one.rule,
        "evidence": one.evidence,
        "runner_up": one.runner_up or None,
        "wanted": one.wanted or None,
    }


def _document(store: Store, one: Delivery) -> Json:
    from syncjob.moment import iso

    return {
        "target": one.target,
        "key": one.key,
        "kind": one.kind.value,
        "action": one.action.value,
        "status": one.word,
        "reverses": one.reverses or None,
        "date": one.date.isoformat() if one.date else None,
        "revision": one.revision,
        "generation": one.generation,
        "attempts": one.attempts,
        "remote": one.remote.id if one.remote else None,
        "why": one.problem.why if one.problem else None,
        "cure": one.problem.cure if one.problem else None,
        "calls": [
            {"committed": iso(sent), "settled": iso(settled) if settled else None, "call": call, "outcome": outcome}
            for sent, settled, call, outcome in store.calls_of(one.target, one.key)
        ],
        "history": list(one.history),
        "maps": store.get_fact(f"map:{one.map}") if one.map else None,
        "body": one.body,
    }


def _money(amount: Money | None) -> Json:
    from syncjob.summary.wire import money

    return money(amount) if amount is not None else None


# ---------------------------------------------------------------- the story as text


def _lines(config: Config, story: Mapping[str, Json]) -> list[str]:
    account = f" ({story['account']}, {story['mode']})" if story["account"] else ""
    lines = _wrapped(0, f"{story['subject']} of {story['source']}{account}")
    seen = _rows(story["seen"])
    versions: dict[str, int] = {}
    if seen:
        lines.append("Seen")
    for record in seen:
        name = f"{record['type']} {record['id']}"
        versions[name] = versions.get(name, 0) + 1
        number = f" (version {versions[name]})" if versions[name] > 1 else ""
        lines += _wrapped(2, f"{_local(config, record['occurred'])}  {name}{number}, landed {_local(config, record['landed'])}")
    for one in _rows(story["customers"]):
        lines += _wrapped(0, f"{one['id']} is one customer with {', '.join(cast('Sequence[str]', one['also']))}")
    if story["map"]:
        told = cast("Mapping[str, str]", story["map"])
        lines += _wrapped(0, f"Means, by {told['name']} ({told['whose']}, {told['digest'][:8]})")
    for one in _rows(story["means"]):
        lines += _meaning(config, one)
    if story["posted"]:
        lines.append("Posted")
    for entry in _rows(story["posted"]):
        lines += _posting(entry)
    if story["applied"]:
        lines.append("Applied")
    for one in _rows(story["applied"]):
        lines += _applied(one)
    if story["documents"]:
        lines.append("Documents")
    for one in _rows(story["documents"]):
        lines += _delivered(config, one)
    for one in _rows(story["held"]):
        price = f" ({_text(one['amount'])})" if one["amount"] else ""
        lines += _wrapped(0, f"Held: {one['type']} {one['id']}{price}: {one['why']}; {one['cure'] or 'see syncjob held list'}")
    return lines


def _meaning(config: Config, one: Mapping[str, Json]) -> list[str]:
    words = f"{_local(config, one['effective'])}  {str(one['what']).replace('_', ' ')}"
    if "gross" not in one:
        amount = f" {_text(one['amount'])}" if one["amount"] else ""
        reason = f": {one['reason']}" if one["reason"] else ""
        return [*_wrapped(2, f"{words} {one['id']}{amount}{reason}"), *_decided(one)]
    other = one["presented"] is not None and one["presented"] != one["gross"]
    presented = f" (the customer saw {_text(one['presented'])})" if other else ""
    fees = "".join(f", {fee['type']} {_text(fee['amount'])}" for fee in _rows(one["fees"]))
    lines = _wrapped(2, f"{words} {_text(one['gross'])}{presented}{fees}, net {_text(one['net'])}; {one['id']}")
    lines += _decided(one)
    for reference in _rows(one["names"]):
        lines += _wrapped(4, f"{reference['place']} names {reference['text']}")
    return lines


def _decided(one: Mapping[str, Json]) -> list[str]:
    """The line of the map that says what kind it is: of several rules the first that counts."""
    if not one["decided"]:
        return []
    rule = cast("Mapping[str, Json]", one["decided"])
    how = f", {rule['how']}" if rule["how"] else ""
    return _wrapped(4, f"{str(one['what']).replace('_', ' ')} by {rule['file']}:{rule['line']}{how}")


def _posting(entry: Mapping[str, Json]) -> list[str]:
    lines = _wrapped(2, f"{entry['date']}  {str(entry['kind']).replace('_', ' ')}  {entry['key']}")
    for line in _rows(entry["lines"]):
        beside = line["reference"] or line["bucket"]
        name = str(line["role"]).replace("_", " ") + (f" ({beside})" if beside else "")
        lines.append(f"      {name:<46} {_text(line['amount']):>20}"[:WIDTH])
    return lines


def _applied(one: Mapping[str, Json]) -> list[str]:
    parts = ", ".join(f"{part['invoice'] or 'customer credit'} {_text(part['amount'])}" for part in _rows(one["parts"]))
    why = f" ({one['evidence']})" if one["evidence"] else ""
    runner_up = f"; runner-up {one['runner_up']}" if one["runner_up"] else ""
    version = f", version {one['version']}" if one["version"] != 1 else ""
    return _wrapped(2, f"{parts or 'nothing'}: by {one['rule']}{why}{runner_up}{version}")


def _delivered(config: Config, one: Mapping[str, Json]) -> list[str]:
    generation = f", generation {one['generation']}" if one["generation"] != 1 else ""
    lines = _wrapped(2, f"{one['target']}: {one['action']} {one['kind']}, {one['status']}{generation}; {one['key']}")
    for call in _rows(one["calls"]):
        end = f"{call['outcome']} {_local(config, call['settled'])}" if call["settled"] else "not answered"
        lines += _wrapped(6, f"{_local(config, call['committed'])}  sent as {str(call['call'])[:8]}, {end}")
    if one["maps"]:
        told = cast("Mapping[str, Mapping[str, str]]", one["maps"])["maps"]
        lines += _wrapped(6, "made by the map of " + ", of ".join(f"{name} {digest[:8]}" for name, digest in told.items()))
    for line in cast("Sequence[str]", one["history"]):
        lines += _wrapped(6, line)
    if one["why"]:
        lines += _wrapped(6, f"{one['why']}; {one['cure']}" if one["cure"] else str(one["why"]))
    return lines


def _rows(value: Json) -> Sequence[Mapping[str, Json]]:
    return cast("Sequence[Mapping[str, Json]]", value)


def _text(value: Json) -> str:
    from syncjob.money import Money
    from syncjob.summary.render import named

    amount = cast("Mapping[str, str]", value)
    return named(Money.of(amount["amount"], amount["currency"]))


def _local(config: Config, text: Json) -> str:
    from syncjob.moment import from_text
    from syncjob.summary import instant

    when: datetime = from_text(str(text))
    return instant(when, config.zone).replace(" ", _GLUE)


def _wrapped(indent: int, words: str) -> list[str]:
    lines = textwrap.wrap(
        words, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 4), break_on_hyphens=False
    )
    return [line.replace(_GLUE, " ") for line in lines]
