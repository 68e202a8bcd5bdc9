"""Ten times as many guests as are let in."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from pi_rag.client import Client
from pi_rag.config import Settings
from pi_rag.stress.scenarios import load
from pi_rag.stress.types import Answer, Record, Sample, Stage
from pi_rag.types import ModelCard

from .staging import Noted, broken, histogram, ran, timed


@pytest.mark.model
@pytest.mark.slow
def test_an_overload_is_refused_and_passes(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """The queue keeps its bound, who is refused is told when to come again, nobody sees another error, memory
    is flat. The times are shown, and not asserted.
    """
    record = ran(load.SCENARIO, tmp_path, minilm, long_form=long_form)
    named = {check.name: check for check in record.checks}

    assert [check for check in broken(record) if not timed(check)] == []
    assert record.figures["refused"] > 0
    for promise in ("the queue keeps its bound", "nobody sees another error", "memory is flat"):
        assert named[promise].is_kept is True


def test_the_bounds_are_those_that_are_shipped() -> None:
    """What the scenario takes for the service's own bounds is what the settings say."""
    settings = Settings()
    assert settings.service.requests_max == load.REQUESTS_MAX
    assert settings.embedder.query_queue_max == load.QUERY_QUEUE_MAX


def test_only_refusals_of_the_peak_count() -> None:
    """Not answers, not what was refused before or after."""
    answers = [
        Answer(at_s, "search", ms, code)
        for at_s, ms, code in ((1.0, 9.0, "busy"), (5.0, 1.0, ""), (6.0, 2.0, "busy"), (11.0, 9.0, "busy"))
    ]
    assert load.refused_ms(answers, 5.0, 10.0) == [2.0]


def test_memory_grows_from_the_first_third_to_the_last() -> None:
    """By all processes together; one sample that stands out does not count; too few say nothing."""
    sizes = [10.0, 10.0, 90.0, 15.0, 15.0, 15.0, 20.0, 20.0, 20.0]
    samples = [sample(float(at_s), mib) for at_s, mib in enumerate(sizes)]

    assert load.growth_mib(samples, 0.0, 8.0) == 20.0
    assert load.growth_mib(samples, 7.0, 8.0) is None


def sample(at_s: float, mib: float) -> Sample:
    """Of two processes that take so much each."""
    return Sample(at_s, {}, {"supervisor": mib, "worker": mib}, {}, 0, 0, 0.0, 0.0, 0, is_ready=True)


class Seen(Noted):
    """A stage after the last step."""

    record = Record("load", 1, 1.0)
    service = SimpleNamespace(socket=Path("/nowhere"))

    def elapsed_s(self) -> float:
        return 1.0


def told(*codes: str, others: float = 0.0) -> dict[str, bool | None]:
    """What is said of a first step that was served, and of a peak with these answers."""
    stage = Seen()
    steps = [load._Step(1, searches=histogram([""])), load._Step(10, searches=histogram(codes), queued_max=3)]
    load._tell(cast("Stage", stage), steps, others)
    return stage.kept


SERVED, ALONE, OTHER = (
    "who is let in is served",
    "nobody who is let in is left alone",
    "nobody sees another error",
)


def test_busy_is_the_only_error_that_is_none() -> None:
    """Who is let in and left alone has a promise of his own, of which a busy machine tells nothing."""
    kept = told("", "busy")
    assert (kept[SERVED], kept[ALONE], kept[OTHER]) == (True, True, True)

    for late in ("deadline_exceeded", "store_busy"):
        assert (told("", late)[ALONE], told("", late)[OTHER]) == (False, True)
        assert told("", late, others=0.9)[ALONE] is None
    assert (told("", "internal")[ALONE], told("", "internal")[OTHER]) == (True, False)


class Strange(Client):
    """One who is answered in no form that anybody knows, and tells when he has asked twice."""

    asked = 0
    is_enough = threading.Event()

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def search(self, *_: object, **__: object) -> NoReturn:
        raise KeyError("hits")

    def status(self, *_: object, **__: object) -> dict[str, Any]:
        Strange.asked += 1
        if Strange.asked == 2:
            self.is_enough.set()
        return {"embedder": {"queued": {"query": 5}}}


def test_our_own_guest_goes_on_and_tells_what_he_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """He ends neither in silence nor at the first thing that nobody thought of."""
    monkeypatch.setattr(load, "Client", Strange)
    stage, step = Seen(), load._Step(1, searches=histogram([""]))
    load._look(cast("Stage", stage), step, Strange.is_enough)
    load._tell_of_errors(cast("Stage", stage), [step], 0.0)

    assert (step.failed["KeyError"], step.queued_max) == (2, 5)
    assert stage.kept[OTHER] is False


def test_steps_without_a_search_have_shown_nothing() -> None:
    """Nor have none at all; that nobody of many was served is seen, and broken."""
    stage = Seen()
    load._tell(cast("Stage", stage), [load._Step(1), load._Step(10)], 0.0)

    assert set(stage.kept.values()) == {None}
    assert told("busy")[SERVED] is False
    nothing = Seen()
    load._tell(cast("Stage", nothing), [], 0.0)
    assert nothing.kept == {"overload": None}
    assert nothing.seen == {"overload": "the run was interrupted"}, "a second of a minute had gone"
