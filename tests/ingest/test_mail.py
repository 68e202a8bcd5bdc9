"""Promises of pi_rag/ingest/mail.py."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from pi_rag.ingest.mail import read_mail


def mail(subject: str = "Vögel", **headers: str) -> EmailMessage:
    """A mail without a body."""
    made = EmailMessage()
    made["Subject"] = subject
    made["From"] = "Ada <ada@example.org>"
    for name, value in headers.items():
        made[name] = value
    return made


def bare(page: bytes) -> str:
    """A page that says its length, so that it shows that it was asked."""
    return f"page of {len(page)}"


def test_a_mail_says_who_wrote_when_and_about_what() -> None:
    """Above its words, and as title and metadata; encoded headers are decoded."""
    made = mail(To="Bob <bob@example.org>", Date="Tue, 02 Jan 2024 03:04:05 +0100")
    made.set_content("The wren is here.\n\n> Is it?\n")
    reading = read_mail(bytes(made), bare)
    assert reading.text == (
        "From: Ada <ada@example.org>\nTo: Bob <bob@example.org>\nDate: Tue, 02 Jan 2024 03:04:05 +0100\n"
        "Subject: Vögel\n\nThe wren is here.\n\n> Is it?\n"
    )
    assert reading.title == "Vögel"
    assert reading.metadata == {"author": "Ada <ada@example.org>", "created": "2024-01-02T03:04:05+01:00"}


def test_plain_words_go_before_a_page_and_attachments_are_named() -> None:
    """The same words are not told twice; what is attached is not read."""
    made = mail()
    made.set_content("plain words")
    made.add_alternative("<p>plain words</p>", subtype="html")
    made.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="wren.png")
    text = read_mail(bytes(made), bare).text
    assert text.endswith("Attachments: wren.png\n\nplain words\n")


def test_a_mail_that_is_only_a_page_is_read_as_one() -> None:
    """By the reader of pages."""
    made = mail()
    made.set_content("<p>Zürich</p>", subtype="html", charset="latin-1")
    assert "page of " in read_mail(bytes(made), bare).text


def test_a_page_goes_before_plain_words_that_are_none() -> None:
    """Some programs send a blank line beside it."""
    made = mail()
    made.set_content(" \n")
    made.add_alternative("<p>Zürich</p>", subtype="html")
    assert "page of " in read_mail(bytes(made), bare).text


def test_a_forwarded_mail_is_named_by_what_it_is_about() -> None:
    """It has no name of a file."""
    made = mail("Fwd: x")
    made.set_content("See below.")
    made.add_attachment(mail("The wrens"))
    assert read_mail(bytes(made), bare).text.endswith("Attachments: The wrens\n\nSee below.\n")


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: x\nDate: yesterday\nContent-Type: text/plain; charset=no-such\n\nwords",
        b"Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nd29yZHM",
        b"Subject: x\nFrom: <<>>@@,;\n\nwords",
        b"Subject: x\nContent-Type: text/plain; charset=utf-8\n\nwords \xff",
    ],
)
def test_a_mail_with_faults_keeps_its_words(data: bytes) -> None:
    """Unknown encodings, dates that are none, headers that nobody can parse."""
    reading = read_mail(data, bare)
    assert "words" in reading.text
    assert "created" not in reading.metadata


@pytest.mark.parametrize(
    "data",
    [
        b"The wren is here.\n",
        b"Content-Type: multipart/mixed; boundary=B\n\n--B\n\nThe wren is here.\n--B--\n",
    ],
    ids=["no head at all", "a part without one"],
)
def test_words_without_headers_of_their_own_are_read(data: bytes) -> None:
    """What says nothing of itself is plain text."""
    assert read_mail(data, bare).text.strip() == "The wren is here."
