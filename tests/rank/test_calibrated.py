"""Fusion by scores: what must hold whatever the scores are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pi_rag.rank.calibrated import Chance, Evidence, Weights, fused, weights
from pi_rag.rank.fusion import Fused, Ranked

CHANCE = Chance(0.2, 0.1)
ids = st.integers(1, 30)
cosines = st.dictionaries(ids, st.floats(-1, 1), max_size=12)
bm25s = st.dictionaries(ids, st.floats(0, 60), max_size=12)
parts = st.dictionaries(ids, st.floats(0, 1), max_size=12)
chances = st.builds(Chance, st.floats(-0.5, 0.8), st.floats(0.01, 0.4))


def ranked(scores: dict[int, float]) -> Ranked:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    by_vector, by_text = draw(cosines), draw(bm25s)
    others = {item: draw(st.floats(-1, 0)) for item in by_text if item not in by_vector and by_vector}
    return Evidence(ranked(by_vector), ranked(by_text), draw(chances), draw(parts), others)


def fuse(evidence: Evidence, words_weight: float = 1.4) -> list[Fused]:
    return list(fused(evidence, weights(evidence, words_weight))[0])


@given(evidences())
def test_every_passage_is_there_once_and_scores_fall_from_1_to_0(evidence: Evidence) -> None:
    """Whatever either way found, in an order that is the scores' own."""
    found = fuse(evidence)
    scores = [each.score for each in found]
    assert sorted(each.id for each in found) == sorted({*dict(evidence.vector), *dict(evidence.text)})
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@given(evidences())
def test_the_order_of_the_lists_does_not_matter(evidence: Evidence) -> None:
    """The same scores give the same answer, however the lists were sorted."""
    shuffled = replace(evidence, vector=evidence.vector[::-1], text=evidence.text[::-1])
    assert [(each.id, each.score) for each in fuse(evidence)] == [
        (each.id, each.score) for each in fuse(shuffled)
    ]


@given(cosines, chances)
def test_vectors_alone_keep_their_order(scores: dict[int, float], by_chance: Chance) -> None:
    """Calibration changes nothing where there is nothing to weigh."""
    nearest_first = [item for item, _ in ranked(scores)]
    assert [each.id for each in fuse(Evidence(ranked(scores), (), by_chance))] == nearest_first


@given(bm25s, parts)
def test_words_alone_keep_their_order(scores: dict[int, float], covered: dict[int, float]) -> None:
    """BM25 decides, whatever is covered: so a search without a model is as it always was."""
    best_first = [item for item, _ in ranked(scores)]
    assert [each.id for each in fuse(Evidence((), ranked(scores), CHANCE, covered))] == best_first


@given(evidences(), st.data())
def test_a_better_score_never_costs_a_place(evidence: Evidence, data: st.DataObject) -> None:
    """Nearer in meaning, or more of the words, and a passage stands where it stood or higher."""
    way = data.draw(st.sampled_from(["vector", "text"]))
    scores = dict(evidence.vector if way == "vector" else evidence.text)
    assume(scores)
    item = data.draw(st.sampled_from(sorted(scores)))
    before = _place(fuse(evidence), item)
    best = 1.0 if way == "vector" else 60.0
    scores[item] += data.draw(st.floats(0, 1)) * (best - scores[item])
    better = ranked(scores)
    changed = replace(evidence, vector=better) if way == "vector" else replace(evidence, text=better)
    assert _place(fuse(changed), item) <= before


def _place(found: list[Fused], item: int) -> int:
    return [each.id for each in found].index(item)


def test_first_by_both_scores_one_and_tells_its_reasons() -> None:
    """So that a person can read the number, and what it is made of."""
    evidence = Evidence([(7, 0.6), (8, 0.5)], [(7, 12.0), (9, 8.0)], CHANCE, {7: 0.9, 9: 0.5}, {9: 0.3})
    first, *others = fuse(evidence)
    assert (first.id, first.score) == (7, 1.0)
    assert first.scores == {"vector": 0.6, "text": 12.0}
    assert first.ranks == {"vector": 1, "text": 1}
    nine = next(each for each in others if each.id == 9)
    assert nine.scores == {"vector": 0.3, "text": 8.0}
    assert nine.ranks == {"text": 2}


def test_a_rare_code_that_one_passage_holds_puts_it_first() -> None:
    """`E-104` in one passage of many, though thirty others are nearer in meaning."""
    near = [(item, 0.55 - item / 1000) for item in range(1, 31)]
    evidence = Evidence(near, [(99, 19.0)], CHANCE, {99: 1.0}, {99: 0.32})
    assert fuse(evidence)[0].id == 99


def test_words_that_cover_little_of_a_question_do_not_outweigh_its_meaning() -> None:
    """A passage that shares a word or two with a question is behind the one that is about it."""
    near = [(1, 0.75), (2, 0.4)]
    evidence = Evidence(near, [(3, 14.0), (1, 3.0)], CHANCE, {3: 0.4, 1: 0.1}, {3: 0.25})
    assert fuse(evidence)[0].id == 1


def test_where_nothing_is_near_in_meaning_the_words_decide() -> None:
    """The weight of vectors is the query's own: none where the nearest is nearer by chance only."""
    evidence = Evidence([(1, 0.2), (2, 0.1)], [(2, 5.0), (1, 1.0)], CHANCE, {2: 1.0, 1: 1.0})
    assert weights(evidence, 1.4) == Weights(0.0, 1.4)
    assert [each.id for each in fuse(evidence)] == [2, 1]


@pytest.mark.parametrize("moved", [0.0, 0.5])
def test_what_cosines_are_by_chance_does_not_matter(moved: float) -> None:
    """A model whose cosines all lie higher gives the same ranking: what counts is how they stand out."""
    by_vector = [(1, 0.4), (2, 0.35), (3, 0.3)]
    evidence = Evidence(
        [(item, score + moved) for item, score in by_vector],
        [(3, 9.0)],
        Chance(0.1 + moved, 0.1),
        {3: 0.5},
    )
    assert [each.id for each in fuse(evidence)] == [1, 3, 2]


def test_nothing_found_is_an_empty_list() -> None:
    """No list, no passage, no division by nothing."""
    assert fuse(Evidence((), (), CHANCE)) == []
