"""Promises of pi_rag/text/decode.py."""

from __future__ import annotations

import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.errors import DocumentBinary
from pi_rag.text.decode import as_seen, decode, looks_like_text

WESTERN = "Café déjà vu, naïve Straße, £100 – für alle Gäste. "


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_is_believed_and_taken_off(mark: bytes, encoding: str) -> None:
    """Each Unicode encoding is read by its mark, which is no part of the text."""
    assert decode(mark + "Füße 🙂".encode(encoding)) == "Füße 🙂"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff\ufffe")))
def test_utf8_comes_back_as_it_was(text: str) -> None:
    """Whatever is UTF-8 without control characters is read as that."""
    assert decode(text.encode()) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told_by_its_zero_bytes(encoding: str) -> None:
    """Windows programs write such files."""
    assert decode((WESTERN * 3).encode(encoding)) == WESTERN * 3


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "“Smart quotes” – and a dash… " * 5),
        ("latin-1", "Façade, café, naïve, £100, Über. " * 5),
        ("cp1251", "Привет, как дела? Это обычный русский текст. " * 5),
        ("shift_jis", "これは日本語の文章です。文字コードを確認します。" * 5),
        ("gb18030", "这是一个中文句子，用于测试编码。" * 5),
    ],
)
def test_older_encodings_are_recognised(encoding: str, text: str) -> None:
    """Texts from before UTF-8 are read in the encoding they were written in."""
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("text", ["Milch kaufen für Oma", "Jürgen", "città", "Temp 21°", "It’s done", "Café"])
def test_a_short_western_note_is_read_as_it_was_written(text: str) -> None:
    """Three words are too few for a guesser, and most old notes are no longer."""
    assert decode(text.encode("cp1252")) == text


def test_utf8_with_a_few_broken_places_is_still_utf8() -> None:
    """One bad byte among many accents costs one character, not all of them."""
    assert decode("é".encode() * 50 + b"\xff" + "ü".encode() * 50) == "é" * 50 + "�" + "ü" * 50


def test_a_file_cut_off_within_a_character_loses_only_that() -> None:
    """The last, incomplete character is replaced."""
    assert decode(b"ends here: \xe2\x82") == "ends here: �"


def test_surrogate_halves_written_as_utf8_are_joined() -> None:
    """CESU-8 is read; a half without its other half is replaced."""
    assert decode(b"ok \xed\xa0\xbd\xed\xb9\x82 \xed\xa0\x80 end") == "ok 🙂 � end"


def test_a_declared_encoding_is_used_when_the_bytes_are_not_utf8() -> None:
    """A page that names its encoding is read by it; a name that nobody knows is passed over."""
    assert decode("ÄÖ".encode("cp850"), "cp850") == "ÄÖ"
    assert decode("ÄÖ".encode(), "cp850") == "ÄÖ"
    assert decode(b"plain", "no-such-encoding") == "plain"
    assert "Caf" in decode("Café".encode("latin-1"), "no-such-encoding")


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_no_text(seed: int) -> None:
    """What a picture or an archive is made of is refused by name."""
    with pytest.raises(DocumentBinary):
        decode(random.Random(seed).randbytes(4096))


def test_a_table_of_numbers_is_no_text() -> None:
    """Machine numbers are mostly zero bytes."""
    with pytest.raises(DocumentBinary):
        decode(b"".join(number.to_bytes(8, "little") for number in range(1000)))


def test_records_that_end_in_a_zero_byte_are_text() -> None:
    """Some zeros among much text do not make it binary; they are replaced later."""
    assert decode(b"hello\0world\0" * 100).startswith("hello\0world")


def test_an_empty_file_is_text() -> None:
    """It has nothing in it, and that is decided elsewhere."""
    assert decode(b"") == ""
    assert decode(codecs.BOM_UTF8) == ""
    assert looks_like_text(b"")


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("\x1b[31mERROR\x1b[0m \x1b[?25lfailed\x1b[K", "ERROR failed"),
        ("\x1b]8;;https://example.org\x1b\\here\x1b]8;;\x07", "here"),
        ("\x1b(Bplain \x1b alone [31m", "plain \x1b alone [31m"),
        ("one\rtwo\r\nthree\r", "one\ntwo\r\nthree\n"),
    ],
)
def test_what_was_written_for_a_terminal_is_as_it_was_seen(written: str, seen: str) -> None:
    """Without colours and addresses of links; lines of old Macs are lines."""
    assert as_seen(written) == seen


@given(st.text("ab\x1b[]0;m\\\x07\r\n"))
def test_words_stay_whatever_stands_around_them(text: str) -> None:
    """Nothing but sequences is left out, and text without them and without returns stays as it is."""
    assert as_seen(text.replace("\x1b", "").replace("\r", "")) == text.replace("\x1b", "").replace("\r", "")
    assert len(as_seen(text)) <= len(text)
