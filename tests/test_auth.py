"""A key is asked for unseen, kept for its owner alone, and named in syncjob.yaml without touching anything else there."""

from __future__ import annotations

import io
import os
import pty
import select
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from test_demo import served

from syncjob import config, secrets, yamlfile
from syncjob.cli import keys, main
from syncjob.errors import EXIT_AUTHORISATION, EXIT_TRANSIENT, Misconfigured, NeedsPerson, Problem
from syncjob.ports import Identity
from syncjob.store import Store

ROOT = Path(__file__).parent.parent
KEY = "rk_test_ExampleKey0123456789"
OTHER = "rk_test_AnotherKey9876543210"


@pytest.fixture
def home(tmp_path, capsys):
    assert main(["init", "--home", str(tmp_path / "shop")]) == 0
    capsys.readouterr()
    return tmp_path / "shop"


@pytest.fixture
def piped(monkeypatch):
    """What comes through a pipe."""

    def say(text):
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return say


def auth(home, *arguments):
    return main(["auth", *arguments, "--home", str(home)])


def files(home):
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


# ---------------------------------------------------------------- storing


def test_a_piped_key_is_stored_for_its_owner_alone_and_found_by_the_next_run(home, piped, capsys):
    before = files(home)
    piped(f"  {KEY} \n")
    assert auth(home, "stripe", "--stdin") == 0
    kept = home / "secrets" / "stripe"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    read = config.read(home)
    [block] = read.of("gateways")
    assert block.key == "file:secrets/stripe"
    assert config.options(read, block, {}).secret.reveal() == KEY
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"Stored the key of stripe in {kept} (only its owner reads it) and wrote key: file:secrets/stripe into syncjob.yaml"
    ]
    assert said.err == ""
    after = files(home)
    assert set(after) - set(before) == {"secrets/stripe", "secrets/.gitignore"}
    assert after.pop("syncjob.yaml") == before.pop("syncjob.yaml").replace(b"key: env:STRIPE_KEY", b"key: file:secrets/stripe")
    assert {name: after[name] for name in before} == before


def test_the_key_is_in_no_output_and_in_no_byte_of_the_home_but_its_file(home, piped, capsys):
    piped(KEY)
    auth(home, "stripe", "--stdin")
    said = capsys.readouterr()
    assert "ExampleKey" not in said.out + said.err
    assert [name for name, data in files(home).items() if b"ExampleKey" in data] == ["secrets/stripe"]


def test_a_new_key_takes_the_place_of_the_old_one_and_leaves_the_configuration_alone(home, piped, capsys):
    piped(KEY)
    auth(home, "stripe", "--stdin")
    before = files(home)
    (home / "secrets").chmod(0o755)
    (home / "secrets" / "stripe").chmod(0o644)
    (home / "secrets" / ".stripe.77.part").write_text(KEY)  # of an attempt that was killed
    capsys.readouterr()
    piped(OTHER)
    assert auth(home, "stripe", "--stdin") == 0
    assert "syncjob.yaml" not in capsys.readouterr().out
    assert files(home) == {**before, "secrets/stripe": f"{OTHER}\n".encode()}
    assert stat.S_IMODE((home / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "secrets" / "stripe").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the key is empty"),
        (" \n\t ", "the key is empty"),
        ("env:STRIPE_KEY", "a reference, not the key itself"),
        ("pk_test_Publishable", "no secret or restricted key of Stripe"),
        (f"{KEY}\n{KEY}", "not one line"),
        ("rk_test_schl\u00fcssel", "not one line of plain characters"),
        (b"rk_test_\xff\xfe", "not one line of plain characters"),
        ("rk_test_" + "x" * 70_000, "more than 65536"),
    ],
)
def test_what_cannot_be_a_key_is_refused_before_anything_is_written(home, piped, capsys, text, words):
    before = files(home)
    piped(text)
    assert auth(home, "stripe", "--stdin") == 2
    said = capsys.readouterr()
    assert words in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
    if text.strip():
        assert (text.strip() if isinstance(text, str) else "rk_test_\ufffd") not in said.err
    assert files(home) == before


def test_an_unknown_name_is_told_the_known_ones(home, piped, capsys):
    piped(KEY)
    assert auth(home, "strype", "--stdin") == 2
    assert capsys.readouterr().err == "syncjob: nothing in syncjob.yaml is called 'strype'; it names stripe, books, crm\n"


