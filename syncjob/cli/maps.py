"""mapping: the words that a map may use, a copy of a shipped map to edit, and which rule decided what of a payment."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from syncjob.cli.casing import test
from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.cli.documented import as_json as documents_json
from syncjob.cli.documented import lines as document_lines
from syncjob.cli.mapstats import stats
from syncjob.cli.previewing import preview
from syncjob.cli.schemas import schema
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from syncjob.config import Config
    from syncjob.jobs.documents import Documented
    from syncjob.mapping.explaining import Answer, Explained
    from syncjob.model import Json
    from syncjob.store import Store, Story

STORIES_MAX = 5
WIDTH = 80
TITLES = {
    "gateway": "Words of rules in gateway maps",
    "conversion": "Conversions in gateway maps, after as:",
    "target": "Words of rules in target maps",
    "spelling": "Ways to write a value in target maps, after as:",
    "field type": "Types of fields, in mappings/schemas/",
    "schema": "Words of fields, in mappings/schemas/",
}


@verb("words", "syncjob mapping words")
def list_words() -> None:
    """List the words that a map may use, each with an example.

    The list is closed: a map that uses another word is refused with its line. docs/mapping.md has the same list.
    """
    from syncjob.mapping import words

    known = words()
    for place, (of, title) in enumerate(TITLES.items()):
        click.echo(("\n" if place else "") + title)
        for word in known:
            if word.of == of:
                click.echo(_filled(word.says, f"  {word.word:<18}"))
                click.echo(_filled(word.example, " " * 20))


@verb("edit", "syncjob mapping edit gateways/stripe", "syncjob mapping edit posting")
@click.argument("name")
def edit(name: str) -> None:
    """Copy a shipped map into the home, to change it there.

    NAME is the map's folder and name, such as gateways/stripe, accounting/beancount or crm/sqlite, or posting for the posting
    rules; maps and look-up tables (tables/NAME) that an installed connector brings count as well. The copy wins over the
    original from then on. Nothing that exists is overwritten.
    """
    from syncjob.mapping import files

    home = frame().home
    text = files.copied(name)
    if not (home / "syncjob.yaml").is_file():
        raise Misconfigured(f"{home} is no home, it has no syncjob.yaml; name one with --home, or run: syncjob init")
    path = files.own(home, name, files.known()[name])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as there:
        raise Misconfigured(f"{path} is already there and is never overwritten; edit it, or move it away first") from there
    except OSError as wrong:
        raise Misconfigured(f"{path} cannot be written: {wrong.strerror}; give the user who runs syncjob the right") from wrong
    click.echo(path)
    click.echo("This file wins over the original from now on. Edit it, then run: syncjob check")


@verb("explain", "syncjob mapping explain ch_3SxExample", "syncjob mapping explain INV-1001 --json")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def explain(id: str, as_json: bool) -> None:
    """Say for each field of a payment which rule decided.

    ID is any id that `syncjob show` takes. Each movement, fact and person that the gateway's map reads in its records is
    shown field by field: the value, the record and path it was read from, and file and line of the rule. The same goes for
    each document that the books and the CRM get of it.
    """
    from syncjob.cli.house import configured, opened

    config = configured(frame().home)
    with opened(config) as store:
        subjects = store.search(id)
        if not subjects:
            cure = "give an id of the gateway, a document number, or a key of ours"
            raise Misconfigured(f"nothing here is called {id!r}; {cure}")
        stories = [story for story in store.stories(subjects[:STORIES_MAX]) if story.stream is not None and story.records]
        if not stories:
            raise Misconfigured(f"no map of a gateway reads {id!r}, which stands in the books only; see: syncjob show {id}")
        told = [(story, *_explained(config, store, story)) for story in stories]
    if as_json:
        click.echo(json.dumps([_as_json(config, *one) for one in told], indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join("\n".join(_lines(config, *one)) for one in told))
        if len(subjects) > STORIES_MAX:
            rest = ", ".join(subject.name for subject in subjects[STORIES_MAX:])
            click.echo("\n" + textwrap.shorten(f"and {len(subjects) - STORIES_MAX} more: {rest}", WIDTH))


mapping = Verbs(
    "mapping",
    commands=[list_words, edit, test, explain, preview, schema, stats],
    help="See, change and question the field maps.",
    epilog=example("syncjob mapping words", "syncjob mapping edit gateways/stripe"),
)


# ---------------------------------------------------------------- explain, as values and as text


def _map(config: Config, story: Story) -> tuple[str, str]:
    """Connector and map of a subject's gateway."""
    block = next((one for one in config.of("gateways") if one.name == story.subject.scope), None)
    if block is None:
        raise Misconfigured(f"{story.subject.scope!r} is not in syncjob.yaml any more, so no map reads its records")
    return block.connector, f"mappings/gateways/{block.connector}.yaml"


