"""A month file as a stream: read piece by piece, merged with new blocks in order, and replaced whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from syncjob.accounting.beancount.block import Block, unquoted
from syncjob.errors import OutcomeUnknown, RecordRefused

HEADER = "; written by syncjob; do not edit\n"
_NAME = re.compile(r"[0-9]{4}-[0-9]{2}\.beancount", re.ASCII)
_OURS = re.compile(r'\s+syncjob:\s*"((?:[^"\\]|\\.)+)"\s*(?:;.*)?$')
_STARTS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\s", re.ASCII)
_DIRECTIVE = re.compile(r"[^\n]*\n?(?:[ \t][^\n]*\S[^\n]*\n?)*")  # a line, and the indented ones behind it that say something
_STAMP = '\n  syncjob: "'
_BLANK = re.compile(r"[^\S\n]*\n|[^\S\n]+\Z")
_CHUNK_CHARACTERS = 16 * 1024
_COPIED_BYTES = 64 * 1024
_KEYS_BYTES_MIN = 16 * 1024
_BYTES_PER_BLOCK = 300  # a small one; with larger blocks there is more room for keys than they need
_COMMENT = ";*:#!&?%"  # at the start of a line Beancount skips these
_KEYWORD = re.compile(r"(?:option|include|plugin|pushtag|poptag|pushmeta|popmeta)\s")


def month_of(name: str) -> str:
    """The month of a remote id or file name such as 2026-11.beancount#key, or "" where it names none."""
    file = name.partition("#")[0]
    return file[:7] if _NAME.fullmatch(file) else ""


def path_of(folder: Path, month: str) -> Path:
    """The file of a month."""
    return folder / f"{month}.beancount"


def months(folder: Path) -> list[str]:
    """The months that have a file, oldest first."""
    return sorted(entry.name[:7] for entry in folder.iterdir() if _NAME.fullmatch(entry.name)) if folder.is_dir() else []


def pieces(path: Path) -> Iterator[Block]:
    """The file piece by piece in its order: blocks of ours, and everything else as blocks without a key.

    A file that Beancount could not read either, or where a block of ours was broken, is RecordRefused with its line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from _pieces(file)
    except FileNotFoundError:
        return
    except UnicodeDecodeError as wrong:
        raise _unreadable(path, f"it is not UTF-8 ({wrong.reason} at byte {wrong.start} of the part read)") from wrong
    except RecordRefused as wrong:
        raise _unreadable(path, str(wrong), wrong.place) from wrong


def blocks(path: Path, keys: Collection[str]) -> dict[str, Block]:
    """The blocks of these documents in a file."""
    return {piece.key: piece for piece in pieces(path) if piece.key in keys}


def text_of(path: Path) -> str:
    """The whole text of a small file of ours, "" where there is none; RecordRefused where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as wrong:
        raise _unreadable(path, f"it is not UTF-8 ({wrong.reason} at byte {wrong.start})") from wrong


def merge(path: Path, new: Sequence[Block]) -> Tail:
    """Put blocks into a file in the place of those with the same key; raises what `replace` raises."""
    keys = Keys(path.stat().st_size if path.exists() else 0)
    last = ("", "")

    def noted(old: Iterable[Block]) -> Iterator[Block]:
        nonlocal last
        for piece in old:
            if piece.key:
                keys.add(piece.key)
                last = max(last, piece.place)
            yield piece

    written = replace(path, merged(noted(pieces(path)), new))
    return Tail(written, last, keys).with_blocks(written, new)


class Written(NamedTuple):
    """What tells whether a file is still the one that we wrote: its place on the disk, its size, and when it last changed."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> Written:
        """That of an open or closed file."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def stands(self, path: Path) -> bool:
        """Whether the file is there as it was written."""
        try:
            return Written.of(path.stat()) == self
        except FileNotFoundError:
            return False


class Keys:
    """Which keys were seen, in a few bytes each: never wrong about one that was, once in 100,000 about one that was not."""

    def __init__(self, file_bytes: int) -> None:
        size = _KEYS_BYTES_MIN
        while size < file_bytes // _BYTES_PER_BLOCK * 8:  # room for as many again
            size *= 2
        self._bits = bytearray(size)
        self._mask = size * 8 - 1

    def add(self, key: str) -> None:
        """Note a key."""
        for bit in self._places(key):
            self._bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, key: str) -> bool:
        return all(self._bits[bit >> 3] & 1 << (bit & 7) for bit in self._places(key))

    def _places(self, key: str) -> list[int]:
        found = hash(key)
        step, mask = found >> 31 | 1, self._mask
        return [(found + step * at) & mask for at in range(8)]


class Tail(NamedTuple):
    """A file as we left it: where its last block belongs, and which documents it holds.

    A wave mostly brings what belongs behind everything that stands there; with this it is put there without reading the rest,
    whose size would else make each wave of a busy month dearer than the one before.
    """

    written: Written
    last: tuple[str, str]
    keys: Keys

    def with_blocks(self, written: Written, new: Sequence[Block]) -> Tail:
        """The same after these blocks were written too."""
        for block in new:
            self.keys.add(block.key)
        return Tail(written, max([self.last, *(block.place for block in new)]), self.keys)

    def is_before(self, new: Iterable[Block]) -> bool:
        """Whether all these blocks are new to the file and belong behind its end."""
        return all(block.place > self.last and block.key not in self.keys for block in new)


