"""Look-up tables: a file of words and what each becomes, as YAML or as CSV from a spreadsheet; every word with its line.

A table is read whole and as it was written: nothing is guessed, and what two readers could understand differently is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from syncjob import yamlfile
from syncjob.yamlfile import Node, Place, complaint

SUFFIXES = (".yaml", ".csv")
SIZE_MAX_BYTES = 8 << 20  # a list of all products is longer than any map
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_QUOTED = re.compile(r'"[^"]*"?')


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up table as it stands in its file; `called` is the file as complaints name it: mappings/tables/products.csv."""

    called: str
    text: str

    @classmethod
    def find(cls, node: Node, name: str, folders: Sequence[Path]) -> Table:
        """The table of a name in the first of these folders (each a folder `mappings`) that has one.

        Raises Misconfigured at the node where none has, or where a folder has it as YAML and as CSV.
        """
        if not _NAME.fullmatch(name):
            raise node.wrong(f"{name!r} is no name of a table", "write small letters, digits and _, and no ending")
        for folder in folders:
            here = [suffix for suffix in SUFFIXES if (folder / "tables" / f"{name}{suffix}").exists()]
            if len(here) > 1:
                why = f"the table {name!r} is there twice, as {name}.yaml and {name}.csv in {folder / 'tables'}"
                raise node.wrong(why, "keep one of them and move the other away")
            if here:
                called = f"mappings/tables/{name}{here[0]}"
                most = SIZE_MAX_BYTES if here == [".csv"] else yamlfile.SIZE_MAX_BYTES
                return cls(called, yamlfile.read_text(folder / "tables" / f"{name}{here[0]}", called, most))
        near = get_close_matches(name, {path.stem for folder in folders for path in paths(folder)}, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        looked = f"looked for mappings/tables/{name}.yaml and {name}.csv in the home and among those that came along"
        raise node.wrong(f"there is no table {name!r}", f"{hint}{looked}")

    def words(self, node: Node, column: str) -> Node:
        """Each word with what it becomes; `column` names the column of a CSV ("": its only one).

        Raises Misconfigured at the node for a column that the table has not, and at its line for whatever is wrong in the file.
        """
        words = self._of_csv(node, column) if self.called.endswith(".csv") else self._of_yaml(node, column)
        if not words.mapping():
            raise complaint(words.place, "the table lists no word", "add a line for each word it is to know")
        return words

    def _of_yaml(self, node: Node, column: str) -> Node:
        if column:
            why = f"{self.called} has no columns, so there is none called {column!r}"
            raise node.wrong(why, "leave the part after the dot out, or keep the table as CSV")
        words = yamlfile.load(self.text, self.called)
        for word, becomes in words.mapping().items():
            if not word.strip():
                raise complaint(words.key_place(word), "an empty word stands here", "write the word before the colon")
            becomes.text()
        return words

    def _of_csv(self, node: Node, column: str) -> Node:
        rows = _rows(self.text, self.called)
        header = next(rows, None)
        if header is None:
            raise complaint(Place(self.called, 1, 1), "the table is empty", "its first line names the columns: word,account")
        wanted = _column(node, header, column, self.called)
        content: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for row in rows:
            if len(row) != len(header):
                why = f"{len(row)} cells stand in this line, the header has {len(header)}"
                raise complaint(row[0].place, why, "write one cell per column; a cell that holds a separator needs quotes")
            word, becomes = row[0], row[wanted]
            for cell, name in ((word, header[0].text), (becomes, header[wanted].text)):
                if not cell.text.strip():
                    raise complaint(cell.place, f"the cell of column {name!r} is empty", "fill it, or remove the line")
            if word.text in content:
                first = keys[word.text].line
                raise complaint(word.place, f"{word.text!r} stands twice, first in line {first}", "keep one of them")
            content[word.text] = Node(becomes.place, becomes.text, quoted=True)
            keys[word.text] = word.place
        return Node(Place(self.called, 1, 1), content, keys=keys)


def paths(folder: Path) -> list[Path]:
    """The files of all tables in a folder `mappings`."""
    return sorted(path for path in (folder / "tables").glob("*") if path.suffix in SUFFIXES)


def cure(lookup: Node, word: str) -> str:
    """What to do so that a look-up knows a word: which line to add to which file. For the lookup's own node, or its table's."""
    place = lookup.place
    if place.file.endswith(".csv"):
        start = f'"{word}"' if word.startswith("#") or set(word) & set(',;"') else word
        return f"add a line that begins with {start} to {place.file}"
    if place.file.startswith("mappings/tables/"):
        return f"add a line {word}: ... to {place.file}"
    return f"add a line {word}: ... to the lookup in {place.file}:{place.line}"


# ---------------------------------------------------------------- CSV, with places


class _Cell(NamedTuple):
    text: str
    place: Place


def _rows(text: str, file: str) -> Iterator[list[_Cell]]:
    """The header and the rows; empty lines, and lines that begin with #, say nothing, as in accounts.csv."""
    yamlfile.refuse_unseen(text, file, "remove it, or save the file again as CSV in UTF-8")
    separator = ""
    for number, line in enumerate(text.split("\n"), start=1):  # no splitlines: it splits inside texts too
        if not line.strip() or line.startswith("#"):
            continue
        separates = separator or _separator(line, Place(file, number, 1))
        row = _cells(line, separates, Place(file, number, 1))
        if any(cell.text for cell in row):  # spreadsheets leave ;;; behind where a row was cleared
            separator = separates  # only a header says what separates, not a cleared row before it
            yield row


def _separator(header: str, place: Place) -> str:
    """The separator that the header uses: a comma, or the semicolon that spreadsheets write where the comma is decimal."""
    bare = _QUOTED.sub("", header)
    found = [one for one in ",;" if one in bare]
    if len(found) == 2:
        cure = "separate by one of them, and put a name that holds the other in quotes"
        raise complaint(place, "the header holds both , and ;", cure)
    if not found:
        why = f"the header names one column only, {header.strip()!r}"
        raise complaint(place, why, "write the word's column and at least one more, separated by , or ;")
    return found[0]


def _cells(line: str, separator: str, place: Place) -> list[_Cell]:
    try:
        texts = next(csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True))
    except csv.Error as wrong:
        cure = "look for a quotation mark that is not closed in its line, or stands alone"
        raise complaint(place, f"this is not CSV: {wrong}", cure) from None
    cells = []
    at = 0
    for text in texts:
        while line[at : at + 1] == " ":
            at += 1
        quoted = line[at : at + 1] == '"'
        cells.append(_Cell(text if quoted else text.strip(), Place(place.file, place.line, at + 1)))
        at += len(text) + (2 + text.count('"') if quoted else 0) + 1
    return cells


def _column(node: Node, header: Sequence[_Cell], column: str, file: str) -> int:
    """Where in a row the wanted column stands."""
    seen: set[str] = set()
    for cell in header:
        if not cell.text or cell.text in seen:
            why = f"the header names {cell.text!r} twice" if cell.text else "a column has no name"
            raise complaint(cell.place, why, "give each column a name of its own")
        seen.add(cell.text)
    others = [cell.text for cell in header[1:]]
    listed = ", ".join(others)
    if not column and len(others) > 1:
        raise node.wrong(f"{file} has several columns: {listed}", f"name one, as in {node.text()}.{others[0]}")
    if column == header[0].text:
        raise node.wrong(f"{column!r} is the column of the words in {file}", f"name one of the others: {listed}")
    if column and column not in others:
        near = get_close_matches(column, others, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise node.wrong(f"{file} has no column {column!r}", f"{hint}Columns: {listed}")
    return others.index(column) + 1 if column else 1
