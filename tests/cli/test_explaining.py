"""Why a search answered as it did, in words."""

from __future__ import annotations

from pi_rag.cli.explaining import decisions, reasons


def test_every_number_behind_a_place_is_said() -> None:
    """Both ways with their ranks, what they make together, what age and likeness took, and what is new."""
    scores = {
        "vector": 0.8123, "vector_rank": 1.0, "text": 4.25, "text_rank": 3.0, "fused": 0.98765,
        "recency": 0.75, "likeness": 0.614, "stars": 5.0,
    }  # fmt: skip

    assert reasons({"scores": scores, "chunk_ids": [7, 8]}) == (
        "meaning 0.812 (no. 1), words 4.25 (no. 3), together 0.988, age leaves 75%, 0.61 like one above, "
        "stars 5, 2 passages joined"
    )
    assert reasons({"scores": {"text": 4.0, "likeness": 0.0}, "chunk_ids": [7]}) == "words 4"
    assert reasons({}) == ""


def test_decisions_are_said_without_their_brackets() -> None:
    """Whatever the service tells, nested or not, becomes a line, and no control character gets through."""
    explain: dict[str, object] = {
        "query_prefix": "",
        "cache": None,
        "vector": {"plan": "ram", "share": 0.123456},
        "degraded": [],
    }

    assert decisions(explain) == [
        ("query prefix", "none"),
        ("cache", "none"),
        ("vector", "plan ram, share 0.1235"),
        ("degraded", "none"),
    ]
    assert decisions({"vector": {"way": "all", "why": "there are only 892 passages"}}) == [
        (
            "vector",
            "the vectors of all that may be an answer were compared, since there are only 892 passages",
        )
    ]
    proposed = {"way": "index", "why": "there are 70000 passages", "proposals": 200}
    assert decisions({"vector": proposed})[0][1] == (
        "the index has proposed, and the whole vectors decided, since there are 70000 passages, proposals 200"
    )
    assert decisions({"joined": True, "notes": ["a\x1b[2J", 2]}) == [
        ("joined", "yes"),
        ("notes", "a\N{REPLACEMENT CHARACTER}[2J, 2"),
    ]