def _explained(config: Config, store: Store, story: Story) -> tuple[tuple[Explained, ...], tuple[Documented, ...]]:
    from syncjob.jobs.documents import documented
    from syncjob.mapping import load_gateway
    from syncjob.mapping.explaining import explained

    connector, _ = _map(config, story)
    rules = load_gateway(connector, config.home)
    if story.stream is None:
        return (), ()
    blocks = explained(rules, story.stream, story.subject.name, story.records)
    return blocks, documented(config, store, story, rules)


def _lines(config: Config, story: Story, blocks: Sequence[Explained], documents: Sequence[Documented]) -> Iterator[str]:
    _, name = _map(config, story)
    whose = "the home's own" if (config.home / name).exists() else "came with syncjob"
    yield _filled(f"{story.subject.name} of {story.subject.scope}, read by {name} ({whose})")
    if not blocks:
        yield "No rule reads a movement, a fact or a person in these records."
    for block in blocks:
        yield ""
        yield _filled(f"{block.what} in {block.record.type} {block.record.id}, by the block at line {block.place.line}")
        for answer in block.answers:
            value = f"held: {answer.refused}" if answer.refused else _text(answer.value, config.zone) or "-"
            yield _filled(value, f"  {answer.field:<14}")
            yield _filled(_origin(answer), " " * 16)
    yield from document_lines(config.home, documents, _filled)


def _origin(answer: Answer) -> str:
    place = f"{answer.place.file}:{answer.place.line}" if answer.place else ""
    read = f"{answer.record.partition(' ')[0]}: {answer.path}" if answer.record else ""
    return ", ".join(part for part in (read, answer.how, place) if part)


def _text(value: object, zone: tzinfo) -> str:
    """A value as people read it: amounts with the decimals of their currency, instants in the company's zone."""
    from datetime import datetime

    from syncjob.model import FactKind, Fee, Kind, Reference
    from syncjob.money import Money
    from syncjob.summary import instant
    from syncjob.summary.render import named

    if isinstance(value, Money):
        return named(value)
    if isinstance(value, datetime):
        return instant(value, zone)
    if isinstance(value, Fee):
        return f"{value.type} {named(value.amount)}"
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, (Kind, FactKind)):
        return value.value
    if isinstance(value, tuple):
        return ", ".join(_text(one, zone) for one in value)
    return "" if value is None else str(value)


def _as_json(config: Config, story: Story, blocks: Sequence[Explained], documents: Sequence[Documented]) -> dict[str, Json]:
    return {
        "subject": story.subject.name,
        "source": story.subject.scope,
        "map": _map(config, story)[1],
        "blocks": [
            {
                "what": block.what,
                "record": {"type": block.record.type, "id": block.record.id},
                "line": block.place.line,
                "fields": [_answer(answer) for answer in block.answers],
            }
            for block in blocks
        ],
        "documents": documents_json(documents),
    }


def _answer(answer: Answer) -> dict[str, Json]:
    return {
        "field": answer.field,
        "value": _plain(answer.value),
        "record": answer.record or None,
        "path": answer.path or None,
        "how": answer.how or None,
        "file": answer.place.file if answer.place else None,
        "line": answer.place.line if answer.place else None,
        "held": answer.refused or None,
    }


def _plain(value: object) -> Json:
    from datetime import datetime

    from syncjob.model import FactKind, Fee, Kind, Reference
    from syncjob.moment import iso
    from syncjob.money import Money
    from syncjob.summary.wire import money

    if isinstance(value, Money):
        return money(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Fee):
        return {"type": value.type, "amount": money(value.amount)}
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, (Kind, FactKind)):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return None if value is None else str(value)


def _filled(words: str, first: str = "") -> str:
    """Words within 80 columns; further lines begin where the first one's words do."""
    if first and not first.endswith(" "):
        first += " "  # a name that is longer than its column
    indent = " " * len(first) or "    "
    return textwrap.fill(
        words, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
