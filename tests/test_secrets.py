"""A secret is configured as a reference; errors name the reference and the cure, and never the value."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from syncjob import secrets
from syncjob.errors import Misconfigured
from syncjob.redact import Secret
from syncjob.secrets import fingerprint, resolve

KEY = "sk_" + "test_ExampleKey"


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_key_is_taken_from_the_environment(tmp_path: Path) -> None:
    assert resolve("env:STRIPE_KEY", tmp_path, {"STRIPE_KEY": KEY}).reveal() == KEY


def test_a_key_is_taken_from_a_file_beside_the_configuration_without_its_line_end(tmp_path: Path) -> None:
    private(tmp_path / "key", KEY + "\n")
    assert resolve("file:key", tmp_path, {}).reveal() == KEY
    assert resolve(f"file:{tmp_path / 'key'}", Path("/elsewhere"), {}).reveal() == KEY


def test_a_key_is_taken_from_what_systemd_hands_over_whatever_its_mode(tmp_path: Path) -> None:
    private(tmp_path / "stripe", KEY).chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert resolve("file:$CREDENTIALS_DIRECTORY/stripe", Path("/elsewhere"), environ).reveal() == KEY


def test_a_key_is_taken_from_a_command_that_is_run_without_a_shell(tmp_path: Path) -> None:
    command = f"command:{sys.executable} -c 'import os; print(os.environ[\"HALF\"] + \"$HOME\")'"
    assert resolve(command, tmp_path, {"HALF": "sk_"}).reveal() == "sk_$HOME"


def test_a_key_is_taken_from_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = ModuleType("keyring")
    keyring.get_password = lambda service, name: KEY if (service, name) == ("syncjob/eu", "shop") else None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert resolve("keyring:syncjob/eu/shop", tmp_path, {}).reveal() == KEY
    with pytest.raises(Misconfigured, match="keyring set syncjob other"):
        resolve("keyring:syncjob/other", tmp_path, {})


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (KEY, "not a reference .*env:NAME"),
        ("", "not a reference"),
        ("vault:secret", "not a reference"),
        ("env:MISSING", "no such environment variable; set MISSING"),
        ("env:" + KEY.replace("test", "live"), r"env:\[secret removed\]"),
        ("env:BLANK", "is empty"),
        ("env:TWO_LINES", "not one line"),
        ("env:UMLAUT", "not one line"),
        ("file:missing", "No such file.*readable by its owner"),
        ("file:lax", "others on this machine can read it .*chmod 600"),
        ("file:binary", "not text"),
        ("file:huge", "more than 65536 bytes"),
        ("file:$CREDENTIALS_DIRECTORY/stripe", "LoadCredential"),
        ("keyring:only", "SERVICE/NAME"),
        ("keyring:syncjob/shop", "pip install keyring"),
        ("command:'open", "quotes"),
        ("command:/no/such/program", "run it by hand"),
        (f"command:{sys.executable} -c 'import sys; print(\"half a key\"); sys.exit(3)'", "ended with code 3"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_with_its_cure(
    reference: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    private(tmp_path / "lax", KEY).chmod(0o640)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    private(tmp_path / "huge", "x" * 70_000)
    environ = {"BLANK": " ", "TWO_LINES": f"{KEY}\nX-Evil: 1", "UMLAUT": "schl\u00fcssel"}
    with pytest.raises(Misconfigured, match=sentence) as refused:
        resolve(reference, tmp_path, environ)
    assert "ExampleKey" not in str(refused.value)
    assert "half a key" not in str(refused.value).replace(reference, "")


def test_a_command_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS_MAX", 0.05)
    with pytest.raises(Misconfigured, match="no answer within"):
        resolve("command:sleep 5", tmp_path, dict(os.environ))


def test_a_fingerprint_tells_keys_apart_and_depends_on_its_salt() -> None:
    assert fingerprint(Secret(KEY), "a") == fingerprint(Secret(KEY), "a")
    assert len({fingerprint(Secret(KEY), "a"), fingerprint(Secret(KEY), "b"), fingerprint(Secret(KEY + "x"), "a")}) == 3
    assert "Example" not in fingerprint(Secret(KEY), "a")