@pytest.mark.parametrize(("name", "connector"), [("books", "beancount"), ("crm", "sqlite")])
def test_a_target_that_takes_no_key_says_so(home, piped, capsys, name, connector):
    before = files(home)
    piped(KEY)
    assert auth(home, name, "--stdin") == 2
    assert capsys.readouterr().err == f"syncjob: {name} ({connector}) takes no key: nothing to store\n"
    assert files(home) == before


def test_without_a_terminal_and_without_stdin_nobody_is_asked(home, piped, capsys):
    piped(KEY)
    assert auth(home, "stripe") == 2
    assert "add --stdin" in capsys.readouterr().err


def test_a_secrets_folder_that_is_somebody_elses_place_is_refused(home, piped, capsys, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (home / "secrets").symlink_to(tmp_path / "elsewhere")
    piped(KEY)
    assert auth(home, "stripe", "--stdin") == 2
    assert "no folder of its own" in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert "env:STRIPE_KEY" in (home / "syncjob.yaml").read_text()


def test_a_disk_that_is_full_leaves_key_and_configuration_as_they_were(home, piped, capsys, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    before = files(home)
    monkeypatch.setattr("syncjob.wholefile.os.fsync", full)
    piped(KEY)
    assert auth(home, "stripe", "--stdin") == 2
    assert "No space left" in capsys.readouterr().err
    after = files(home)
    after.pop("secrets/.gitignore")
    assert after == before


# ---------------------------------------------------------------- the line in syncjob.yaml

REST = "books_zone: UTC\nhome_currency: EUR\nstart: '2026-11-01T00:00:00Z'\n"


def configured(home, gateways):
    text = gateways if isinstance(gateways, bytes) else gateways.encode()
    home.mkdir(exist_ok=True)
    (home / "accounts.csv").write_text("role,source,currency,account\n")
    (home / "syncjob.yaml").write_bytes(text)
    return home


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    key: env:A  # where it is\n", "    key: file:secrets/shop  # where it is\n"),
        ("    key:    'env:A'\n", "    key:    file:secrets/shop\n"),
        ('    "key": "env:A"#b\n', None),
        ("    key: keyring:syncjob/shop\n\n\n    # the end\n", "    key: file:secrets/shop\n\n\n    # the end\n"),
    ],
)
def test_one_value_changes_and_every_other_byte_stays(tmp_path, piped, capsys, old, new):
    before = "# \u00e4 shop\ngateways:\n  other:\n    connector: stripe\n    key: env:A\n    sales: invoiced_in_books\n"
    before += "  shop: # ours\n"
    after = "    connector: stripe # key: env:A\n    sales: invoiced_in_books\n" + REST
    home = configured(tmp_path / "home", before + old + after)
    piped(KEY)
    code = auth(home, "shop", "--stdin")
    if new is None:  # not YAML, or not what it seems: nothing is touched
        assert code == 2
        new = old
    else:
        assert code == 0, capsys.readouterr().err
    assert (home / "syncjob.yaml").read_bytes() == (before + new + after).encode()


def test_a_missing_line_is_added_behind_the_connector_in_the_manner_of_the_file(tmp_path, piped):
    before = f"\ufeffgateways:\r\n   shop:\r\n      connector: stripe   # ours\r\n      sales: invoiced_in_books\r\n{REST}"
    home = configured(tmp_path / "home", before)
    piped(KEY)
    assert auth(home, "shop", "--stdin") == 0
    wanted = before.replace("# ours\r\n", "# ours\r\n      key: file:secrets/shop\r\n")
    assert (home / "syncjob.yaml").read_bytes() == wanted.encode()


def test_a_file_that_ends_without_a_line_end_is_no_trouble(tmp_path, piped):
    before = f"{REST}gateways:\n  shop:\n    sales: invoiced_in_books\n    connector: stripe"
    home = configured(tmp_path / "home", before)
    piped(KEY)
    assert auth(home, "shop", "--stdin") == 0
    assert (home / "syncjob.yaml").read_text() == before + "\n    key: file:secrets/shop"


def test_a_block_in_one_line_stays_in_one_line(tmp_path, piped):
    before = f"{REST}gateways: {{shop: {{connector: stripe, sales: invoiced_in_books}}}}\n"
    home = configured(tmp_path / "home", before)
    piped(KEY)
    assert auth(home, "shop", "--stdin") == 0
    wanted = before.replace("connector: stripe", "connector: stripe, key: file:secrets/shop")
    assert (home / "syncjob.yaml").read_text() == wanted


