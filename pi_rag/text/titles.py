"""What a document is called, when nobody said.

It knows the text and the name of the file, and what a format's own metadata claims.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from pi_rag.text.headings import first_heading
from pi_rag.text.outline import label
from pi_rag.types import Kind

_SENSELESS = re.compile(
    r"\W*(?:untitled|unnamed|unspecified|anonymous|unknown|none|title|document|document ?\d+|slide ?\d+|"
    r"powerpoint presentation|presentation)?\W*",
    re.IGNORECASE,
)
_PROGRAM_NAME = re.compile(r"(?:microsoft (?:word|powerpoint|excel)|openoffice|libreoffice)\b", re.IGNORECASE)
_FILE_NAME = re.compile(
    r"\S{1,100}\.(?:docx?|dotx?|pdf|tex|dvi|odt|rtf|indd|qxd|pptx?|xlsx?|html?)", re.IGNORECASE
)


def title_of(kind: Kind, name: str, text: str, claimed: str = "") -> str:
    """The title of a document called `name`; never empty unless `name` is.

    `claimed` is what its metadata says. Code is known by its file's name; all else by what it says itself.
    """
    if kind == "code":
        return file_name(name)
    if kind == "text":
        return file_stem(name)
    if kind in {"xlsx", "xls", "ods"}:  # their headings are names of sheets
        return sensible(claimed) or file_stem(name)
    if kind == "markdown":
        return label(claimed) or first_heading(text) or file_stem(name)
    return sensible(claimed) or first_heading(text, level_max=6) or file_stem(name)


def sensible(claimed: str) -> str:
    """A title from metadata when a person may have written it: programs leave "untitled" or a file name."""
    title = label(claimed)
    if _SENSELESS.fullmatch(title) or _PROGRAM_NAME.match(title) or _FILE_NAME.fullmatch(title):
        return ""
    return title


def file_name(name: str) -> str:
    """The last part of a path or address, fit to be shown."""
    return label(PurePath(name).name.encode("utf-8", "replace").decode())


def file_stem(name: str) -> str:
    """The last part without its extension; a dot file keeps its name."""
    return label(PurePath(name).stem.encode("utf-8", "replace").decode())
