"""What becomes of a new fact beside those that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import RememberSettings
from pi_rag.memory.judging import Known, Verdict, gives_way, is_judged, judged, repeated_values, trust_of
from pi_rag.memory_types import TRUSTS, NewFact, Trust
from pi_rag.text.contrast import same_words
from tests.memory.making import AGENT, NOW, PERSON, fact_of, known

SETTINGS = RememberSettings()


def verdict(new: NewFact, *others: Known, trust: Trust = "agent") -> Verdict:
    held = [
        replace(each, has_its_words=same_words(each.memory.text) == same_words(new.text)) for each in others
    ]
    return judged(new, trust, held, SETTINGS, NOW)


def shown(found: Verdict) -> list[tuple[int, str]]:
    return [(each.memory.id, each.why) for each in found.candidates]


def test_a_fact_like_none_is_created() -> None:
    """What resembles nothing is stored, and nothing is shown beside it."""
    assert verdict(NewFact("The cat is called Mo.")) == Verdict("created")


def test_the_same_words_merge_whatever_their_case() -> None:
    """It is the same to say it louder; no vector is needed to see that."""
    found = verdict(NewFact("the cat is called MO"), known(1, "The cat is called Mo."))

    assert (found.outcome, found.into and found.into.id) == ("merged", 1)


def test_the_likest_of_those_that_say_the_same_is_merged_with() -> None:
    """Of several the nearest; of equals the newest."""
    found = verdict(
        NewFact("Ann very much likes green tea."),
        known(1, "Ann likes green tea.", 0.96),
        known(2, "Ann likes green tea", 0.97),
        known(3, "Ann likes green tea!", 0.97),
    )

    assert found.into is not None
    assert found.into.id == 3


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("The door code is 1234.", "The door code is 9876.", "numbers"),
        ("The backup runs at night.", "The backup does not run at night.", "negation"),
    ],
)
def test_what_is_near_and_contrary_is_a_conflict(old: str, new: str, why: str) -> None:
    """However near: other numbers or a denial are never merged away, and both stand."""
    found = verdict(NewFact(new), known(1, old, 0.99))

    assert (found.outcome, found.into, found.replaced, shown(found)) == ("conflict", None, (), [(1, why)])


def test_what_names_another_file_is_another_fact() -> None:
    """It is stored beside, without a conflict."""
    found = verdict(NewFact("The report is in b.txt"), known(1, "The report is in a.txt", 0.99))

    assert (found.outcome, shown(found)) == ("created", [(1, "similar")])


def test_what_is_merely_near_is_shown() -> None:
    """From conflict_similarity on it is a candidate; below it is not mentioned."""
    found = verdict(
        NewFact("Ann drinks coffee."), known(1, "Ann drinks tea.", 0.81), known(2, "Bob sings.", 0.79)
    )

    assert (found.outcome, shown(found)) == ("created", [(1, "similar")])


def test_a_newer_fact_takes_the_place_of_its_topic() -> None:
    """All that stood on the topic gives way, and the newest is the one before it."""
    new = NewFact("The wifi is Egret.", topic="wifi")
    found = verdict(
        new,
        known(1, "The wifi is Heron.", topic="wifi"),
        known(4, "It was Ibis.", topic="wifi"),
        known(5, "x"),
    )

    assert (found.outcome, [each.id for each in found.replaced], shown(found)) == ("superseded", [4, 1], [])


@pytest.mark.parametrize("trust", TRUSTS)
@pytest.mark.parametrize("old", TRUSTS)
def test_a_topic_is_never_taken_from_somebody_more_trusted(old: Trust, trust: Trust) -> None:
    """It is a conflict, and both stay; from an equal or a less trusted one it is taken."""
    other = known(1, "The wifi is Heron.", topic="wifi", trust=old)
    found = verdict(NewFact("The wifi is Egret.", topic="wifi"), other, trust=trust)

    if TRUSTS.index(old) > TRUSTS.index(trust):
        assert (found.outcome, found.replaced, shown(found)) == ("conflict", (), [(1, "trust")])
    else:
        assert (found.outcome, found.replaced) == ("superseded", (other.memory,))


def test_what_a_person_pinned_does_not_give_way_to_an_agent() -> None:
    """Though the text is an agent's own."""
    other = known(1, "The wifi is Heron.", topic="wifi", pinned_by="person")

    held = verdict(NewFact("The wifi is Egret.", topic="wifi"), other)
    taken = verdict(NewFact("The wifi is Egret.", topic="wifi"), other, trust="person")

    assert (held.outcome, shown(held)) == ("conflict", [(1, "pinned")])
    assert taken.outcome == "superseded"