@pytest.mark.parametrize("written", ["|\n      env:A", ">-\n      env:A", "env:A\n      B", "'env:A\n      B'"])
def test_a_reference_over_several_lines_is_left_to_a_person_before_the_key_is_asked_for(tmp_path, capsys, written):
    before = f"{REST}gateways:\n  shop:\n    connector: stripe\n    key: {written}\n    sales: invoiced_in_books\n"
    home = configured(tmp_path / "home", before)
    assert auth(home, "shop", "--stdin") == 2
    said = capsys.readouterr().err
    assert "syncjob.yaml:7:10: key is written over several lines; write it on one line" in said
    assert (home / "syncjob.yaml").read_text() == before
    assert not (home / "secrets").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a: {key: }\n", "a: {key: file:b }\n"),
        ("a:\n  key:\n  more: c\n", "a:\n  key: file:b\n  more: c\n"),
        ("a:\n  key: # nothing yet\n", "a:\n  key: file:b # nothing yet\n"),
        ("z: {a: {key: 1}}\na: {'key': \"2\"}", "z: {a: {key: 1}}\na: {'key': file:b}"),
    ],
)
def test_a_value_is_found_by_its_whole_path_and_nothing_is_room_enough(old, new):
    assert yamlfile.with_text(old.encode(), ("a", "key"), "file:b", after="none", file="x.yaml") == new.encode()


@pytest.mark.parametrize("text", ["'a':\n  more: [x, {key: y}]\n", "b: {key: x}\n", "a: key\n", "a: [key]\n"])
def test_a_place_that_is_not_there_is_left_to_a_person(text):
    with pytest.raises(Misconfigured, match=r"x\.yaml:1:1: a(\.key)? is not there; add it by hand"):
        yamlfile.with_text(text.encode(), ("a", "key"), "file:b", after="none", file="x.yaml")


def test_a_text_that_yaml_would_read_as_something_else_is_quoted():
    told = yamlfile.with_text(b"a:\n  b: c\n", ("a", "path"), "my: 'books' #1", after="b", file="x.yaml")
    assert told == b"a:\n  b: c\n  path: 'my: ''books'' #1'\n"
    assert yamlfile.load(told.decode()).mapping()["a"].mapping()["path"].text() == "my: 'books' #1"


def test_an_edit_that_would_change_anything_else_is_never_made(monkeypatch):
    text = b"a:\n  key: env:A\n  more: env:A\n"
    monkeypatch.setattr(yamlfile._Finder, "edit", lambda *_: (5, len(text), "key: file:b\n"))
    with pytest.raises(Misconfigured, match=r"cannot be changed there without touching anything else; write file:b by hand"):
        yamlfile.with_text(text, ("a", "key"), "file:b", after="more", file="x.yaml")


def test_an_edit_that_means_something_else_is_taken_back_with_the_key(home, piped, capsys, monkeypatch):
    def careless(old, *_args, **_more):
        return old.replace(b"env:STRIPE_KEY", b"file:secrets/stripe").replace(b'"02:00"', b'"03:00"')

    before = files(home)
    monkeypatch.setattr(yamlfile, "with_text", careless)
    piped(KEY)
    assert auth(home, "stripe", "--stdin") == 2
    assert "syncjob.yaml was put back" in capsys.readouterr().err
    after = files(home)
    after.pop("secrets/.gitignore")
    assert after == before


def test_a_file_that_somebody_changes_meanwhile_is_not_overwritten(home, capsys, monkeypatch):
    def typed(*_):
        with (home / "syncjob.yaml").open("a") as file:
            file.write("# a person was here\n")
        return secrets.typed(KEY)

    monkeypatch.setattr(keys, "_read", typed)
    assert auth(home, "stripe", "--stdin") == 2
    assert "was changed by somebody else" in capsys.readouterr().err
    assert (home / "syncjob.yaml").read_text().endswith("# a person was here\n")
    assert not (home / "secrets" / "stripe").exists()


def test_a_linked_configuration_stays_linked_and_keeps_its_mode(home, piped, tmp_path):
    real = tmp_path / "managed.yaml"
    (home / "syncjob.yaml").rename(real)
    real.chmod(0o640)
    (home / "syncjob.yaml").symlink_to(real)
    piped(KEY)
    assert auth(home, "stripe", "--stdin") == 0
    assert (home / "syncjob.yaml").is_symlink()
    assert "key: file:secrets/stripe" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


# ---------------------------------------------------------------- asking the other side


def at(home, url):
    path = home / "syncjob.yaml"
    path.write_text(path.read_text().replace("connector: stripe\n", f"connector: stripe\n    base_url: {url}\n"))


