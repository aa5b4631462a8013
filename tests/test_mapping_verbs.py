"""mapping: the words, a copy to edit, and which rule of the map decided what of a payment."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stripe_objects import SHOP, STRIPE, SUBJECT, charge, customer, dispute, landed, movement, refund

from syncjob import config
from syncjob.cli import main
from syncjob.errors import Problem
from syncjob.mapping import files, load_gateway, words
from syncjob.mapping.explaining import Answer, Explained, explained
from syncjob.model import Record, Transaction
from syncjob.store import Store

ROOT = Path(__file__).parent.parent
MAP = "mappings/gateways/stripe.yaml"
LINES = (ROOT / MAP).read_text().splitlines()


def run(*arguments: object) -> int:
    return main(list(map(str, arguments)))


def told(records: list[Record]) -> list[Explained]:
    return list(explained(STRIPE, SHOP, SUBJECT, records))


def answers(*bodies: dict[str, Any], what: str = "movement") -> dict[str, Answer]:
    """What is explained of the first such block."""
    block = next(one for one in told(landed(*bodies)) if one.what == what)
    return {answer.field: answer for answer in block.answers}


def line(answer: Answer) -> str:
    """The line of the map that an answer names."""
    assert answer.place is not None
    assert answer.place.file == MAP
    return LINES[answer.place.line - 1].strip()


# ---------------------------------------------------------------- words


def test_every_word_is_listed_with_its_sentence_and_example_in_80_columns(capsys: pytest.CaptureFixture[str]):
    assert run("mapping", "words") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for word in words():
        assert f"{word.word} {word.says} {word.example}" in flat


# ---------------------------------------------------------------- edit


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "syncjob.yaml").write_text("")
    return tmp_path


@pytest.mark.parametrize("name", ["gateways/stripe", "accounting/beancount", "crm/sqlite"])
def test_a_shipped_map_is_copied_and_wins(name: str, home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("mapping", "edit", name, "--home", home) == 0
    own = home / "mappings" / f"{name}.yaml"
    said = f"{own}\nThis file wins over the original from now on. Edit it, then run: syncjob check\n"
    assert capsys.readouterr().out == said
    first, _, rest = own.read_text().partition("\n")
    assert first.startswith(f"# Copied from mappings/{name}.yaml, digest ")
    assert rest == (ROOT / "mappings" / f"{name}.yaml").read_text()
    kind, _, stem = name.partition("/")
    assert files.read(kind, stem, home).root.place.line > files.read(kind, stem, None).root.place.line


def test_what_is_there_is_never_overwritten(home: Path, capsys: pytest.CaptureFixture[str]):
    own = home / MAP
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    assert run("mapping", "edit", "gateways/stripe", "--home", home) == 2
    assert own.read_text() == "mine\n"
    assert "is already there and is never overwritten" in capsys.readouterr().err


def test_an_unknown_name_lists_the_known_ones(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("mapping", "edit", "gateways/strpe", "--home", home) == 2
    why = "'gateways/strpe' is no map; did you mean 'gateways/stripe'? Known: gateways/stripe, accounting/beancount, crm/sqlite"
    assert why in capsys.readouterr().err
    assert run("mapping", "edit", "../syncjob", "--home", home) == 2
    assert not (home / "mappings").exists()


def test_a_folder_that_is_no_home_gets_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("mapping", "edit", "gateways/stripe", "--home", tmp_path) == 2
    assert "is no home, it has no syncjob.yaml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_an_installed_package_brings_is_copied_too(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "site" / "syncjob_acmepay_maps"
    (package / "mappings/gateways").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "mappings/gateways/acmepay.yaml").write_text("gateway: acmepay\n")
    metadata = tmp_path / "site" / "syncjob_acmepay_maps-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: syncjob-acmepay-maps\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[syncjob.gateways]\nacmepay = syncjob_acmepay_maps\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert "gateways/acmepay" in files.known()
    assert run("mapping", "edit", "gateways/acmepay", "--home", home) == 0
    assert (home / "mappings/gateways/acmepay.yaml").read_text().endswith("\ngateway: acmepay\n")


def test_a_copy_knows_when_its_original_has_changed(home: Path, capsys):
    assert run("mapping", "edit", "gateways/stripe", "--home", home) == 0
    own = home / MAP
    own.write_text(own.read_text().replace("prefixes: [INV-]", "prefixes: [RE-]"))
    assert files.outdated(home) == []  # what was changed in the copy says nothing about the original
    text = own.read_text()
    known = text.splitlines()[0].rpartition(" ")[2]
    own.write_text(text.replace(known, "a" * 26, 1))
    assert files.outdated(home) == ["gateways/stripe"]
    (home / "syncjob.yaml").unlink()
    assert run("init", "--home", home, "--zone", "Europe/Berlin", "--currency", "EUR") == 0
    run("check", "--home", home)
    assert "mappings/gateways/stripe.yaml was copied from a map that has changed since" in capsys.readouterr().err
    own.write_text(text.partition("\n")[2])
    assert files.outdated(home) == []  # written by hand, or copied by hand: nobody knows from what


# ---------------------------------------------------------------- explain


def test_the_rule_that_decided_is_named_with_the_field_that_it_read():
    seen = answers(movement("charge", 10_000, fee=320, source="ch_1Example"), charge())
    kind, occurred, customer_id = seen["kind"], seen["occurred"], seen["customer"]
    assert (kind.record, kind.path, line(kind)) == ("balance_transaction txn_1Example", "reporting_category", "charge: payment")
    assert (occurred.record, occurred.path, occurred.how) == (
        "charge ch_1Example",
        "origin.created",
        "as unix_seconds; rule 1 of 2",
    )
    assert line(occurred).startswith("- when: {reporting_category: [charge, refund")
    assert (customer_id.value, customer_id.path) == ("cus_1Example", "origin.customer")
    assert line(customer_id) == "- {from: [origin.customer, charge.customer], as: id}"


def test_the_first_rule_that_has_a_value_wins_and_is_named():
    seen = answers(movement("charge", 10_000, source="ch_1Example"), charge(customer=None))
    assert seen["customer"].path == "origin.billing_details.email"
    assert seen["customer"].how == "as guest; rule 2 of 3"
    assert seen["description"].path == "origin.description"
    late = answers(movement("refund_failure", 4_000, source="re_1Example"), refund(), charge())
    assert (late["occurred"].path, late["occurred"].how) == ("created", "as unix_seconds; rule 2 of 2")


def test_a_default_and_a_fixed_text_are_named_as_such():
    seen = answers(movement("connect_reserved_funds", -100, balance_type=None))
    assert (seen["bucket"].value, seen["bucket"].how, line(seen["bucket"])) == ("payments", "the default", "default: payments")
    assert (seen["held_in"].value, seen["held_in"].how, seen["held_in"].record) == ("connect_reserved", "a fixed text", "")


def test_where_nothing_stands_the_paths_are_named():
    seen = answers(movement("topup", 100))
    assert (seen["parent"].value, seen["parent"].how) == (None, "nothing stands at origin.charge")
    assert seen["held_in"].how == "when: of the rule said no"


def test_what_holds_the_record_is_told_in_its_place():
    seen = answers(movement("climate_mystery", -777))
    assert seen["kind"].refused == f"type is 'climate_mystery', which {MAP} does not list"
    refused = answers(movement("advance", -777))["kind"]
    assert line(refused) == "advance: money lent by Stripe needs a loan account"


def test_a_movement_that_does_not_close_says_so_below_its_fields():
    seen = answers({**movement("topup", -777), "net": -700})
    assert seen["gross"].refused == seen["net"].refused == ""
    assert seen[""].refused == "gross -7.77 EUR less the fees named, 0.00 EUR, is not net -7.00 EUR"


def test_a_group_of_fields_where_a_word_belongs_is_told_like_any_refusal():
    seen = answers({**movement("topup", 100), "balance_type": {"odd": True}})
    assert seen["bucket"].refused == "balance_type is a group of fields, not a word"


JUNK: list[Any] = [None, "", 5, True, "odd", {"odd": 1}, [1]]


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_whatever_stands_in_a_field_is_explained_as_it_is_read(junk: Any):
    line_, paid = movement("charge", 10_000, fee=320, source="ch_1Example"), charge()
    odd = [({**line_, name: junk}, paid) for name in line_ if name not in ("id", "object")]
    odd += [(line_, {**paid, name: junk}) for name in paid if name not in ("id", "object", "payment_intent")]
    for bodies in odd:
        records = landed(*bodies)
        reading = STRIPE.read(SHOP, SUBJECT, records)
        blocks = explained(STRIPE, SHOP, SUBJECT, records)
        refused = {(one.record.type, one.record.id) for one in blocks if any(answer.refused for answer in one.answers)}
        assert refused == {(one.type, one.id) for one in reading.problems}, bodies


def test_what_syncjob_makes_or_leaves_out_is_told():
    same = answers(movement("charge", 10_000, source="ch_1Example"), charge())
    assert same["presented"].value is None
    assert "left out: the currency is the settled one" in same["presented"].how
    line_, yen = movement("refund", -2_464, source="re_1Example"), refund(amount=4_000, currency="jpy")
    seen = answers(line_, yen, charge(amount=5_000, currency="jpy"))
    assert str(seen["presented"].value) == "-4000 JPY"
    assert seen["rate_source"].how.startswith("made by syncjob")


def test_each_document_number_names_its_own_rule():
    body = charge(metadata={"invoice_number": "INV-7"}, description="for INV-8")
    block = told(landed(movement("charge", 10_000, source="ch_1Example"), body))[0]
    found = [(str(one.value.text), one.path, one.how) for one in block.answers if one.field == "reference"]  # type: ignore[attr-defined]
    assert found == [
        ("INV-7", "origin.metadata.invoice_number", "rule 1 of 5"),
        ("INV-8", "origin.description", "as document_numbers; rule 4 of 5"),
    ]


def test_facts_and_people_are_explained_too():
    fact = answers(dispute(status="needs_response"), charge(), what="fact")
    assert line(fact["kind"]) == "needs_response: dispute_open"
    assert fact["detail charge"].path == "charge"
    blocks = [one for one in told(landed(customer(), charge())) if one.what == "person"]
    assert [(one.record.type, len(one.answers) > 1) for one in blocks] == [("customer", True), ("charge", False)]
    assert "not used" in blocks[1].answers[0].how


def test_a_held_record_behind_a_movement_is_told():
    records = landed(movement("charge", 10_000, source="ch_1Example"), charge())
    problem = Problem("charge ch_1Example", "", "a card number stands in its customer")
    records[1] = replace(records[1], body={}, personal={}, problem=problem)
    (block,) = told(records)
    assert [(one.field, one.refused) for one in block.answers] == [("", "its charge ch_1Example is held itself")]


# ---------------------------------------------------------------- explain, over the demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo, once; nobody may change it."""
    place = tmp_path_factory.mktemp("maps") / "demo"
    command = [sys.executable, "-m", "syncjob", "demo", "--home", str(place)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=60)
    return place


