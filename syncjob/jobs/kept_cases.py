"""A case out of what has landed: one payment with its records, its people replaced, and what the maps make of it today."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from syncjob.config import Config
from syncjob.errors import Misconfigured
from syncjob.jobs.cases import Bench, landed, merged, read
from syncjob.mapping import GatewayMap, cases, casetext, standins
from syncjob.mapping.cases import CaseFile, GatewayCase, TargetCase
from syncjob.mapping.casetext import Spelled
from syncjob.mapping.standins import StandIns
from syncjob.matching import normal
from syncjob.model import Invoice, Json, Record, Stream, movement_key
from syncjob.moment import iso
from syncjob.plan import Known, wanted_numbers
from syncjob.store import Store, Story

_AT_MOST = 20  # subjects that an id is looked up in
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)


def keep(config: Config, store: Store, id: str) -> list[Path]:
    """Write the cases of one subject into the home, one for its gateway's map and one for each target's; gives the files.

    Raises Misconfigured where the id is of none or of several, where what is held cannot be shown, and where a file is there.
    """
    story = _story(store, id)
    block = next((one for one in config.of("gateways") if one.name == story.subject.scope), None)
    if block is None:
        raise Misconfigured(f"{story.subject.scope!r} is not in syncjob.yaml any more, so no map reads its records")
    bench, name = Bench(config.home), _UNFIT.sub("-", id).strip("-_")[:60] or "case"
    files = [_file(config.home, "gateways", block.connector, name)]
    for kind in ("accounting", "crm"):
        files += [_file(config.home, kind, of, name) for of in dict.fromkeys(one.connector for one in config.of(kind))]
    for file in files:
        if file.path.exists():
            raise Misconfigured(f"{file.path} is already there and is never overwritten; move it away first")
    people = StandIns()
    texts = [_gateway_text(bench, files[0], story, people)]
    invoices = [_invoice(one, people) for one in _invoices(bench, store, story, block.connector)]
    for file in files[1:]:
        texts.append(_target_text(bench, file, texts[0], files[0], config.zone_name, invoices))
    for file, text in zip(files, texts, strict=True):
        _write(file.path, text)
    return [file.path for file in files]


def _story(store: Store, id: str) -> Story:
    subjects = store.search(id)
    if not subjects:
        cure = "give an id of the gateway, a document number, or a key of ours"
        raise Misconfigured(f"nothing here is called {id!r}; {cure}")
    stories = [one for one in store.stories(subjects[:_AT_MOST]) if one.stream is not None and one.records]
    if not stories:
        raise Misconfigured(f"no map of a gateway reads {id!r}, which stands in the books only")
    if len(stories) > 1:
        names = ", ".join(story.subject.name for story in stories)
        raise Misconfigured(f"{id!r} belongs to {len(stories)} of them: {names}; a case is about one, give an id of its own")
    held = next((record for record in stories[0].records if record.problem is not None), None)
    if held is not None:
        raise Misconfigured(f"{held.type} {held.id} is held without its content, so a case of it would show another story")
    return stories[0]


def _file(home: Path, kind: str, of: str, name: str) -> CaseFile:
    return CaseFile(kind, of, name, home / cases.called(kind, of, name), own=True)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as wrong:
        raise Misconfigured(f"{path} cannot be written: {wrong.strerror}; give the user who runs syncjob the right") from wrong


# ---------------------------------------------------------------- the gateway's case


def _gateway_text(bench: Bench, file: CaseFile, story: Story, people: StandIns) -> str:
    map, stream = bench.gateway(file.of), story.stream
    fields = [(record, merged(record.body, record.personal)) for record in story.records]
    for record, one in fields:
        if record.type in map.keep:
            standins.noted(one, map.keep[record.type], people)
    seen = max(record.as_of for record in story.records)
    records = [_record(map, record, one, people, iso(seen)) for record, one in fields]
    head: dict[str, Spelled] = {"shows": "?", **({"mode": "live"} if stream is not None and stream.mode == "live" else {})}
    head |= {"subject": story.subject.name, "seen": iso(seen), "records": records}
    case = _case(file, {**head, "means": {}})
    assert isinstance(case, GatewayCase)  # noqa: S101 - it stands under gateways/
    reading = read(map, case.shown, landed(map, case.shown))
    means, held = casetext.meaning(reading), casetext.held(reading.problems)
    said: dict[str, Spelled] = {**head, "shows": _shows(story, means), "means": means, **({"held": held} if held else {})}
    case = _case(file, said)
    assert isinstance(case, GatewayCase)  # noqa: S101 - as above
    _true(file, [finding.difference.field for finding in bench.gateway_findings(case)])
    return _text(said)


def _record(map: GatewayMap, record: Record, fields: Json, people: StandIns, seen: str) -> dict[str, Spelled]:
    """A record as cases write it: only what says something, and what was personal replaced."""
    kept = map.keep.get(record.type)
    body = dict(fields) if isinstance(fields, Mapping) else {}
    said = {name: filled for name, one in body.items() if (filled := _filled(one)) is not None and name != "id"}
    shown = standins.replaced(said, kept, people) if kept is not None else {}
    as_of = {"seen": iso(record.as_of)} if iso(record.as_of) != seen else {}
    return {"type": record.type, "id": record.id, **as_of, "fields": shown}


def _filled(value: Json) -> Json:
    """A value without the fields in it that are null."""
    if isinstance(value, Mapping):
        return {name: filled for name, one in value.items() if (filled := _filled(one)) is not None}
    return [_filled(one) for one in value] if isinstance(value, list) else value


def _shows(story: Story, means: Mapping[str, Sequence[Mapping[str, Spelled]]]) -> str:
    kinds = [str(one["kind"]).replace("_", " ") for name in ("movements", "facts") for one in means.get(name, ())]
    what = ", ".join(dict.fromkeys(kinds)) or "nothing that counts"
    return f"Kept from {story.subject.name}, with example people: {what}"


# ---------------------------------------------------------------- the targets' cases


def _invoices(bench: Bench, store: Store, story: Story, connector: str) -> Iterator[Invoice]:
    """The invoices that the payment names, as open as they would be without it."""
    map, stream = bench.gateway(connector), story.stream
    assert isinstance(stream, Stream)  # noqa: S101 - only such stories are kept
    reading = map.read(stream, story.subject.name, story.records)
    known = Known(story.subject.name, story.subject.scope, story.records, reading, applications=story.applications)
    numbers = wanted_numbers([known])
    mirrored = store.invoices(numbers) if numbers else []
    applied = store.applied(numbers) if numbers else {}
    own = {movement_key(one.stream, one.id) for one in reading.transactions}
    for invoice in {one.number: one for one in mirrored}.values():
        left = invoice.open
        for movement, amount in applied.get(normal(invoice.number), ()):
            left = left if movement in own else left - amount
        yield replace(invoice, open=left)


def _invoice(one: Invoice, people: StandIns) -> dict[str, Spelled]:
    said: dict[str, Spelled] = {
        "number": one.number,
        "customer": standins.shaped(one.customer),
        "email": people.personal(("email",), one.email),
        "total": str(one.total),
        "open": str(one.open),
        "issued": one.issued.isoformat(),
        "due": one.due.isoformat() if one.due is not None else None,
    }
    return {name: value for name, value in said.items() if value}


def _target_text(
    bench: Bench, file: CaseFile, origin: str, of: CaseFile, zone: str, invoices: Sequence[Mapping[str, Spelled]]
) -> str:
    begins = cases.parsed(of, origin)
    assert isinstance(begins, GatewayCase)  # noqa: S101 - it stands under gateways/
    head: dict[str, Spelled] = {"shows": begins.shows, "from": f"{of.map}/{of.name}", "zone": zone}
    head |= {"invoices": invoices} if invoices else {}
    case = _case(file, {**head, "documents": []})
    assert isinstance(case, TargetCase)  # noqa: S101 - it stands under a target's folder
    outcome = bench.planned(bench.target(file.kind, file.of), case, begins.shown)
    documents, held = outcome.spelled()
    said = {**head, "documents": documents, **({"held": held} if held else {})}
    case = _case(file, said)
    assert isinstance(case, TargetCase)  # noqa: S101 - as above
    _true(file, [finding.difference.field for finding in bench.target_findings(case, begins.shown)])
    return _text(said)


# ---------------------------------------------------------------- as a file


def _text(said: Mapping[str, Spelled]) -> str:
    return "\n".join(casetext.lines(said)) + "\n"


def _case(file: CaseFile, said: Mapping[str, Spelled]) -> GatewayCase | TargetCase:
    return cases.parsed(file, _text(said))


def _true(file: CaseFile, differing: Sequence[str]) -> None:
    """What was written must be read back as it came, or the case would prove something else."""
    if differing:
        fields = ", ".join(differing)
        raise Misconfigured(f"{file.called}: what came cannot be written down as it is ({fields}); please report it")
