"""close: a month's pack for the controller, in a folder that is written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.cli.leaving import PASSING
from syncjob.errors import EXIT_HELD, EXIT_OK, Misconfigured, TryLater

if TYPE_CHECKING:
    from syncjob.summary.closing import Pack

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)


@verb("close", "syncjob close 2026-10 --out close-2026-10")
@click.argument("month")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder to make (else close-MONTH here).")
@click.option("--zip", "zipped", is_flag=True, help="Make one file instead, DIR.zip.")
def close(month: str, out: Path | None, zipped: bool) -> int:
    """Write a month's close pack: README.txt and nine CSV files.

    Roll-forward of every clearing and reserve account, what the gateway held at the month's end, cut-off, what waits, ageing,
    payouts, the nights' proofs, the trial balance. Nobody is asked and nothing is sent: it is made from the state alone, and
    the same state gives the same bytes. What each file says: docs/close.md.

    Ends with 0 where the month is complete; with 3 where it is not over, a night is missing, something is held or not in the
    books, or a sum does not close. README.txt then begins with the reasons.
    """
    from syncjob.cli.house import configured, opened
    from syncjob.cli.standing import feeds_of
    from syncjob.jobs.closing import bank_lines, gather
    from syncjob.summary.closefiles import files

    first = _first(month)
    place = out if out is not None else Path(f"close-{month}")
    place = place.with_name(f"{place.name}.zip") if zipped else place
    if place.exists() or place.is_symlink():
        raise Misconfigured(f"{place} is there already; take it away, or name another place with --out")
    config = configured(frame().home)
    with opened(config) as store:
        feeds = {block.name: feeds_of(config, block.name) for block in config.of("gateways")}
        pack = gather(config, store, feeds, first, bank_lines(store, list(feeds)))
    texts = files(pack)
    # Half a surrogate pair, which a gateway may send, has no UTF-8: it is written as \ud83d.
    _write(place, {name: text.encode("utf-8", errors="backslashreplace") for name, text in texts.items()}, zipped=zipped)
    return _told(pack, place, len(texts))


def _first(month: str) -> date:
    found = _MONTH.fullmatch(month)
    if found is None or int(found[1]) < 1970:
        raise Misconfigured(f"month is {month!r}; write year and month such as 2026-10")
    return date(int(found[1]), int(found[2]), 1)


def _told(pack: Pack, place: Path, number: int) -> int:
    click.echo(f"{place}: README.txt and {number - 1} CSV files are written.")
    for sentence in pack.complaints:
        click.echo(f"not complete: {sentence}")
    return EXIT_HELD if pack.complaints else EXIT_OK


def _write(place: Path, contents: Mapping[str, bytes], *, zipped: bool) -> None:
    """Every file or nothing at all. Raises TryLater for a full disk, Misconfigured for any other place that refuses."""
    try:
        if zipped:
            _write_zip(place, contents)
        else:
            _write_folder(place, contents)
    except OSError as wrong:
        why = wrong.strerror or type(wrong).__name__
        if wrong.errno in PASSING:
            raise TryLater(f"{place} cannot be written: {why}; make room there and run it again") from wrong
        raise Misconfigured(f"{place} cannot be written: {why}; choose another --out") from wrong


def _write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    """Uncompressed, and dated as zip files begin: no version of a library and no clock changes a byte."""
    import zipfile

    from syncjob.wholefile import replacing

    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"{path.stem}/{name}")
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as a UNIX file, wherever it is made
            pack.writestr(entry, content)


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Beside its place first, then under its name."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        for name, content in contents.items():
            with (part / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync(part)
        if folder.exists():  # somebody else was faster; an empty folder would be replaced by the rename below
            raise FileExistsError(errno.EEXIST, "it is there already", str(folder))
        part.rename(folder)
        _sync(folder.absolute().parent)
    finally:
        with suppress(OSError):
            shutil.rmtree(part)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
