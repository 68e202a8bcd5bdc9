"""`pi-rag watch`, and what `status` and `doctor` say of watched folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pi_rag.cli.checks.service import watches
from pi_rag.config import load
from tests.cli.conftest import Run
from tests.standin import StandIn

LIMIT = "the kernel has no more inotify watches"


def watched(folder: str, **more: Any) -> dict[str, Any]:
    return {
        "id": 3,
        "folder": folder,
        "collection": "letters",
        "include": [],
        "exclude": [],
        "created_at": 1_700_000_000.0,
        "seen_at": 1_700_000_000.0,
        "files": 1200,
        "skipped": 2,
        "held": 0,
        "notices": True,
        "problem": None,
    } | more


def test_a_folder_is_added_by_its_whole_path(
    service: StandIn, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns may be given several times; the next command is named."""
    monkeypatch.chdir(tmp_path)
    service.on("POST", "/v1/watches", watched(str(tmp_path / "notes")), 201)
    flags = ("--collection", "letters", "--include", "*.md", "--include", "*.txt", "--exclude", "drafts/")
    ran = run("watch", "add", "./notes/", *flags)
    assert service.bodies("/v1/watches") == [
        {
            "folder": str(tmp_path / "notes"),
            "collection": "letters",
            "include": ["*.md", "*.txt"],
            "exclude": ["drafts/"],
        }
    ]
    assert ran.out == f"Watching {tmp_path / 'notes'}. See how far it is with: pi-rag watch list\n"


def test_folders_are_listed_with_what_is_amiss(service: StandIn, run: Run) -> None:
    """A row each, and a line for each that is not as it should be."""
    service.on("GET", "/v1/watches", {"watches": [watched("/home/a"), watched("/media/usb", problem="away")]})
    lines = run("watch", "list").out.splitlines()
    assert lines[0].split() == ["ID", "COLLECTION", "SEEN", "FILES", "FOLDER"]
    assert "1,200, 2 not taken" in lines[1]
    assert lines[1].endswith("/home/a")
    assert lines[3:] == ["/media/usb: away"]
    service.on("GET", "/v1/watches", {"watches": []})
    assert "pi-rag watch add FOLDER" in run("watch", "list").out


def test_the_files_of_a_folder_say_what_became_of_them(service: StandIn, run: Run) -> None:
    """Stored, waiting, or not taken and why; harmless on a terminal; the last line leads on."""
    skipped = {"code": "document_empty", "message": "There is no text in it.", "hint": "Leave it out."}
    stored = {"path": "a\x1b.md", "modified_at": 1_700_000_000.0, "indexed_at": 1_700_000_000.0}
    archive = {"path": "b.zip", "indexed_at": 1_700_000_000.0, "within": 2}
    files = [
        stored,
        {"path": "b.md", "waiting": True},
        archive,
        {"path": "c.md", "skipped": skipped},
        {"path": "d.md"},
    ]
    service.on("GET", "/v1/watches", {"watches": [watched("/home/a")]})
    service.on("GET", "/v1/watches/3/files", {"files": files, "next": "c.md"})
    lines = run("watch", "list", "3", "--limit", "3", "--skipped", "--after", "0.md").out.splitlines()
    assert service.asked[-1].params == {"limit": "3", "skipped": "true", "after": "0.md"}
    assert lines[0].split() == ["CHANGED", "STORED", "FILE"]
    assert lines[1].endswith("a\N{REPLACEMENT CHARACTER}.md")
    assert lines[2].split() == ["-", "waiting", "b.md"]
    assert lines[3].startswith("-  ") and lines[3].endswith("  b.zip: 2 documents in it")
    assert lines[4].endswith("c.md: There is no text in it. (Leave it out.)")
    assert lines[5].endswith("d.md: nothing of it is kept, until it changes")
    assert lines[6] == "There are more: pi-rag watch list 3 --skipped --limit 3 --after c.md"
    service.on("GET", "/v1/watches/3/files", {"files": [], "next": None})
    assert run("watch", "list", "3", "--after", "z.md").out == "No more.\n"


def test_a_folder_is_removed_by_number_or_path(service: StandIn, run: Run, tmp_path: Path) -> None:
    """Its documents stay, and the command that forgets just them is named, ready to be pasted."""
    tmp_path = tmp_path / "my notes"
    service.on("GET", "/v1/watches", {"watches": [watched(str(tmp_path)) | {"collection": "diary"}]})
    service.on("DELETE", "/v1/watches/3", {"removed": 1})
    for named in ("3", str(tmp_path)):
        assert run("watch", "remove", named).out.endswith(
            f"pi-rag remove --under '{tmp_path}' --collection diary\n"
        )
    ran = run("watch", "remove", "/none")
    assert (ran.code, "hint: Run: pi-rag watch list" in ran.err) == (3, True)