def test_a_key_is_tried_at_once_where_that_is_wished(home, piped, capsys):
    with served("stripe", "--scenario", "tidy") as url:
        at(home, url)
        piped("sk_test_sandbox")
        assert auth(home, "stripe", "--stdin", "--check") == 0
        assert capsys.readouterr().out.splitlines()[-1] == "stripe: the key fits"
        piped("sk_test_wrong")
        assert auth(home, "stripe", "--stdin", "--check") == EXIT_AUTHORISATION
        said = capsys.readouterr()
    assert "401" in said.out
    assert "sk_test_wrong" not in said.out + said.err
    assert (home / "secrets" / "stripe").read_text() == "sk_test_wrong\n"  # it was stored, and the exit code tells
    assert not list((home / "state").glob("*.sqlite*"))


def test_a_gateway_that_does_not_answer_is_no_fault_of_the_key(home, piped, capsys):
    at(home, "http://127.0.0.1:9")
    piped(KEY)
    assert auth(home, "stripe", "--stdin", "--check") == EXIT_TRANSIENT
    assert "cannot be reached" in capsys.readouterr().out


def test_a_key_of_another_account_than_the_one_with_the_history_is_told(home, piped, capsys):
    store = Store.open(str(home / "state" / "syncjob.sqlite"))
    store.bind("stripe", Identity("acct_before", "test"), "", datetime(2026, 11, 1, tzinfo=UTC))
    store.close()
    with served("stripe", "--scenario", "tidy") as url:
        at(home, url)
        piped("sk_test_sandbox")
        assert auth(home, "stripe", "--stdin", "--check") == EXIT_AUTHORISATION
    said = capsys.readouterr().out
    assert "this home has acct_before (test), the key opens acct_" in said
    assert "name of its own" in said


class Chatty:
    """A connector of somebody else's that repeats the key in everything it says."""

    def __init__(self, secret, misfortune):
        self.secret, self.misfortune = secret, misfortune

    def check(self):
        said = f"cannot log in with {self.secret.reveal()}"
        if self.misfortune == "problem":
            return [Problem("the key", "shop", said)]
        raise {"bug": ValueError, "down": NeedsPerson}[self.misfortune](said)


@pytest.mark.parametrize("misfortune", ["problem", "down", "bug", "rule", "rule bug"])
def test_whatever_a_connector_says_the_key_is_not_in_it(home, piped, capsys, monkeypatch, misfortune):
    module = ModuleType("chatty")

    def connect(options, _http):
        if options.secret is None:
            raise Misconfigured("no key")
        if misfortune.startswith("rule"):
            raise (ValueError if misfortune.endswith("bug") else Misconfigured)(f"{options.secret.reveal()} is too short")
        return Chatty(options.secret, misfortune)

    module.connect = connect
    monkeypatch.setattr(config, "module", lambda _: module)
    key = "hunter2-of-no-known-shape"
    piped(key)
    assert auth(home, "stripe", "--stdin", "--check") == {"rule": 2, "rule bug": 5, "bug": 5}.get(misfortune, 6)
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "***" in said.out + said.err or "bug" in misfortune
    kept = [name for name, data in files(home).items() if b"hunter2" in data]
    assert kept == ([] if "rule" in misfortune else ["secrets/stripe"])


# ---------------------------------------------------------------- on a terminal


def test_on_a_terminal_the_key_is_asked_for_unseen(home):
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "syncjob", "auth", "stripe", "--home", str(home)])  # noqa: S606
    answers = {b"(not shown): ": f"{KEY}\n".encode(), b"[Y/n]: ": b"n\n"}
    seen = b""
    while select.select([terminal], [], [], 20)[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end has ended
            break
        if not part:
            break
        seen += part
        for question in [question for question in answers if seen.endswith(question)]:
            os.write(terminal, answers.pop(question))
    os.close(terminal)  # hangs up on whoever still waits for an answer
    _, status = os.waitpid(child, 0)
    text = seen.decode()
    assert os.waitstatus_to_exitcode(status) == 0, text
    assert answers == {}
    assert "Key of stripe (not shown): " in text
    assert "ExampleKey" not in text
    assert "Stored the key of stripe" in text
    assert (home / "secrets" / "stripe").read_text() == f"{KEY}\n"


def test_a_script_may_pipe_a_key_in_without_a_terminal(home):
    command = [sys.executable, "-m", "syncjob", "auth", "stripe", "--stdin", "--home", str(home)]
    done = subprocess.run(command, input=f"{KEY}\n", capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (home / "secrets" / "stripe").read_text() == f"{KEY}\n"
