"""Why a document says what it says: for each value the line of the target's map that decided, and what it read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from test_mapping_words import target_map, write

from syncjob.errors import RecordRefused
from syncjob.mapping import load_target
from syncjob.mapping.telling import Told
from syncjob.model import Address, DocumentKind
from syncjob.money import Money

JOURNAL = DocumentKind.JOURNAL
HAPPENING: dict[str, Any] = {"gross": Money(5, "EUR"), "date": date(2026, 11, 1)}


def told(home: Path, line: str, field: str = "", **happening: Any) -> list[Told]:
    name = line.split(":")[0]
    answers = target_map(home, line, field).explained(JOURNAL, {**HAPPENING, **happening})
    return [one for one in answers if one.field.partition(".")[0].split()[0] == name]


@pytest.mark.parametrize(
    ("line", "happening", "value", "names", "how"),
    [
        ("payee: {from: [customer_name, source]}", {"source": "shop"}, "shop", ("source",), ""),
        ("payee: {value: Stripe}", {}, "Stripe", (), "a fixed text"),
        ("payee: {from: kind, as: words}", {"kind": "fee"}, "Fee", ("kind",), "as words"),
        ("payee: {from: source, default: x}", {}, "x", (), "the default, since nothing stands there"),
        ("payee: {from: type, lookup: {a: b}}", {"type": "a"}, "b", ("type",), "lookup a: b"),
        (
            "payee: {from: type, lookup: {a: b}, otherwise: c}",
            {"type": "z"},
            "c",
            ("type",),
            "what the map writes otherwise, since the word is in no lookup",
        ),
        (
            "payee: [{when: {kind: payout}, value: Bank}, {from: source}]",
            {"kind": "fee", "source": "shop"},
            "shop",
            ("source",),
            "rule 2 of 2",
        ),
        (
            "payee: {from: description, cut: yes}",
            {"description": "x" * 30},
            "x" * 19 + "…",
            ("description",),
            "cut to what fits",
        ),
        ("payee: {join: [{from: kind}, {from: origin}]}", {"kind": "fee"}, "fee", ("kind",), "joined"),
        (
            "payee: {from: [description, source]}",
            {},
            None,
            ("description", "source"),
            "nothing stands at description or source",
        ),
        ("payee: {when: {kind: payout}, value: Bank}", {"kind": "fee"}, None, (), "when: or valid_from: of the rule said no"),
        (
            "account: {role: fees}",
            {"accounts": lambda role: f"49-{role}"},
            "49-fees",
            (),
            "the account that plays the role fees",
        ),
        ("amount: {from: gross}", {}, "0.05", ("gross",), ""),
        (
            "amount: {from: presented, same_currency: yes}",
            {"presented": Money(7, "JPY")},
            None,
            ("presented",),
            "left out, since its currency is not the one beside it",
        ),
        (
            "payee: {from: customer_address, as: one_line}",
            {"customer_address": Address(city="Example City")},
            "Example City",
            ("customer_address",),
            "as one_line",
        ),
    ],
)
def test_each_value_names_what_it_read_and_what_became_of_it(
    line: str, happening: dict[str, Any], value: Any, names: tuple[str, ...], how: str, tmp_path: Path
):
    (answer,) = told(tmp_path, line, **happening)
    assert (answer.value, answer.names, answer.how, answer.refused) == (value, names, how, "")
    assert answer.place is not None
    assert (answer.place.file, answer.place.line) == ("mappings/accounting/example.yaml", 7)


def test_a_looked_up_word_names_its_line_in_the_table(tmp_path: Path):
    write(tmp_path, "tables/products.csv", ["product,payee", "bread,Bakery", "cake,Confectioner"])
    (answer,) = told(tmp_path, "payee: {from: type, lookup: products}", type="cake")
    assert answer.place is not None
    assert (answer.place.file, answer.place.line) == ("mappings/tables/products.csv", 3)


def test_what_holds_the_document_is_told_in_its_place(tmp_path: Path):
    (answer,) = told(tmp_path, "payee: {from: description}", description="x" * 30)
    assert (answer.value, answer.names) == (None, ("description",))
    assert answer.refused == "payee has 30 characters, and 20 fit"
    (empty,) = told(tmp_path, "narration: {from: description}")
    assert empty.refused == "narration must be filled, and nothing is there to fill it with"


def test_texts_under_names_and_lists_are_told_one_by_one(tmp_path: Path):
    answers = told(tmp_path, "meta: {a: {from: origin}, b: {from: source}}", source="shop", origin="ch_1")
    assert [(one.field, one.value) for one in answers] == [("meta.a", "ch_1"), ("meta.b", "shop")]
    links = told(tmp_path, "links: [{from: origin}, {from: invoice}]", origin="ch_1")
    assert [(one.field, one.value) for one in links] == [("links 1", "ch_1"), ("links 2", None)]


def test_asking_counts_nothing(tmp_path: Path):
    target = target_map(tmp_path, "payee: {from: description, cut: yes}")
    target.explained(JOURNAL, {**HAPPENING, "description": "x" * 30})
    assert target.counts.drain() == {}


@pytest.mark.parametrize(("group", "name", "kind"), [("accounting", "beancount", "receipt"), ("crm", "sqlite", "payment")])
def test_what_is_told_is_what_is_written(group: Any, name: str, kind: str):
    target = load_target(group, name)
    happening: dict[str, Any] = {
        "source": "shop",
        "kind": "payment",
        "type": "charge",
        "status": "paid",
        "ledger_id": "txn_1",
        "origin": "ch_1",
        "occurred": datetime(2026, 11, 1, 8, tzinfo=UTC),
        "description": "Order 17",
        "customer_name": "Example Bakery",
        "invoice": "R-1",
        **dict.fromkeys(("gross", "net", "fee", "presented", "refunded"), Money(5, "JPY")),
    }
    body: dict[str, Any] = target.body(DocumentKind(kind), happening)
    answers = target.explained(DocumentKind(kind), happening)
    flat = {name: value for name, value in body.items() if not isinstance(value, (dict, list))}
    flat |= {f"meta.{key}": value for key, value in body.get("meta", {}).items()}
    flat |= {f"links {number}": value for number, value in enumerate(body.get("links", []), start=1)}
    assert {one.field: one.value for one in answers if one.value is not None or one.field in body} == flat
    assert not any(one.refused for one in answers)
    assert set(target.wrote(DocumentKind(kind))) == set(body)


def test_a_kind_that_the_map_does_not_list_writes_nothing():
    books = load_target("accounting", "beancount")
    assert books.wrote(DocumentKind.DEAL) == ()
    with pytest.raises(RecordRefused, match="documents of kind 'deal' are not listed"):
        books.explained(DocumentKind.DEAL, {})