def test_a_folder_that_is_watched_for_several_collections_is_named_by_its_number(
    service: StandIn, run: Run
) -> None:
    """Nobody can tell which one is meant. A collection says so, too."""
    both = [watched("/home/a"), watched("/home/a", id=4, collection="diary")]
    service.on("GET", "/v1/watches", {"watches": both})
    service.on("DELETE", "/v1/watches/4", {"removed": 1})
    for action in ("list", "remove"):
        ran = run("watch", action, "/home/a")
        assert ran.code == 2
        assert "is watched for 2 collections" in ran.err
        assert "3 (letters), 4 (diary)" in ran.err
    assert "--collection diary" in run("watch", "remove", "/home/a", "--collection", "diary").out
    assert "--collection diary" in run("watch", "remove", "4").out
    ran = run("watch", "remove", "3", "--collection", "diary")
    assert (ran.code, "3 is not watched for collection diary." in ran.err) == (3, True)


def test_what_a_folder_is_kept_to_is_shown_as_it_is_typed(service: StandIn, run: Run) -> None:
    """A pattern of a stranger does nothing to a terminal."""
    kept = watched("/home/a", include=["*.py", "\x1b"], exclude=["build/"])
    service.on("GET", "/v1/watches", {"watches": [kept, watched("/home/b", id=5)]})
    service.on("GET", "/v1/watches/3/files", {"files": [], "next": None})
    flags = "--include '*.py' --include $'\\033' --exclude build/"
    lines = run("watch", "list").out.splitlines()
    assert (lines[1].endswith(f"  /home/a  {flags}"), lines[2].endswith("  /home/b")) == (True, True)
    assert run("watch", "list", "3").out.splitlines()[0] == f"Watched with {flags}"


@pytest.mark.parametrize("action", ["add", "list", "remove"])
def test_each_action_has_its_examples(run: Run, capsys: pytest.CaptureFixture[str], action: str) -> None:
    """And no other's."""
    with pytest.raises(SystemExit):
        run("watch", action, "--help")
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  pi-rag watch {action}") for line in examples)


def test_programs_get_what_the_service_said(service: StandIn, run: Run) -> None:
    """Each action has its JSON."""
    told = watched("/home/a")
    service.on("POST", "/v1/watches", told, 201)
    service.on("GET", "/v1/watches", {"watches": [told]})
    service.on("GET", "/v1/watches/3/files", {"files": [], "next": None})
    service.on("DELETE", "/v1/watches/3", {"removed": 1})
    assert run("watch", "add", "/home/a", "--json").json == told
    assert run("watch", "list", "--json").json == {"watches": [told]}
    assert run("watch", "list", "3", "--json").json == {"files": [], "next": None}
    assert run("watch", "remove", "3", "--json").json == {"removed": 1}


def test_the_status_has_a_line_when_folders_are_watched(service: StandIn, run: Run) -> None:
    """With what is amiss; without folders there is none."""
    status: dict[str, Any] = {"state": "ready", "ready": True, "degraded": []}
    problems = [{"folder": "/media/usb", "problem": "the folder is not there: waiting"}]
    service.on("GET", "/v1/status", status | {"watching": {"folders": 2, "blind": 0, "problems": problems}})
    assert "2 folders; /media/usb: the folder is not there: waiting" in run("status").out
    service.on("GET", "/v1/status", status | {"watching": {"folders": 0, "blind": 0, "problems": []}})
    assert "watching" not in run("status").out


def test_the_doctor_explains_the_kernels_limit(tmp_path: Path) -> None:
    """What it is, what follows, and the command that raises it."""
    limit = tmp_path / "proc/sys/fs/inotify/max_user_watches"
    limit.parent.mkdir(parents=True)
    limit.write_text("8192\n")
    problems = [{"folder": "/home/a", "problem": LIMIT}]
    blind = {"watching": {"folders": 1, "blind": 1, "problems": problems}}
    first, second = watches(load(), blind, tmp_path)
    assert (first.what, first.verdict) == ("inotify", "warn")
    assert "8192 folders" in first.detail
    assert "each 30 s" in first.detail
    assert first.mend.startswith("echo fs.inotify.max_user_watches=524288 | sudo tee /etc/sysctl.d/")
    assert (second.verdict, second.detail) == ("warn", f"/home/a: {LIMIT}")


def test_the_doctor_is_content_where_the_kernel_has_enough(tmp_path: Path) -> None:
    """It tells the limits, whether or not a folder is watched."""
    (none,) = watches(load(), {}, tmp_path)
    assert (none.verdict, none.detail) == ("ok", "enough; at most ? folders, ? watchers")
    (well,) = watches(load(), {"watching": {"folders": 1, "blind": 0, "problems": []}}, tmp_path)
    assert well.verdict == "ok"
