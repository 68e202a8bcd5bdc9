"""Settings: where they come from, and what is refused."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from pi_rag import config
from pi_rag.errors import SettingsInvalid


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PI_RAG_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> str:
    path = folder / "pi-rag.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_flag_beats_the_environment_which_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest to the person wins."""
    path = written(tmp_path, "[embedder]\nworkers = 2\ntexts_per_call_max = 3\n[query]\nk_max = 50\n")
    monkeypatch.setenv("PI_RAG_CONFIG", path)
    monkeypatch.setenv("PI_RAG_WORKERS", "3")
    monkeypatch.setenv("PI_RAG_EMBEDDER_TEXTS_PER_CALL_MAX", "5")

    settings = config.load(flags={"embedder.workers": 6, "service.data": None})

    assert settings.embedder.workers == 6
    assert settings.embedder.texts_per_call_max == 5
    assert settings.query.k_max == 50


@pytest.mark.parametrize(
    ("text", "named", "nearest"),
    [
        ("[embeder]\nworkers = 2", "embeder", "embedder"),
        ("[embedder]\nworkerz = 2", "embedder.workerz", "embedder.workers"),
        ("workers = 2", "workers", "embedder.workers"),
        ("[ingest]\nchunk_token_max = 2", "ingest.chunk_token_max", "ingest.chunk_tokens_max"),
    ],
)
def test_a_typing_mistake_is_named_with_the_nearest_right_key(
    tmp_path: Path, text: str, named: str, nearest: str
) -> None:
    """A setting that nobody reads would be a silent failure."""
    with pytest.raises(SettingsInvalid) as caught:
        config.load(written(tmp_path, text))

    assert repr(named) in caught.value.message
    assert repr(nearest) in caught.value.hint


def test_a_misspelt_variable_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is a settings file like any other."""
    monkeypatch.setenv("PI_RAG_WORKER", "2")
    with pytest.raises(SettingsInvalid) as caught:
        config.load("/dev/null")

    assert "PI_RAG_WORKER'" in caught.value.message
    assert "PI_RAG_WORKERS" in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("PI_RAG_EMBEDDER_WORKERS", "PI_RAG_WORKERS"),
        ("PI_RAG_EMBEDDER_MODEL", "PI_RAG_MODEL"),
        ("PI_RAG_SERVICE_DATA", "PI_RAG_DATA"),
        ("PI_RAG_SERVICE_SOCKET", "PI_RAG_SOCKET"),
        ("PI_RAG_EMBEDER_WORKERS", "PI_RAG_WORKERS"),
    ],
)
def test_a_variable_named_after_its_group_gets_the_short_name(
    typed: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most are named so, and the few that are not are the most used."""
    monkeypatch.setenv(typed, "2")
    with pytest.raises(SettingsInvalid) as caught:
        config.load("/dev/null")

    assert repr(meant) in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedder.workers", -1),
        ("embedder.workers", 65),
        ("embedder.workers", "many"),
        ("embedder.workers", 2.5),
        ("embedder.workers", True),
        ("embedder.workers", [1]),
        ("query.rrf_k", "nan-ish"),
        ("query.rrf_k", float("nan")),
        ("service.log_level", "loud"),
        ("service.data", 7),
        ("service.socket_mode", "777"),
        ("service.socket", "/" + "x" * 120),
    ],
)
def test_a_value_out_of_bounds_is_refused(name: str, value: Any) -> None:
    """A wrong type, a value past its bound or one that is not among the choices names its setting."""
    with pytest.raises(SettingsInvalid) as caught:
        config.from_values({name: value})

    assert name.partition(".")[2].partition("_")[0] in caught.value.message


