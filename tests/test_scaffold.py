"""A connector of one's own, as docs/adding-a-connector.md walks through it: every command there is run here, as a user would.

syncjob and the new connectors are built and put into a folder of their own, as pip would do it, but without pip and network.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from syncjob.cli import main
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.mapping import load_gateway
from syncjob.money import Money, from_gateway

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "adding-a-connector.md"
SOURCE = ("syncjob", "mappings", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
CONTRACT_SECONDS_MAX = 30
KINDS = {"gateway": "acmepay", "accounting": "acmebooks", "crm": "acmecrm"}
_BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Workshop:
    """A folder with a site (what is installed), and where the developer stands in it."""

    folder: Path
    here: Path
    environ: dict[str, str]
    said: dict[str, str] = field(default_factory=dict)  # command -> what it printed

    @classmethod
    def made(cls, folder: Path) -> Workshop:
        """A workshop in which this very syncjob is installed."""
        environ = {name: text for name, text in os.environ.items() if not name.startswith(("SYNCJOB", "PYTEST"))}
        environ |= {"PYTHONPATH": str(folder / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
        shop = cls(folder, folder, environ)
        shop.install(source_in(folder))
        return shop

    def install(self, project: Path) -> None:
        """What `pip install` does with a project, less the download: its packages and its entry points."""
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        build = ["-q", "egg_info", "--egg-base", str(site), "build_py", "--build-lib", str(site)]
        done = self.python("-W", "ignore", "-c", "import setuptools; setuptools.setup()", *build, at=project)
        assert done.returncode == 0, done.stderr

    def python(self, *arguments: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python where the developer stands."""
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=at or self.here, env=self.environ, capture_output=True, text=True, check=False)

    def type(self, line: str) -> None:
        """One line of the page, typed in; what fails, fails here."""
        words = shlex.split(line)
        match words:
            case ["cd", folder]:
                self.here = self.here / folder
            case ["export", setting]:
                name, _, text = setting.partition("=")
                self.environ[name] = text
            case ["pip", "install", "-e", folder]:
                self.install(self.here / folder)
            case ["syncjob" | "pytest" as program, *rest]:
                done = self.python("-m", program, *rest)
                self.said[line] = done.stdout
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            case _:
                pytest.fail(f"the page shows a command that this test does not know: {line}")


def source_in(folder: Path, *more: str) -> Path:
    """A copy of syncjob's own source, since building leaves traces."""
    source = folder / "source"
    for name in (*SOURCE, *more):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    return source


