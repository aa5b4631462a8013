"""new: the files of a connector to begin with, which pass the contract as they are written."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

from syncjob.cli.command import Verbs, example, verb
from syncjob.errors import Misconfigured

# What people call the family -> the family's own name, the vendor that the example invents, and the data of its examples.
KINDS = {
    "gateway": ("gateways", "acmepay", ("rows.json", "expected.json")),
    "accounting": ("accounting", "acmebooks", ("puts.json",)),
    "crm": ("crm", "acmecrm", ("puts.json",)),
}
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII)
_NAME_MOST = 30
_NOQA = re.compile(r"^# ruff: noqa: .*\n\n", re.MULTILINE)

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=69"]
build-backend = "setuptools.build_meta"

[project]
name = "syncjob-{dashed}"
version = "0.1.0"
description = "{title} for syncjob."
requires-python = ">=3.11"
dependencies = ["syncjob"]

[project.optional-dependencies]
test = ["pytest>=8"]

# By this line syncjob finds the connector: its name in syncjob.yaml, and its module.
[project.entry-points."syncjob.{group}"]
{name} = "syncjob_{name}"

[tool.setuptools]
packages = ["syncjob_{name}"]
include-package-data = false

[tool.setuptools.package-data]
syncjob_{name} = ["mappings/**/*.yaml", "py.typed"]

[tool.pytest.ini_options]
testpaths = ["tests"]
filterwarnings = ["error"]
"""


@verb("connector", "syncjob new connector acmepay", "syncjob new connector acmebooks --kind accounting")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), default="gateway", show_default=True, help="What it connects.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=Path("."), metavar="DIR", help="Where (default: here)."
)
def connector(name: str, kind: str, folder: Path) -> None:
    """Write the files of a new connector.

    In syncjob's own source they go to their places there; anywhere else they become a package of its own, syncjob-NAME. It
    is a whole connector to an invented vendor that passes the contract: replace it piece by piece. Nothing that exists is
    overwritten.
    """
    _check_name(name, KINDS[kind][0])
    inside = _is_source(folder)
    root = folder if inside else folder / f"syncjob-{name.replace('_', '-')}"
    files = _files(name, kind, inside=inside)
    _write(root, files)
    for path in files:
        click.echo(root / path)
    click.echo("Next:")
    for line in _following(root, name, inside=inside):
        click.echo(f"  {line}")


new = Verbs("new", commands=[connector], help="Begin something of your own.", epilog=example("syncjob new connector acmepay"))


def _check_name(name: str, group: str) -> None:
    from syncjob import config

    if not _NAME.fullmatch(name) or len(name) > _NAME_MOST or keyword.iskeyword(name):
        cure = f"use lower-case letters, digits and single '_', beginning with a letter, at most {_NAME_MOST} in all"
        raise Misconfigured(f"the connector's name is {name!r}; {cure}")
    if name in config.connectors(group):
        raise Misconfigured(f"{name!r} is one of the {group} that are here already; choose another name")


def _is_source(folder: Path) -> bool:
    """Whether a folder is syncjob's own source."""
    return (folder / "syncjob" / "ports.py").is_file() and (folder / "mappings" / "schemas").is_dir()


def _files(name: str, kind: str, *, inside: bool) -> dict[str, str]:
    """The connector's files by their path, with the example's vendor renamed."""
    group, _, data = KINDS[kind]
    code = f"syncjob/{group}" if inside else f"syncjob_{name}"
    mappings = "mappings" if inside else f"{code}/mappings"
    files = {
        (f"{code}/{name}.py" if inside else f"{code}/__init__.py"): "module.py",
        f"{mappings}/{group}/{name}.yaml": "map.yaml",
        f"{mappings}/schemas/{name}.yaml": "schema.yaml",
        f"tests/fixtures/{name}/stand_in.py": "stand_in.py",
        **{f"tests/fixtures/{name}/{one}": one for one in data},
        f"tests/test_{name}.py": "test_module.py",
        f"docs/connectors/{name}.md": "page.md",
    }
    texts = {path: _renamed(kind, template, name) for path, template in files.items()}
    if inside:
        return texts
    words = {"name": name, "dashed": name.replace("_", "-"), "group": group, "title": _title(name)}
    return {"pyproject.toml": _PYPROJECT.format(**words), **texts, f"{code}/py.typed": ""}


def _renamed(kind: str, template: str, name: str) -> str:
    from importlib import resources

    vendor = KINDS[kind][1]
    place = resources.files("syncjob") / "contract" / "examples" / kind / template
    text = place.read_text(encoding="utf-8")
    if template == "test_module.py":
        text = _NOQA.sub("", text, count=1)
    text = text.replace(f"api.{vendor}.example", f"api.{name.replace('_', '-')}.example")
    return text.replace(vendor, name).replace(vendor.capitalize(), _title(name)).replace(vendor.upper(), name.upper())


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _write(root: Path, files: dict[str, str]) -> None:
    for path in files:
        if (root / path).exists():
            raise Misconfigured(f"{root / path} is already there and is never overwritten; choose another name or --dir")
    try:
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as wrong:
        raise Misconfigured(f"{wrong.filename or root} cannot be written: {wrong.strerror}; choose another --dir") from wrong


def _following(root: Path, name: str, *, inside: bool) -> list[str]:
    """The three commands that come next."""
    if inside:
        return [f"pytest --connector {name}", "syncjob connectors", "syncjob check --home HOME"]
    return [f"pip install -e {root}", f"cd {root} && pytest --connector {name}", "syncjob check --home HOME"]
