"""What follows from a measurement: how batches are composed, and who works. Pure.

What a person has set wins over what was measured. It does not know where the figures come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.curve import Curve
from pi_rag.embedder.tuned import Measured, Speed

WORTH_SHARE = 0.02
"""More workers or threads are taken only for a gain above this: less is the noise of the measurement."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How this machine is best used with this model."""

    curve: Curve
    """When flash attention begins and how large a batch is follow from it."""
    workers: int
    """0: nothing was measured that fits, so that the guess holds."""
    threads: int
    """0, as `workers`."""


def chosen(measured: Measured, settings: EmbedderSettings) -> Tuning:
    """What to do, within what the person has set. On a busy machine only the curve is believed."""
    speeds = measured.speeds if measured.calm else ()
    best = fastest(speeds, workers=settings.workers, threads=settings.threads)
    return Tuning(
        Curve(measured.plain, measured.flash, measured.frame_ms),
        workers=best.workers if best else 0,
        threads=best.threads if best else 0,
    )


def fastest(speeds: Sequence[Speed], *, workers: int = 0, threads: int = 0) -> Speed | None:
    """The best of those with so many workers and threads, 0 being any; None when none was measured.

    Of nearly equal ones, the one with the fewest processes and threads: they cost memory.
    """
    fit = [each for each in speeds if each.workers == (workers or each.workers)]
    fit = [each for each in fit if each.threads == (threads or each.threads)]
    most = max((each.passages_s for each in fit), default=0.0)
    near = [each for each in fit if each.passages_s * (1 + WORTH_SHARE) >= most]
    return min(near, key=lambda each: (each.workers * each.threads, each.workers), default=None)


def applied(settings: EmbedderSettings, tuning: Tuning | None) -> EmbedderSettings:
    """The settings with nothing left open: set, else as tuned, else the guess."""
    tuned = replace(
        settings,
        workers=settings.workers or (tuning.workers if tuning else 0),
        threads=settings.threads or (tuning.threads if tuning else 0),
    )
    return replace(tuned, workers=tuned.workers_wanted, threads=tuned.threads_wanted)
