"""What an editor is told about maps and syncjob.yaml: right files pass however it reads YAML, misspelled ones do not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import test_mapping_words
import test_wrong_maps
import yaml
from jsonschema import Draft202012Validator

from syncjob import config, schemas
from syncjob.cli import main
from syncjob.cli.templates import syncjob_yaml
from syncjob.errors import Misconfigured
from syncjob.mapping import words
from syncjob.shipped import folder as shipped

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "docs/schemas"
EXAMPLES = ROOT / "syncjob/contract/examples"
NAMES = schemas.names()
SCHEMAS = {name: schemas.schema(name) for name in NAMES}
VALID = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
KINDS = {"gateways": "gateway-map", "accounting": "target-map", "crm": "target-map", "gateway": "gateway-map"}
CONFIG = syncjob_yaml(zone="Europe/Berlin", currency="EUR", start="2026-10-06T00:00:00Z", gateway="shop", key="env:KEY")


def readings(text: str) -> Iterator[Any]:
    """What editors make of a file: one takes yes for a flag and 0123 for a number, the other leaves every text as it is."""
    yield plain(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506
    yield yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - it makes nothing but texts


def plain(read: Any) -> Any:
    if isinstance(read, dict):
        return {str(key): plain(value) for key, value in read.items()}
    if isinstance(read, list):
        return [plain(one) for one in read]
    return read.isoformat() if isinstance(read, date) else read


def complaints(name: str, text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for read in readings(text) for error in VALID[name].iter_errors(read)]


def of(file: str) -> list[str]:
    """The schemas that a file of mappings/ must pass: that of its kind, and its own."""
    kind, _, name = file.partition("/")
    if kind == "schemas":
        return ["gateway-schema" if (shipped() / f"gateways/{name}.yaml").exists() else "target-schema"]
    return [KINDS[kind], *([file] if file in NAMES else [])]


# ---------------------------------------------------------------- the schemas themselves


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_of_draft_2020_12(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_file_is_what_the_code_says(name: str) -> None:
    committed = COMMITTED / schemas.file_name(name)
    again = "run: python -m syncjob mapping schema --write docs/schemas"
    assert committed.read_text(encoding="utf-8") == schemas.text(name), again


def test_no_other_file_is_committed() -> None:
    assert sorted(path.name for path in COMMITTED.iterdir()) == sorted(map(schemas.file_name, NAMES))


def test_every_word_is_explained_with_its_example() -> None:
    named = {"gateway": "gateway-map", "conversion": "gateway-map", "target": "target-map", "spelling": "target-map"}
    named |= {"field type": "target-schema", "schema": "target-schema"}
    said = {of: json.dumps(SCHEMAS[name], ensure_ascii=False) for of, name in named.items()}
    for word in words():
        assert json.dumps(word.says, ensure_ascii=False)[1:-1] in said[word.of], word
        assert json.dumps(word.example, ensure_ascii=False)[1:-1] in said[word.of], word


def test_every_key_of_the_configuration_is_explained() -> None:
    properties = SCHEMAS["syncjob.yaml"]["properties"]
    assert list(properties) == list(config._KEYS)
    assert list(properties["schedule"]["properties"]) == list(config._SCHEDULE)
    assert all(one["description"].endswith(".") for one in properties.values())


# ---------------------------------------------------------------- right files


@pytest.mark.parametrize("path", sorted(shipped().glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_is_shipped_passes(path: Path) -> None:
    if path.parent.name == "tables":
        pytest.skip("a look-up table is any words")
    for name in of(f"{path.parent.name}/{path.stem}"):
        assert complaints(name, path.read_text(encoding="utf-8")) == []


def test_every_case_passes() -> None:
    for path in shipped().glob("cases/*/*/*.yaml"):
        kind = "gateway-case" if path.parent.parent.name == "gateways" else "target-case"
        assert complaints(kind, path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize("group", ["gateway", "accounting", "crm"])
def test_what_scaffold_writes_passes(group: str) -> None:
    assert complaints(KINDS[group], (EXAMPLES / group / "map.yaml").read_text(encoding="utf-8")) == []
    kind = "gateway-schema" if group == "gateway" else "target-schema"
    assert complaints(kind, (EXAMPLES / group / "schema.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("word", words(), ids=lambda word: f"{word.of} {word.word}")
def test_the_example_of_every_word_passes(word: Any, tmp_path: Path) -> None:
    test_mapping_words.test_the_example_of_every_word_is_a_map_that_loads(word, tmp_path)
    for path in tmp_path.glob("mappings/*/*.yaml"):
        if path.parent.name != "tables":
            kind = "target-schema" if path.parent.name == "schemas" else KINDS[path.parent.name]
            assert complaints(kind, path.read_text(encoding="utf-8")) == []


LOOKS_WRONG = next(mark for mark in test_wrong_maps.test_a_map_that_only_looks_wrong_is_read.pytestmark).args[1]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("file", "old", "new"), LOOKS_WRONG)
def test_a_map_that_only_looks_wrong_passes(file: str, old: str, new: str) -> None:
    text = "\n".join(test_wrong_maps.edited(test_wrong_maps.Wrong(file, "", old, (new,), "", "")))
    for name in of(file):
        assert complaints(name, text) == []


def test_what_init_and_the_benchmark_write_passes() -> None:
    benchmark = re.search(r'_CONFIG = """\\\n(.*?)"""', (ROOT / "benchmarks/home.py").read_text(encoding="utf-8"), re.DOTALL)
    assert benchmark is not None
    filled = benchmark[1].format(zone="Europe/Berlin", start="2026-10-06T00:00:00Z", nightly="02:00", key="KEY", url="http://x")
    assert complaints("syncjob.yaml", CONFIG) == []
    assert complaints("syncjob.yaml", filled) == []


def test_the_examples_of_the_documentation_pass() -> None:
    """Pieces of syncjob.yaml in the pages stand under a key of its own; what is missing around them is filled in."""
    whole = yaml.safe_load(CONFIG)
    found = 0
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            piece = yaml.safe_load(re.sub(r"^ {3}", "", text, flags=re.MULTILINE) if text.startswith("   ") else text)
            if isinstance(piece, dict) and piece.keys() <= set(config._KEYS) and "acmepay" not in text:
                assert [error.message for error in VALID["syncjob.yaml"].iter_errors(plain(whole | piece))] == [], page
                found += 1
    assert found >= 3


# ---------------------------------------------------------------- wrong files


def is_marked(wrong: test_wrong_maps.Wrong) -> bool:
    """Whether an editor marks something in a wrong map, which it reads as the texts that were written."""
    try:
        *_, read = readings("\n".join(test_wrong_maps.edited(wrong)))
    except (yaml.YAMLError, ValueError):
        return True  # an editor marks by itself what is no YAML, or no day of any month
    return not all(VALID[name].is_valid(read) for name in of(wrong.file))


def test_an_editor_marks_most_of_the_wrong_maps() -> None:
    """Misspelled words, types that do not fit, what is missing: the rest is about meaning, and left to `syncjob check`."""
    marked = [wrong for wrong in test_wrong_maps.EVERY if is_marked(wrong)]
    assert len(marked) >= 250
    everywhere = {wrong.file for wrong in marked}
    assert everywhere >= {"gateways/stripe", "accounting/beancount", "crm/sqlite", "schemas/sqlite"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("books_zone", "bookszone"),
        ("home_currency: EUR", "home_currency: euro"),
        ("nightly_at: \"02:00\"", "nightly_at: 2 am"),
        ("every: 15m", "every: 15 minutes"),
        ("every: 15m", 'every: 15m\n  cron: "0 2 * * *"'),
        ("connector: stripe", "connector: strpe"),
        ("connector: stripe", "connecter: stripe"),
        ("sales: invoiced_in_books", "sales: somewhere"),
        ("    sales: invoiced_in_books\n", ""),
        ("connector: sqlite", "connector: beancount"),
        ("connector: sqlite", "connector: sqlite\n    pfad: crm.sqlite"),
        ("  shop:", "  Shop:"),
    ],
)  # fmt: skip
def test_a_misspelled_configuration_is_marked(old: str, new: str) -> None:
    assert old in CONFIG
    assert complaints("syncjob.yaml", CONFIG.replace(old, new, 1)) != []


# ---------------------------------------------------------------- the verb


def test_the_verb_prints_one_schema_and_writes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "schema", "crm/sqlite"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMAS["crm/sqlite"]
    assert main(["mapping", "schema", "--write", str(tmp_path / "new/folder")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)
    assert {path.name: path.read_text() for path in (tmp_path / "new/folder").iterdir()} == {
        schemas.file_name(name): schemas.text(name) for name in NAMES
    }


def test_a_map_of_the_home_has_the_fields_of_the_homes_own_field_schema(tmp_path: Path) -> None:
    test_mapping_words.target_map(tmp_path, "narration: {value: Payment}")
    fields = json.dumps(schemas.schema("accounting/example", tmp_path))
    assert '"paid_at"' in fields
    assert '"postal_code"' not in fields


@pytest.mark.parametrize("arguments", [["gatway-map"], [], ["crm/sqlite", "--write", "x"], ["crm/nobody"], ["syncjob/yaml"]])
def test_a_name_that_has_no_schema_is_refused_with_those_that_have(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mapping", "schema", *arguments]) == 2
    assert re.search(r"gateway-map|crm/sqlite|there is no such file", capsys.readouterr().err)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be written"):
        schemas.write(tmp_path / "file/inside")
