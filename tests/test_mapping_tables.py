"""Look-up tables: every word with its line, as YAML or as a spreadsheet saves it; what is odd is said at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncjob.cli import main
from syncjob.errors import Misconfigured
from syncjob.mapping import files, tables
from syncjob.mapping.files import MapFile
from syncjob.mapping.tables import Table
from syncjob.yamlfile import Node, Place

PRODUCTS = "product,account,tax_code\nbread,4000,007\ngift card,4010,NO\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "mappings/tables").mkdir(parents=True)
    return tmp_path


def named(text: str) -> Node:
    """What a map says behind `lookup:`."""
    return Node(Place("mappings/gateways/stripe.yaml", 7, 20), text)


def stripe(home: Path | None) -> MapFile:
    return files.read("gateways", "stripe", home)


def save(home: Path, name: str, text: str) -> None:
    (home / "mappings/tables" / name).write_text(text, encoding="utf-8", newline="")


def words(table: Node) -> dict[str, str]:
    return {word: becomes.text() for word, becomes in table.mapping().items()}


def refused(home: Path, name: str) -> str:
    with pytest.raises(Misconfigured) as complaint:
        stripe(home).table(named(name))
    return str(complaint.value)


# ---------------------------------------------------------------- what a table says


def test_a_yaml_table_is_read_as_it_was_written(home: Path) -> None:
    save(home, "answers.yaml", "norway: NO\nbread: 0123\n'null': none\n")
    table = stripe(home).table(named("answers"))
    assert words(table) == {"norway": "NO", "bread": "0123", "null": "none"}
    assert str(table.key_place("bread")) == "mappings/tables/answers.yaml:2:1"
    assert str(table.mapping()["bread"].place) == "mappings/tables/answers.yaml:2:8"


def test_a_column_of_a_spreadsheet_is_read_as_it_was_written(home: Path) -> None:
    save(home, "products.csv", PRODUCTS)
    file = stripe(home)
    assert words(file.table(named("products.account"))) == {"bread": "4000", "gift card": "4010"}
    assert words(file.table(named("products.tax_code"))) == {"bread": "007", "gift card": "NO"}
    table = file.table(named("products.tax_code"))
    assert str(table.key_place("gift card")) == "mappings/tables/products.csv:3:1"
    assert str(table.mapping()["gift card"].place) == "mappings/tables/products.csv:3:16"


def test_a_spreadsheet_with_one_column_beside_the_word_needs_no_name_for_it(home: Path) -> None:
    save(home, "products.csv", "product,account\nnull,~\n")
    assert words(stripe(home).table(named("products"))) == {"null": "~"}


def test_what_a_spreadsheet_program_saves_in_europe_is_read(home: Path) -> None:
    rows = ["\ufeffArtikel;Konto", '"Brot; dunkel";4000', "Brötchen, hell;4000", '"das ""gute"" Brot";4010', ";", ""]
    save(home, "products.csv", "\r\n".join(rows))
    table = stripe(home).table(named("products.Konto"))
    assert words(table) == {"Brot; dunkel": "4000", "Brötchen, hell": "4000", 'das "gute" Brot': "4010"}
    assert str(table.mapping()['das "gute" Brot'].place) == "mappings/tables/products.csv:4:21"


def test_spaces_around_a_cell_say_nothing_unless_quotes_do(home: Path) -> None:
    save(home, "products.csv", 'product , account\n# the oven\nbread ,  4000\n" rye",4010\n"#1",4020\n')
    table = stripe(home).table(named("products.account"))
    assert words(table) == {"bread": "4000", " rye": "4010", "#1": "4020"}
    assert str(table.mapping()["bread"].place) == "mappings/tables/products.csv:3:10"


def test_only_the_column_that_a_map_asks_for_must_be_filled(home: Path) -> None:
    save(home, "products.csv", "product,account,tax\nbread,4000,\n")
    assert words(stripe(home).table(named("products.account"))) == {"bread": "4000"}
    says = "mappings/tables/products.csv:2:12: the cell of column 'tax' is empty; fill it, or remove the line"
    assert refused(home, "products.tax") == says


# ---------------------------------------------------------------- what is refused, and where

HERE = "mappings/gateways/stripe.yaml:7:20"
IN_CSV = "mappings/tables/products.csv"
NO_NAME = "is no name of a table; write small letters, digits and _, and no ending"
SEVERAL = "mappings/tables/products.csv has several columns: account, tax; name one, as in products.account"
ASKED = [
    ("products", f"{SEVERAL}"),
    ("products.acount", f"{IN_CSV} has no column 'acount'; did you mean 'account'? Columns: account, tax"),
    ("products.product", f"'product' is the column of the words in {IN_CSV}; name one of the others: account, tax"),
    (
        "prodcts",
        "there is no table 'prodcts'; did you mean 'products'? looked for mappings/tables/prodcts.yaml and prodcts.csv in",
    ),
    (
        "words.account",
        "mappings/tables/words.yaml has no columns, so there is none called 'account'; leave the part after the dot",
    ),
    ("twice", "the table 'twice' is there twice, as twice.yaml and twice.csv in "),
    ("../products", f"'' {NO_NAME}"),
    ("Products", f"'Products' {NO_NAME}"),
    ("tables/products", f"'tables/products' {NO_NAME}"),
    ("", "nothing is written here"),
]


@pytest.mark.parametrize(("name", "says"), ASKED)
def test_a_table_or_column_that_is_not_there_is_refused_where_the_map_names_it(name: str, says: str, home: Path) -> None:
    save(home, "products.csv", "product,account,tax\nbread,4000,7\n")
    save(home, "words.yaml", "a: b\n")
    save(home, "twice.yaml", "a: b\n")
    save(home, "twice.csv", "a,b\nc,d\n")
    assert refused(home, name).startswith(f"{HERE}: {says}")


COUNT = "write one cell per column; a cell that holds a separator needs quotes"
QUOTES = "look for a quotation mark that is not closed in its line, or stands alone"
ONE_COLUMN = "write the word's column and at least one more, separated by , or ;"
CSV = [
    ("", "1:1: the table is empty; its first line names the columns: word,account"),
    ("# nothing\n\n", "1:1: the table is empty; its first line names the columns: word,account"),
    ("product,account\n", "1:1: the table lists no word; add a line for each word it is to know"),
    ("product\nbread\n", f"1:1: the header names one column only, 'product'; {ONE_COLUMN}"),
    ("product\taccount\nbread\t4000\n", rf"1:1: the header names one column only, 'product\taccount'; {ONE_COLUMN}"),
    ("product;account,old\n", "1:1: the header holds both , and ;; separate by one of them, and put a name that"),
    ("product,account,account\n", "1:17: the header names 'account' twice; give each column a name of its own"),
    ("product,,account\n", "1:9: a column has no name; give each column a name of its own"),
    ("a,b\nx,1\ny,2\nx,3\n", "4:1: 'x' stands twice, first in line 2; keep one of them"),
    ("a,b\nx,1\n,2\n", "3:1: the cell of column 'a' is empty; fill it, or remove the line"),
    ("a,b\nx,\n", "2:3: the cell of column 'b' is empty; fill it, or remove the line"),
    ('a,b\n" ",1\n', "2:1: the cell of column 'a' is empty; fill it, or remove the line"),
    ("a,b\nx,1,5\n", f"2:1: 3 cells stand in this line, the header has 2; {COUNT}"),
    ("a,b\nx\n", f"2:1: 1 cells stand in this line, the header has 2; {COUNT}"),
    ('a,b\nx,"1\n2"\n', f"2:1: this is not CSV: unexpected end of data; {QUOTES}"),
    ('a,b\n"x" y,1\n', f"2:1: this is not CSV: ',' expected after '\"'; {QUOTES}"),
    (
        "a,b\nx,1\0\n",
        "2:4: the character U+0000 stands here, which nobody sees; remove it, or save the file again as CSV in UTF-8",
    ),
    (
        "a,b\rx,1\r",
        "1:4: the character U+000D stands here, which nobody sees; remove it, or save the file again as CSV in UTF-8",
    ),
    (f"a,b\nx,{'y' * 200_000}\n", "2:1: this is not CSV: field larger than field limit"),
]


@pytest.mark.parametrize(("text", "says"), CSV)
def test_what_two_readers_could_understand_differently_is_refused_at_its_line(text: str, says: str, home: Path) -> None:
    save(home, "products.csv", text)
    assert refused(home, "products").startswith(f"{IN_CSV}:{says}")


YAML = [
    ("a: 1\nb: 2\na: 3\n", "3:1: 'a' stands twice, first in line 1; keep one of them"),
    ("a:\n", "1:3: nothing is written here; write a value, or leave the line out"),
    ("a: null\n", "1:4: null is no value"),
    ("a: [b]\n", "1:4: a text is wanted here, this is a list"),
    ("a: {b: c}\n", "1:4: a text is wanted here, this is a group of keys"),
    ("- a\n", "1:1: keys with values are wanted here, this is a list; write key: value"),
    ("'': b\n", "1:1: an empty word stands here; write the word before the colon"),
    ("{}\n", "1:1: the table lists no word; add a line for each word it is to know"),
    ("a: *b\n", "1:4: *b is an alias"),
]


@pytest.mark.parametrize(("text", "says"), YAML)
def test_a_yaml_table_lists_words_and_texts_and_nothing_else(text: str, says: str, home: Path) -> None:
    save(home, "answers.yaml", text)
    assert refused(home, "answers").startswith(f"mappings/tables/answers.yaml:{says}")


def test_a_table_may_be_longer_than_a_map_but_not_without_end(home: Path) -> None:
    save(home, "products.csv", "product,account\n" + "".join(f"SKU-{number},4000\n" for number in range(100_000)))
    assert len(stripe(home).table(named("products")).mapping()) == 100_000
    save(home, "products.csv", "product,account\n" + "#" * tables.SIZE_MAX_BYTES)
    assert refused(home, "products").startswith(f"{IN_CSV}:1:1: the file is larger than 8 MiB")


def test_a_spreadsheet_in_another_encoding_is_refused_at_its_first_odd_byte(home: Path) -> None:
    (home / "mappings/tables/products.csv").write_bytes("product,account\nBrötchen,4000\n".encode("cp1252"))
    assert refused(home, "products") == f"{IN_CSV}:2:3: this is not UTF-8 text; save the file as UTF-8"
    (home / "mappings/tables/products.csv").write_bytes("product,account\n".encode("utf-16"))
    assert refused(home, "products") == f"{IN_CSV}:1:1: this is not UTF-8 text; save the file as UTF-8"


# ---------------------------------------------------------------- whose table


@pytest.fixture
def came_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that brings the connector acmepay with its map and a table."""
    package = tmp_path / "site" / "syncjob_acmepay_tables"
    (package / "mappings/gateways").mkdir(parents=True)
    (package / "mappings/schemas").mkdir()
    (package / "mappings/tables").mkdir()
    (package / "__init__.py").write_text("")
    (package / "mappings/gateways/acmepay.yaml").write_text("gateway: acmepay\n")
    (package / "mappings/schemas/acmepay.yaml").write_text("gateway: acmepay\n")
    (package / "mappings/tables/acmepay_kinds.csv").write_text("kind,ours\nsale,payment\n")
    metadata = tmp_path / "site" / "syncjob_acmepay_tables-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: syncjob-acmepay-tables\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[syncjob.gateways]\nacmepay = syncjob_acmepay_tables\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return package


