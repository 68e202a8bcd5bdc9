"""Tiny documents made by hand, so that no test needs a file of a stranger's."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

from pi_rag.stress.making import pdf_file

_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'
    '<Override PartName="/docProps/core.xml" ContentType='
    '"application/vnd.openxmlformats-package.core-properties+xml"/></Types>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="word/document.xml" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>'
    '<Relationship Id="r2" Target="docProps/core.xml" Type='
    '"http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"/></Relationships>'
)


def docx(*paragraphs: str, title: str = "", author: str = "") -> bytes:
    """A Word document; a paragraph that begins with '# ' is a heading of the first level."""
    body = "".join(_paragraph(text) for text in paragraphs)
    core = (
        "<cp:coreProperties "
        'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator></cp:coreProperties>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELATIONS)
        archive.writestr("word/document.xml", f"<w:document {_WORD}><w:body>{body}</w:body></w:document>")
        archive.writestr("docProps/core.xml", core)
    return packed.getvalue()


def _paragraph(text: str) -> str:
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' if text.startswith("# ") else ""
    return f"<w:p>{style}<w:r><w:t>{escape(text.removeprefix('# '))}</w:t></w:r></w:p>"


_OPEN_DOCUMENT = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "presentation", "meta")
)


def open_document(kind: str, body: str, title: str = "", manifest: str = "") -> bytes:
    """A file of OpenDocument: `kind` is text, spreadsheet or presentation, `body` the XML within it."""
    spaces = (
        f'{_OPEN_DOCUMENT} xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:{kind}>{body}</office:{kind}>"
            "</office:body></office:document-content>",
        )
        archive.writestr(
            "meta.xml",
            f"<office:document-meta {spaces}><office:meta><dc:title>{escape(title)}</dc:title>"
            "<meta:creation-date>2024-01-02T03:04:05</meta:creation-date></office:meta></office:document-meta>",
        )
        archive.writestr("META-INF/manifest.xml", f"<manifest>{manifest}</manifest>")
    return packed.getvalue()


_DRAWING = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_OFFICE_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def pptx(*slides: tuple[str, str]) -> bytes:
    """A presentation: a title and a paragraph a slide."""
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="s{n}"/>' for n in range(1, len(slides) + 1))
    links = "".join(
        f'<Relationship Id="s{n}" Target="slides/slide{n}.xml" Type="{_OFFICE_TYPE}/slide"/>'
        for n in range(1, len(slides) + 1)
    )
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="r1" Target="ppt/presentation.xml" '
            f'Type="{_OFFICE_TYPE}/officeDocument"/></Relationships>',
        )
        archive.writestr(
            "ppt/presentation.xml",
            f"<p:presentation {_DRAWING}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        )
        archive.writestr(
            "ppt/_rels/presentation.xml.rels", f'<Relationships xmlns="{relations}">{links}</Relationships>'
        )
        for number, (title, text) in enumerate(slides, 1):
            shapes = _shape(title, '<p:ph type="title"/>') + _shape(text, "")
            archive.writestr(
                f"ppt/slides/slide{number}.xml",
                f"<p:sld {_DRAWING}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>",
            )
    return packed.getvalue()


def _shape(text: str, place: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"/><p:cNvSpPr/><p:nvPr>{place}</p:nvPr></p:nvSpPr><p:spPr/>'
        f"<p:txBody><a:bodyPr/><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


_STROKES = {
    "B": "0 0 0 7 0 7 3 7 4 6 4 4.5 3 3.7 0 3.7 3 3.7 4.4 2.7 4.4 1 3.2 0 0 0",
    "I": "2 0 2 7",
    "R": "0 0 0 7 3 7 4.3 6 4.3 4.4 3 3.5 0 3.5 2 3.5 4.5 0",
    "D": "0 0 0 7 2.6 7 4.4 5.5 4.4 1.5 2.6 0 0 0",
    "S": "0.2 1.2 1.3 0 3.2 0 4.2 1.2 4 2.7 0.6 4.2 0.3 5.7 1.3 7 3.1 7 4.1 5.9",
}


def drawn_pdf(word: str) -> bytes:
    """A page with a word that is drawn with lines, as a picture of text: it has no letters to copy."""
    drawn = "5 w 1 J 1 j"
    for place, letter in enumerate(word):
        points = [float(number) for number in _STROKES[letter].split()]
        for number, (x, y) in enumerate(zip(points[::2], points[1::2], strict=True)):
            drawn += f" {100 + place * 50 + x * 7:g} {600 + y * 7:g} {'l' if number else 'm'}"
        drawn += " S"
    return pdf_file([
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>",
        f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        "<< >>",
    ])  # fmt: skip


def zipped(members: Mapping[str, bytes]) -> bytes:
    """An archive of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def tarred(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """The same as a tar; what is told in full goes in as it is, without bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members.items():
            about = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            about.size = len(data) if isinstance(data, bytes) else 0
            archive.addfile(about, io.BytesIO(data) if isinstance(data, bytes) else None)
    return packed.getvalue()
