"""Some hundreds of ways to get a map wrong: each is refused when the map is read, at the line that is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncjob.errors import Misconfigured
from syncjob.mapping import GatewayMap, TargetMap, load_gateway, load_target
from syncjob.shipped import folder as shipped

CORPUS = Path(__file__).parent / "fixtures/mapping/wrong_maps.txt"
WRONG = re.compile(r"(mappings/\S+?\.yaml):(\d+):(\d+): (.+)")


@dataclass(frozen=True)
class Wrong:
    """A shipped map with one edit: a line that is replaced, and what the complaint must say about which line."""

    file: str
    what: str
    old: str
    new: tuple[str, ...]
    line: str
    says: str


def corpus() -> list[Wrong]:
    _, *sections = CORPUS.read_text(encoding="utf-8").split("\n# ")
    return [one(section.partition(":")[0], block) for section in sections for block in section.strip().split("\n\n")[1:]]


def one(file: str, block: str) -> Wrong:
    what, *lines = block.splitlines()
    said = {mark: [line[2:] for line in lines if line[:2] == f"{mark} "] for mark in "-+@!"}
    assert sum(map(len, said.values())) == len(lines), block
    (old,), (says,), new = said["-"], said["!"], tuple(said["+"])
    return Wrong(file, what, old, new, *(said["@"] or (new[0].strip(),)), says)


def edited(wrong: Wrong) -> list[str]:
    """The lines of the shipped map with the edit, which keeps the indentation."""
    lines = (shipped() / f"{wrong.file}.yaml").read_text(encoding="utf-8").splitlines()
    begin = [number for number, line in enumerate(lines) if line.strip().startswith(wrong.old)]
    place = (begin or [number for number, line in enumerate(lines) if wrong.old in line])[0]
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    return [*lines[:place], *(indent + line for line in wrong.new), *lines[place + 1 :]]


def loaded(name: str, home: Path) -> GatewayMap | TargetMap:
    if name == "stripe":
        return load_gateway(name, home)
    return load_target("accounting" if name == "beancount" else "crm", name, home)


EVERY = corpus()


@pytest.mark.parametrize("wrong", EVERY, ids=lambda wrong: f"{wrong.file}: {wrong.what}")
def test_a_wrong_map_is_refused_at_its_line(wrong: Wrong, tmp_path: Path):
    lines = edited(wrong)
    path = tmp_path / "mappings" / f"{wrong.file}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    with pytest.raises(Misconfigured) as refused:
        loaded(path.stem, tmp_path)
    found = WRONG.fullmatch(str(refused.value))
    assert found is not None, refused.value
    file, line, column, why = found.groups()
    assert (file, lines[int(line) - 1].strip()) == (f"mappings/{wrong.file}.yaml", wrong.line)
    assert 1 <= int(column) <= len(lines[int(line) - 1]) + 1
    assert re.sub(r"in line \d+", "in line N", why).startswith(wrong.says)  # where the other line stands moves with the map


def test_the_corpus_is_large_and_each_wrong_map_is_in_it_once():
    assert len(EVERY) >= 620
    assert len({(wrong.file, wrong.what) for wrong in EVERY}) == len(EVERY)
    assert len({(wrong.file, wrong.old, wrong.new) for wrong in EVERY}) == len(EVERY)
    for file in ("gateways/stripe", "accounting/beancount", "crm/sqlite", "schemas/stripe", "schemas/sqlite"):
        assert sum(wrong.file == file for wrong in EVERY) >= 7, file


@pytest.mark.parametrize("name", ["stripe", "beancount", "sqlite"])
def test_without_the_edit_the_same_map_is_right(name: str, tmp_path: Path):
    assert loaded(name, tmp_path).name == name


# ---------------------------------------------------------------- what looks similar and is right


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("gateways/stripe", "held_in: {", "held_in: {when: {reporting_category: [charge, unheard]}, value: issuing}"),
        ("gateways/stripe", "held_in: {", "held_in: {when: {type: adjustment}, value: issuing}"),
        ("gateways/stripe", "description: {from: [o", "description: [{when: {type: charge}, value: a}, {from: description}]"),
        ("gateways/stripe", "description: {from: [o", "description: [{from: origin.description}, {value: Payment}]"),
        ("gateways/stripe", "presented: {", "presented: [{from: origin.amount, as: money, currency: origin.currency}]"),
        ("gateways/stripe", "net: {from", "net: [{when: {type: payout}, from: amount, as: money, currency: currency}]"),
        ("crm/sqlite", "amount: {from: p", "amount: [{when: {live: no}, from: presented}, {from: gross, same_currency: yes}]"),
        ("crm/sqlite", "currency: {from: p", "currency: {from: presented_currency}"),
        ("crm/sqlite", "status: {from: s", "status: [{when: {status: failed}, value: failed}, {from: status}]"),
        ("crm/sqlite", "country: {", "country: {from: customer_country, as: country_code3}"),
        ("accounting/beancount", "payee: {from: [cus", "payee: [{valid_from: 2026-01-01, value: new}, {value: old}]"),
        ("accounting/beancount", "payee: {from: [cus", "payee: [{from: kind, lookup: {fee: Fees}}, {from: source}]"),
        ("accounting/beancount", "payee: {from: [cus", "payee: [{from: source}, {from: source, default: nobody}]"),
        (
            "accounting/beancount",
            "payee: {from: [cus",
            "payee: [{when: {kind: fee}, value: Fee}, {when: {kind: [fee, payout]}, value: Bank}]",
        ),
        ("crm/sqlite", "paid: {from", "paid: [{from: paid, same_currency: yes}, {from: paid}]"),
        ("accounting/beancount", "payee: {from: [cus", f"payee: {{value: {'x' * 201}, cut: yes}}"),
    ],
)
def test_a_map_that_only_looks_wrong_is_read(file: str, old: str, new: str, tmp_path: Path):
    path = tmp_path / "mappings" / f"{file}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(edited(Wrong(file, "", old, (new,), "", ""))), encoding="utf-8")
    assert loaded(path.stem, tmp_path).name == path.stem
