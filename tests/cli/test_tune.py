"""Promises of `pi-rag tune`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.cli.tune import sentences
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.choice import chosen
from pi_rag.embedder.tuned import Measured, found, key_of
from pi_rag.types import ModelCard
from tests.embedder.measured import PI, measured
from tests.standin import StandIn

from .conftest import Run


def said(figures: Measured, settings: EmbedderSettings) -> str:
    return "\n".join(sentences(figures, chosen(figures, settings), settings))


def test_what_was_chosen_is_said_with_its_reason() -> None:
    """A short line for each of the four."""
    assert said(PI, EmbedderSettings()).splitlines() == [
        "Flash attention from 96 tokens on: 1.31x at 256.",
        "Batches of up to 25 ms, since the way to a worker takes 0.50 ms: 1 short text, or 1 passage.",
        "1 worker x 1 thread: 3.0 passages/s; 4 workers x 1 thread: 3.70x; 2 workers x 2 threads: 3.00x; "
        "1 worker x 4 threads: 2.33x; 2 workers x 1 thread: 1.97x.",
        "In use: 4 workers x 1 thread.",
        "8 texts of 16 tokens in one call: 1.25x. Each goes alone all the same: company changes a text's "
        "vector a little.",
    ]


@pytest.mark.parametrize(
    ("flash", "sentence"),
    [
        (PI.plain, "Plain attention for all lengths: flash attention is 1.00x at 256."),
        (
            tuple((tokens, ms / 2) for tokens, ms in PI.plain),
            "Flash attention for all lengths: 2.00x at 256.",
        ),
    ],
)
def test_a_way_of_attention_that_always_wins_is_said(
    flash: tuple[tuple[int, float], ...], sentence: str
) -> None:
    """Either of them."""
    assert said(measured(flash=flash), EmbedderSettings()).splitlines()[0] == sentence


def test_a_setting_that_wins_is_said() -> None:
    """With what was the fastest, so that a person can take it back."""
    text = said(PI, EmbedderSettings(workers=2, texts_per_call_max=8))
    assert "In use: 2 workers x 2 threads." in text
    assert (
        "embedder.workers = 2 in the settings wins over what was measured; the fastest here: "
        "4 workers x 1 thread." in text
    )
    assert "1.25x. embedder.texts_per_call_max = 8 allows it." in text


def test_what_spoiled_the_figures_is_said() -> None:
    """Others on the machine, too little time, things left out: none of it in silence."""
    figures = measured(got=0.4, rounds=1, skipped=("2 workers x 2 threads",), sharing=(), speeds=())
    text = said(figures, EmbedderSettings())
    assert "only 40% of the processor was to be had" in text
    assert "There was time for 1 round only" in text
    assert "There was no time for: 2 workers x 2 threads." in text


@pytest.mark.model
def test_a_real_machine_is_measured_kept_and_told(
    run: Run, service: StandIn, minilm: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures for a program; for a person, what is being done, and that the service disturbs it."""
    service.on("GET", "/v1/status", {"ready": True})
    monkeypatch.setenv("PI_RAG_MODEL", minilm.path)
    monkeypatch.setenv("PI_RAG_EMBEDDER_TUNE_S_MAX", "4")
    ran = run("tune", "--json", "--data", str(tmp_path / "data"))

    assert ran.code == 0, ran.err
    assert "The service is running; figures may be lower." in ran.err
    assert "workers and threads" in ran.err
    path = tmp_path / "data" / "tuning.json"
    kept, _ = found(path, key_of(replace(minilm, name="m"), EmbedderSettings()))
    assert kept is not None
    tuning = chosen(kept.measured, EmbedderSettings())
    assert ran.json["chosen"]["flash_tokens_min"] == tuning.curve.flash_tokens_min
    assert ran.json["chosen"]["workers"] >= 1 and ran.json["chosen"]["threads"] >= 1
    assert (ran.json["path"], ran.json["service_was_running"]) == (str(path), True)


@pytest.mark.model
def test_a_person_reads_a_table_and_sentences(
    run: Run, minilm: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where the result is kept."""
    monkeypatch.setenv("PI_RAG_MODEL", minilm.path)
    monkeypatch.setenv("PI_RAG_EMBEDDER_TUNE_S_MAX", "1")
    ran = run("tune", "--data", str(tmp_path / "data"))

    assert ran.code == 0, ran.err
    assert "flash attention, ms" in ran.out and "In use: " in ran.out
    assert f"Kept in {tmp_path}/data/tuning.json." in ran.out


def test_without_a_model_nothing_is_measured(run: Run, tmp_path: Path) -> None:
    """It says how to get one."""
    ran = run("tune", "--data", str(tmp_path / "data"))
    assert ran.code == 6
    assert "No model is installed" in ran.err and "pi-rag model pull" in ran.err


@pytest.mark.model
def test_a_folder_that_cannot_be_written_is_told(
    run: Run, minilm: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is measured, and with the way to do it as the service's user."""
    monkeypatch.setenv("PI_RAG_MODEL", minilm.path)
    (tmp_path / "file").write_text("")
    ran = run("tune", "--data", str(tmp_path / "file"))
    assert ran.code == 6
    assert "cannot be kept" in ran.err and "sudo -u pi-rag" in ran.err
    assert "Measuring" not in ran.err
