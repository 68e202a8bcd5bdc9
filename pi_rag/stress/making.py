"""Files that the harness makes itself, so that it needs none of a stranger's: PDF, web pages, Markdown, code,
text. It opens no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SUFFIXES = (".txt", ".md", ".py", ".html", ".pdf")
"""Of what can be made; the last two are read by the reading child."""


def written(suffix: str, said: Sequence[str]) -> bytes:
    """These sentences as a file of the kind; each needs no escaping."""
    match suffix:
        case ".md":
            return "\n\n".join(f"## Part {n}\n\n{line}" for n, line in enumerate(said)).encode()
        case ".py":
            return "\n\n".join(
                f'def part_{n}():\n    return "{line}"' for n, line in enumerate(said)
            ).encode()
        case ".html":
            body = "".join(f"<p>{line}</p>" for line in said)
            return f"<html><head><title>Paper</title></head><body>{body}</body></html>".encode()
        case ".pdf":
            return pdf(said)
    return "\n".join(said).encode()


def pdf(pages: Sequence[str], title: str = "") -> bytes:
    """A PDF with one line of text on each page; an empty line makes a page without text."""
    numbers = range(len(pages))
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in numbers)
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, line in zip(numbers, pages, strict=True):
        drawn = f"BT /F1 12 Tf 72 720 Td ({line}) Tj ET" if line else "0 0 m"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    objects.append(f"<< /Title ({title}) /Author (Ada) >>")
    return pdf_file(objects)


def pdf_file(objects: Iterable[str]) -> bytes:
    """The objects with the table that says where each begins; the last one is the metadata."""
    parts, offsets, place = [b"%PDF-1.4\n"], [], 9
    for number, body in enumerate(objects, 1):
        offsets.append(place)
        parts.append(f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1"))
        place += len(parts[-1])
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"<< /Size {len(offsets) + 1} /Root 1 0 R /Info {len(offsets)} 0 R >>"
    xref = f"xref\n0 {len(offsets) + 1}\n0000000000 65535 f \n{table}"
    return b"".join([*parts, f"{xref}trailer\n{trailer}\nstartxref\n{place}\n%%EOF".encode()])