def test_what_may_give_way_does_so_beside_a_conflict() -> None:
    """One more word of an agent against a person's takes the place of the one before: they do not pile up."""
    found = verdict(
        NewFact("The wifi is Egret.", topic="wifi"),
        known(1, "The wifi is Heron.", topic="wifi", trust="person"),
        known(2, "The wifi is Crow.", topic="wifi"),
    )

    assert found.outcome == "conflict"
    assert ([each.id for each in found.replaced], shown(found)) == ([2], [(1, "trust")])


def test_a_person_who_says_what_an_agent_said_takes_its_place() -> None:
    """The text is then known by the person; an agent who repeats a person merges."""
    raised = verdict(NewFact("The cat is Mo."), known(1, "The cat is Mo."), trust="person")
    repeated = verdict(NewFact("The cat is Mo."), known(1, "The cat is Mo.", trust="person"))

    assert (raised.outcome, [each.id for each in raised.replaced]) == ("superseded", [1])
    assert repeated.outcome == "merged"


@pytest.mark.parametrize("topic", [None, "cat"])
def test_an_agent_who_repeats_what_it_read_does_not_raise_it(topic: str | None) -> None:
    """The words of a web page stay those of a web page, with a topic or without."""
    found = verdict(NewFact("The cat is Mo.", topic=topic), known(1, "The cat is Mo.", trust="web"))

    assert found.outcome == "merged"


def test_a_topic_is_not_lost_in_a_merge() -> None:
    """Said again with a topic, the older one without gives way; said again without, it merges."""
    named = verdict(NewFact("The cat is Mo.", topic="cat"), known(1, "The cat is Mo."))
    unnamed = verdict(NewFact("The cat is Mo."), known(1, "The cat is Mo.", topic="cat"))

    assert (named.outcome, [each.id for each in named.replaced]) == ("superseded", [1])
    assert unnamed.outcome == "merged"


def test_the_same_words_on_two_topics_are_two_facts() -> None:
    """What is said of the one is not said of the other."""
    found = verdict(NewFact("It is off.", topic="pump"), known(1, "It is off.", topic="boiler"))

    assert (found.outcome, shown(found)) == ("created", [(1, "similar")])


def test_what_is_named_gives_way_whatever_its_words() -> None:
    """`supersedes` goes before likeness, and the one it names is the one before."""
    found = verdict(
        NewFact("The cat is Mo.", topic="cat", supersedes=1), known(1, "x"), known(7, "y", topic="cat")
    )

    assert (found.outcome, [each.id for each in found.replaced]) == ("superseded", [1, 7])


def test_a_fact_of_the_past_takes_nobodys_place() -> None:
    """What was true stands beside what is; only what it names itself gives way."""
    new = NewFact("The price is 5.", topic="price", valid_to=NOW - 60)
    found = verdict(new, known(1, "The price is 4.", topic="price"))
    named = verdict(replace(new, supersedes=1), known(1, "The price is 4.", topic="price"))

    assert (found.outcome, found.ended, shown(found)) == ("created", (), [(1, "topic")])
    assert (named.outcome, [each.id for each in named.replaced]) == ("superseded", [1])


def test_a_fact_of_the_future_ends_what_it_will_take_the_place_of() -> None:
    """What is on its topic and what it names; what has not begun and is named goes at once."""
    new = NewFact("The price is 5.", topic="price", valid_from=NOW + 60)
    old = known(1, "The price is 4.", topic="price")
    plan = known(2, "The price is 6.", topic="price", at=NOW + 90)
    found = verdict(new, old, plan)
    named = verdict(replace(new, supersedes=2), old, plan)

    assert (found.outcome, found.replaced, found.ended) == ("created", (), (old.memory,))
    assert shown(found) == [(1, "topic"), (2, "topic")]
    assert (named.outcome, named.replaced, named.ended) == ("superseded", (plan.memory,), (old.memory,))


