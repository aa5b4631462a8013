"""Secrets are configured as references and turned into values here, at the edge; an error names the reference, never the value.

`env:NAME` an environment variable; `file:PATH` a file only its owner can read, relative to the home (a path may begin with
$CREDENTIALS_DIRECTORY); `keyring:SERVICE/NAME` the desktop's keyring; `command:PROGRAM ARGUMENTS` what a program prints.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from syncjob.errors import Misconfigured
from syncjob.redact import Secret, clean
from syncjob.wholefile import replacing

COMMAND_SECONDS_MAX = 30
FOLDER = "secrets"
_BYTES_MAX = 64 * 1024
_CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
_REFERENCE = re.compile(r"(env|file|keyring|command):(.+)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CURE = "write a reference: env:NAME, file:PATH, keyring:SERVICE/NAME or command:PROGRAM"


def resolve(reference: str, home: Path, environ: Mapping[str, str]) -> Secret:
    """Fetch the secret that a reference stands for. Raises Misconfigured where it leads nowhere or is the secret itself."""
    found = _REFERENCE.fullmatch(reference.strip())
    if found is None:
        # What stands there may be the key itself, so it is not repeated.
        raise Misconfigured(f"the key is not a reference ({len(reference)} characters are written there); {_CURE}")
    return checked(_SOURCES[found[1]](found[2], home, environ).rstrip("\r\n"), reference)


def checked(value: str, name: str) -> Secret:
    """A key that can be one: one line of plain characters. Raises Misconfigured about `name`, never with the value."""
    if not value.strip():
        raise Misconfigured(f"{name} is empty; put the key there")
    if not value.isprintable() or not value.isascii():
        raise Misconfigured(f"{name} is not one line of plain characters; look for a line break or an umlaut in it")
    if len(value) > _BYTES_MAX:
        raise Misconfigured(f"{name} has more than {_BYTES_MAX} bytes, so it is no key")
    return Secret(value)


def typed(text: str) -> Secret:
    """The key that a person typed or pasted, less the spaces around it. Raises Misconfigured for what cannot be a key."""
    value = text.strip()
    if _REFERENCE.fullmatch(value):
        raise Misconfigured("what was given is a reference, not the key itself; write a reference into syncjob.yaml by hand")
    return checked(value, "the key")


def kept_in(name: str) -> str:
    """The reference of a key that `keep` stored for a name of syncjob.yaml."""
    return f"file:{FOLDER}/{name}"


def keep(home: Path, name: str, secret: Secret) -> None:
    """Store a key in the home, durably, in a file that only its owner can read. Raises Misconfigured where that cannot be."""
    folder = home / FOLDER
    try:
        folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise Misconfigured(f"{folder} is no folder of its own; move it away, since keys are kept there")
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            folder.chmod(stat.S_IRWXU)
        for left in folder.glob(f".{name}.*.part"):  # of an attempt that was killed: it may hold half a key
            left.unlink(missing_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")  # a home under version control must not carry its keys along
        with replacing(folder / name, stat.S_IRUSR | stat.S_IWUSR) as file:
            file.write(f"{secret.reveal()}\n".encode())
    except OSError as wrong:
        raise Misconfigured(f"{folder / name} cannot be written: {wrong.strerror}; let syncjob's user write there") from None


def fingerprint(secret: Secret, salt: str) -> str:
    """Sixteen characters that change when the secret does; a long secret cannot be found back from them."""
    return hmac.new(salt.encode(), secret.reveal().encode(), hashlib.sha256).hexdigest()[:16]


def _from_environment(name: str, _home: Path, environ: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"env:… names no environment variable ({len(name)} characters); write one like env:STRIPE_KEY")
    if name not in environ:
        shown = clean(name)  # somebody may have written the key itself behind env:
        raise Misconfigured(f"env:{shown}: there is no such environment variable; set {shown} where syncjob is started")
    return environ[name]


def _from_file(name: str, home: Path, environ: Mapping[str, str]) -> str:
    managed = name.startswith(_CREDENTIALS)
    if managed:
        if not environ.get("CREDENTIALS_DIRECTORY"):
            raise Misconfigured(f"file:{name}: $CREDENTIALS_DIRECTORY is not set; is there a LoadCredential= in the unit?")
        path = Path(environ["CREDENTIALS_DIRECTORY"]) / name.removeprefix(_CREDENTIALS)
    else:
        path = home / name
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of what was opened, not of what bears its name by then
            data = file.read(_BYTES_MAX + 1)
    except OSError as wrong:
        raise Misconfigured(f"file:{name}: {wrong.strerror or 'cannot be read'} ({path}); {_FILE_CURE}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not managed:
        raise Misconfigured(f"file:{name}: others on this machine can read it ({stat.filemode(mode)}); run: chmod 600 {path}")
    if len(data) > _BYTES_MAX:
        raise Misconfigured(f"file:{name}: it has more than {_BYTES_MAX} bytes, so it is no key")
    return _text(f"file:{name}", data)


_FILE_CURE = "put the key into that file, readable by its owner only"


def _from_keyring(name: str, _home: Path, _environ: Mapping[str, str]) -> str:
    service, _, user = name.rpartition("/")
    if not service or not user:
        raise Misconfigured(f"keyring:{name}: a service and a name are needed; write keyring:SERVICE/NAME")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise Misconfigured(f"keyring:{name}: the package keyring is not installed; run: pip install keyring") from None
    try:
        value = keyring.get_password(service, user)
    except Exception as wrong:  # each backend has its own errors
        raise Misconfigured(f"keyring:{name}: the keyring refused ({type(wrong).__name__}); is it unlocked?") from None
    if value is None:
        raise Misconfigured(f"keyring:{name}: the keyring has no such entry; run: keyring set {service} {user}")
    return str(value)


def _from_command(line: str, home: Path, environ: Mapping[str, str]) -> str:
    try:
        words = shlex.split(line)
    except ValueError as wrong:
        raise Misconfigured(f"command:{line}: {wrong}; look at its quotes") from None
    if not words:
        raise Misconfigured(f"command: names no program; {_CURE}")
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command from syncjob.yaml, without a shell
            words, cwd=home, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        raise Misconfigured(f"command:{line}: it gave no answer within {COMMAND_SECONDS_MAX} s; run it by hand") from None
    except OSError as wrong:
        raise Misconfigured(f"command:{line}: {wrong.strerror or 'cannot be started'}; run it by hand") from None
    if done.returncode:
        # What it printed may hold half a secret, so it is not repeated.
        raise Misconfigured(f"command:{line}: it ended with code {done.returncode}; run it by hand to see why")
    return _text(f"command:{line}", done.stdout[:_BYTES_MAX])


def _text(reference: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Misconfigured(f"{reference}: it is not text in UTF-8, so it is no key") from None


_SOURCES: Mapping[str, Callable[[str, Path, Mapping[str, str]], str]] = {
    "env": _from_environment,
    "file": _from_file,
    "keyring": _from_keyring,
    "command": _from_command,
}
