"""Where maps and their field schemas stand: the home's own file wins over the one that came with syncjob or its connector."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import syncjob
from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.model import digest
from syncjob.yamlfile import Node

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MapFile:
    """A map and the field schema it is checked against; `digest` stands for the text of both."""

    name: str  # as complaints call it: mappings/gateways/stripe.yaml
    of: str  # the gateway or target: stripe
    root: Node
    schema: Node
    digest: str


def shipped() -> Path:
    """The folder of the maps that came with syncjob: inside the package, or at the top of a source checkout."""
    package = Path(syncjob.__file__).parent
    for folder in (package / "mappings", package.parent / "mappings"):
        if (folder / "gateways").is_dir():
            return folder
    raise Misconfigured(f"the maps that come with syncjob are not beside {package}; install syncjob again")


def read(kind: str, name: str, home: Path | None) -> MapFile:
    """The map KIND/NAME.yaml with its schema; raises Misconfigured where one is missing or is not readable YAML."""
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{name!r} is no name of a map; write small letters, digits and _")
    root, text = _load(f"{kind}/{name}.yaml", home, kind, name)
    schema, schema_text = _load(f"schemas/{name}.yaml", home, kind, name)
    return MapFile(f"mappings/{kind}/{name}.yaml", name, root, schema, digest(text, schema_text))


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


def _load(relative: str, home: Path | None, kind: str, name: str) -> tuple[Node, str]:
    called = f"mappings/{relative}"
    own = home / "mappings" / relative if home is not None else None
    path = own if own is not None and own.exists() else shipped() / relative
    if not path.exists() and (folder := brought(kind, name)) is not None:
        path = folder / relative
    text = yamlfile.read_text(path, called)
    return yamlfile.load(text, called), text