def test_what_expires_before_it_begins_ends_nothing() -> None:
    """It will never hold."""
    new = NewFact("The price is 5.", topic="price", valid_from=NOW + 60, expires_at=NOW + 30)
    assert verdict(new, known(1, "The price is 4.", topic="price")).ended == ()


def test_no_more_candidates_are_shown_than_are_wanted() -> None:
    """Those in the way come first, then the contrary, then the near."""
    others = [known(each, f"The sensor reads {each}.", 0.9) for each in range(10, 30)]
    first = known(1, "The sensor is broken.", topic="sensor", trust="person")
    found = verdict(NewFact("The sensor reads 7.", topic="sensor"), *others, first)

    assert len(found.candidates) == SETTINGS.candidates_max
    assert shown(found)[:2] == [(1, "trust"), (29, "numbers")]


def test_a_fact_is_trusted_no_more_than_what_it_was_taken_from() -> None:
    """Nor does an agent raise what it restates; a person's correction is a person's word."""
    assert trust_of(AGENT, None, None) == "agent"
    assert trust_of(PERSON, "web", None) == "web"
    assert trust_of(AGENT, "document", "web") == "web"
    assert trust_of(PERSON, None, "web") == "person"


@pytest.mark.parametrize(
    ("given_", "counts"),
    [
        ({}, True),
        ({"gone": "forgotten", "gone_at": NOW - 1}, False),
        ({"expires_at": NOW}, False),
        ({"valid_to": NOW}, False),
        ({"at": NOW + 1}, False),
        ({"at": NOW + 1, "created_at": NOW + 1}, True),
        ({"type": "event"}, False),
    ],
)
def test_only_what_can_be_recalled_keeps_a_fact_out(given_: dict[str, object], counts: bool) -> None:
    """What is expired or over is not merged with, lest it be lost. A clock set back hides nothing."""
    assert is_judged(fact_of(1, "x", **given_), NOW) is counts


def test_who_repeats_makes_a_fact_weigh_more_never_less() -> None:
    """The greater importance, all tags, the later end; only what differs is a change."""
    old = fact_of(1, "x", importance=0.7, tags=("a",), valid_to=NOW + 5, expires_at=NOW + 9)
    new = NewFact("x", importance=0.4, confidence=1.0, tags=("b",), expires_at=NOW + 20, pinned=True)

    assert repeated_values(old, None, new, "agent") == {
        "tags": (("a",), ("a", "b")),
        "valid_to": (NOW + 5, None),
        "expires_at": (NOW + 9, NOW + 20),
        "pinned_by": (None, "agent"),
    }


def test_who_is_trusted_less_changes_nothing_by_repeating() -> None:
    """A web page cannot pin what a person said, nor make it last."""
    new = NewFact("x", importance=1.0, pinned=True)

    assert repeated_values(fact_of(1, "x", trust="person", expires_at=NOW + 1), None, new, "web") == {}


@st.composite
def facts_known(draw: st.DrawFn) -> list[Known]:
    """Facts of all kinds of trust and pins, on two topics or none."""
    words = st.sampled_from(["the pump is on", "the pump is off", "the pump runs at 5", "nobody is at home"])
    trusts, topics = st.sampled_from(TRUSTS), st.sampled_from([None, "pump", "home"])
    return [
        known(
            id_,
            draw(words),
            draw(st.floats(0, 1)),
            draw(st.none() | trusts),
            trust=draw(trusts),
            topic=draw(topics),
        )
        for id_ in range(1, draw(st.integers(1, 6)))
    ]


@given(
    others=facts_known(),
    text=st.sampled_from(["the pump is on", "the pump runs at 7"]),
    topic=st.sampled_from([None, "pump"]),
    trust=st.sampled_from(TRUSTS),
)
def test_whatever_is_known_nothing_more_trusted_gives_way(
    others: list[Known], text: str, topic: str | None, trust: Trust
) -> None:
    """And each verdict is whole: merged has one it merges with, superseded has some, all in an order."""
    found = verdict(NewFact(text, topic=topic), *others, trust=trust)
    pins = {each.memory.id: each.pinned_by for each in others}

    assert all(gives_way(each, pins[each.id], trust) for each in found.replaced)
    assert (found.outcome == "merged") == (found.into is not None)
    assert found.outcome != "superseded" or found.replaced
    assert found.outcome != "created" or not found.replaced
    assert not {each.id for each in found.replaced} & {each.memory.id for each in found.candidates}
