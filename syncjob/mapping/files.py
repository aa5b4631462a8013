"""Where maps and their field schemas stand: the home's own file wins over the one that came with syncjob or its connector."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import syncjob
from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.model import digest
from syncjob.yamlfile import Node

KINDS = ("gateways", "accounting", "crm")
_COPIED = re.compile(r"^# Copied from mappings/\S+, digest ([a-z2-7]{26})$", re.MULTILINE)
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


def known() -> dict[str, Path]:
    """Every map that is here without the home's own, as gateways/stripe, with its file: shipped, or brought by a package."""
    found = {f"{kind}/{path.stem}": path for kind in KINDS for path in sorted((shipped() / kind).glob("*.yaml"))}
    for kind in KINDS:
        for entry in sorted(entry_points(group=f"syncjob.{kind}"), key=lambda entry: entry.name):
            folder = brought(kind, entry.name)
            if folder is not None and (path := folder / kind / f"{entry.name}.yaml").exists():
                found.setdefault(f"{kind}/{entry.name}", path)
    return found


def copied(name: str) -> str:
    """The text of a known map for a home: the same, under a line that names the digest of what was copied.

    Raises Misconfigured, with the known ones, for a name that is none of them.
    """
    here = known()
    if name not in here:
        near = get_close_matches(name, here, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise Misconfigured(f"{name!r} is no map; {hint}Known: {', '.join(here)}")
    text = yamlfile.read_text(here[name], f"mappings/{name}.yaml")
    return f"# Copied from mappings/{name}.yaml, digest {digest(text)}\n{text}"


def outdated(home: Path) -> list[str]:
    """The names of the home's own maps whose original has changed since it was copied; maps written by hand never are."""
    found = []
    for name, path in known().items():
        own = home / "mappings" / f"{name}.yaml"
        if not own.exists():
            continue
        note = _COPIED.search(yamlfile.read_text(own, f"mappings/{name}.yaml"))
        if note is not None and note[1] != digest(yamlfile.read_text(path, f"mappings/{name}.yaml")):
            found.append(name)
    return found


def _load(relative: str, home: Path | None, kind: str, name: str) -> tuple[Node, str]:
    called = f"mappings/{relative}"
    own = home / "mappings" / relative if home is not None else None
    path = own if own is not None and own.exists() else shipped() / relative
    if not path.exists() and (folder := brought(kind, name)) is not None:
        path = folder / relative
    text = yamlfile.read_text(path, called)
    return yamlfile.load(text, called), text
