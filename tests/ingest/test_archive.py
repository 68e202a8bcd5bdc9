"""Promises of pi_rag/ingest/archive.py."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pi_rag.errors import DocumentTooLarge, PiRagError
from pi_rag.ingest.archive import MIB, unpack
from pi_rag.ingest.reader_wire import Bounds
from pi_rag.text.kinds import is_archive

from .making import tarred, zipped

BOUNDS = Bounds(members_max=10, bytes_max=8 * MIB, ratio_max=20)
DATA = Path(__file__).parents[3] / "shared" / "data" / "docs"
FILES = {"a.md": b"# Birds", "folder/b.txt": b"They fly far.", "empty.txt": b""}
NOISE = random.Random(6).randbytes(MIB)

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def link() -> tarfile.TarInfo:
    """A symbolic link out of an archive."""
    about = tarfile.TarInfo("link.txt")
    about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return about


def test_a_zip_is_its_files() -> None:
    """In order, with the folders they lie in."""
    found = unpack("a.zip", zipped({"folder/": b"", **FILES}), BOUNDS)
    assert dict(found.members) == FILES
    assert found.refused == []


@pytest.mark.parametrize("packer", PACKERS)
def test_a_tar_is_its_files_however_it_is_packed(packer: str) -> None:
    """By itself, and behind each of the usual packers."""
    found = unpack(f"a.tar{packer}", PACKERS[packer](tarred(FILES)), BOUNDS)
    assert dict(found.members) == FILES


@pytest.mark.parametrize(
    ("suffix", "packer"), [("tgz", ".gz"), ("tbz", ".bz2"), ("tbz2", ".bz2"), ("txz", ".xz")]
)
def test_short_names_of_tars_are_known(suffix: str, packer: str) -> None:
    """As they are called after both."""
    data = PACKERS[packer](tarred(FILES))
    assert is_archive(f"a.{suffix}", data[:300])
    assert dict(unpack(f"a.{suffix}", data, BOUNDS).members) == FILES


@pytest.mark.parametrize("packer", [".gz", ".bz2", ".xz"])
def test_a_packed_text_is_one_file(packer: str) -> None:
    """Called as it is without its packer."""
    found = unpack(f"/a/log.txt{packer}", PACKERS[packer](b"They fly far."), BOUNDS)
    assert found.members == [("log.txt", b"They fly far.")]


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ("../up.md", "document_outside"),
        ("a/../../up.md", "document_outside"),
        ("/etc/up.md", "document_outside"),
        ("..\\up.md", "document_outside"),
        ("inner.zip", "document_binary"),
        ("photo.jpg", "document_binary"),
    ],
)
def test_what_is_not_taken_has_its_reason(member: str, code: str) -> None:
    """Paths that lead out, archives within archives, pictures; the other files are taken."""
    for name, made in (("a.zip", zipped), ("a.tar", tarred)):
        found = unpack(name, made({member: b"x", **FILES}), BOUNDS)
        assert [(path, error.code) for path, error in found.refused] == [(member, code)]
        assert dict(found.members) == FILES


@pytest.mark.parametrize(
    "member",
    [
        ".env",
        "./.git/config",
        ".git/logs/a..b",
        "a/.cache/x.txt",
        "__MACOSX/._a.md",
        "__MACOSX/photo.jpg",
        ".photo.jpg",
    ],
)
def test_what_is_hidden_is_passed_over_without_a_word(member: str) -> None:
    """As in a folder; but a text that is packed by itself was meant, whatever it is called."""
    for name, made in (("a.zip", zipped), ("a.tar", tarred)):
        found = unpack(name, made({member: b"x", **FILES, "./b.md": b"# Bees"}), BOUNDS)
        assert found.refused == []
        assert dict(found.members) == FILES | {"b.md": b"# Bees"}
    assert unpack(".profile.gz", gzip.compress(b"x"), BOUNDS).members == [(".profile", b"x")]


def test_links_and_locked_files_are_not_taken() -> None:
    """A link leads somewhere else, and what is behind a password is noise."""
    found = unpack("a.tar", tarred({"link.txt": link(), **FILES}), BOUNDS)
    assert [(path, error.code) for path, error in found.refused] == [("link.txt", "document_unsupported")]
    locked = bytearray(zipped({"a.md": b"x"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + place] |= 1
    assert [error.code for _, error in unpack("a.zip", bytes(locked), BOUNDS).refused] == [
        "document_encrypted"
    ]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.zip", zipped({"zeros.txt": bytes(4 * MIB)}), "20 times"),
        ("a.zip", zipped({f"{number}.txt": bytes(MIB) for number in range(4)}), "20 times"),
        ("a.gz", gzip.compress(bytes(4 * MIB)), "20 times"),
        ("a.xz", lzma.compress(bytes(4 * MIB)), "20 times"),
        ("a.tar.gz", gzip.compress(tarred({"a.bin": bytes(4 * MIB)})), "20 times"),
        ("a.tar.gz", gzip.compress(tarred({"photo.jpg": bytes(4 * MIB)})), "20 times"),
        ("a.zip", zipped({"a.txt": NOISE * 9}), "8 MiB"),
        ("a.zip", zipped({f"{number}.txt": b"" for number in range(11)}), "10 files"),
    ],
    ids=["zip", "many", "gz", "xz", "tar", "passed over", "size", "files"],
)
def test_bombs_are_refused_with_their_reason(name: str, data: bytes, why: str) -> None:
    """By what comes out of them, whatever they say of their sizes."""
    with pytest.raises(DocumentTooLarge, match=why):
        unpack(name, data, BOUNDS)


def test_a_stream_that_asks_for_much_memory_is_refused() -> None:
    """Before it gets it."""
    greedy = bytes.fromhex(  # b"x", with a dictionary of 256 MiB
        "fd377a585a000004e6d6b44602002101200000000988a576010000780000000045aeef83f8ee160a"
        "00011901a52c81cc1fb6f37d010000000004595a"
    )
    with pytest.raises(lzma.LZMAError):
        unpack("a.xz", greedy, BOUNDS)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.gz", "a.xz"])
def test_a_damaged_archive_is_an_error_of_a_known_kind(name: str) -> None:
    """Cut in the middle; whoever calls this turns it into a refusal."""
    made = {"a.zip": zipped(FILES), "a.xz": lzma.compress(NOISE)}.get(
        name, gzip.compress(tarred({"a.md": NOISE}))
    )
    with pytest.raises((zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError)):
        unpack(name, made[: len(made) // 2], BOUNDS)


@pytest.mark.parametrize("zeros", [b"", bytes(8), bytes(200_000)])
def test_streams_that_follow_each_other_are_one_file(zeros: bytes) -> None:
    """As logs are put together; zeros between them and behind are no part of it."""
    parts = [b"They fly far.\n", NOISE, b"And near."]
    packed = b"".join(lzma.compress(part) + zeros for part in parts)
    assert unpack("a.txt.xz", packed, BOUNDS).members == [("a.txt", b"".join(parts))]
    with pytest.raises(lzma.LZMAError):
        unpack("a.txt.xz", packed + b"rubbish", BOUNDS)


def test_names_that_are_no_utf_8_stay_different() -> None:
    """Each is another file, and can be written down."""
    names = [
        name.decode("utf-8", "surrogateescape") for name in (b"caf\xe9.md", b"caf\xea.md", b"\xc3\xbc.md")
    ]
    found = unpack("a.tar", tarred(dict.fromkeys(names, b"x")), BOUNDS)
    assert [path for path, _ in found.members] == ["café.md", "cafê.md", "ü.md"]


@pytest.mark.parametrize("damage", ["sum", "method"])
def test_one_bad_file_in_a_zip_is_refused_alone(damage: str) -> None:
    """Each is packed by itself, so the others are sound."""
    made = bytearray(zipped({**FILES, "bad.txt": b"They fly near."}))
    at = made.rindex(b"PK\x01\x02")
    local, central = (14, 16) if damage == "sum" else (8, 10)
    made[made.rindex(b"PK\x03\x04") + local] = made[at + central] = 9
    found = unpack("a.zip", bytes(made), BOUNDS)
    assert dict(found.members) == FILES
    assert [(path, error.code) for path, error in found.refused] == [("bad.txt", "document_damaged")]


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data beside the checkout")
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("bomb_200MB_in_200KB.zip", None),
        ("many_entries_20000.zip", None),
        ("nested_30_deep.zip", 0),
        ("traversal.zip", 0),
    ],
)
def test_hostile_archives_are_refused(name: str, taken: int | None) -> None:
    """As a whole, or each file in them."""
    data = (DATA / "hostile" / "synthetic" / name).read_bytes()
    bounds = Bounds(1000, 64 * MIB, 200)
    try:
        found = unpack(name, data, bounds)
    except PiRagError as error:
        assert taken is None, error
    else:
        assert len(found.members) == taken
        assert found.refused
