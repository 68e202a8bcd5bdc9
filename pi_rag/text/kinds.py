"""What kind of document a name and the first bytes tell of. Content is believed before the name.

It reads nothing itself, and does not know how the kinds are read.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from pi_rag.errors import DocumentBinary
from pi_rag.text.decode import as_utf8, looks_like_text
from pi_rag.types import Kind

HEAD_BYTES = 4096
"""As much of a file as the kind is told from."""

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Office files before 2007, mails of Outlook, and newer office files behind a password."""

ZIP_MAGIC = b"PK\x03\x04"


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_HTML = _words(".html .htm .xhtml .shtml .mhtml .mht")
_BY_NAME: dict[str, Kind] = {
    **dict.fromkeys(_words(".md .markdown .mdown .mkd .mkdn .mdx .mdwn .qmd .rmd"), "markdown"),
    **dict.fromkeys(_words(".rst .org .tex .latex .ltx"), "markup"),
    ".eml": "mail",
}
"""Texts whose name is believed."""

_ZIPPED: dict[str, Kind] = {
    ".docx": "docx",
    ".docm": "docx",
    ".dotx": "docx",
    ".odt": "odt",
    ".ott": "odt",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".ppsx": "pptx",
    ".potx": "pptx",
    ".odp": "odp",
    ".otp": "odp",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xltx": "xlsx",
    ".ods": "ods",
    ".ots": "ods",
    ".epub": "epub",
}
_OLE: dict[str, Kind] = {
    ".doc": "doc",
    ".dot": "doc",
    ".ppt": "ppt",
    ".pps": "ppt",
    ".xls": "xls",
    ".xlt": "xls",
    ".msg": "mail",
}
_NEWER: dict[str, Kind] = {".doc": "docx", ".ppt": "pptx", ".xls": "xlsx"}
"""What a file with an old name is that is zipped inside."""

_MIMETYPES: dict[bytes, Kind] = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
}
"""What these formats say of themselves, uncompressed and first of all."""

_CODE = _words("""
    .py .pyi .pyx .pxd .js .mjs .cjs .jsx .ts .tsx .mts .cts .vue .svelte .java .kt .kts .scala
    .groovy .gradle .clj .cljs .c .h .cc .cpp .cxx .hpp .hh .hxx .ino .m .mm .cs .fs .vb .go .rs .zig
    .nim .d .swift .dart .rb .rake .php .pl .pm .lua .tcl .r .jl .hs .lhs .ml .mli .elm .erl .hrl .ex
    .exs .lisp .el .scm .rkt .sh .bash .zsh .fish .ksh .ps1 .bat .cmd .awk .sed .sql .graphql .gql
    .proto .thrift .css .scss .sass .less .json .jsonc .json5 .jsonl .ndjson .yaml .yml .toml .ini .cfg
    .conf .xml .xsd .xsl .plist .tf .hcl .nix .cmake .mk .make .dockerfile .s .asm .v .sv .vhd .vhdl .f
    .f90 .f95 .for .pas .ada .adb .ads .cob .vim .service .socket .timer .desktop .dts .dtsi .ld .gd
    .glsl .hlsl .wgsl .sol .cu .patch .diff
    """)
_CODE_NAMES = _words(
    "makefile gnumakefile dockerfile containerfile vagrantfile jenkinsfile rakefile gemfile procfile "
    "cmakelists.txt meson.build build.bazel .bashrc .profile .gitignore .editorconfig"
)
_MEDIA = _words("""
    .png .jpg .jpeg .jpe .gif .bmp .tif .tiff .webp .heic .heif .avif .ico .icns .svg .svgz .psd .xcf
    .raw .cr2 .nef .arw .dng .eps .ai .mp3 .m4a .aac .flac .ogg .oga .opus .wav .wma .mid .midi .aiff
    .mp4 .m4v .mkv .webm .mov .avi .wmv .flv .mpg .mpeg .3gp .vob .m2ts
    .zst .lz4 .lzma .7z .rar .jar .war .apk .deb .rpm .whl .egg .iso .img .dmg .vmdk .qcow2 .exe
    .dll .so .dylib .a .o .obj .lib .ko .bin .elf .hex .uf2 .class .pyc .pyo .pyd .wasm .node .db
    .sqlite .sqlite3 .mdb .parquet .feather .arrow .npy .npz .h5 .hdf5 .pkl .pickle .pt .pth .onnx .gguf
    .safetensors .tflite .ttf .otf .woff .woff2 .eot .blend .stl .fbx .swf .pcap .swp .lockb
    .msi .cab .pak .mobi .pst .key
    .pages .numbers
    """)