def blocks() -> list[tuple[str, str]]:
    """The commands and files of the page, in their order."""
    return [(kind, text) for kind, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A workshop in which somebody did everything that the page says."""
    shop = Workshop.made(tmp_path_factory.mktemp("workshop"))
    for kind, text in blocks():
        if kind == "sh":
            for line in text.splitlines():
                shop.type(line)
            continue
        path = shop.here / "home" / "syncjob.yaml"
        before = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"^gateways:\n.*?^(?=accounting:)", text, before, flags=re.MULTILINE | re.DOTALL))
        assert path.read_text(encoding="utf-8") != before
    for name in ("acmebooks", "acmecrm"):
        shop.install(shop.folder / f"syncjob-{name}")
    return shop


def contract(shop: Workshop, name: str, *more: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`pytest --connector NAME` in the connector's own project."""
    project = at or shop.folder / f"syncjob-{name}"
    return shop.python("-m", "pytest", "--connector", name, "-q", "-p", "no:cacheprovider", *more, at=project)


# ---------------------------------------------------------------- the page


def test_whoever_follows_the_page_has_a_connector_that_passes_check_and_contract(walked: Workshop) -> None:
    assert walked.said["syncjob check --home home"].strip().endswith("everything fits")
    assert "gateways: acmepay" in walked.said["syncjob connectors"]
    assert re.search(r"\d{2} passed", walked.said["pytest --connector acmepay"])
    assert walked.said["syncjob new connector acmepay"].splitlines()[-4:] == [
        "Next:",
        "  pip install -e syncjob-acmepay",
        "  cd syncjob-acmepay && pytest --connector acmepay",
        "  syncjob check --home HOME",
    ]


def test_every_file_that_the_page_names_is_there(walked: Workshop) -> None:
    project = walked.folder / "syncjob-acmepay"
    rows = re.findall(r"^\| (`.+?) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = [path for row in rows for path in re.findall(r"`([\w./]+\.\w+)`", row)]
    assert len(named) == 9
    for path in named:
        assert (project / path).is_file() or (project / "tests" / "fixtures" / "acmepay" / path).is_file(), path


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_connector_of_each_kind_passes_its_contract_in_time(walked: Workshop, kind: str) -> None:
    began = time.monotonic()
    done = contract(walked, KINDS[kind], "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert time.monotonic() - began < CONTRACT_SECONDS_MAX


def test_all_three_together_are_a_home_that_passes_check(walked: Workshop, tmp_path: Path) -> None:
    assert walked.python("-m", "syncjob", "init", "--home", str(tmp_path), "--gateway-name", "shop").returncode == 0
    text = (tmp_path / "syncjob.yaml").read_text(encoding="utf-8")
    for name, bundled in (("acmepay", "stripe"), ("acmebooks", "beancount"), ("acmecrm", "sqlite")):
        text = text.replace(f"connector: {bundled}\n", f"connector: {name}\n    key: env:ACMEPAY_KEY\n")
    (tmp_path / "syncjob.yaml").write_text(text.replace("    key: env:STRIPE_KEY\n", ""), encoding="utf-8")
    done = walked.python("-m", "syncjob", "check", "--home", str(tmp_path))
    assert (done.stdout, done.stderr, done.returncode) == ("everything fits\n", "", 0)


def test_a_connector_that_nobody_installed_is_named_with_those_that_are(walked: Workshop) -> None:
    done = contract(walked, "elsewhere", at=walked.folder / "syncjob-acmepay")
    assert done.returncode == 4
    assert "--connector elsewhere: no such connector is installed; there are acmebooks, acmecrm, acmepay, " in done.stderr


def test_the_homes_own_map_wins_over_the_one_that_the_package_brings(walked: Workshop, tmp_path: Path) -> None:
    brought = walked.folder / "syncjob-acmepay" / "syncjob_acmepay" / "mappings" / "gateways" / "acmepay.yaml"
    (tmp_path / "mappings" / "gateways").mkdir(parents=True)
    text = brought.read_text(encoding="utf-8").replace("payment: payment", "payment: paymnt")
    (tmp_path / "mappings" / "gateways" / "acmepay.yaml").write_text(text, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from syncjob import mapping; mapping.load_gateway('acmepay', Path(sys.argv[1]))"
    )
    done = walked.python("-c", code, str(tmp_path))
    assert "mappings/gateways/acmepay.yaml:" in done.stderr
    assert "'paymnt' is not one of the words allowed here" in done.stderr
    assert walked.python("-c", code, str(tmp_path / "elsewhere")).returncode == 0


# ---------------------------------------------------------------- a connector that is wrong

MODULE, MAP, STAND_IN = "syncjob_{0}/__init__.py", "syncjob_{0}/mappings/gateways/{0}.yaml", "tests/fixtures/{0}/stand_in.py"
# name -> file, what is written there, what a hurried developer writes instead, and the test that must notice
WRONG = [
    ("acmepay", MODULE, "walk.ceiling).text(), None, ceiling", "walk.ceiling).text(), ceiling, ceiling", "only_the_last_page"),
    ("acmepay", MODULE, "answer.seen_at - feed.settling", "answer.seen_at", "only_the_last_page"),
    ("acmepay", MODULE, "walk = _Walk.read(resume)", "walk = None", "a_walk_that_is_cut"),
    ("acmepay", MODULE, "records[-1].id if records", "records[0].id if records", "any_size_of_pages"),
    ("acmepay", MODULE, 'self._http.get("/v1/balance")', 'self._http.post("/v1/balance", b"{}", expect=(405,))', "writes"),
    ("acmepay", MODULE, "as_of, subject, row)", "as_of, subject, {**row, 'rate': 1.25})", "every_record_is_whole"),
    ("acmepay", MODULE, 'body = self._group(answer, "entries", "more")', 'body = {"entries": [], "more": False}', "no_sense"),
    ("acmepay", MODULE, "if not has_card(one.id)", "if one.id", "progress_never_stands"),
    ("acmepay", MODULE, "posts=True", "posts=False", "its_feeds_make_sense"),
    ("acmepay", MAP, "    fees: {from: fees, as: fees}\n", "", "every_movement_closes"),
    ("acmepay", MAP, "        fee: fee\n", "", "every_movement_closes"),
    ("acmepay", MAP, "        payout: payout\n", "        payout: fee\n", "found_right"),
    ("acmepay", STAND_IN, '+ row["net"]', '+ row["amount"]', "the_balance_is_the_sum"),
    ("acmebooks", MODULE, "items.append(_voucher(put))", "items += [_voucher(put)] * 2", "sent_twice"),
    ("acmebooks", MODULE, "members = tuple(Member(", "members = 2 * tuple(Member(", "prepare_is_pure"),
    ("acmebooks", MODULE, "put.action is Action.VOID", "False", "an_undone_document"),
    ("acmebooks", MODULE, '"through", through.isoformat()', '"through", "9999-12-31"', "books_hold"),
    ("acmebooks", MODULE, '("changed_after", after)', '("changed_after", "0")', "the_mirror"),
    ("acmecrm", MODULE, 'row.get("deleted") is False', "True", "an_undone_document"),
    ("acmecrm", STAND_IN, 'records[row["reference"]] = {**before', "records[str(len(records))] = {**before", "is_there_once"),
]


@pytest.mark.parametrize(("name", "file", "right", "wrong", "notices"), WRONG, ids=[f"{one[0]}: {one[4]}" for one in WRONG])
def test_a_connector_that_is_wrong_does_not_pass(
    walked: Workshop, tmp_path: Path, name: str, file: str, right: str, wrong: str, notices: str
) -> None:
    project = tmp_path / f"syncjob-{name}"
    shutil.copytree(walked.folder / f"syncjob-{name}", project)
    path = project / file.format(name)
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = contract(walked, name, "--tb=line", "-k", notices, at=project)
    assert done.returncode == 1, done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("FAILED") and notices in line], done.stdout


# ---------------------------------------------------------------- in syncjob's own source, and what is refused


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_source_of_syncjob_the_files_go_to_their_places(tmp_path: Path, kind: str) -> None:
    source = source_in(tmp_path, "tests/conftest.py", "tests/postgres.py")
    shop = Workshop(tmp_path, source, {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"})
    before = {path.relative_to(source) for path in source.rglob("*")}
    shop.type(f"syncjob new connector my_vendor_2 --kind {kind}")
    written = {path.relative_to(source) for path in source.rglob("*") if path.is_file()} - before
    group = {"gateway": "gateways"}.get(kind, kind)
    assert {Path(f"syncjob/{group}/my_vendor_2.py"), Path(f"mappings/{group}/my_vendor_2.yaml")} < written
    assert {Path("mappings/schemas/my_vendor_2.yaml"), Path("docs/connectors/my_vendor_2.md")} < written
    assert not [path for path in written if KINDS[kind] in (source / path).read_text(encoding="utf-8").lower()]
    shop.type("pytest --connector my_vendor_2 -q -p no:cacheprovider")
    assert re.search(r"\d{2} passed", shop.said["pytest --connector my_vendor_2 -q -p no:cacheprovider"])


@pytest.mark.parametrize("name", ["", "Acme", "acme-pay", "acme__pay", "acme_", "1acme", "class", "../acme", "a" * 31, "äcme"])
def test_a_name_that_is_no_name_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "connector", name, "--dir", str(tmp_path)]) == 2
    assert "use lower-case letters" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_connector_that_is_here_already_is_not_begun_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "connector", "sqlite", "--kind", "crm", "--dir", str(tmp_path)]) == 2
    assert "'sqlite' is one of the crm that are here already" in capsys.readouterr().err


