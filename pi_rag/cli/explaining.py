"""Why a search answered as it did, in words for people. Pure; what it explains is the service's own object.

It shows whatever the service tells, also what it does not know by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pi_rag.cli.printing import counted, one_line

WAYS = {"vector": "meaning", "text": "words"}
"""The two ways of a search, by the names that people have for them."""

COMPARED = {
    "all": "the vectors of all that may be an answer were compared",
    "index": "the index has proposed, and the whole vectors decided",
}
"""The ways in which the nearest vectors are looked for."""

LATER = {
    "fused": "together {:.3f}",
    "recency": "age leaves {:.0%}",
    "likeness": "{:.2f} like one above",
}
"""What comes after both ways, by its name in `scores`."""


def reasons(hit: Mapping[str, Any]) -> str:
    """Why a hit stands where it stands: 'meaning 0.812 (no. 1), words 4.2 (no. 3), together 0.987'."""
    scores = dict(hit.get("scores") or {})
    parts = []
    for way, name in WAYS.items():
        score, rank = scores.pop(way, None), scores.pop(f"{way}_rank", None)
        if score is not None:
            parts.append(f"{name} {score:.3g}" + (f" (no. {rank:.0f})" if rank is not None else ""))
    if not scores.get("likeness"):
        scores.pop("likeness", None)  # there is nothing above it, or nothing like it
    parts += [said.format(scores.pop(name)) for name, said in LATER.items() if name in scores]
    parts += [f"{one_line(name)} {scores[name]:g}" for name in sorted(scores)]
    passages = len(hit.get("chunk_ids") or ())
    return ", ".join([*parts, *([f"{counted(passages, 'passage')} joined"] if passages > 1 else [])])


def decisions(explain: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was decided on the way, as rows of two columns."""
    return [
        (one_line(name).replace("_", " "), _compared(value) if name == "vector" else _said(value))
        for name, value in explain.items()
    ]


def _compared(value: Any) -> str:
    """How the nearest vectors were found, why so, and what else there is to say."""
    if not isinstance(value, Mapping) or str(value.get("way")) not in COMPARED:
        return _said(value)
    rest = {name: each for name, each in value.items() if name not in ("way", "why")}
    since = [f"since {one_line(value['why'])}"] if value.get("why") else []
    return ", ".join([COMPARED[value["way"]], *since, *([_said(rest)] if rest else [])])


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(name).replace('_', ' ')} {_said(each)}" for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_said(each) for each in value) or "none"
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else one_line(value)