def test_the_table_of_the_home_wins_in_whichever_form_it_is(home: Path, came_along: Path) -> None:
    node = named("acmepay_kinds")
    assert words(files.read("gateways", "acmepay", home).table(node)) == {"sale": "payment"}
    save(home, "acmepay_kinds.yaml", "sale: payment\nclimate: fee\n")
    assert words(files.read("gateways", "acmepay", home).table(node)) == {"sale": "payment", "climate": "fee"}
    with pytest.raises(Misconfigured, match="there is no table 'acmepay_kinds'"):
        stripe(None).table(node)  # it belongs to acmepay


def test_a_table_that_came_along_is_copied_like_a_map_and_notices_changes(home: Path, came_along: Path) -> None:
    original = files.known()["tables/acmepay_kinds"]
    assert original == came_along / "mappings/tables/acmepay_kinds.csv"
    (home / "syncjob.yaml").write_text("")
    edit = ["mapping", "edit", "tables/acmepay_kinds", "--home", str(home)]
    assert main(edit) == 0
    assert main(edit) == 2  # what is there is never overwritten
    mine = home / "mappings/tables/acmepay_kinds.csv"
    assert mine.read_text().startswith("# Copied from mappings/tables/acmepay_kinds.csv, digest ")
    table = files.read("gateways", "acmepay", home).table(named("acmepay_kinds"))
    assert str(table.key_place("sale")) == "mappings/tables/acmepay_kinds.csv:3:1"
    mine.write_text(mine.read_text().replace("\n", ",\n", 1))  # as a spreadsheet program saves it
    assert files.outdated(home) == []
    original.write_text("kind,ours\nsale,payment\nclimate,fee\n")
    assert files.outdated(home) == ["tables/acmepay_kinds"]
    mine.rename(mine.with_suffix(".yaml"))
    assert main(edit) == 2  # the home has it as YAML, so it gets no second one
    assert not mine.exists()


