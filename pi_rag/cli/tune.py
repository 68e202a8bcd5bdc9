"""`pi-rag tune`: measure this machine with the model in use, keep it, and say what follows and why."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag.cli import printing
from pi_rag.cli.printing import counted, one_line
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.config import EmbedderSettings, Settings
from pi_rag.errors import DiskFull, ModelError, PiRagError

if TYPE_CHECKING:
    from pi_rag.embedder.choice import Tuning
    from pi_rag.embedder.tuned import Measured, Sharing, Speed, Tuned

DESCRIPTION = """\
It measures, in less than half a minute, how this machine computes with the model in use: from
which length on flash attention is faster, how large a batch should be, and how many workers and
threads embed the most. The result is kept in the data folder, and the service uses it from its next
start on. The service measures by itself when the model, llama.cpp or the board is a new one.
"""

EXAMPLES = """\
  pi-rag tune
  pi-rag tune --json
"""

ROUNDS_MIN = 3
SHORT_TOKENS = 16
PASSAGE_TOKENS = 230


def configure(parser: ArgumentParser) -> None:
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    """Measure, keep, tell. Raises ModelError and its kinds, NotFound, EmbedderUnavailable, DiskFull."""
    import asyncio

    from pi_rag.embedder.choice import chosen
    from pi_rag.embedder.tuned import Tuned, key_of, save
    from pi_rag.embedder.tuner import Assignment, measure
    from pi_rag.models.shelf import Shelf

    settings = settings_of(args)
    card = Shelf(settings.models_path).current(settings.embedder.model)
    key = key_of(card, settings.embedder)
    with _keeping(settings.tuning_path):
        _make_room(settings.tuning_path)
    disturbed = _service_runs(settings)
    _begin(card.name, settings, disturbed=disturbed)
    measured = asyncio.run(measure(Assignment(card, settings.embedder), _doing))
    tuned = Tuned(key, measured)
    with _keeping(settings.tuning_path):
        save(settings.tuning_path, tuned)
    tuning = chosen(measured, settings.embedder)
    if args.json:
        printing.as_json(
            _tree(tuned, tuning, settings) | {"model": card.name, "service_was_running": disturbed}
        )
    else:
        _show(card.name, tuned, tuning, settings)
    return 0


def _service_runs(settings: Settings) -> bool:
    try:
        client_of(settings).status()
    except PiRagError:
        return False
    return True


def _begin(name: str, settings: Settings, *, disturbed: bool) -> None:
    print(
        f"Measuring {one_line(name)} on this machine, for up to {settings.embedder.tune_s_max:g} s.",
        file=sys.stderr,
    )
    if disturbed:
        print("The service is running; figures may be lower.", file=sys.stderr)


def _doing(part: str) -> None:
    print(f"  {one_line(part)}", file=sys.stderr, flush=True)


def _make_room(path: Path) -> None:
    """Find out before half a minute is spent whether there is a place for the result. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextlib.contextmanager
