"""The pages for people are held to the code: what they name exists, and what exists they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import build
from pi_rag import config, errors
from pi_rag.cli import main as cli
from pi_rag.service.alerting import rules
from tests.docs.pages import PAGES, ROOT, anchors, blocks, commands, examples, links

CODE = sorted(path for folder in ("pi_rag", "benchmarks", "tests") for path in ROOT.glob(f"{folder}/**/*.py"))

page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.mark.parametrize("path", build.pages(), ids=lambda path: path.name)
def test_generated_pages_are_up_to_date(path: Path) -> None:
    """A page that is written from the code says what the code says; `python -m docs.build` mends it."""
    assert path.read_text() == build.pages()[path]


@page_by_page
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link to a file leads to one that exists, and to a heading it has."""
    for link in links(page.read_text()):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target) if target else page
        assert path.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(path.read_text()), f"{page.name} links to {link}"


@page_by_page
def test_every_command_exists(page: Path) -> None:
    """A pi-rag command in a page is one that the command line has."""
    for words in commands(page.read_text()):
        names = [word.strip(",") for word in words[:1] if not word.startswith("-")]
        assert set(names) <= set(cli.COMMANDS), f"{page.name} names pi-rag {' '.join(words)}"


@page_by_page
def test_every_example_parses(page: Path) -> None:
    """A command that a reader is told to type has flags that exist."""
    for example in examples(page.read_text()):
        for words in commands(f"```sh\n{example}\n```\n"):
            cli.parser().parse_args(words)


@page_by_page
def test_every_setting_exists(page: Path) -> None:
    """A setting or a variable that a page names is one that config.py has."""
    text, known = page.read_text(), config.names()
    groups = "|".join({each.split(".")[0] for each in known})
    for name in re.findall(rf"`((?:{groups})\.[a-z_]+)`", text):
        assert name in known or (ROOT / "pi_rag" / name).exists(), f"{page.name} names {name}"
    variables = {config.env_name(name, item) for name, item in known.items()} | {"PI_RAG_CONFIG"}
    assert set(re.findall(r"\bPI_RAG_[A-Z_]+\b", text)) <= variables


@page_by_page
def test_every_file_named_exists(page: Path) -> None:
    """A file of this project that a page names in running text is there."""
    for name in re.findall(r"`([\w-]+/[\w./-]+\.(?:py|md|toml|service|json))`", page.read_text()):
        assert (ROOT / name).exists() or (ROOT / "pi_rag" / name).exists(), f"{page.name} names {name}"


def test_every_command_is_told() -> None:
    """Each command of the command line is in a page."""
    told = {words[0] for page in PAGES for words in commands(page.read_text()) if words}
    assert set(cli.COMMANDS) <= told


def test_every_error_is_told() -> None:
    """Each code has a paragraph of its own, with its hint."""
    text = (ROOT / "docs" / "errors.md").read_text()
    for kind in errors.every_kind():
        if kind is not errors.PiRagError:
            assert f"### {kind.code}\n" in text and kind.hint_default in text


def test_every_page_is_in_the_reading_order() -> None:
    """The index leads to every page."""
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / link).resolve() for link in links(index.read_text())}
    assert {page for page in PAGES if page.parent.name in {"docs", "decisions"}} - {index} <= reached


def test_every_folder_is_in_the_tree() -> None:
    """The tree in README.md has a line for each room of the package and each folder of the project."""
    tree = next(block.text for block in blocks((ROOT / "README.md").read_text()) if "pi_rag/" in block.text)
    rooms = [path.parent.name for path in ROOT.glob("pi_rag/*/__init__.py")]
    for name in [*rooms, "systemd", "configs", "tests", "benchmarks", "docs"]:
        assert re.search(rf"^ *{name}/ +\w", tree, re.M), name
    for name in re.findall(r"^  (\S+)", tree, re.M):
        assert (ROOT / "pi_rag" / name).exists(), name


def test_every_page_that_the_code_names_exists() -> None:
    """A page that a module or a hint sends the reader to is there."""
    for path in CODE:
        for name in re.findall(r"\bdocs/[\w/-]+(?:\.md)?", path.read_text()):
            if name.endswith(".md") or name.startswith("docs/decisions/"):
                assert list(ROOT.glob(f"{name}*")), f"{path.name} names {name}"


def test_a_page_that_types_the_socket_says_where_it_is() -> None:
    """What is copied from the top of a page runs, without another page."""
    typing = [page for page in PAGES if "$SOCKET" in page.read_text()]
    assert {page.name for page in typing} >= {"api.md", "metrics.md"}
    for page in typing:
        typed = "\n".join(block.text for block in blocks(page.read_text()))
        assert "SOCKET=/" in typed[: typed.index("$SOCKET")], page.name


def test_where_each_alert_clears_and_which_waits_is_told() -> None:
    """The page says it as the rules have it, whatever the limits are set to."""
    [told] = re.findall(r"\nSome measures are.*?\n\n", (ROOT / "docs/operate.md").read_text(), re.S)
    clears, at_once = " ".join(told.split()).split("fires and clears at once:")
    for rule in rules(config.AlertSettings(cache_hits_percent_min=20.0, dead_letters_max=10)):
        share = rule.clears_at / rule.fires_at if rule.fires_at else 1.0
        at = "5 °C less" if rule.name == "hot" else f"{100 * share:.0f} %"
        [found] = re.findall(rf"`{rule.name}` at (\S+ (?:°C less|%))", clears) or ["100 %"]
        assert found == at, rule.name
        assert (f"`{rule.name}`" in at_once) == (rule.hold_s == 0), rule.name
