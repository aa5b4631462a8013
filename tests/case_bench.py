"""Maps and cases with one line changed, tried as `mapping test` tries them."""

from __future__ import annotations

from pathlib import Path

from syncjob import shipped
from syncjob.cli import main
from syncjob.jobs.cases import Bench, Finding, Trial
from syncjob.mapping import cases
from syncjob.mapping.cases import CaseFile

ROOT = Path(__file__).parent.parent
SHIPPED = cases.found(None)
STRIPE, BOOKS, CRM = "gateways/stripe", "accounting/beancount", "crm/sqlite"


def run(*arguments: object) -> int:
    return main(list(map(str, arguments)))


def edited(home: Path, map: str, old: str, new: str) -> None:
    """The home's own copy of a shipped map in which one line says something else."""
    text = (shipped.folder() / f"{map}.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {map}"
    path = home / f"mappings/{map}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(old, new), encoding="utf-8")


def own_case(home: Path, name: str, old: str, new: str, called: str = "") -> CaseFile:
    """The home's own copy of a shipped case in which one line says something else."""
    text = (shipped.folder() / f"cases/{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    path = home / f"mappings/cases/{name}.yaml"
    path = path.with_stem(called or path.stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return next(file for file in cases.found(home) if file.path == path)


def tried(home: Path | None, name: str) -> Trial:
    known = cases.found(home)
    return Bench(home).trial(next(file for file in known if f"{file.map}/{file.name}" == name), known)


def said(finding: Finding) -> tuple[str, str, str]:
    """What a difference is about, what was expected, what came."""
    one = finding.difference
    return f"{' '.join(one.about)}, {one.field}", one.expected, one.came


def line(place: str, root: Path) -> str:
    """What stands at a place such as mappings/gateways/stripe.yaml:81, ..."""
    file, _, number = place.partition(",")[0].partition(":")
    return (root / file).read_text(encoding="utf-8").splitlines()[int(number) - 1].strip()
