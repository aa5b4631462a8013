"""Where maps and their field schemas stand: the home's own file wins over the one that came with syncjob or its connector."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.mapping import tables
from syncjob.mapping.tables import Table
from syncjob.model import digest
from syncjob.shipped import folder as shipped
from syncjob.yamlfile import Node

KINDS = ("gateways", "accounting", "crm")
_COPIED = re.compile(r"^# Copied from mappings/\S+, digest ([a-z2-7]{26})[,;]*$", re.MULTILINE)  # a spreadsheet pads the line
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MapFile:
    """A map and the field schema it is checked against, and the look-up tables that it names."""

    name: str  # as complaints call it: mappings/gateways/stripe.yaml
    of: str  # the gateway or target: stripe
    root: Node
    schema: Node
    texts: tuple[str, ...]  # of the map and its schema
    kind: str = ""  # gateways, accounting or crm
    home: Path | None = None
    _tables: dict[str, Table] = field(default_factory=dict)
    _columns: dict[str, Node] = field(default_factory=dict)

    def table(self, node: Node) -> Node:
        """The table that a text such as `products` or `products.account` names: each word with what it becomes.

        Raises Misconfigured at the node for a table or column that is not there, at its line for what is wrong in the table.
        """
        asked = node.text()
        name, _, column = asked.partition(".")
        if name not in self._tables:
            self._tables[name] = Table.find(node, name, _folders(self.home, self.kind, self.of))
        if asked not in self._columns:
            self._columns[asked] = self._tables[name].words(node, column)
        return self._columns[asked]

    @property
    def digest(self) -> str:
        """Stands for the text of the map, its schema, and every table that it has asked for: read it when all is compiled."""
        read = sorted(self._tables.values(), key=lambda table: table.called)
        return digest(*self.texts, *(part for table in read for part in (table.called, table.text)))


def read(kind: str, name: str, home: Path | None) -> MapFile:
    """The map KIND/NAME.yaml with its schema; raises Misconfigured where one is missing or is not readable YAML."""
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{name!r} is no name of a map; write small letters, digits and _")
    root, text = _load(f"{kind}/{name}.yaml", home, kind, name)
    schema, schema_text = _load(f"schemas/{name}.yaml", home, kind, name)
    return MapFile(f"mappings/{kind}/{name}.yaml", name, root, schema, (text, schema_text), kind, home)


def brought(kind: str, name: str) -> Path | None:
    """The folder `mappings` of the installed package that brings a connector, found by its entry point; None without one."""
    for entry in entry_points(group=f"syncjob.{kind}", name=name):
        try:
            spec = find_spec(entry.module)
        except ModuleNotFoundError:
            continue
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            return Path(folder) / "mappings"
    return None


def known() -> dict[str, Path]:
    """Every map and look-up table that is here without the home's own, as gateways/stripe or tables/products, with its file.

    The posting rules count as one, too: posting.
    """
    found = {f"{kind}/{path.stem}": path for kind in KINDS for path in sorted((shipped() / kind).glob("*.yaml"))}
    found["posting"] = shipped() / "posting.yaml"
    packages = []
    for kind in KINDS:
        for entry in sorted(entry_points(group=f"syncjob.{kind}"), key=lambda entry: entry.name):
            folder = brought(kind, entry.name)
            if folder is None:
                continue
            packages.append(folder)
            if (path := folder / kind / f"{entry.name}.yaml").exists():
                found.setdefault(f"{kind}/{entry.name}", path)
    for folder in (shipped(), *packages):
        for path in tables.paths(folder):
            found.setdefault(f"tables/{path.stem}", path)
    return found


def own(home: Path, name: str, original: Path) -> Path:
    """Where a home keeps its copy of a known map; of a table, in the form that it has already, or else in the original's."""
    forms = tables.SUFFIXES if name.startswith("tables/") else (original.suffix,)
    mine = [home / "mappings" / f"{name}{suffix}" for suffix in forms]
    return next((path for path in mine if path.exists()), home / "mappings" / f"{name}{original.suffix}")


def copied(name: str) -> str:
    """The text of a known map or table for a home: the same, under a line that names the digest of what was copied.

    Raises Misconfigured, with the known ones, for a name that is none of them.
    """
    here = known()
    if name not in here:
        near = get_close_matches(name, here, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise Misconfigured(f"{name!r} is no map; {hint}Known: {', '.join(here)}")
    text, called = _original(here[name], name)
    return f"# Copied from {called}, digest {digest(text)}\n{text}"


def outdated(home: Path) -> list[str]:
    """The home's own maps and tables whose original has changed since it was copied; what was written by hand never is."""
    found = []
    for name, path in known().items():
        mine = own(home, name, path)
        if not mine.exists():
            continue
        note = _COPIED.search(_original(mine, name)[0])
        if note is not None and note[1] != digest(_original(path, name)[0]):
            found.append(name)
    return found


def _original(path: Path, name: str) -> tuple[str, str]:
    called = f"mappings/{name}{path.suffix}"
    return yamlfile.read_text(path, called, tables.SIZE_MAX_BYTES), called


def _folders(home: Path | None, kind: str, name: str) -> tuple[Path, ...]:
    """The folders `mappings` in which something of a map is looked for, in this order."""
    own = (home / "mappings",) if home is not None else ()
    package = brought(kind, name)
    return (*own, shipped(), *((package,) if package is not None else ()))


def _load(relative: str, home: Path | None, kind: str, name: str) -> tuple[Node, str]:
    called = f"mappings/{relative}"
    own = home / "mappings" / relative if home is not None else None
    path = own if own is not None and own.exists() else shipped() / relative
    if not path.exists() and (folder := brought(kind, name)) is not None:
        path = folder / relative
    text = yamlfile.read_text(path, called)
    return yamlfile.load(text, called), text
