"""Steps of load up to ten times as many guests as the service takes in at once, and back.

What it takes in is `service.requests_max` requests in progress; more are told to come again. The promise is
that those who are let in are served as if nobody else were there, those who are not are told so at once, and
all is normal soon after. Guests come again when they were asked to, as every client of ours does.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.stress import ending, neighbours, workload
from pi_rag.stress.tally import Histogram, is_answered
from pi_rag.stress.types import Answer, Sample, Scenario, Stage

REQUESTS_MAX = 64
"""`service.requests_max`, as it is shipped."""
STEPS, STEPS_QUICK = (1, 2, 5, 10, 5, 2), (1, 10, 2)
STEP_S, STEP_QUICK_S = 15.0, 2.0
PEAK_S, PEAK_QUICK_S = 60.0, 5.0
"""At ten times."""
DOCUMENTS, DOCUMENTS_QUICK = 400, 60

QUERY_QUEUE_MAX = 64
"""`embedder.query_queue_max`."""
REJECT_MS_MAX = 50.0
ADMITTED_TIMES_MAX = 2.0
FLAT_MIB_MAX = 16.0
"""Between the first and the last third of the peak."""
NORMAL_S_MAX = 5.0
NORMAL_TIMES_MAX, NORMAL_MS_MIN = 2.0, 50.0
"""A search is normal again when it takes no more than so many times what one alone took at the 95th
percentile, or no more than this."""
ALONE = 50
LATE = frozenset({"store_busy", "deadline_exceeded"})
"""What becomes of a guest who was let in, and not served in time."""
LATE_S_MAX = 30.0
STORED_S_MAX = 300.0


@dataclass
class _Step:
    """So many times as many guests as are let in, and what was seen."""

    times: int
    began_s: float = 0.0
    ended_s: float = 0.0
    searches: Histogram = field(default_factory=Histogram)
    queued_max: int | None = None
    """None: nobody was told."""
    refused: list[PiRagError] = field(default_factory=list)
    """What a guest of our own was told."""
    failed: Counter[str] = field(default_factory=Counter)
    """What that guest failed with besides."""

    @property
    def p95_ms(self) -> float:
        """Of those who were let in."""
        return self.searches.percentile_ms(95) or 0.0


def run(stage: Stage) -> None:
    """Up, at the peak, and back; then what was promised."""
    others = neighbours.share(1.0)
    stage.figure("others_share", others)
    _fill(stage)
    alone_ms = _alone_p95_ms(stage)
    steps = []
    for times in STEPS_QUICK if stage.is_quick else STEPS:
        if stage.left_s():
            steps.append(_step(stage, times, REQUESTS_MAX * times))
    normal_s = _normal_after(stage, alone_ms)
    for name, value in (("alone_p95_ms", alone_ms), ("normal_after_s", normal_s)):
        stage.figure(name, value)
    _tell(stage, steps, others)
    asked, seen = f"within {NORMAL_S_MAX:g} s", f"{normal_s:.2f} s"
    stage.check("normal again", asked, *neighbours.judged(normal_s <= NORMAL_S_MAX, seen, others))


def _fill(stage: Stage) -> None:
    """Something to search in."""
    count = DOCUMENTS_QUICK if stage.is_quick else DOCUMENTS
    documents = list(islice(workload.documents(stage.seed), count))
    Client(stage.service.socket, answer_s_max=STORED_S_MAX).add_documents(documents, wait=True)
    stage.acknowledged(documents)


def _alone_p95_ms(stage: Stage) -> float:
    """Of one guest, while nobody else is there."""
    client = stage.service.client
    took_ms = []
    for question in islice(workload.questions(stage.seed), ALONE):
        began_s = time.monotonic()
        client.search(question)
        took_ms.append((time.monotonic() - began_s) * 1000)
    return statistics.quantiles(took_ms, n=20)[-1]


def _step(stage: Stage, times: int, guests: int) -> _Step:
    """So many guests for a while; one more of our own, and one who looks at the queue."""
    is_peak = times == max(STEPS)
    seconds = (
        (PEAK_QUICK_S if is_peak else STEP_QUICK_S) if stage.is_quick else (PEAK_S if is_peak else STEP_S)
    )
    step = _Step(times)
    stage.mark(f"{times}x", f"{guests} guests")
    with stage.crowd(guests, {"search": 1.0}) as crowd:
        step.began_s = stage.elapsed_s()
        with _looking(stage, step):
            stage.pause(seconds)
        step.ended_s = stage.elapsed_s()
    step.searches = crowd.seen("search")
    return step


@contextlib.contextmanager
def _looking(stage: Stage, step: _Step) -> Iterator[None]:
    """Somebody looks at the queue all the while, and asks."""
    done = threading.Event()
    thread = threading.Thread(target=_look, args=(stage, step, done), name="looking")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _look(stage: Stage, step: _Step, done: threading.Event) -> None:
    client = Client(stage.service.socket, answer_s_max=10.0)
    while not done.wait(0.1):
        try:
            client.search(f"what was asked at {stage.elapsed_s()}")
        except PiRagError as error:
            step.refused.append(error)
        except Exception as error:  # who ends unseen looks at nothing more
            step.failed[type(error).__name__] += 1
        with contextlib.suppress(PiRagError):  # no room for one more connection
            step.queued_max = max(step.queued_max or 0, client.status()["embedder"]["queued"]["query"])


def _normal_after(stage: Stage, alone_ms: float) -> float:
    """Seconds from the end of the last step until a search is as fast as one alone, and whole."""
    began_s, client = time.monotonic(), stage.service.client
    bound_ms = max(NORMAL_MS_MIN, NORMAL_TIMES_MAX * alone_ms)
    for number in range(10_000):
        asked_s = time.monotonic()
        with contextlib.suppress(PiRagError):
            whole = not client.search(f"is it quiet again, asked {number} times")["degraded"]
            if whole and (time.monotonic() - asked_s) * 1000 <= bound_ms:
                break
        if time.monotonic() - began_s > NORMAL_S_MAX * 6:
            break
    return time.monotonic() - began_s


def _tell(stage: Stage, steps: Sequence[_Step], others: float) -> None:
    """What was promised, of the step with the most guests beside the first one."""
    for number, step in enumerate(steps):
        stage.figure(f"step_{number}_times", step.times)
        stage.figure(f"step_{number}_admitted_p95_ms", step.p95_ms)
    if not steps:
        stage.check("overload", f"{max(STEPS)}x, some are refused", ending.why(stage), None)
        return
    first, peak = steps[0], max(steps, key=lambda step: step.times)
    codes = peak.searches.codes
    if peak.times < max(STEPS) or not codes["busy"]:
        stage.check("overload", f"{max(STEPS)}x, some are refused", f"{peak.times}x, {dict(codes)}", None)
    _tell_of_refusals(stage, peak, others)
    _tell_of_service(stage, first, peak, others)
    _tell_of_queue(stage, steps)
    _tell_of_errors(stage, steps, others)
    _tell_of_memory(stage, peak)


def _tell_of_service(stage: Stage, first: _Step, peak: _Step, others: float) -> None:
    asked = f"p95 at {peak.times}x at most {ADMITTED_TIMES_MAX:g} times that at 1x"
    if not first.p95_ms or not peak.searches.count:
        stage.check("who is let in is served", asked, "no search to compare", None)
        return
    times = peak.p95_ms / first.p95_ms
    stage.figure("admitted_times", times)
    seen = f"{peak.p95_ms:.0f} ms beside {first.p95_ms:.0f} ms: {times:.2f} times"
    is_held = 0 < times <= ADMITTED_TIMES_MAX
    stage.check("who is let in is served", asked, *neighbours.judged(is_held, seen, others))


def _tell_of_queue(stage: Stage, steps: Sequence[_Step]) -> None:
    queued = max((step.queued_max for step in steps if step.queued_max is not None), default=None)
    if queued is None:
        stage.check("the queue keeps its bound", f"{QUERY_QUEUE_MAX}", "nobody was told", None)
        return
    stage.figure("queued_max", queued)
    stage.check("the queue keeps its bound", f"{QUERY_QUEUE_MAX}", str(queued), queued <= QUERY_QUEUE_MAX)


def _tell_of_errors(stage: Stage, steps: Sequence[_Step], others: float) -> None:
    """Of all steps: who was let in and left alone, which a busy machine may do too, and all else."""
    codes = sum((step.searches.codes for step in steps), Counter[str]())
    late = {code: codes[code] for code in sorted(LATE) if codes[code]}
    own = sum((step.failed + Counter(each.code for each in step.refused) for step in steps), Counter[str]())
    strange = {
        code: n for code, n in (codes + own).items() if not is_answered(code) and code not in {"busy", *LATE}
    }
    seen = f"{late or 'all'} of {codes.total() - codes['busy']}"
    asked = f"an answer within {LATE_S_MAX:g} s"
    is_served = neighbours.judged(not late, seen, others) if codes else (seen, None)
    stage.check("nobody who is let in is left alone", asked, *is_served)
    is_kept = not strange if codes else None
    stage.check("nobody sees another error", "busy only", str(strange or "none"), is_kept)


def _tell_of_refusals(stage: Stage, peak: _Step, others: float) -> None:
    took_ms = refused_ms(stage.record.answers, peak.began_s, peak.ended_s)
    stage.figure("refused", len(took_ms))
    if len(took_ms) < 100:
        stage.check("who is refused is told at once", "at least 100 refusals", str(len(took_ms)), None)
        return
    p99_ms = statistics.quantiles(took_ms, n=100)[-1]
    stage.figure("refused_p99_ms", p99_ms)
    asked, seen = f"p99 at most {REJECT_MS_MAX:g} ms", f"{p99_ms:.1f} ms of {len(took_ms)}"
    is_held = p99_ms <= REJECT_MS_MAX
    stage.check("who is refused is told at once", asked, *neighbours.judged(is_held, seen, others))
    told = [error.retry_after_ms for error in peak.refused if error.code == "busy"]
    is_told = all(each for each in told) if told else None
    stage.check("and when to come again", "retry_after_ms", f"{len(told)} told: {told[:3]}", is_told)


def refused_ms(answers: Sequence[Answer], began_s: float, ended_s: float) -> list[float]:
    """How long refusals of these seconds took."""
    return [each.latency_ms for each in answers if each.code == "busy" and began_s <= each.at_s <= ended_s]


def _tell_of_memory(stage: Stage, peak: _Step) -> None:
    grown_mib = growth_mib(stage.record.samples, peak.began_s, peak.ended_s)
    if grown_mib is None:
        stage.check("memory is flat", "samples", "too few", None)
        return
    stage.figure("memory_grown_mib", grown_mib)
    seen = f"{grown_mib:+.1f} MiB"
    stage.check("memory is flat", f"at most {FLAT_MIB_MAX:g} MiB more", seen, grown_mib <= FLAT_MIB_MAX)


def growth_mib(samples: Sequence[Sample], began_s: float, ended_s: float) -> float | None:
    """Of all private memory, from the first third of these seconds to the last; None: too few samples."""
    sizes = [sum(each.private_mib.values()) for each in samples if began_s <= each.at_s <= ended_s]
    third = len(sizes) // 3
    if not third:
        return None
    return statistics.median(sizes[-third:]) - statistics.median(sizes[:third])


SCENARIO = Scenario(
    name="load",
    about="up to ten times as many guests as are let in, and back: queues, refusals, recovery",
    minutes=10.0,
    quick_minutes=5.0,
    run=run,
)
