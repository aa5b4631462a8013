"""Whatever stands in a map, a field schema or a table: it is read, or one sentence says which line and column is wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.mapping import load_gateway, load_target
from syncjob.mapping.filling import FIELD_WORDS
from syncjob.mapping.rules import MAKES, RULE_WORDS
from syncjob.mapping.spelled import SPELLINGS
from syncjob.shipped import folder as shipped
from syncjob.yamlfile import DEPTH_MAX, SIZE_MAX_BYTES

SENTENCE = re.compile(r"mappings/[a-z/_0-9-]+\.(?:yaml|csv|json):([0-9]+):([0-9]+): [^\n]+")
SECONDS_MOST = 5  # a map of ordinary size takes milliseconds; other work on the machine takes the rest
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
FILES = ("gateways/stripe", "accounting/beancount", "crm/sqlite", "schemas/stripe", "schemas/beancount", "schemas/sqlite")
MAP_OF = {"stripe": "gateways", "beancount": "accounting", "sqlite": "crm"}
TEXTS = {file: (shipped() / f"{file}.yaml").read_text(encoding="utf-8") for file in FILES}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@contextmanager
def as_file(home: Path, name: str, content: bytes) -> Iterator[None]:
    path = home / "mappings" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        yield
    finally:
        path.unlink()


def told(load: Callable[[], object]) -> str:
    """What is said about a file ("" where it is read): anything but a Misconfigured with its place fails the test."""
    begun, said = time.process_time(), ""
    try:
        load()
    except Misconfigured as wrong:
        said = str(wrong)
    assert time.process_time() - begun < SECONDS_MOST
    found = SENTENCE.fullmatch(said)
    assert not said or (found is not None and int(found[1]) >= 1 and int(found[2]) >= 1), said
    return said


def read(home: Path, file: str, content: bytes) -> str:
    """What is said about a map with this content, or about the map whose field schema this is."""
    name = file.partition("/")[2]

    def load() -> object:
        if name == "stripe":
            return load_gateway(name, home)
        return load_target("crm" if name == "sqlite" else "accounting", name, home)

    with as_file(home, f"{file}.yaml", content):
        return told(load)


# ---------------------------------------------------------------- what was never a map


@BOUNDED
@given(file=st.sampled_from(FILES), content=st.binary(max_size=400))
@example(file="crm/sqlite", content=b"")
@example(file="crm/sqlite", content=b"\xff\xfe\x00")
@example(file="crm/sqlite", content=b"\xef\xbb\xbf")
@example(file="gateways/stripe", content=b"gateway: stripe\nmovements: {}\n")
@example(file="gateways/stripe", content=b"gateway: stripe\nmovements: ~\n")
def test_any_bytes(home: Path, file: str, content: bytes) -> None:
    read(home, file, content)


ODD = st.sampled_from(
    [
        *("", " ", "~", "null", "yes", "0", "-1", "1e999", ".", "..", "a.b", "*", "&a", "!x", "<<", "%", "@", "`", "\t", "\0"),
        *("\u00e9", "\u2028", "\ud800", "\U0001d518", "x" * 5_000, "9" * 400, "[]", "{}", "- a", "? a", "|", ">", "#", ": "),
        *("'", '"', "landed.as_of", "USD", "nothing"),
    ]
)
WORDS = sorted({word for text in TEXTS.values() for word in re.findall(r"[A-Za-z_.]+", text)})
SCALARS = st.one_of(st.sampled_from(WORDS), ODD, st.text(max_size=20))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS, inner, max_size=5),
    max_leaves=25,
)


def spelled(tree: object) -> str:
    """A tree as YAML in one line, every text in double quotes with escapes."""
    if isinstance(tree, list):
        return f"[{', '.join(map(spelled, tree))}]"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{spelled(key)}: {spelled(value)}" for key, value in tree.items()) + "}"
    escaped = "".join(f"\\U{ord(one):08x}" if not " " <= one <= "~" or one in '"\\' else one for one in str(tree))
    return f'"{escaped}"'


@BOUNDED
@given(file=st.sampled_from(FILES), tree=TREES)
def test_any_tree(home: Path, file: str, tree: object) -> None:
    read(home, file, spelled(tree).encode("utf-8", "surrogatepass"))


PARTS = [
    "kinds",
    "fields",
    "record",
    "joins",
    "when",
    "needs",
    "kind",
    "gross",
    "references",
    "detail",
    "address",
    "keep",
    "personal",
]


@BOUNDED
@given(file=st.sampled_from(FILES), key=st.sampled_from(PARTS), tree=TREES)
def test_any_tree_in_the_place_of_a_part(home: Path, file: str, key: str, tree: object) -> None:
    """The value behind a key of a shipped map becomes anything: no rule of the compiler takes a shape for granted."""
    lines = TEXTS[file].splitlines()
    places = [number for number, line in enumerate(lines) if line.strip().removeprefix("- ").startswith(f"{key}:")]
    if places:
        number = places[len(str(tree)) % len(places)]
        begin = lines[number].index(key)
        below = next((at for at in range(number + 1, len(lines)) if not lines[at].startswith(" " * (begin + 1))), len(lines))
        lines[number:below] = [f"{lines[number][:begin]}{key}: {spelled(tree)}"]
    read(home, file, "\n".join(lines).encode("utf-8", "surrogatepass"))


# ---------------------------------------------------------------- rules of known words, put together anyhow

PLAUSIBLE = {
    "from": [
        "id",
        "amount",
        "created",
        "origin.description",
        "description",
        "landed.as_of",
        "kind",
        "gross",
        "customer_address",
    ],
    "as": [*MAKES, *SPELLINGS],
    "currency": ["currency", "origin.currency"],
    "zone": ["Europe/Berlin", "UTC"],
    "valid_from": ["2026-01-01", "2026-01-01T00:00:00Z"],
    "with": ["origin.billing_details.name"],
    "role": ["fees", "bank"],
    "of": ["effective", "payout"],
}
SCALAR_RULE = st.one_of(SCALARS, st.sampled_from(sorted({text for texts in PLAUSIBLE.values() for text in texts})))
LISTED = st.one_of(SCALAR_RULE, st.lists(SCALAR_RULE, max_size=3), st.dictionaries(SCALAR_RULE, SCALAR_RULE, max_size=3))


def valued(word: str) -> st.SearchStrategy[object]:
    """What may stand behind a word: often something that could, sometimes anything."""
    return st.one_of(st.sampled_from(PLAUSIBLE[word]), LISTED) if word in PLAUSIBLE else LISTED


RULES = {  # map -> the places of its rules that stand in one line, with what they say
    file: [
        (number, found.start(1), yaml.load(found[1], Loader=yaml.BaseLoader))  # noqa: S506 - it makes nothing but texts
        for number, line in enumerate(TEXTS[file].splitlines())
        if (found := re.match(r"[^{]*(?:: |- )(\{.+\})$", line))
    ]
    for file in FILES[:3]
}


@st.composite
def edited_rule(draw: st.DrawFn) -> tuple[str, int, int, object]:
    """A shipped map, a line of it, and the rule there with some words more, fewer, or with anything behind them."""
    file = draw(st.sampled_from(sorted(RULES)))
    number, begin, rule = draw(st.sampled_from(RULES[file]))
    known = sorted({*(RULE_WORDS if file.startswith("gateways") else FIELD_WORDS), *rule, "of"})
    for word in draw(st.lists(st.sampled_from(known), min_size=1, max_size=2)):
        if word in rule and draw(st.booleans()):
            rule = {key: value for key, value in rule.items() if key != word}
        else:
            rule = {**rule, word: draw(valued(word))}
    return file, number, begin, draw(st.sampled_from([rule, [rule], [rule, rule], {"x": rule}]))


@settings(BOUNDED, max_examples=500)
@given(edited_rule())
def test_any_edit_of_a_rule(home: Path, edit: tuple[str, int, int, object]) -> None:
    file, number, begin, rule = edit
    lines = TEXTS[file].splitlines()
    lines[number] = lines[number][:begin] + spelled(rule)
    read(home, file, "\n".join(lines).encode("utf-8", "surrogatepass"))


# ---------------------------------------------------------------- a shipped map after an accident


@dataclass(frozen=True)
class Accident:
    """Something that happens to the lines of a file; `at` and `with_` choose where, each modulo what there is."""

    what: str
    at: int
    with_: int
    text: str

    def after(self, lines: list[str]) -> list[str]:
        if not lines:
            return lines
        here, there = self.at % len(lines), self.with_ % len(lines)
        line, other = lines[here], lines[there]
        changed = lines.copy()
        match self.what:
            case "delete":
                del changed[here]
            case "cut off":
                changed = [*lines[:here], line[: self.with_ % (len(line) + 1)]]
            case "duplicate":
                changed.insert(here, line)
            case "move":
                changed.insert(there, changed.pop(here))
            case "swap values":
                (key, _, value), (other_key, _, other_value) = line.partition(": "), other.partition(": ")
                changed[here], changed[there] = f"{key}: {other_value}", f"{other_key}: {value}"
            case "indent":
                changed[here] = " " * (self.with_ % 9) + line.lstrip()
            case "insert":
                place = self.with_ % (len(line) + 1)
                changed[here] = line[:place] + self.text + line[place:]
            case "replace a word":
                words = list(re.finditer(r"[\w.]+", line))
                if words:
                    word = words[self.with_ % len(words)]
                    changed[here] = line[: word.start()] + self.text + line[word.end() :]
            case "nest":
                key = line.partition(":")[0]
                changed[here] = f"{key}: {'[' * (self.with_ % 2_000)}{self.text}"
        return changed


ACCIDENTS = (
    "delete",
    "cut off",
    "duplicate",
    "move",
    "swap values",
    "indent",
    "insert",
    "replace a word",
    "replace a word",
    "nest",
)
PLACE = st.integers(min_value=0, max_value=10_000)
CONTENT = st.one_of(st.sampled_from(WORDS), ODD)


@settings(BOUNDED, max_examples=400)
@given(
    file=st.sampled_from(FILES),
    accidents=st.lists(st.builds(Accident, st.sampled_from(ACCIDENTS), PLACE, PLACE, CONTENT), min_size=1, max_size=3),
)
def test_any_accident(home: Path, file: str, accidents: list[Accident]) -> None:
    lines = TEXTS[file].splitlines()
    for accident in accidents:
        lines = accident.after(lines)
    text = "\n".join([*lines, ""])
    said = read(home, file, text.encode("utf-8", "surrogatepass"))
    found = SENTENCE.fullmatch(said)
    if found is not None and said.startswith(f"mappings/{file}.yaml"):
        assert int(found[1]) <= text.count("\n") + 1, said


# ---------------------------------------------------------------- what is too much


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: " + b"x" * SIZE_MAX_BYTES, "larger than 1 MiB"),
        (b"[" * 50_000, "nest"),  # by ours, or before us by that of the parser, which depends on its version
        (b"a: " * 50_000, "not YAML"),
        (b"[" * 500, f"deeper than {DEPTH_MAX} levels"),
        (b"{a: " * 50_000, f"deeper than {DEPTH_MAX} levels"),
        (b"- " * 50_000, f"deeper than {DEPTH_MAX} levels"),
        (b"".join(b"k%d: v\n" % number for number in range(60_000)), "is not known here"),
        (b"a: [" + b"x, " * 200_000 + b"]", "is not known here"),
        (b"gateway: stripe\ntarget: sqlite\nmovements: " + b"x" * 900_000, "not known here"),
    ],
    ids=["bytes", "lists", "fewer lists", "keys in keys", "groups", "dashes", "keys", "items", "text"],
)
def test_what_is_too_much_is_refused_at_once(home: Path, file: str, content: bytes, says: str) -> None:
    assert says in read(home, file, content)


# ---------------------------------------------------------------- look-up tables

CELLS = st.one_of(
    st.sampled_from(["charge", "payment", "word", "account", ",", ";", '"', "#", "\n", "\r\n"]), ODD, st.text(max_size=6)
)


@BOUNDED
@given(
    suffix=st.sampled_from(["csv", "yaml"]),
    cells=st.lists(CELLS, max_size=30),
    column=st.sampled_from(["", ".account", ".word"]),
)
def test_any_table(home: Path, suffix: str, cells: list[str], column: str) -> None:
    pytest.importorskip("syncjob.mapping.tables")
    table = "".join(cells).encode("utf-8", "surrogatepass")
    target = TEXTS["accounting/beancount"].replace(
        "      payee: {from: source}", f"      payee: {{from: kind, lookup: odd{column}}}"
    )
    with as_file(home, f"tables/odd.{suffix}", table):
        read(home, "accounting/beancount", target.encode())


# ---------------------------------------------------------------- the reader below


@BOUNDED
@given(st.one_of(st.text(max_size=200), TREES.map(spelled)))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    told(lambda: yamlfile.load(text, "mappings/x.yaml"))
