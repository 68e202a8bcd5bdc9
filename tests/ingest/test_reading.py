"""Promises of pi_rag/ingest/reading.py."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import IngestSettings
from pi_rag.errors import (
    DocumentBinary,
    DocumentDamaged,
    DocumentEmpty,
    DocumentNeedsOcr,
    DocumentRefused,
    DocumentTooLarge,
    DocumentTooSlow,
    PiRagError,
    ReaderKilled,
    ReaderUnavailable,
    every_kind,
)
from pi_rag.ingest.file import read_file
from pi_rag.ingest.reading import Reader
from pi_rag.ingest.recognition import languages_missing
from pi_rag.ingest.walk import Found, walk
from pi_rag.processes import confinement
from pi_rag.stress.making import pdf
from pi_rag.text.kinds import HEAD_BYTES, is_archive
from pi_rag.types import NewItem
from tests.embedder.fake import FakeEmbedder

from .folders import home
from .making import docx, drawn_pdf

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "docs"
HTML = b"<html><body>x"


class Clock(SystemClock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        """Where it stands."""
        return self.now_s


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """The real thing."""
    reader = Reader(IngestSettings(), SystemClock())
    yield reader
    await reader.stop()


@pytest.fixture
async def odd(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    """A reader whose child does what the document's name says."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    reader = Reader(IngestSettings(read_s_max=20), Clock(), module="tests.ingest.odd_reader")
    yield reader
    await reader.stop()


async def test_text_and_code_need_no_child(reader: Reader) -> None:
    """They are decoded here, with their kind and title."""
    reading = await reader.read("/a/notes.md", b"\xef\xbb\xbf# Notes\n")
    assert (reading.text, reading.title, reading.kind) == ("# Notes\n", "Notes", "markdown")
    assert (await reader.read("main.py", b"x = 1")).kind == "code"
    long = "Zeile für Zeile.\n" * 50_000
    assert (await reader.read("long.txt", long.encode("utf-16"))).text == long
    assert reader.pid is None


async def test_other_formats_go_through_one_child(reader: Reader) -> None:
    """HTML, PDF and DOCX one after another, each with its own answer; refusals do not end the child."""
    assert (await reader.read("a.html", b"<html><p>Words")).text.strip() == "Words"
    pid = reader.pid
    with pytest.raises(DocumentDamaged):
        await reader.read("a.pdf", b"%PDF-1.7")
    assert (await reader.read("a.docx", docx("More words"))).text.strip() == "More words"
    assert (await reader.read("a.pdf", pdf(["Even more"]))).pages == ((0, 1),)
    assert pid is not None
    assert reader.pid == pid


async def test_markdown_says_itself_what_it_is(reader: Reader) -> None:
    """Its front matter has title, dates and tags; other markup says it in its own way."""
    reading = await reader.read(
        "a.md", b"---\ntitle: Birds\ndate: 2024-05-01\ntags: [a, b]\n---\n# Heading\n"
    )
    assert (reading.title, reading.metadata) == ("Birds", {"date": "2024-05-01", "tags": ["a", "b"]})
    reading = await reader.read("a.org", b"#+TITLE: Bees\n* Near\n")
    assert (reading.title, reading.kind, reading.metadata) == ("Bees", "markup", {})
    assert reading.text.endswith("# Near\n")