def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "syncjob-acme-pay" / "docs" / "connectors" / "acme_pay.md"
    page.parent.mkdir(parents=True)
    page.write_text("mine")
    assert main(["new", "connector", "acme_pay", "--dir", str(tmp_path)]) == 2
    assert f"{page} is already there and is never overwritten" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [page]
    assert page.read_text() == "mine"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["new", "connector", "acmepay", "--dir", str(tmp_path / "file")]) == 2
    assert "cannot be written: Not a directory; choose another --dir" in capsys.readouterr().err


# ---------------------------------------------------------------- who needs pytest, and what a package brings


def test_syncjob_runs_without_pytest(tmp_path: Path) -> None:
    """Nothing but the contract imports it, and nothing imports the contract."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "syncjob").rglob("*.py"))
        if "contract" not in path.parts and path.stem != "__main__"
    ]
    code = "import sys; sys.modules['pytest'] = None; import importlib; [importlib.import_module(n) for n in sys.argv[1:]]"
    code += "; print('syncjob.contract' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("False\n", "")


def own_schema(home: Path, decimals: str, name: str = "acmepay") -> None:
    """A home with the map of the invented gateway, whose schema says this of its decimals."""
    examples = ROOT / "syncjob" / "contract" / "examples" / "gateway"
    for folder, file in (("gateways", "map.yaml"), ("schemas", "schema.yaml")):
        (home / "mappings" / folder).mkdir(parents=True, exist_ok=True)
        text = (examples / file).read_text(encoding="utf-8").replace("acmepay", name)
        (home / "mappings" / folder / f"{name}.yaml").write_text(text.replace("decimals: {}\n", decimals), encoding="utf-8")


def test_a_vendors_own_decimals_come_from_its_schema(tmp_path: Path) -> None:
    own_schema(tmp_path, "decimals: {ISK: 2, IQD: unknown}\n")
    load_gateway("acmepay", tmp_path)
    assert from_gateway("acmepay", 50000, "ISK") == Money(500, "ISK")
    assert from_gateway("acmepay", 4825, "EUR") == Money(4825, "EUR")
    with pytest.raises(RecordRefused, match="IQD has no documented decimals at acmepay"):
        from_gateway("acmepay", 1, "IQD")
    own_schema(tmp_path, "decimals: {}\n")
    load_gateway("acmepay", tmp_path)
    assert from_gateway("acmepay", 500, "ISK") == Money(500, "ISK")


@pytest.mark.parametrize(
    ("name", "decimals", "says"),
    [
        ("silent", "", "the decimals of 'silent' are listed neither in its schema nor in money.py"),
        ("acmepay", "decimals: {EURO: 2}\n", "currency is 'EURO', which ISO 4217 does not list"),
        ("acmepay", "decimals: {ISK: 9}\n", "9"),
        ("acmepay", "decimals: {ISK: two}\n", "two"),
        ("stripe", "decimals: {ISK: 0}\n", "the decimals of 'stripe' are listed in money.py"),
    ],
)
def test_decimals_that_nobody_could_mean_are_refused(tmp_path: Path, name: str, decimals: str, says: str) -> None:
    own_schema(tmp_path, decimals, name)
    with pytest.raises(Misconfigured, match=re.escape(says)) as refused:
        load_gateway(name, tmp_path)
    assert str(refused.value).startswith("mappings/")
    assert from_gateway("stripe", 50000, "ISK") == Money(500, "ISK")