@pytest.mark.parametrize("line", ['k_max = "5"', "k_max = '5'", 'recency_weight = "0.5"', 'k_max = "many"'])
def test_a_number_in_quotes_is_refused(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file that has types; a variable has none, and its numbers are texts."""
    path = tmp_path / "pi-rag.toml"
    path.write_text(f"[query]\n{line}\n")
    with pytest.raises(SettingsInvalid, match="without quotes"):
        config.load(str(path))

    path.write_text("[query]\nk_max = 5\n")
    monkeypatch.setenv("PI_RAG_QUERY_K_MAX", "7")
    assert config.load(str(path)).query.k_max == 7


def test_settings_that_contradict_each_other_are_refused() -> None:
    """A passage that cannot fit the worker's window would be cut off silently."""
    with pytest.raises(SettingsInvalid, match="needs 552 tokens"):
        config.from_values({"ingest.chunk_tokens_max": 500, "ingest.heading_tokens_max": 50})
    with pytest.raises(SettingsInvalid, match="at most half"):
        config.from_values({"ingest.chunk_overlap_tokens": 150})
    with pytest.raises(SettingsInvalid, match="lease_s"):
        config.from_values({"ingest.read_s_max": 300})
    with pytest.raises(SettingsInvalid, match=r"close_s_max \(4\) must be below service.stop_s_max \(4\)"):
        config.from_values({"service.stop_s_max": 4})
    with pytest.raises(SettingsInvalid, match=r"ingest.roots has 'papers', which is not an absolute path"):
        config.from_values({"ingest.roots": "/srv:papers"})
    with pytest.raises(SettingsInvalid, match=r"gpio.led_pin and gpio.button_pin are both 17"):
        config.from_values({"gpio.led_pin": 17, "gpio.button_pin": 17})
    with pytest.raises(SettingsInvalid, match=r"waiting_max \(32\) .*bulk_max \(4\) must .* below"):
        config.from_values({"service.requests_max": 36})


@pytest.mark.parametrize(("low", "high"), config.ORDERED)
def test_of_a_smallest_above_its_largest_it_is_said_which_one_holds(low: str, high: str) -> None:
    """The service starts all the same. Alike they may be."""
    item = config.names()[high]
    assert config.doubts(config.from_values({low: item.default})) == []
    [said] = config.doubts(config.from_values({low: item.default + 1}))
    assert re.fullmatch(rf"{low} \(\d+\) is above {high} \(\d+\), which holds\.", said)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, None),
        ({"ingest.reader_memory_mib_max": 256}, "ingest.reader_grown_mib_max (256) is not below"),
        ({"agents.message_mib_max": 50.0, "service.request_mib_max": 90}, None),
        ({"agents.message_mib_max": 96.0, "service.request_mib_max": 95}, "agents.message_mib_max (96) is"),
        ({"client.upload_mib": 97}, "client.upload_mib (97) is above service.request_mib_max (96)"),
        ({"ingest.document_mib_max": 72}, None),
        ({"ingest.document_mib_max": 73}, "ingest.document_mib_max (73), sent as 98 MiB, is above"),
    ],
)
def test_what_cannot_hold_is_said_and_taken(values: dict[str, Any], said: str | None) -> None:
    """Settings that worked so start a service as before, and name the one that wins."""
    found = config.doubts(config.from_values({"ingest.document_mib_max": 60, **values}))

    assert found == [] if said is None else any(said in each for each in found)


def test_the_defaults_leave_no_doubt() -> None:
    """Nobody is warned of what was not chosen."""
    assert config.doubts(config.Settings()) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "[ingest]\nocr = true",
            'ingest.ocr is true; it must be one of these, with the quotes: "off", "on".',
        ),
        ("[gpio]\nled_active_high = false", 'with the quotes: "on", "off".'),
        ("[service]\nsocket_mode = 600", 'with the quotes: "600", "660", "666".'),
        ('[ingest]\nroots = ["/a", "/b"]', 'it must be one text, with the quotes: "/a:/b".'),
        ("[service]\ndata = 7", 'it must be a text, with the quotes: "7".'),
    ],
)
def test_what_is_no_text_is_told_with_what_to_type(tmp_path: Path, line: str, told: str) -> None:
    """A switch looks like a boolean, rights like a number, folders like a list; and the file is named."""
    path = written(tmp_path, line)
    with pytest.raises(SettingsInvalid) as caught:
        config.load(path)

    assert told in caught.value.message
    assert caught.value.message.endswith(f"It comes from the settings file {path}.")