async def test_a_child_with_a_fresh_folder_for_temporary_files_reads_pdf(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library unpacks a part of itself before the child may write no more, and leaves nothing there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert (await reader.read("a.pdf", pdf(["Birds fly far."]))).text.strip() == "Birds fly far."
    assert names_in(tmp_path) == []


async def test_a_scan_is_refused_and_says_what_it_needs(reader: Reader) -> None:
    """OCR; where some pages have text, the others are counted."""
    with pytest.raises(DocumentNeedsOcr, match="2 pages") as caught:
        await reader.read("scan.pdf", pdf(["", ""]))
    assert "tesseract-ocr" in caught.value.hint
    reading = await reader.read("mixed.pdf", pdf(["Birds fly far.", "", ""]))
    assert reading.metadata["pages_without_text"] == "2"


async def test_ocr_that_is_on_but_not_installed_is_said() -> None:
    """With the command that installs it; pages with text are kept."""
    reader = Reader(IngestSettings(ocr="on", ocr_languages="eng+tlh"), SystemClock())
    with pytest.raises(DocumentNeedsOcr, match="Tesseract is not installed") as caught:
        await reader.read("scan.pdf", pdf(["", ""]))
    assert caught.value.hint.startswith("sudo apt install tesseract-ocr")
    assert (await reader.read("mixed.pdf", pdf(["Birds fly far.", ""]))).text.strip() == "Birds fly far."
    await reader.stop()


@pytest.mark.skipif(bool(languages_missing("eng")), reason="needs Debian's tesseract-ocr")
async def test_pictures_of_text_are_read_where_tesseract_is_installed() -> None:
    """Page by page, in the child within its limits, each page in its place."""
    reader = Reader(IngestSettings(ocr="on"), SystemClock())
    reading = await reader.read("scan.pdf", drawn_pdf("BIRDS"))
    assert reading.text.split() == ["BIRDS"]
    assert (reading.pages, reading.metadata["pages_by_ocr"]) == (((0, 1),), "1")
    await reader.stop()


async def test_the_child_knows_no_secret_of_the_environment(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens of the hub are in it, and what a child knows may be what it answers."""
    monkeypatch.setenv("HF_TOKEN", "SECRET")
    await reader.read("a.html", HTML)
    assert b"SECRET" not in environ_of(reader.pid)


async def test_several_documents_at_once_wait_for_their_turn(reader: Reader) -> None:
    """Each gets its own text back."""
    texts = [f"number {number}" for number in range(10)]
    readings = await asyncio.gather(*(reader.read("a.html", f"<html>{text}".encode()) for text in texts))
    assert [reading.text.strip() for reading in readings] == texts


async def test_what_unpacks_to_too_much_is_refused() -> None:
    """In the child, before it is sent here."""
    reader = Reader(IngestSettings(document_chars_max=1000), SystemClock())
    with pytest.raises(DocumentTooLarge):
        await reader.read("a.html", b"<html>" + b"word " * 201)
    await reader.stop()


async def test_what_is_no_document_is_refused(reader: Reader) -> None:
    """Without a child."""
    with pytest.raises(DocumentBinary):
        await reader.read("a.docx", b"\x7fELF\0\0\0\0\0\0")
    assert reader.pid is None


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        ("exit", DocumentDamaged, "code 3"),
        ("SIGKILL", ReaderKilled, "2 times"),
        ("SIGSEGV", DocumentDamaged, "SIGSEGV"),
        ("SIGABRT", DocumentDamaged, "memory"),
        ("SIGXCPU", DocumentTooSlow, "processor"),
        ("garbage", DocumentDamaged, "sense"),
        ("wrong shape", DocumentDamaged, "sense"),
        ("wrong error", DocumentDamaged, "sense"),
        ("endless", DocumentDamaged, "sense"),
    ],
)
async def test_a_child_that_fails_costs_one_document(
    odd: Reader, name: str, error: type[PiRagError], word: str
) -> None:
    """The document it was on is refused with the reason, and the next one has a new child."""
    first = (await odd.read("fine.html", HTML)).text
    with pytest.raises(error, match=word):
        await odd.read(f"{name}.html", HTML)
    second = (await odd.read("fine.html", HTML)).text
    assert first != second
    assert gone(int(first))


async def test_a_child_that_is_killed_once_costs_no_document(odd: Reader, tmp_path: Path) -> None:
    """By the kernel when memory runs out, or by a person: the document is read by another child."""
    first = (await odd.read("fine.html", HTML)).text
    second = (await odd.read(f"killed once {tmp_path / 'mark'}.html", HTML)).text
    assert (tmp_path / "mark").exists()
    assert int(second) == odd.pid != int(first)
    assert gone(int(first))


async def test_a_machine_without_room_for_a_child_is_a_reason_to_wait(odd: Reader) -> None:
    """The document is not at fault: it can be read as soon as there is room."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        with pytest.raises(ReaderUnavailable, match="Too many open files"):
            await odd.read("fine.html", HTML)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert int((await odd.read("fine.html", HTML)).text) == odd.pid


async def test_a_child_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `ingest.read_s_max`; the document is refused as too slow."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    odd = Reader(IngestSettings(read_s_max=0.3), Clock(), module="tests.ingest.odd_reader")
    with pytest.raises(DocumentTooSlow):
        await odd.read("hang.html", HTML)
    assert odd.pid is None
    await odd.stop()


async def test_a_child_that_died_between_documents_is_replaced(odd: Reader) -> None:
    """No document is lost by it."""
    first = int((await odd.read("fine.html", HTML)).text)
    os.kill(first, 9)
    while not ended(first):
        await asyncio.sleep(0.01)
    assert int((await odd.read("fine.html", HTML)).text) != first


@pytest.mark.parametrize("module", ["pi_rag.no_such_module", "this"])
async def test_a_child_that_does_not_start_is_a_reason_to_wait(module: str) -> None:
    """Not a hang, nor the fault of the document it was started for, whether it ends with an error or not."""
    reader = Reader(IngestSettings(), Clock(), module=module)
    with pytest.raises(ReaderUnavailable, match=r"code [01]"):
        await reader.read("a.html", HTML)
    assert (await reader.read("a.txt", b"Words")).text == "Words"
    assert reader.pid is None
    await reader.stop()


async def test_a_child_that_starts_too_slowly_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time a document may take to read is not spent on it."""
    monkeypatch.setattr("pi_rag.ingest.reading.START_S_MAX", 0.01)
    reader = Reader(IngestSettings(), Clock())
    with pytest.raises(ReaderUnavailable, match="longer than"):
        await reader.read("a.html", HTML)
    assert reader.pid is None
    await reader.stop()


async def test_without_room_for_its_library_the_child_waits(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And reads when there is room again."""
    with monkeypatch.context() as nowhere:
        nowhere.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        nowhere.setattr("pi_rag.processes.scratch._folders", lambda _: iter(()))
        with pytest.raises(ReaderUnavailable, match="No such file"):
            await reader.read("a.html", HTML)
    assert (await reader.read("a.html", HTML)).text.strip() == "x"


async def test_a_log_for_a_terminal_is_read_as_it_was_seen_there(reader: Reader) -> None:
    """Its words are found, which a colour before them would hide; source code stays as it is."""
    data = b"\x1b[1;31mERROR\x1b[0m disk\r\n10 %\r100 %\n"
    assert (await reader.read("a.log", data)).text == "ERROR disk\r\n10 %\n100 %\n"
    assert (await reader.read("a.sh", data)).text == data.decode()


async def test_a_reader_that_does_not_start_holds_up_only_what_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text beside it is taken in, and what the rest waits for is said; then it is read, and not blamed."""
    monkeypatch.setattr(ReaderUnavailable, "retry_after_ms_default", 20)
    async with home(tmp_path, FakeEmbedder(), ingest__attempts_max=1) as made:
        with monkeypatch.context() as full:
            full.setattr("pi_rag.processes.scratch._folders", lambda _: iter([str(tmp_path / "none")]))
            (made.root / "page.html").write_bytes(b"<html><p>Birds fly far.")
            page = await made.runner.enqueue("default", [NewItem("path", str(made.root / "page.html"))])
            note = await made.runner.enqueue("default", [NewItem("text", "note", payload=b"a note")])
            assert (await made.runner.finished(note)).items_done == 1
            async with asyncio.timeout(20):
                while made.runner.status()["waiting_for"] != "reader_unavailable":
                    await asyncio.sleep(0.01)
        job = await made.runner.finished(page)
        assert (job.items_done, job.items_failed) == (1, 0)
        assert made.runner.status()["waiting_for"] is None


async def test_giving_up_on_a_document_ends_its_child(odd: Reader) -> None:
    """Whoever stops waiting does not leave a child behind in the middle of something."""
    pid = int((await odd.read("fine.html", HTML)).text)
    waiting = asyncio.create_task(odd.read("hang.html", HTML))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert int((await odd.read("fine.html", HTML)).text) != pid


async def test_a_child_that_has_grown_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the document that it grew over, which is read; below the bound it stays."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    odd = Reader(IngestSettings(reader_grown_mib_max=48), Clock(), module="tests.ingest.odd_reader")
    small = [(await odd.read("fine.html", HTML)).text for _ in range(2)]
    assert small == [str(odd.pid)] * 2
    assert (await odd.read("keeps much.html", HTML)).text == small[0]
    assert odd.pid is None
    assert gone(int(small[0]))
    assert (await odd.read("fine.html", HTML)).text not in small
    await odd.stop()


@pytest.mark.skipif(bool(confinement.lacking()), reason="this kernel confines less")
async def test_whatever_a_file_makes_of_its_reader_it_can_do_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real child with its real start, in the hands of a document: no file, program, socket, parent."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "data").write_text("SECRET")
    nosy = Reader(IngestSettings(), Clock(), module="tests.ingest.nosy_reader")
    attempts = ["read:/etc/shadow", f"read:{tmp_path}/data", f"write:{tmp_path}/new", "write:/dev/shm/new"]
    attempts += [f"write:{tempfile.gettempdir()}/new", "tcp", "udp", "unix", "exec", "run", "fork"]
    attempts += ["signal parent", "limit parent", "ptrace", "mount", "bpf", "keyctl"]
    said = {each: (await nosy.read(f"{each}.html", HTML)).text for each in attempts}
    assert {each for each in said if said[each] not in ("EPERM", "EACCES")} == set()
    assert (await nosy.read("thread.html", HTML)).text == "done"
    assert not (tmp_path / "new").exists()
    await nosy.stop()


async def test_an_idle_child_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time after its last document its memory is given back; the next document has a new one."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    clock = Clock()
    odd = Reader(IngestSettings(reader_idle_s_max=0.05), clock, module="tests.ingest.odd_reader")
    first = int((await odd.read("fine.html", HTML)).text)
    clock.now_s += 1
    async with asyncio.timeout(20):
        while not gone(first):
            await asyncio.sleep(0.01)
    assert odd.pid is None
    assert int((await odd.read("fine.html", HTML)).text) != first
    await odd.stop()


async def test_stopping_leaves_nothing_behind(odd: Reader) -> None:
    """No child and no open file; it may be stopped twice, and before it began."""
    before = open_files()
    pid = int((await odd.read("fine.html", HTML)).text)
    await odd.stop()
    await odd.stop()
    assert gone(pid)
    assert open_files() <= before


def test_the_service_does_not_load_the_parser() -> None:
    """It would cost every process its memory."""
    code = "import sys, pi_rag.ingest.reading; assert 'kreuzberg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data beside the checkout")
async def test_every_file_of_strangers_has_one_outcome(reader: Reader) -> None:
    """Office, PDF, web, text and hostile files, and those in archives: a text, or a code of the list."""
    outcomes: Counter[str] = Counter()
    for found in walk(DATA, 10_000):
        if isinstance(found, Found):
            outcomes.update(await _outcomes(reader, str(found.path), read_file(found.path, 64)))
        else:
            outcomes[found.code] += 1
    closed = {kind.code for kind in every_kind(DocumentRefused)}
    assert outcomes.keys() <= {"text", *closed}
    assert outcomes["text"] > 250
    assert outcomes["document_encrypted"] == 1
    assert outcomes["document_too_large"] == 3  # a bomb each of ZIP and DOCX, and an archive of 20,000 files
    assert outcomes["document_needs_ocr"] >= 5
    assert outcomes["document_outside"] == 3


async def _outcomes(reader: Reader, name: str, data: bytes) -> list[str]:
    """What becomes of a file, or of each in an archive."""
    try:
        if not is_archive(name, data[:HEAD_BYTES]):
            # One without a word is refused where its text is cleaned.
            return ["text" if (await reader.read(name, data)).text.strip() else DocumentEmpty.code]
        unpacked = await reader.unpack(name, data)
    except DocumentRefused as error:
        return [error.code]
    codes = [error.code for _, error in unpacked.refused]
    for path, member in unpacked.members:
        codes += await _outcomes(reader, f"{name}!/{path}", member)
    return codes


def environ_of(pid: int | None) -> bytes:
    """What a process was given when it began."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def names_in(folder: Path) -> list[str]:
    """What is in a folder."""
    return [path.name for path in folder.iterdir()]


def ended(pid: int) -> bool:
    """Whether a process runs no more, though it may not be reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def gone(pid: int) -> bool:
    """Whether a process has been reaped."""
    return not Path(f"/proc/{pid}").exists()