_ARCHIVES: dict[str, tuple[bytes, ...]] = {
    ".zip": (ZIP_MAGIC, b"PK\x05\x06"),
    ".tar": (b"\x1f\x8b", b"BZh", b"\xfd7zXZ"),
    **dict.fromkeys((".gz", ".tgz"), (b"\x1f\x8b",)),
    **dict.fromkeys((".bz2", ".tbz", ".tbz2"), (b"BZh",)),
    **dict.fromkeys((".xz", ".txz"), (b"\xfd7zXZ",)),
}
"""Archives that are opened, and how each begins."""

_FOREIGN_MAGIC = (
    OLE_MAGIC,
    ZIP_MAGIC,
    b"PK\x05\x06",
    b"%!PS",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"\xff\xd8\xff",
)
"""Formats whose beginning could pass for text. What has zero bytes at its beginning shows without this."""

_MIMETYPE = re.compile(rb".{26}\x08\0.{2}mimetype(application/[a-z.+]{1,60}?)(?:-template)?PK", re.DOTALL)
_HTML_BEGINNING = re.compile(
    rb"(?:\s++|<\?xml[^>]*+>|<!--.*?-->)*+<(?:!doctype\s++html|html|head|body)(?=[\s/>])", re.I | re.S
)
"""The first tag says it. What only speaks of such a tag has words before it, or a mark of code around it."""

_ADDRESS = re.compile(r"https?://[^/?#]*+([^?#]*+)", re.IGNORECASE)


def kind_of(name: str, head: bytes) -> Kind:
    """The kind of a document called `name` that begins with `head`. Raises DocumentBinary."""
    suffix = _suffix(name)
    # Some printers write a line before it; a text that only speaks of the mark is called something else.
    if head.startswith(b"%PDF-") or (suffix == ".pdf" and b"%PDF-" in head[:1024]):
        return "pdf"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if packed := _kind_of_packed(suffix, head):
        return packed
    if head.startswith(_FOREIGN_MAGIC) or not looks_like_text(head):
        raise DocumentBinary(_why_not(suffix))
    if _ADDRESS.match(name) and _is_page(head):
        return "html"  # what is shown there of `README.md` is a page too
    return _kind_of_text(PurePath(name).name.lower(), suffix, head)


def is_archive(name: str, head: bytes | None = None) -> bool:
    """Whether a file called `name`, which begins with `head` if that is given, is an archive to open.

    Names count as much as content: a program or an office file is an archive too, and is none to open.
    """
    suffix = _suffix(name)
    if head is not None and suffix == ".zip" and _kind_of_packed(suffix, head):
        return False  # a book, named for what it is inside
    marks = _ARCHIVES.get(suffix, ())
    return bool(marks) and (head is None or head.startswith(marks) or head[257:262] == b"ustar")


def is_media(name: str) -> bool:
    """Whether the name alone says that there is nothing to read: a picture, a film, an archive, a program."""
    return _suffix(name) in _MEDIA


def _kind_of_packed(suffix: str, head: bytes) -> Kind | None:
    """Of office files and books, which are archives inside; None for all else."""
    if head.startswith(OLE_MAGIC):
        return _OLE.get(suffix) or _ZIPPED.get(suffix)
    if not head.startswith(ZIP_MAGIC):
        return None
    said = _MIMETYPE.match(head)
    return (said and _MIMETYPES.get(said[1])) or _ZIPPED.get(suffix) or _NEWER.get(suffix)


def _kind_of_text(name: str, suffix: str, head: bytes) -> Kind:
    if suffix in _BY_NAME:
        return _BY_NAME[suffix]
    if suffix == ".ipynb" and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "notebook"
    if suffix in _HTML or (suffix not in _CODE and _is_page(head)):
        return "html"
    if suffix in _CODE or name in _CODE_NAMES or head.startswith(b"#!"):
        return "code"
    return "text"


def _is_page(head: bytes) -> bool:
    """Whether it begins as a web page does, whatever the name says."""
    return _HTML_BEGINNING.match(as_utf8(head)) is not None


def _suffix(name: str) -> str:
    """Of an address, that of its path: no host is an Org file for being called example.org."""
    address = _ADDRESS.match(name)
    return PurePath(address[1] if address else name).suffix.lower()


def _why_not(suffix: str) -> str:
    if suffix == ".pdf" or suffix in _ZIPPED or suffix in _OLE:
        return f"It is named {suffix}, but it is none inside."
    if suffix in _MEDIA:
        return f"A {suffix} file is not read."
    return "It is not text, nor a format that is read."