def test_a_wrong_value_is_told_with_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The strongest place it was found in, which is where it has to be changed."""
    path = written(tmp_path, "[embedder]\nworkers = 65\n")
    with pytest.raises(SettingsInvalid, match=f"from the settings file {path}"):
        config.load(path)
    monkeypatch.setenv("PI_RAG_WORKERS", "66")
    with pytest.raises(SettingsInvalid, match=r"is 66; .*from the environment variable PI_RAG_WORKERS"):
        config.load(path)
    with pytest.raises(SettingsInvalid, match=r"is 67; it must be from \d+ to \d+ \([a-z ]+\)\.$"):
        config.load(path, flags={"embedder.workers": 67})


def test_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    """It begins with a mark that is no TOML."""
    path = tmp_path / "pi-rag.toml"
    path.write_text("[query]\nk_max = 7\n", encoding="utf-8-sig")

    assert config.load(str(path)).query.k_max == 7


def test_a_number_out_of_bounds_is_told_with_both_bounds_and_their_unit() -> None:
    """Whatever the unit is called, the sentence is one."""
    with pytest.raises(SettingsInvalid, match=r"is 40; it must be from 0 to 27 \(GPIO number\)\."):
        config.from_values({"gpio.led_pin": 40})


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"[embedder\n", "not valid TOML"),
        (b"[index]\nkind = " + b"[" * 5000, "not valid TOML"),
        (b"[index]\nbits = " + b"1" * 5000, "not valid TOML"),
        (b"[query]\nrrf_k = " + b"1" * 400, "query.rrf_k"),
        (b"\xff\xfe", "cannot be read"),
        (None, "does not exist"),
    ],
    ids=["no end", "too deep", "too long", "too large", "no text", "none"],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, word: str) -> None:
    """A broken settings file stops the start instead of being skipped."""
    path = tmp_path / "pi-rag.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsInvalid, match=word):
        config.load(str(path))


@pytest.mark.parametrize("header", ["[gpio]", "[ gpio ]  # pins", '["gpio"]'])
def test_of_a_section_that_stands_there_twice_the_first_is_shown(tmp_path: Path, header: str) -> None:
    """Lines of a page added at the end of the installed file, which has every section."""
    path = tmp_path / "pi-rag.toml"
    path.write_text(f"# All settings.\n\n{header}\n# led_pin = -1\n\n[gpio]\nled_pin = 17\n")

    with pytest.raises(SettingsInvalid) as refused:
        config.load(str(path))

    assert refused.value.hint.startswith("[gpio] stands at line 3 already: put the lines below that one")


def test_of_a_section_that_stands_there_once_no_line_is_named(tmp_path: Path) -> None:
    """It would be the wrong one."""
    path = tmp_path / "pi-rag.toml"
    path.write_text("gpio.led_pin = 17\n[gpio]\nbutton_pin = 27\n")
    with pytest.raises(SettingsInvalid) as refused:
        config.load(str(path))
    assert refused.value.hint == SettingsInvalid.hint_default


def test_the_folders_follow_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root and without settings nothing is written outside the user's own folders."""
    monkeypatch.setenv("XDG_DATA_HOME", "/home/ada/.data")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")

    settings = config.from_values({})

    assert settings.data_path == Path("/home/ada/.data/pi-rag")
    assert settings.socket_path == Path("/run/user/1000/pi-rag.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert settings.socket_path == Path("/home/ada/.data/pi-rag/pi-rag.sock")


def test_every_setting_documents_itself() -> None:
    """Unit and reason are there, numbers are bounded, the default obeys its own bounds."""
    for name, item in config.names().items():
        meta = item.metadata
        assert meta["unit"] and meta["why"].endswith("."), name
        if isinstance(item.default, (int, float)):
            assert meta["low"] <= item.default <= meta["high"], name


def test_no_two_settings_share_a_variable() -> None:
    """Each has one name of its own in the environment."""
    names = [config.env_name(name, item) for name, item in config.names().items()]

    assert len(names) == len(set(names))
