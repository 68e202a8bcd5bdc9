"""What our own embedder is given to do."""

from __future__ import annotations

from itertools import islice

from benchmarks.embedding.own import REQUEST_CHARS, REQUEST_TEXTS_MAX, _passes


def test_no_text_comes_twice_and_passes_are_whole() -> None:
    """Nothing is fast because it was asked before."""
    texts = ["long " * 400, *(f"short {number}" for number in range(40))]
    over = iter([False, False, True])
    requests = list(_passes(texts, lambda: next(over)))

    flat = [text for request in requests for text in request]
    assert len(flat) == len(set(flat)) == 3 * len(texts)
    assert all(len(request) <= REQUEST_TEXTS_MAX for request in requests)
    assert all(len(request) == 1 or sum(map(len, request)) <= REQUEST_CHARS for request in requests)


def test_the_first_pass_is_the_list_itself() -> None:
    """A short turn has the same texts as everybody's."""
    assert list(islice(_passes(["one", "two"], lambda: True), 5)) == [["one", "two"]]
