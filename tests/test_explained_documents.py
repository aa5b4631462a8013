"""Why a document says what it says: each value of the books and the CRM with what it was read from and the line of the map."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from syncjob import config
from syncjob.cli import main
from syncjob.jobs.documents import Documented, documented
from syncjob.mapping import load_gateway
from syncjob.model import DocumentKind, Json
from syncjob.store import Store, Story

ROOT = Path(__file__).parent.parent


def run(*arguments: object) -> int:
    return main(list(map(str, arguments)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo, once; nobody may change it but with a copy of a map that is taken away again."""
    place = tmp_path_factory.mktemp("documents") / "demo"
    assert run("demo", "--home", place) == 0
    return place


@pytest.fixture(scope="module")
def stories(demo: Path) -> list[tuple[Story, tuple[Documented, ...]]]:
    """Every story that records tell, with its documents explained."""
    configuration, rules = config.read(demo), load_gateway("stripe")
    store = Store.open(configuration.state, create=False, now=datetime.now().astimezone())
    try:
        told = [story for story in store.stories(list(store.all_subjects())) if story.stream is not None and story.records]
        return [(story, documented(configuration, store, story, rules)) for story in told]
    finally:
        store.close()


def body(one: Documented) -> dict[str, Json]:
    """The fields that the values come to."""
    made: dict[str, Json] = {}
    for told in one.values:
        name, in_list, _ = told.field.partition(" ")
        group, in_group, inner = name.partition(".")
        if in_list:
            made.setdefault(name, [])
            made[name] = [*made[name], *([told.value] if told.value is not None else [])]  # type: ignore[misc]
        elif in_group:
            made.setdefault(group, {})
            made[group] = {**made[group], **({inner: told.value} if told.value is not None else {})}  # type: ignore[dict-item]
        else:
            made[name] = told.value
    return made


def test_what_is_explained_is_what_was_delivered(stories: list[tuple[Story, tuple[Documented, ...]]]):
    seen: dict[DocumentKind, int] = {}
    for story, documents in stories:
        delivered = {(one.target, one.key): one for one in story.deliveries}
        told = {(one.target, one.key): one for one in documents}
        shared = {DocumentKind.CONTACT, DocumentKind.COMPANY}
        assert {key for key, one in delivered.items() if one.kind not in shared} - told.keys() == set()
        for key, one in told.items():
            if key in delivered and one.kind not in shared:  # a contact says what the newest of its payments says
                known = {name: value for name, value in delivered[key].body.items() if name not in ("date", "postings")}
                assert body(one) == known
                seen[one.kind] = seen.get(one.kind, 0) + 1
    assert seen.keys() >= {DocumentKind.RECEIPT, DocumentKind.REFUND, DocumentKind.TRANSFER, DocumentKind.PAYMENT}
    assert sum(seen.values()) > 50


def test_each_value_names_the_line_that_says_so(stories: list[tuple[Story, tuple[Documented, ...]]]):
    for _, documents in stories:
        for one in documents:
            lines = (ROOT / one.map).read_text(encoding="utf-8").splitlines()
            for told in one.values:
                assert told.place.file == one.map
                assert told.field.partition(" ")[0].rpartition(".")[2] in lines[told.place.line - 1]


def test_explain_prints_the_documents_after_the_records(
    demo: Path, stories: list[tuple[Story, tuple[Documented, ...]]], capsys: pytest.CaptureFixture[str]
):
    story = next(story for story, documents in stories if any(one.kind is DocumentKind.RECEIPT for one in documents))
    assert run("mapping", "explain", story.records[0].id, "--home", demo) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    books = out.index("What books gets of it, by mappings/accounting/beancount.yaml (came with syncjob)")
    assert out.index("movement in balance_transaction") < books < out.index("What crm gets of it, by mappings/crm/sqlite.yaml")
    number = next(
        n for n, line in enumerate((ROOT / "mappings/accounting/beancount.yaml").read_text().splitlines(), 1) if "payee" in line
    )
    assert f"from customer_name, mappings/accounting/beancount.yaml:{number}" in out
    assert run("mapping", "explain", story.records[0].id, "--json", "--home", demo) == 0
    (told,) = json.loads(capsys.readouterr().out)
    receipt = next(one for one in told["documents"] if one["kind"] == "receipt")
    payee = next(one for one in receipt["fields"] if one["field"] == "payee")
    assert (payee["names"], payee["line"], payee["held"]) == (["customer_name"], number, None)


def test_what_holds_a_document_is_told_in_its_place(demo: Path, capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "mappings/crm/sqlite.yaml").read_text(encoding="utf-8")
    own = demo / "mappings/crm/sqlite.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(text.replace("status: {from: status}", "status: {from: status, lookup: {refunded: refunded}}", 1))
    try:
        store = Store.open(config.read(demo).state, create=False, now=datetime.now().astimezone())
        paid = next(one for one in store.all_subjects() if one.name.startswith("payment:"))
        (story,) = store.stories([paid])
        store.close()
        assert run("mapping", "explain", story.records[0].id, "--home", demo) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert "payment, held" in out
        assert "status held: " in out
    finally:
        own.unlink()


def test_show_names_the_line_that_gave_a_movement_its_kind(
    demo: Path, stories: list[tuple[Story, tuple[Documented, ...]]], capsys: pytest.CaptureFixture[str]
):
    story = next(story for story, documents in stories if any(one.kind is DocumentKind.REFUND for one in documents))
    lines = (ROOT / "mappings/gateways/stripe.yaml").read_text(encoding="utf-8").splitlines()
    assert run("show", story.records[0].id, "--home", demo) == 0
    out = capsys.readouterr().out
    for kind, word in (("payment", "charge: payment"), ("refund", "refund: refund")):
        number = next(n for n, line in enumerate(lines, 1) if line.strip() == word)
        assert f"    {kind} by mappings/gateways/stripe.yaml:{number}, lookup {word}\n" in out
    assert run("show", story.records[0].id, "--json", "--home", demo) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert all(one["decided"]["file"] == "mappings/gateways/stripe.yaml" for one in told["means"])