def _keeping(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into words."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"The disk of {path.parent} is full.") from error
        raise ModelError(
            f"What is measured cannot be kept in {path}: {error.strerror}.",
            hint="Run it as the user of the service: sudo -u pi-rag env HOME=/var/lib/pi-rag pi-rag tune",
        ) from error


def _tree(tuned: Tuned, tuning: Tuning, settings: Settings) -> dict[str, Any]:
    from pi_rag.embedder.choice import applied

    used = applied(settings.embedder, tuning)
    return {
        "chosen": {
            "flash_tokens_min": tuning.curve.flash_tokens_min,
            "batch_ms": tuning.curve.batch_ms,
            "workers": used.workers,
            "threads": used.threads,
            "texts_per_call_max": used.texts_per_call_max,
        },
        "why": list(sentences(tuned.measured, tuning, settings.embedder)),
        "path": str(settings.tuning_path),
        **asdict(tuned),
    }


def _show(name: str, tuned: Tuned, tuning: Tuning, settings: Settings) -> None:
    board, measured = tuned.key.board, tuned.measured
    where = f"{one_line(board.name or board.machine)}, {counted(board.cores, 'core')}"
    print(f"{one_line(name)} on {where}; measured in {measured.took_s:.0f} s.\n")
    printing.table(list(_rows(measured)))
    print()
    for sentence in sentences(measured, tuning, settings.embedder):
        print(sentence)
    print(f"Kept in {one_line(settings.tuning_path)}. The service uses it from its next start on.")


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    """The curve, one text alone; then passages a second."""
    yield ("tokens of one text", *(str(tokens) for tokens, _ in measured.plain), "")
    for way, points in (("plain attention, ms", measured.plain), ("flash attention, ms", measured.flash)):
        yield (way, *(f"{ms:.1f}" for _, ms in points), "")


def sentences(measured: Measured, tuning: Tuning, settings: EmbedderSettings) -> Iterator[str]:
    """What was chosen and why, a short line each."""
    yield _of_attention(measured, tuning)
    yield _of_batches(tuning)
    yield from _of_workers(measured, tuning, settings)
    if measured.sharing:
        yield _of_sharing(max(measured.sharing, key=_gain), settings)
    if not measured.calm:
        yield (
            f"Others used the machine: only {measured.got:.0%} of the processor was to be had. "
            "So the number of workers is a guess. Run it again when it is calm."
        )
    if measured.rounds < ROUNDS_MIN:
        yield f"There was time for {counted(measured.rounds, 'round')} only, so the curve is rough."
    if measured.skipped:
        yield f"There was no time for: {', '.join(measured.skipped)}."


def _of_attention(measured: Measured, tuning: Tuning) -> str:
    (longest, plain_ms), (_, flash_ms) = measured.plain[-1], measured.flash[-1]
    least = tuning.curve.flash_tokens_min
    gain = f"{plain_ms / flash_ms:.2f}x at {longest}"
    if least > longest:
        return f"Plain attention for all lengths: flash attention is {gain}."
    from_where = "for all lengths" if least == measured.flash[0][0] else f"from {least} tokens on"
    return f"Flash attention {from_where}: {gain}."


def _of_batches(tuning: Tuning) -> str:
    curve = tuning.curve
    short, long = (
        max(1, int(curve.batch_ms / curve.text_ms(tokens))) for tokens in (SHORT_TOKENS, PASSAGE_TOKENS)
    )
    return (
        f"Batches of up to {curve.batch_ms:.0f} ms, since the way to a worker takes {curve.frame_ms:.2f} ms: "
        f"{counted(short, 'short text')}, or {counted(long, 'passage')}."
    )


def _of_workers(measured: Measured, tuning: Tuning, settings: EmbedderSettings) -> Iterator[str]:
    from pi_rag.embedder.choice import applied, fastest

    used = applied(settings, tuning)
    one = fastest(measured.speeds, workers=1, threads=1)
    if one:
        chosen_first = sorted(
            measured.speeds,
            key=lambda each: ((each.workers, each.threads) != (used.workers, used.threads), -each.passages_s),
        )
        told = [_compared(each, one) for each in chosen_first if each != one]
        yield "; ".join([f"1 worker x 1 thread: {one.passages_s:.1f} passages/s", *told]) + "."
    yield f"In use: {_crew(used.workers, used.threads)}."
    best = fastest(measured.speeds) if measured.calm else None
    for name in ("workers", "threads"):
        if value := getattr(settings, name):
            most = f"; the fastest here: {_crew(best.workers, best.threads)}" if best else ""
            yield f"embedder.{name} = {value} in the settings wins over what was measured{most}."


def _compared(speed: Speed, one: Speed) -> str:
    return f"{_crew(speed.workers, speed.threads)}: {speed.passages_s / one.passages_s:.2f}x"


def _crew(workers: int, threads: int) -> str:
    return f"{counted(workers, 'worker')} x {counted(threads, 'thread')}"


def _of_sharing(best: Sharing, settings: EmbedderSettings) -> str:
    gain = f"{best.texts} texts of {best.tokens} tokens in one call: {_gain(best):.2f}x."
    if settings.texts_per_call_max > 1:
        return f"{gain} embedder.texts_per_call_max = {settings.texts_per_call_max} allows it."
    return f"{gain} Each goes alone all the same: company changes a text's vector a little."


def _gain(each: Sharing) -> float:
    return each.alone_ms / each.shared_ms