# ---------------------------------------------------------------- the digest, and the cure


def test_the_digest_covers_the_tables_that_a_map_read_and_no_other(home: Path) -> None:
    save(home, "products.csv", PRODUCTS)
    save(home, "answers.yaml", "a: b\n")
    file = stripe(home)
    before = file.digest
    assert before == stripe(None).digest
    file.table(named("products.account"))
    one_column = file.digest
    assert one_column != before
    file.table(named("products.tax_code"))
    assert file.digest == one_column  # the same file
    save(home, "answers.yaml", "a: c\n")
    again = stripe(home)
    again.table(named("products.tax_code"))
    assert again.digest == one_column  # the other table is none of this map's
    save(home, "products.csv", PRODUCTS.replace("4010", "4011"))
    changed = stripe(home)
    changed.table(named("products.account"))
    assert changed.digest not in (before, one_column)


def test_the_order_in_which_a_map_asks_does_not_change_its_digest(home: Path) -> None:
    save(home, "products.csv", PRODUCTS)
    save(home, "answers.yaml", "a: b\n")
    digests = []
    for asked in (["answers", "products.account"], ["products.account", "answers"]):
        file = stripe(home)
        for name in asked:
            file.table(named(name))
        digests.append(file.digest)
    assert digests[0] == digests[1]


