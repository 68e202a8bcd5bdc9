"""Writes the pages that come from the code, so that they cannot disagree with it.

    python -m docs.build

It writes `docs/settings.md` and `configs/pi-rag.toml` from pi_rag/config.py, `docs/errors.md` from
pi_rag/errors.py, `docs/metrics.md` from pi_rag/service/measures.py, and each page of benchmarks/pages from
that and benchmarks/results. tests/docs/test_pages.py fails while one of them is out of date.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs import figures
from pi_rag import config, errors
from pi_rag.service import measures, minute

ROOT = Path(__file__).parent.parent

SETTINGS_HEAD = """\
# Settings

This page is written from pi_rag/config.py by `python -m docs.build`.

Nothing has to be set. A value comes from the first of these that has it:

1. a flag: `--data`, `--socket`;
2. an environment variable;
3. the settings file;
4. the default.

The settings file is the one named by `--config` or `PI_RAG_CONFIG`, else `~/.config/pi-rag/pi-rag.toml`, else
`/etc/pi-rag/pi-rag.toml`. [configs/pi-rag.toml](../configs/pi-rag.toml) shows every setting with its default.
A name that does not exist is refused, and the nearest one that does is named.

A change holds from the next start. `systemctl reload pi-rag` (SIGHUP) takes over at once: the log level, the
settings of searches, and of the service `requests_max`, `request_mib_max`, `request_s_max` and, within a
body, `silence_s_max`. Of the embedder, what changes no vector begins within seconds and without a gap: a new
set of workers takes over. What else was changed waits for a restart, and the log says so: `embedder_kept`,
and `settings_wait` with the sections. So does `memory.budget_mib`: until then the budget in force holds.
"""

TOML_HEAD = """\
# The settings of pi_rag. Each line that begins with "# name =" shows a default: take the "# " away to set it.
# Where this file is looked for, and what is stronger than it, is told in docs/settings.md.
# Written from pi_rag/config.py by: python -m docs.build
"""

ERRORS_HEAD = """\
# Errors

This page is written from pi_rag/errors.py by `python -m docs.build`.

Every error has a code, a message that names the thing, and a hint that says what to do next. The command
line prints the message and the hint, and ends with a code that scripts can go by. Over HTTP it is the
status, with this body:

```json
{
  "error": {
    "code": "busy", "message": "...", "hint": "...", "retry_after_ms": 1000,
    "type": "server_error", "param": null
  }
}
```

`retry_after_ms` is a number where waiting helps, else null. A program that does not know a code can go by the
HTTP status.
"""

METRICS_HEAD = """\
# Metrics

This page is written from pi_rag/service/measures.py and minute.py by `python -m docs.build`.

```sh
SOCKET=/run/pi-rag/pi-rag.sock
curl --unix-socket $SOCKET http://pi-rag/metrics
```

That is the installed service's socket; `pi-rag status` ends with the one that answers you.

The answer is Prometheus' text form. It is given even when all places for requests are taken. A value that is
not known here, such as the temperature of a machine without a sensor, is left out. A counter begins at 0 with
the service. No label and no value ever has anything of a document or a question in it.

## Let Prometheus read them

Prometheus speaks TCP, and the service a Unix socket only. On the machine itself, `socat` stands between
them for as long as it runs:

```sh
socat TCP-LISTEN:9464,bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:/run/pi-rag/pi-rag.sock
```

Who may reach that port may do all that the socket lets the user of `socat` do, searches included; so keep
it on 127.0.0.1. Asking once in 15 s is plenty: one answer reads a page of `/proc` for each process, and some
numbers of the database.

## What there is
"""

FILE_HEAD = """
## The metrics file

Once a minute (`metrics.line_s`) a line of JSON is written to `metrics/metrics.jsonl` in the data folder. When
the file is full (`metrics.file_mib_max`) it becomes `metrics.1.jsonl`, and so on, up to `metrics.files_max`
files. `pi-rag metrics` shows them. What the disk does not take is kept for three hours, and written when it
does.

