"""Each word of a map works as its example says; each mistake is refused at once, with its place and its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.mapping import GatewayMap, TargetMap, Word, load_gateway, load_target, words

REPOSITORY = Path(__file__).parent.parent

# A map with the least that a map must say; the line under test replaces the rule of its name and comes last.
MOVEMENT = {
    "id": "{from: id, as: id}",
    "kind": "{from: type, lookup: {charge: payment}}",
    "type": "{from: type}",
    "bucket": "{value: payments}",
    "occurred": "{from: created, as: unix_seconds}",
    "effective": "{from: created, as: unix_seconds}",
    "gross": "{from: amount, as: money, currency: currency}",
    "net": "{from: net, as: money, currency: currency}",
}
PERSONAL = "personal: {charge: {person: customer, fields: [billing_details.email, billing_details.name, receipt_email]}}"
JOINS = "    joins: {origin: {from: source, record: [charge, refund]}}"
INVOICE = "invoice_payment: {from: origin.payment_intent, record: invoice_payment, where: payment.payment_intent}"
FACT = ["facts:", "  - record: subscription", "    kind: {value: customer}", "    occurred: {from: created, as: unix_seconds}"]

FIELDS = {
    "narration": "{type: text, most: 20, required: yes}",
    "payee": "{type: text, most: 20}",
    "stage": "{type: enum, values: [open, won]}",
    "number": "{type: id, most: 40}",
    "email": "{type: email, most: 254}",
    "country": "{type: country}",
    "state": "{type: subdivision}",
    "account": "{type: role}",
    "side": "{type: direction}",
    "booked": "{type: date}",
    "paid_at": "{type: instant}",
    "amount": "{type: money, currency: currency}",
    "fee": "{type: money, currency: currency}",
    "currency": "{type: currency}",
    "links": "{type: list, most: 20}",
    "meta": "{type: texts, most: 20}",
}


def gateway_map(home: Path, line: str) -> GatewayMap:
    name = line.split(":")[0]
    rules = [f"    {field}: {rule}" for field, rule in MOVEMENT.items() if field != name]
    fact = FACT if name == "amount" else []
    joins = JOINS.replace("}}", f"}}, {INVOICE}}}") if "invoice_payment" in line else JOINS
    text = ["gateway: stripe", PERSONAL, "movements:", "  - record: balance_transaction", joins, *rules, *fact]
    write(home, "gateways/stripe.yaml", [*text, f"    {line}"])
    return load_gateway("stripe", home)


def target_map(home: Path, line: str, field: str = "") -> TargetMap:
    name = field.split(":")[0]
    fields = [f"      {one}: {schema}" for one, schema in FIELDS.items() if one != name]
    head = ["target: example", "documents:", "  - kinds: [journal]", "    fields:"]
    write(home, "schemas/example.yaml", [*head, *fields, f"      {field}"])
    rules = {"narration": "{value: Payment}", "currency": "{from: gross}"}
    filled = [f"      {one}: {rule}" for one, rule in rules.items() if one != line.split(":")[0]]
    write(home, "accounting/example.yaml", [*head, *filled, f"      {line}"])
    return load_target("accounting", "example", home)


def write(home: Path, name: str, lines: list[str]) -> None:
    path = home / "mappings" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))


def used(home: Path, of: str, line: str, field: str = "") -> GatewayMap | TargetMap:
    if of in ("gateway", "conversion"):
        return gateway_map(home, line)
    return target_map(home, line, field)


MISTAKES = yamlfile.load(REPOSITORY / "tests/fixtures/mapping/mistakes.yaml").sequence()


@pytest.mark.parametrize("word", words(), ids=lambda word: f"{word.of} {word.word}")
def test_the_example_of_every_word_is_a_map_that_loads(word: Word, tmp_path: Path):
    if word.of in ("field type", "schema"):
        target_map(tmp_path, "narration: {value: Payment}", word.example)
    else:
        used(tmp_path, word.of, word.example)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.mapping()["line"].text())
def test_a_wrong_map_is_refused_with_its_place_and_its_cure(mistake: yamlfile.Node, tmp_path: Path):
    said = {name: one.text() for name, one in mistake.mapping(["word", "line", "field", "says"]).items()}
    with pytest.raises(Misconfigured) as refused:
        used(tmp_path, said["word"].rpartition(" ")[0], said["line"], said.get("field", ""))
    assert str(refused.value) == said["says"]


def test_every_word_has_three_wrong_maps():
    shown = [mistake.mapping()["word"].text() for mistake in MISTAKES]
    assert {word for word in shown if shown.count(word) >= 3} == {f"{word.of} {word.word}" for word in words()}


def test_the_table_of_words_in_the_documentation_is_the_closed_list():
    page = (REPOSITORY / "docs/mapping.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{one.word}` | {one.says} | `{one.example}` |" for one in words()]


def test_every_word_that_the_compiler_takes_is_in_the_closed_list():
    from syncjob.mapping.fields import TYPES, WORDS
    from syncjob.mapping.filling import FIELD_WORDS
    from syncjob.mapping.rules import MAKES, RULE_WORDS
    from syncjob.mapping.spelled import SPELLINGS

    places = dict.fromkeys(word.of for word in words())
    listed = {of: {word.word for word in words() if word.of == of} for of in places}
    assert listed == {
        "gateway": set(RULE_WORDS),
        "conversion": set(MAKES),
        "target": set(FIELD_WORDS),
        "spelling": set(SPELLINGS),
        "field type": set(TYPES),
        "schema": set(WORDS),
    }