def append(path: Path, tail: Tail, new: Sequence[Block]) -> Tail:
    """Put blocks behind the end of a file that stands as we left it; raises what `replace` raises."""
    chunks = (f"{block.text}\n" for block in sorted(new, key=lambda block: block.place))
    return tail.with_blocks(replace(path, chunks, behind=True), new)


def merged(old: Iterable[Block], new: Sequence[Block]) -> Iterator[str]:
    """The text of a file with new blocks in order of date and key; text of others stays behind the block it followed."""
    waiting = sorted(new, key=lambda block: block.place, reverse=True)
    replaced = {block.key for block in new}
    empty = True
    for piece in old:
        empty = False
        if not piece.key:
            yield piece.text
            continue
        while waiting and waiting[-1].place <= piece.place:
            yield f"{waiting.pop().text}\n"
        if piece.key not in replaced:
            yield f"{piece.text}\n"
    if empty:
        yield f"{HEADER}\n"
    while waiting:
        yield f"{waiting.pop().text}\n"


def replace(path: Path, chunks: Iterable[str], *, behind: bool = False) -> Written:
    """Replace a file whole and durably; `behind` keeps what it holds in front.

    OSError means that the old one stands untouched, OutcomeUnknown that nobody can tell.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            if behind:
                with path.open("rb") as old:
                    shutil.copyfileobj(old, file.buffer, _COPIED_BYTES)
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
            written = Written.of(os.fstat(file.fileno()))
        temporary.replace(path)
    except Exception:
        temporary.unlink(missing_ok=True)
        raise
    try:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as wrong:
        raise OutcomeUnknown(f"{path} is written, but its folder could not be synced: {wrong.strerror}") from wrong
    return written


def _pieces(file: TextIO) -> Iterator[Block]:
    """Read some hundred kilobytes at a time: no directive goes on behind an empty line, so a part may end there."""
    number = 1
    rest = ""
    while chunk := file.read(_CHUNK_CHARACTERS):
        rest += chunk
        end = rest.rfind("\n\n") + 2
        if end > 1:
            yield from _pieces_of(rest[:end], number)
            number += rest.count("\n", 0, end)
            rest = rest[end:]
    yield from _pieces_of(rest, number)


def _pieces_of(text: str, number: int) -> Iterator[Block]:
    at = 0
    while at < len(text):
        if text[at].isdigit():
            found = _DIRECTIVE.match(text, at)
            whole = found[0] if found else ""
            key = _key_in(whole, number)
            yield _directive(key, whole, number)
            at += len(whole)
            number += whole.count("\n")
            if key and (behind := _BLANK.match(text, at)):
                at = behind.end()  # the one blank line that we put behind each of ours
                number += 1
            continue
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        if line.isspace() or line[0] in _COMMENT or _KEYWORD.match(line) or (line[0] in " \t" and line.lstrip()[0] == ";"):
            yield Block("", _ended(line), number)
        else:
            what = "is indented and belongs to no directive" if line[0] in " \t" else "is no directive, comment or option"
            raise RecordRefused(f"{line.strip()!r} {what}", place=str(number))
        at = end
        number += 1


def _key_in(directive: str, start: int) -> str:
    """The document key of a directive, "" where it is not ours."""
    if "syncjob:" not in directive:
        return ""
    start_of_key = directive.find(_STAMP) + len(_STAMP)
    if start_of_key >= len(_STAMP) and directive.count("syncjob:") == 1:  # as we write it ourselves
        key, closing, behind = directive[start_of_key:].partition('"')
        if key and closing and behind[:1] in ("\n", "") and key.isprintable() and "\\" not in key:
            return key
    key = ""
    for offset, line in enumerate(directive.split("\n")[1:], 1):
        if "syncjob:" in line:
            key = _key(line, key, start + offset)
    return key


def _key(line: str, before: str, number: int) -> str:
    """The document key on a line; a line that only mentions the word leaves the key as it was."""
    found = _OURS.match(line)
    if found and not before:
        return unquoted(found[1])
    if found or line.lstrip().startswith("syncjob:"):
        raise RecordRefused(f"{line.strip()!r} is no single document key of a directive", place=str(number))
    return before


def _directive(key: str, text: str, start: int) -> Block:
    if key and not _STARTS.match(text):
        raise RecordRefused(f"{key} has no date such as 2026-11-03", place=str(start))
    return Block(key, _ended(text), start)


def _ended(text: str) -> str:
    """A text with the line end that the last line of a file may lack."""
    return text if text.endswith("\n") else f"{text}\n"


def _unreadable(path: Path, why: str, line: str = "") -> RecordRefused:
    cure = "undo the edit there or move the text to a file of your own, then run: syncjob held retry"
    return RecordRefused(f"the file cannot be read: {why}", place=f"{path.name}:{line}" if line else path.name, cure=cure)
