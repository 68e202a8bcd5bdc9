"""Records of runs that nobody made, by seed: plain use with its noise, and what goes wrong in it."""

from __future__ import annotations

import random
from dataclasses import replace

from pi_rag.stress.types import Answer, Probe, Record, Sample

PLAIN_S = (0.0, 20.0)
BEGIN_S = 30.0
"""When what goes wrong begins."""


def clean(seed: int, seconds: float = 60.0) -> Record:
    """Stationary: long tails of latency, rare refusals and misses, memory and log that rise and fall."""
    dice = random.Random(seed)
    record = Record("anomalies", seed, seconds / 60)
    at_s, number = 0.0, 0
    while at_s < seconds:
        at_s, number = at_s + dice.uniform(0.08, 0.13), number + 1
        record.probes.append(_probe(dice, at_s, number))
        record.answers.append(Answer(at_s + dice.random() / 20, "search", 40.0, _code(dice)))
    record.samples = [_sample(dice, second) for second in range(int(seconds))]
    return record


def _probe(dice: random.Random, at_s: float, number: int) -> Probe:
    own_ms = dice.lognormvariate(2.0, 0.5) + (300.0 if dice.random() < 0.005 else 0.0)
    waited_ms = dice.lognormvariate(2.5, 1.0)
    is_found = dice.random() > 0.01
    return Probe(
        at_s, "meaning" if number % 2 else "words", own_ms + waited_ms, waited_ms, _code(dice), is_found
    )


def _code(dice: random.Random) -> str:
    return "busy" if dice.random() < 0.003 else ""


def _sample(dice: random.Random, second: int) -> Sample:
    # Counted every other second, with an upkeep now and then that takes some and gives it back.
    spike = max(0.0, 6.0 - 2.0 * (second // 2 % 10))
    private = {
        "supervisor": round(75.0 + spike + dice.gauss(0, 0.5), 1),
        "worker": 20.0 + dice.randrange(3) / 10,
    }
    return Sample(
        at_s=float(second),
        pss_mib=private,
        private_mib=private,
        processor_share={},
        descriptors=30 + dice.randrange(6),
        threads=15 + dice.randrange(2),
        wal_mib=(second % 13) / 10,
        disk_free_mib=1000.0,
        queued=0,
        is_ready=True,
    )


def slower(record: Record, ms: float, every: int = 1, way: str = "") -> Record:
    """Each so manieth probe from BEGIN_S on, of one way or of both."""
    chosen = [each for each in record.probes if each.at_s >= BEGIN_S and way in each.way][::every]
    late = {id(each) for each in chosen}
    probes = [
        replace(each, latency_ms=each.latency_ms + ms) if id(each) in late else each for each in record.probes
    ]
    return replace(record, probes=probes)


def leaking(record: Record, **per_s: float) -> Record:
    """`worker` or `supervisor` in MiB, `descriptors`, `threads`, `wal_mib`, from BEGIN_S on."""
    return replace(
        record, samples=[_leaked(each, per_s, max(0.0, each.at_s - BEGIN_S)) for each in record.samples]
    )


def _leaked(sample: Sample, per_s: dict[str, float], seconds: float) -> Sample:
    private = {role: value + per_s.get(role, 0.0) * seconds for role, value in sample.private_mib.items()}
    return replace(
        sample,
        private_mib=private,
        descriptors=sample.descriptors + int(per_s.get("descriptors", 0) * seconds),
        threads=sample.threads + int(per_s.get("threads", 0) * seconds),
        wal_mib=sample.wal_mib + per_s.get("wal_mib", 0.0) * seconds,
    )


def failing(record: Record, dice: random.Random, share: float, seconds: float, code: str) -> Record:
    """Answers and probes from BEGIN_S on."""

    def is_hit(at_s: float) -> bool:
        return BEGIN_S <= at_s < BEGIN_S + seconds and dice.random() < share

    return replace(
        record,
        answers=[replace(each, code=code) if is_hit(each.at_s) else each for each in record.answers],
        probes=[replace(each, code=code) if is_hit(each.at_s) else each for each in record.probes],
    )


def losing(record: Record, dice: random.Random, share: float, way: str) -> Record:
    """So many of the known answers, one way, from BEGIN_S on."""
    return replace(
        record,
        probes=[
            replace(each, is_found=False)
            if each.at_s >= BEGIN_S and each.way == way and dice.random() < share
            else each
            for each in record.probes
        ],
    )


def stalling(record: Record, seconds: float) -> Record:
    """Nobody is answered for so long after BEGIN_S."""

    def later(at_s: float) -> bool:
        return not BEGIN_S <= at_s < BEGIN_S + seconds

    return replace(
        record,
        answers=[each for each in record.answers if later(each.at_s)],
        probes=[each for each in record.probes if later(each.at_s)],
    )
