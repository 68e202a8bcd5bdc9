"""Words find the right passages in the right order, in every script, and no query is an error."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.store import (
    Connection,
    by_words,
    checkup,
    citing,
    connection,
    documents,
    identity,
    migrations,
    words,
)
from pi_rag.store.rows import all_rows, value
from pi_rag.store.worded import RANKED_MAX
from pi_rag.types import Match, Scope
from tests.store.making import FINGERPRINT, put

MATCHES: list[Match] = ["any", "all", "phrase", "prefix"]


def _sources(db: Connection, hits: list[tuple[int, float]]) -> list[str]:
    return [passage.source for passage in citing.passages(db, [hit for hit, _ in hits])]


def _words(
    db: Connection,
    query: str,
    k: int = 10,
    *,
    match: Match = "any",
    ranked_max: int = RANKED_MAX,
    title_weight: float = 1.5,
    heading_weight: float = 1.2,
) -> list[tuple[int, float]]:
    return by_words.by_words(
        db, query, k, Scope(), title_weight, heading_weight, match=match, ranked_max=ranked_max
    )


def _found(db: Connection, query: str, match: Match = "any") -> list[str]:
    return _sources(db, _words(db, query, match=match))


def test_words_are_found_in_any_form_and_case(db: Connection) -> None:
    """Porter's stems and unicode61's folding: `Running cafés` finds `run cafe`."""
    put(db, "a", ["they run to the cafe"])
    put(db, "b", ["nothing of the kind"])
    assert _sources(db, _words(db, "RUNNING")) == ["a"]
    assert _sources(db, _words(db, "Cafés")) == ["a"]
    assert _sources(db, _words(db, "cafe\u0301")) == ["a"]


def test_more_of_the_words_and_rarer_ones_come_first(db: Connection) -> None:
    """BM25, as a positive number, best first."""
    put(db, "both", ["green tea with milk"])
    put(db, "one", ["green grass with dew"])
    for number in range(5):
        put(db, f"none {number}", ["something else"])
    hits = _words(db, "green tea")
    assert _sources(db, hits) == ["both", "one"]
    assert hits[0][1] > hits[1][1] > 0


def test_weights_decide_between_title_heading_and_body(db: Connection) -> None:
    """The same word counts as much as the place it stands in."""
    put(db, "body", ["tea and some words"])
    put(db, "title", ["xxx and some words"], title="tea")
    put(db, "heading", ["xxx and some words"], heading="tea")
    for number in range(9):
        put(db, f"none {number}", ["something else"])
    assert _sources(db, _words(db, "tea", title_weight=5, heading_weight=2)) == ["title", "heading", "body"]
    assert _sources(db, _words(db, "tea", title_weight=0.1, heading_weight=3)) == ["heading", "body", "title"]


def test_a_query_of_stop_words_alone_still_searches(db: Connection) -> None:
    """Somebody may look for `The Who`."""
    put(db, "a", ["the who"])
    put(db, "b", ["tea"])
    assert _sources(db, _words(db, "the who")) == ["a"]


def test_a_k_of_a_thousand_and_more_works(db: Connection) -> None:
    """A k beyond what there is gives what there is."""
    put(db, "a", ["tea"] * 1500)
    assert len(_words(db, "tea", 1000)) == 1000
    assert len(_words(db, "tea", 10**9)) == 1500


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("明日の天気予報を見る", "天気"),
        ("明日の天気予報を見る", "予報"),
        ("飲む水", "水"),
        ("水を飲む", "水"),
        ("北京的天气很好。", "天气"),
        ("北京的天气很好。", "好"),
        ("보일러는 지하실에 있습니다", "보일러"),
        ("보일러는 지하실에 있습니다", "지하실"),
        ("보일러는 지하실에 있습니다", "있"),
        ("ระบบทำความร้อนอยู่ชั้นใต้ดิน", "ความร้อน"),
        ("ເຮືອນຂອງຂ້ອຍ", "ຂອງ"),
        ("ផ្ទះរបស់ខ្ញុំ", "របស់"),
        ("မြန်မာစာ", "မြန်မာ"),
        ("བོད་ཀྱི་སྐད་ཡིག", "སྐད"),
        ("ｶﾒﾗの電池", "カメラ"),
        ("नमस्ते दुनिया", "दुनिया"),
        ("Dobrý večer, Straße", "STRASSE vecer"),
        ("Tiếng Việt dễ", "tieng viet de"),
        ("well done 🙂🙂", "🙂"),
        ("love❤\ufe0f", "❤"),
        ("call getUserName() here", "user name"),
        ("the boi\u00adler", "boiler"),
    ],
)
def test_every_script_is_searched_by_a_part_of_its_text(db: Connection, text: str, query: str) -> None:
    """A word of one letter or more is found wherever it stands, with particles and without spaces."""
    put(db, "it", [text])
    put(db, "other", ["nothing of the kind 別の文書 다른 것 อื่น"])
    assert _found(db, query) == ["it"]


@pytest.mark.parametrize(
    ("exact", "near"),
    [
        ("E-104", "E-410 104 E-105 E 401 104"),
        ("v1.2.3", "v1.3.2 v1 3.1 v1.2"),
        ("192.168.0.1", "192.168.1.0 192.168.0.11 1.0.168.192"),
        ("me@example.org", "me at example, org@me.example"),
        ("C++", "C and C# and plain C"),
        ("c#", "C and C++ and plain C"),
        ("parse_config", "config_parse, parse the config"),
        ("getUserName", "the user gets a name"),
        ("E104", "E 1 0 4 E401 104"),
        ("天気予報", "予報は天気、気予"),
        ("IL-6", "IL-16 and 6 more of IL"),
    ],
)
def test_what_is_asked_for_exactly_comes_first(db: Connection, exact: str, near: str) -> None:
    """Numbers, versions, addresses and names in code, before passages that only hold their parts."""
    put(db, "near", [near])
    put(db, "exact", [f"here stands {exact} among quite a few other words of no use"])
    put(db, "near again", [near])
    for number in range(20):
        put(db, f"none {number}", ["something else"])
    assert _found(db, exact)[0] == "exact"


def test_a_number_is_found_with_its_dash_and_without(db: Connection) -> None:
    """People write E-104, E104 and E 104."""
    for source, text in (("dash", "part E-104"), ("joined", "part E104"), ("apart", "part E 104")):
        put(db, source, [text])
    for query in ("E-104", "E104", "e 104"):
        assert set(_found(db, query)) == {"dash", "joined", "apart"}


def test_match_says_which_words_must_be_there(db: Connection) -> None:
    """Any, every one, all as they stand, or the beginning of the last."""
    put(db, "phrase", ["the boiler service was in may"])
    put(db, "both", ["service of the old boiler"])
    put(db, "one", ["a boilerplate and a boiler"])
    assert set(_found(db, "boiler service")) == {"phrase", "both", "one"}
    assert set(_found(db, "boiler service", "all")) == {"phrase", "both"}
    assert _found(db, "boiler service", "phrase") == ["phrase"]
    assert _found(db, '"boiler service"') == ["phrase"]
    assert _found(db, '"boiler service" plate')[0] == "phrase"
    assert set(_found(db, "old boilerp", "prefix")) == {"one", "both"}
    assert _found(db, "boilerp") == []


def test_a_phrase_may_go_through_two_scripts(db: Connection) -> None:
    """A phrase is the text as it stands."""
    put(db, "it", ["東京タワー 333 m high"])
    put(db, "other", ["high 333 東京"])
    assert _found(db, "タワー 333 m", "phrase") == ["it"]


def test_whether_words_are_required_is_told(db: Connection) -> None:
    """So that no passage without them is an answer, however near in meaning it is."""
    put(db, "it", ["green tea"])

    def every(query: str, match: Match) -> bool:
        return by_words.worded(db, query, 5, Scope(), 1, 1, match=match).every

    assert every('"green tea"', "any")
    assert every("green", "all")
    assert every("green tea", "phrase")
    assert not every('"green tea" milk', "any")
    assert not every("green te", "prefix")
    assert not every("--", "all")


def _crowd(db: Connection) -> None:
    """500 passages: `common` in all but a few, `half` in half, `rare` in five of them."""
    dice = random.Random(4)
    for number in range(500):
        half = " half" if number % 2 else ""
        rare = " rare" if number % 100 == 7 else ""
        common = " common" * dice.randint(1, 3) if number % 50 else ""
        put(db, str(number), [f"filler {'word ' * dice.randint(1, 9)}{common}{half}{rare}"])


@pytest.mark.parametrize("query", ["rare", "rare half", "rare half common", "half common", "common", "none"])
def test_few_passages_are_ranked_and_the_best_are_the_same(db: Connection, query: str) -> None:
    """Where the rarest words are enough for k; and without words of nearly all, with the same BM25."""
    _crowd(db)
    whole = _words(db, query, 5, ranked_max=1_000_000)
    few = _words(db, query, 5, ranked_max=90)
    assert len(few) == len(whole)
    if query == "rare half":
        assert [hit for hit, _ in few] == [hit for hit, _ in whole]
        assert few[0][1] == pytest.approx(whole[0][1])
    elif "rare" in query:
        assert {hit for hit, _ in few} == {hit for hit, _ in whole}


def test_too_few_found_by_rare_words_are_looked_for_again(db: Connection) -> None:
    """A narrowed question never finds fewer than the whole one does."""
    _crowd(db)
    assert len(_words(db, "rare half", 400, ranked_max=10)) == len(_words(db, "rare half", 400)) == 250


def test_an_older_database_gets_its_words_spelled(db: Connection) -> None:
    """The migration fills the new index from what is stored; nothing is added twice or left."""
    put(db, "a", ["보일러는 지하실에", "getUserName"], title="天気予報", heading="Straße")
    put(db, "b", ["tea"])
    db.execute(
        "DROP TABLE chunks_fts;"
        "CREATE VIRTUAL TABLE chunks_fts USING fts5 (title, heading, body, content = '',"
        " contentless_delete = 1, tokenize = 'porter unicode61')"
    )
    db.execute(
        "INSERT INTO chunks_fts (rowid, title, heading, body) SELECT id, '', heading, text FROM chunks"
    )
    assert _found(db, "보일러") == []
    migrations.s11_spelled_words(db)
    assert _found(db, "보일러") == ["a"]
    assert _found(db, "天気") == _found(db, "strasse") == ["a", "a"]
    assert _found(db, "user name") == ["a"]
    assert checkup.check(db) == []
    documents.remove(db, 1)
    assert _found(db, "보일러 天気") == []
    assert value(db, "SELECT count(*) FROM chunks_fts") == 1
    assert checkup.check(db) == []


def test_the_hot_statements_ask_the_word_index_and_nothing_else(db: Connection) -> None:
    """FTS5 finds by MATCH; SQLite keeps the best k; within a scope no passage is asked for one by one."""
    put(db, "a", ["tea"])
    plans: list[str] = []

    def explained(cursor: object, sql: str, bindings: object) -> bool:
        if "chunks_fts MATCH" in sql and not sql.startswith("EXPLAIN"):
            rows = all_rows(db, f"EXPLAIN QUERY PLAN {sql}", bindings)  # type: ignore[arg-type]
            plans.append("; ".join(row[3] for row in rows))
        return True

    db.exec_trace = explained
    _words(db, "tea")
    by_words.by_words(db, "tea", 1, Scope("default"), 1, 1)
    db.exec_trace = None
    counting, ranking, covering, _, scoped, _ = plans
    assert "SCAN chunks_fts VIRTUAL TABLE INDEX 0:M3" in counting
    # Not 32: FTS5 would then sort every passage, together with the places of its words.
    assert "SCAN chunks_fts VIRTUAL TABLE INDEX 0:" in ranking
    assert "USE TEMP B-TREE FOR ORDER BY" in ranking
    # 64: in the order of the numbers, which is FTS5's own.
    assert "SCAN chunks_fts VIRTUAL TABLE INDEX 64:M3" in covering
    assert ":=" not in covering + scoped
    assert "LIST SUBQUERY" in scoped


_NASTY = [
    "multi-agent", '"', "'", "OR", "AND", "NOT", "*", "^", "NEAR(", "NEAR(a b, 3)", "a:b", "title:", "{a b}:",
    "(", ")", "+", "-", "\x00", "\ud800", "\udfff", "🙂", "🙂\u200d🙂", "日本語", "ไทย", "عربي", "ﬀ", "İ",
    "ß", "e\u0301", "\u200b", "\ufeff", ";", "--", "/*", "%", "_", "\\", "?", "$1", "@x", "0x", "1e9", "tea",
    "\n",
]  # fmt: skip


@pytest.mark.parametrize(
    "query", [*_NASTY, "tea" * 5000, "tea " * 5000, '"' * 9999, "(" * 9999, "\u0301" * 99]
)
def test_a_nasty_query_is_only_a_query(db: Connection, query: str) -> None:
    """Alone, and beside a word, which is found all the same."""
    put(db, "a", ["a tea of words"])
    _words(db, query)
    assert _sources(db, _words(db, f"{query} tea")) == ["a"]


def test_ten_thousand_queries_put_together_from_nasty_pieces_never_fail(db: Connection) -> None:
    """Whatever stands beside what."""
    put(db, "a", ["a tea of words", "multi agent 日本語"])
    dice = random.Random(20)
    for _ in range(10_000):
        _words(
            db,
            dice.choice(["", " "]).join(dice.choices(_NASTY, k=dice.randint(1, 8))),
            match=dice.choice(MATCHES),
        )


@pytest.fixture(scope="module")
def full_db() -> Iterator[Connection]:
    """One database for all examples: a search changes nothing."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    put(made, "a", ["a tea of words"], title="Tea", heading="multi agent")
    yield made
    made.close()


@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "500")))
@given(query=st.text(st.characters(exclude_categories=())), match=st.sampled_from(MATCHES))
@example(query='" OR 1=1 --', match="any")
def test_no_text_whatever_makes_a_search_fail(full_db: Connection, query: str, match: Match) -> None:
    """A person may type anything. `FUZZ_EXAMPLES=10000` is the long form."""
    for _, score in _words(full_db, query, match=match):
        assert score > 0


@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "500")))
@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_phrase_finds_the_text_it_was_taken_from(full_db: Connection, text: str) -> None:
    """Whatever the script: texts and queries are spelled alike, so none is stored past being found."""
    with full_db:
        by_words.add(full_db, 99, "", "", text)
        found = [hit for hit, _ in _words(full_db, text, match="phrase")]
        full_db.execute("DELETE FROM chunks_fts WHERE rowid = 99")
    assert 99 in found or words.asked(text, "phrase") is None
