"""Bad files through the whole queue: each is refused with its reason, soon, and the good ones are taken."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pi_rag.ingest import story
from pi_rag.types import Item, NewItem
from tests.embedder.fake import FakeEmbedder
from tests.ingest.folders import Home, home, make, until


@pytest.fixture
async def at_home(tmp_path: Path) -> AsyncIterator[Home]:
    """A house whose short folder leaves room for the path of a socket."""
    async with home(tmp_path, FakeEmbedder()) as made:
        yield made


def make_bad(root: Path) -> dict[str, str]:
    """Every bad file there is, and the code of its refusal. A link to the folder itself is left out."""
    os.mkfifo(root / "pipe.md")
    (root / "link.md").symlink_to("/etc/passwd")
    (root / "loop.md").symlink_to(root / "loop.md")
    (root / "circle").symlink_to(root)
    (root / "huge.txt").touch()
    os.truncate(root / "huge.txt", 1 << 40)
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(root)  # the path of a socket may be no longer than 107 bytes
        listening.bind("socket.md")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.md")).write_text("coffee")
    codes = dict.fromkeys(("pipe.md", "link.md", "socket.md"), "document_unsupported")
    return codes | {
        "loop.md": "document_link_loop",
        "huge.txt": "document_too_large",
        "caf?.md": "document_unreadable",
    }


async def test_a_folder_of_bad_files_is_taken_as_far_as_it_goes(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe, a socket, links, loops, a terabyte, a name that is no text: each has its reason; a name with
    lines is taken."""
    monkeypatch.chdir(at_home.root)
    codes = make_bad(at_home.root)
    make(at_home.root, good_md="tea", **{"two\nlines_md": "more tea"})
    job = await at_home.runner.finished(
        await at_home.runner.enqueue("default", [NewItem("path", str(at_home.root))])
    )
    assert {each.source.removeprefix(f"{at_home.root}/"): each.code for each in job.refusals} == codes
    assert set(await at_home.holds("good.md", "two\nlines.md")) == {"good.md", "two\nlines.md"}


async def test_a_watched_folder_of_bad_files_is_kept_right(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in a watched folder, where good files go on being seen beside them."""
    monkeypatch.chdir(at_home.root)
    codes = make_bad(at_home.root)
    make(at_home.root, good_md="tea")
    watch = await at_home.watching.add(str(at_home.root), "default", [], [])
    await at_home.holds("good.md")
    make(at_home.root, later_md="more tea")
    await at_home.holds("good.md", "later.md")

    async def all_told() -> bool:
        rows = await at_home.watching.files(watch["id"], skipped=True, limit=100, after="")
        return {row.path: row.skipped.code for row in rows if row.skipped} == codes

    await until(all_told)


async def test_a_link_that_is_put_in_the_place_of_a_found_file_is_not_followed(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the folder was listed, before the file is read: what the link leads to is never stored."""
    make(at_home.root, a_md="tea", b_md="more tea")
    secret = at_home.root.parent / "secret.md"
    secret.write_text("SECRET")
    really = story._seen

    def swapped(item: Item, *further: object) -> object:
        path = Path(item.source)
        if item.kind == "file" and path.name == "a.md" and not path.is_symlink():
            path.unlink()
            path.symlink_to(secret)
        return really(item, *further)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(story, "_seen", swapped)
    job = await at_home.runner.finished(
        await at_home.runner.enqueue("default", [NewItem("path", str(at_home.root))])
    )
    assert [(Path(each.source).name, each.code) for each in job.refusals] == [
        ("a.md", "document_unsupported")
    ]
    await at_home.holds("b.md")