Each line has in `at` the seconds since 1970. A line with an `event` was written at once: `memory_step` and
`memory_recycle`, steps of the ladder of memory up or down, and `alert_fired` and `alert_cleared`, each with
the figures that caused it. All others have these fields; what is not known is left out:
"""

OTHER_EXIT_CODES = {
    0: "It worked.",
    1: "An error that has no kind of its own below.",
    130: "Ctrl-C.",
    141: "The reader of a pipe went away, as with `| head`.",
}
"""Exit codes that say more than the docstring of their kind, or that no error has."""


def pages() -> dict[Path, str]:
    """The text of every page that is written from the code, by its path."""
    return {
        ROOT / "docs" / "settings.md": settings_page(),
        ROOT / "docs" / "errors.md": errors_page(),
        ROOT / "docs" / "metrics.md": metrics_page(),
        ROOT / "configs" / "pi-rag.toml": example_file(),
        **{ROOT / "docs" / path.name: figures.filled(path.read_text(encoding="utf-8")) for path in figured()},
    }


def figured() -> list[Path]:
    """What pages with figures are made of."""
    return sorted((ROOT / "benchmarks" / "pages").glob("*.md"))


def settings_page() -> str:
    """docs/settings.md: a section for each group, a paragraph for each setting."""
    parts = [SETTINGS_HEAD]
    for group, members in _groups():
        parts.append(f"## {group}\n\n{_summary(group)}\n")
        parts += [_setting_paragraph(name, item) for name, item in members]
    return "\n".join(parts)


def _setting_paragraph(name: str, item: Any) -> str:
    facts = [f"Default: `{_toml(item.default)}` ({_unit(item)})."]
    facts += [f"{bounds}." for bounds in [_bounds(item)] if bounds]
    facts.append(f"Environment: `{config.env_name(name, item)}`.")
    return f"### {name}\n\n{_reason(item)}\n\n{' '.join(facts)}\n"


def example_file() -> str:
    """configs/pi-rag.toml: every setting, commented out, with its default."""
    parts = [TOML_HEAD]
    for group, members in _groups():
        parts.append(f"\n[{group}]\n# {_summary(group)}\n")
        parts += [_setting_lines(name, item) for name, item in members]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _setting_lines(name: str, item: Any) -> str:
    bounds = _bounds(item)
    why = f"{_reason(item)} ({_unit(item)}{'; ' + bounds[0].lower() + bounds[1:] if bounds else ''})"
    comment = textwrap.fill(why, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{comment}\n# {item.name} = {_toml(item.default)}\n"


def errors_page() -> str:
    """docs/errors.md."""
    kinds = list(errors.every_kind())
    parts = [ERRORS_HEAD, "## What the exit code of a command means\n", _exit_table(kinds), "## Codes\n"]
    parts += [_error_paragraph(kind) for kind in kinds if kind is not errors.PiRagError]
    return "\n".join(parts)


def _exit_table(kinds: list[type[errors.PiRagError]]) -> str:
    """One line for each exit code, in the words of the kind that brought it in."""
    first = {kind.exit_code: kind for kind in reversed(kinds) if "exit_code" in vars(kind)}
    meanings = {code: _meaning(kind) for code, kind in first.items()} | OTHER_EXIT_CODES
    rows = [f"| {code} | {meaning} |" for code, meaning in sorted(meanings.items())]
    return "\n".join(["| exit code | meaning |", "|--:|---|", *rows]) + "\n"


def _error_paragraph(kind: type[errors.PiRagError]) -> str:
    facts = f"HTTP {kind.http_status}, exit code {kind.exit_code}."
    if kind.retry_after_ms_default is not None:
        facts += f" Try again after {kind.retry_after_ms_default} ms."
    return f"### {kind.code}\n\n{_meaning(kind)} {facts}\n\nWhat to do: {kind.hint_default}\n"


def _meaning(kind: type[errors.PiRagError]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").replace("\n", " ")


def metrics_page() -> str:
    """docs/metrics.md."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.unit} "
        f"| {each.meaning} |"
        for each in measures.MEASURES
    ]
    head = ["| metric | kind | labels | unit | meaning |", "|---|---|---|---|---|"]
    fields = [f"| `{each.name}` | {each.unit} | {each.meaning} |" for each in minute.LINE]
    file_head = [FILE_HEAD, "| field | unit | meaning |", "|---|---|---|"]
    return "\n".join([METRICS_HEAD, *head, *rows, *file_head, *fields]) + "\n"


def _groups() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """(group, [(dotted name, field)]) in the order of the file."""
    grouped: dict[str, list[tuple[str, Any]]] = {}
    for name, item in config.names().items():
        grouped.setdefault(name.split(".", 1)[0], []).append((name, item))
    yield from grouped.items()


def _summary(group: str) -> str:
    """What a group is about: the docstring of its dataclass."""
    kind = type(getattr(config.Settings(), group))
    return (kind.__doc__ or "").strip().splitlines()[0]


def _reason(item: Any) -> str:
    return " ".join(str(item.metadata["why"]).split())


def _unit(item: Any) -> str:
    return str(item.metadata["unit"])


def _bounds(item: Any) -> str:
    """The values that are taken, as words; empty when any is."""
    low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
    if choices:
        return "One of: " + ", ".join(choices)
    return f"From {low:g} to {high:.10g}" if low is not None else ""


def _toml(value: Any) -> str:
    """A value as TOML writes it. A JSON string is a TOML string too."""
    return json.dumps(value)


def main() -> None:
    """Write every page."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