@pytest.fixture(scope="module")
def rows(demo: Path) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "syncjob", "export", "transactions", "--home", str(demo)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60)
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("KWD", 3), ("ISK", 0)])
def test_a_payment_is_explained_with_the_decimals_of_its_currency(
    currency: str, decimals: int, demo: Path, rows: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
):
    payment = next(row for row in rows if row["currency"] == currency and row["kind"] == "payment")
    assert len(payment["gross"].partition(".")[2]) == decimals
    assert run("mapping", "explain", payment["origin"], "--home", demo) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for field in ("gross", "net"):
        whole, dot, fraction = payment[field].partition(".")
        assert f"  {field:<14}{int(whole):,}{dot}{fraction} {currency}\n" in text
        number = next(number for number, one in enumerate(LINES, 1) if one.startswith(f"    {field}: "))
        assert f"{MAP}:{number}\n" in text
    assert run("mapping", "explain", payment["id"], "--json", "--home", demo) == 0
    (one,) = json.loads(capsys.readouterr().out)
    movement_block = next(block for block in one["blocks"] if block["what"] == "movement")
    fields = {field["field"]: field for field in movement_block["fields"]}
    assert fields["gross"]["value"] == {"amount": payment["gross"], "currency": currency}
    assert fields["gross"]["record"] == f"balance_transaction {payment['id']}"