def test_the_cure_for_an_unlisted_word_names_the_line_and_the_file(home: Path) -> None:
    save(home, "products.csv", PRODUCTS)
    save(home, "answers.yaml", "a: b\n")
    file = stripe(home)
    sheet, answers = file.table(named("products.account")), file.table(named("answers"))
    inline = Node(Place("mappings/gateways/stripe.yaml", 81, 13), {"charge": named("payment")})
    assert tables.cure(sheet, "rye") == "add a line that begins with rye to mappings/tables/products.csv"
    assert tables.cure(sheet, "rye, dark") == 'add a line that begins with "rye, dark" to mappings/tables/products.csv'
    assert tables.cure(answers, "rye") == "add a line rye: ... to mappings/tables/answers.yaml"
    assert tables.cure(inline, "rye") == "add a line rye: ... to the lookup in mappings/gateways/stripe.yaml:81"


# ---------------------------------------------------------------- whatever is in the file


@given(st.text(st.sampled_from(list('ab ,;"#\n\r\t\0\u00a0\u2028é')), max_size=40), st.sampled_from(["", "b"]))
@example(",\ncharge\ncharge", "")
@example(";\u00a0\na\na", "")
def test_any_spreadsheet_is_read_or_refused_and_nothing_else(text: str, column: str) -> None:
    table = Table("mappings/tables/products.csv", text)
    said = ""
    try:
        found = table.words(named("products"), column).mapping()
    except Misconfigured as refused:
        found, said = {}, str(refused)
    assert bool(found) != said.startswith("mappings/")
    lines = text.split("\n")
    for becomes in found.values():
        rest = lines[becomes.place.line - 1][becomes.place.column - 1 :]
        assert rest.startswith((becomes.text(), '"' + becomes.text().replace('"', '""') + '"'))


CELL = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(lambda text: text.strip())


@given(st.dictionaries(CELL, CELL, min_size=1, max_size=5), st.sampled_from([",", ";"]))
def test_what_is_written_in_quotes_is_read_back(listed: dict[str, str], separator: str) -> None:
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in listed.items()]
    table = Table("mappings/tables/products.csv", "\n".join([f"word{separator}becomes", *quoted]))
    assert words(table.words(named("products"), "")) == listed
