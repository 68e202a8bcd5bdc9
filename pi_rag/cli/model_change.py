"""How a change of the index's model is, in words. It asks nobody."""

from __future__ import annotations

from typing import Any

from pi_rag.cli.printing import counted, one_line, span


def state_line(reindex: dict[str, Any]) -> str:
    """How it is, in a line; empty where there is nothing to tell."""
    model, to_cut = reindex.get("model"), int(reindex.get("documents_to_cut") or 0)
    lines = {
        "offered": _offered(str(model), str(reindex.get("index_model"))),
        "running": f"to {model}: {figures(reindex)}",
        "failed": f"to {model} has failed: {(reindex.get('error') or {}).get('message')}",
        "done": f"to {model} is done" + (f", {counted(to_cut, 'document')} to be cut anew" if to_cut else ""),
    }
    return one_line(lines.get(str(reindex.get("state")), ""))


def _offered(model: str, index_model: str) -> str:
    if model == index_model:
        return "texts are cut better than when this index was made; run: pi-rag reindex"
    return f"{model} is chosen, the index is of {index_model}; run: pi-rag reindex"


def figures(reindex: dict[str, Any]) -> str:
    """'34/120 passages, 12.3 passages/s, 1 min 5 s left'."""
    done, total = int(reindex.get("passages_done") or 0), int(reindex.get("passages_total") or 0)
    parts = [f"{done:,}/{counted(total, 'passage')}"]
    parts += [f"{reindex['rate_passages_s']:.1f} passages/s"] if reindex.get("rate_passages_s") else []
    parts += [f"{span(float(reindex['left_s']))} left"] if reindex.get("left_s") else []
    parts += [f"held up by {reindex['waiting_for']}"] if reindex.get("waiting_for") else []
    return ", ".join(parts)