def test_what_is_explained_is_what_is_booked_for_every_movement_of_the_demo(demo: Path):
    configuration = config.read(demo)
    rules, seen = load_gateway("stripe"), 0
    store = Store.open(configuration.state, create=False, now=datetime.now().astimezone())
    for story in store.stories(list(store.all_subjects())):
        if story.stream is None or not story.records:
            continue
        reading = rules.read(story.stream, story.subject.name, story.records)
        blocks = explained(rules, story.stream, story.subject.name, story.records)
        by_id = {dict(told_of(one))["id"]: dict(told_of(one)) for one in blocks if one.what == "movement"}
        assert by_id.keys() == {one.id for one in reading.transactions}
        for one in reading.transactions:
            seen += 1
            for name, value in by_id[one.id].items():
                assert (value or None) == (booked(one, name) or None), (one.id, name)
        kinds = [dict(told_of(one))["kind"] for one in blocks if one.what == "fact"]
        assert [kind for kind in kinds if kind is not None] == [fact.kind for fact in reading.facts]
    store.close()
    assert seen > 50


_NOT_KEPT = ("fee", "reference", "sale_total", "sale_before_tax")  # checked, or turned into something else


def told_of(block: Explained) -> list[tuple[str, object]]:
    return [(answer.field, answer.value) for answer in block.answers if answer.field not in _NOT_KEPT]


def booked(one: Transaction, name: str) -> object:
    if name == "date":
        return one.dated or one.effective
    return getattr(one, name)


def test_an_id_that_nobody_knows_is_refused(demo: Path, capsys: pytest.CaptureFixture[str]):
    assert run("mapping", "explain", "ch_nobody", "--home", demo) == 2
    assert "nothing here is called 'ch_nobody'" in capsys.readouterr().err
