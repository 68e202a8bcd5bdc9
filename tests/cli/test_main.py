"""The door: parsing, errors and exit codes that every command shares."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag import errors
from pi_rag.cli.main import COMMANDS, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED, _command, main, parser
from tests.cli.conftest import Run
from tests.standin import StandIn, raw

CHECKOUT = Path(__file__).parents[2]


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    """`pi-rag` as a process of its own, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "pi_rag.cli.main", *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help gives the summary, a paragraph and examples, in lines that fit a terminal."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert COMMANDS[name] in text
    assert _command(name).DESCRIPTION.strip() in text
    assert f"pi-rag {name}" in text.partition("examples:")[2]
    assert max(map(len, text.splitlines())) <= 100


def test_help_is_as_wide_as_it_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """COLUMNS counts as in other programs; nonsense in it does not."""
    longest = []
    for columns in ("40", "120", "-3"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit):
            main(["add", "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        longest.append(max(map(len, usage.splitlines())))
    assert longest[0] <= 40
    assert longest[1] > 80
    assert longest[2] <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_parses(name: str) -> None:
    """What the help shows can be typed."""
    examples = [line.strip() for line in _command(name).EXAMPLES.splitlines()]
    assert examples
    for example in examples:
        words = shlex.split(example.replace("~", "/home/pi"))
        # The last `pi-rag` of the line: one may stand behind a pipe, or behind `sudo -u pi-rag`.
        begin = len(words) - 1 - words[::-1].index("pi-rag")
        arguments = words[begin + 1 :]
        for sign in ("|", ">"):
            if sign in arguments:
                arguments = arguments[: arguments.index(sign)]
        assert parser().parse_args(arguments).command == name


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`pi-rag --help` shows all commands with their summaries."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert f"{name} " in text
        assert summary in text


@pytest.mark.parametrize("kind", list(errors.every_kind()), ids=lambda kind: kind.code)
def test_an_error_is_printed_with_its_hint_and_gives_its_exit_code(
    service: StandIn, run: Run, kind: type[errors.PiRagError]
) -> None:
    """Message and hint on standard error, nothing on standard output, the kind's own exit code."""
    service.on("GET", "/v1/status", {"error": kind("It broke.", hint="Mend it.\nThen go on.").to_wire()}, 500)
    ran = run("status")
    assert ran.code == kind.exit_code
    assert ran.out == ""
    assert ran.err == "pi-rag: It broke.\n  hint: Mend it.\n  hint: Then go on.\n"


def test_an_error_is_an_object_with_json(service: StandIn, run: Run) -> None:
    """Programs read the error on standard output, in the one shape, with the same exit code."""
    service.refuse("GET", "/v1/jobs/9", 404, "job_not_found", message="There is no job 9.")
    ran = run("jobs", "9", "--json")
    assert ran.code == 3
    assert ran.json["error"]["code"] == "job_not_found"
    assert "There is no job 9." in ran.err


def test_a_person_is_sent_to_the_help_of_the_command(service: StandIn, run: Run) -> None:
    """Where the service names what programs look into; a hint of its own is left as it is."""
    service.refuse("POST", "/v1/memories", 422, "request_invalid", hint=errors.RequestInvalid.hint_default)
    assert "hint: See: pi-rag remember --help" in run("remember", "Tea", "--until", "soon").err
    service.refuse("POST", "/v1/memories", 422, "request_invalid", hint="Say when.")
    assert "hint: Say when." in run("remember", "Tea").err


@pytest.mark.parametrize(
    ("message", "flags", "said"),
    [
        (
            "body.documents.0.title: String should have at most 1000 characters.",
            ("--title=T",),
            "--title should have at most 1000 characters.",
        ),
        (
            "body.metadata: Value error, it is nested more than 32 deep.",
            ("--metadata", "a=[]"),
            "--metadata is nested more than 32 deep.",
        ),
        (
            "body.collection: String should have at least 1 character.",
            (),
            "Collection should have at least 1",
        ),
        ("query.share_min: Input should be less than 1.", (), "Share min should be less than 1."),
        ("body.metadata: Odd.", ("--metadata", "a=1"), "body.metadata: Odd."),
        ("'a: b' is nothing.", (), "'a: b' is nothing."),
    ],
)
def test_what_is_wrong_with_a_field_is_said_of_the_flag_that_was_typed(
    service: StandIn, run: Run, tmp_path: Path, message: str, flags: tuple[str, ...], said: str
) -> None:
    """A person has typed no `body.documents.0.title`. What is not understood here stays as it is."""
    (tmp_path / "a").write_text("a")
    service.refuse("POST", "/v1/documents", 422, "request_invalid", message=message)
    ran = run("add", str(tmp_path / "a"), *flags)
    assert (ran.code, ran.err.splitlines()[0][: len("pi-rag: ") + len(said)]) == (2, f"pi-rag: {said}")


def test_a_missing_service_is_exit_code_five(run: Run, tmp_path: Path) -> None:
    """It names the socket and says how to start the service."""
    ran = run("search", "boiler")
    assert ran.code == 5
    assert str(tmp_path / "pi-rag.sock") in ran.err
    assert "pi-rag serve" in ran.err


def test_an_answer_that_is_no_json_is_exit_code_seventy(run: Run, tmp_path: Path) -> None:
    """A stranger on the socket is told as such, without a traceback."""
    with raw(tmp_path / "pi-rag.sock", b"220 mail.example ESMTP\r\n"):
        ran = run("status")
    assert ran.code == 70
    assert "does not speak HTTP" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("serach", "x"),
        ("search",),
        ("search", "x", "-k", "many"),
        ("search", "x", "--filter", "year"),
        ("search", "x", "--mode", "magic"),
        ("search", "x", "--coll", "abbreviated"),
        ("get", "twelve"),
        ("model",),
        ("model", "fetch"),
        ("status", "--nonsense"),
        ("remember", "x", "--scope", "user", "--scope", "project:p"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_exit_code_two(run: Run, arguments: tuple[str, ...]) -> None:
    """It says what is wrong and where to read how it is done."""
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.err.startswith("pi-rag: ")
    assert "--help" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("verify", "--deap"), "Did you mean '--deep'? Run: pi-rag verify --help"),
        (("recover", "--dryrun"), "Did you mean '--dry-run'? Run: pi-rag recover --help"),
        (("search", "x", "--collecton=a"), "Did you mean '--collection'? Run: pi-rag search --help"),
        (("session", "list", "--stat", "open"), "Did you mean '--state'? Run: pi-rag session list --help"),
        (("verify", "a", "b"), "hint: Run: pi-rag verify --help"),
        (("session", "begin"), "Did you mean 'start'? Run: pi-rag session --help"),
        (("find", "x"), "hint: Run: pi-rag --help"),
    ],
)
def test_what_was_meant_is_guessed(run: Run, arguments: tuple[str, ...], told: str) -> None:
    """The nearest flag of that command, or the one action that is said to do it; with its own help."""
    ran = run(*arguments)
    assert ran.code == 2
    assert told in ran.err


def test_a_folder_is_named_once(run: Run) -> None:
    """Before the command or after it: of two nobody can tell which was meant."""
    for words in (
        ("--data", "/a", "verify", "--data", "/b"),
        ("session", "--data", "/a", "list", "--data", "/b"),
    ):
        ran = run(*words)
        assert (ran.code, ran.err.splitlines()[0]) == (2, "pi-rag: Argument --data: may be given only once.")


def test_json_is_honoured_even_when_the_command_line_is_wrong(run: Run) -> None:
    """A program that asked for JSON gets JSON."""
    ran = run("search", "--json")
    assert ran.code == 2
    assert ran.json["error"]["code"] == "request_invalid"


def test_a_setting_with_a_typo_is_named_with_the_nearest_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From a file or from the environment: exit code 2 and what was probably meant."""
    (tmp_path / "c.toml").write_text("[service]\nsokcet = '/run/x'\n")
    ran = run("status", "--config", str(tmp_path / "c.toml"))
    assert ran.code == 2
    assert "sokcet" in ran.err
    assert "service.socket" in ran.err


def test_common_flags_may_stand_on_either_side(tmp_path: Path, run: Run) -> None:
    """Before the command or after it: the same socket is meant."""
    for arguments in [
        ("--socket", str(tmp_path / "x"), "status"),
        ("status", "--socket", str(tmp_path / "x")),
        ("--json", "--socket", str(tmp_path / "x"), "status"),
    ]:
        ran = run(*arguments)
        assert ran.code == 5
        assert f"Nothing answers on {tmp_path / 'x'}." in ran.err


def test_a_fault_of_ours_is_shown_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception without a name is a bug: its traceback is what we want to be sent."""
    monkeypatch.setattr("pi_rag.cli.status.settings_of", lambda args: 1 / 0)
    ran = run("status")
    assert ran.code == 70
    assert "Traceback" in ran.err
    assert "ZeroDivisionError" in ran.err.splitlines()[-2]


def test_ctrl_c_ends_quietly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as a shell expects, and not a word."""

    def interrupted(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pi_rag.cli.status.settings_of", interrupted)
    ran = run("status")
    assert (ran.code, ran.out, ran.err) == (EXIT_INTERRUPTED, "", "")


def test_ctrl_c_ends_a_waiting_process_quietly(service: StandIn) -> None:
    """A real process that waits for an answer, and a real signal."""
    child: list[subprocess.Popen[bytes]] = []

    def interrupt(asked: object) -> tuple[int, object]:
        child[0].send_signal(signal.SIGINT)
        child[0].wait()
        return 200, {}

    service.on("GET", "/v1/jobs", interrupt)
    child.append(spawn("jobs", "--socket", str(service.socket_path)))
    out, err = child[0].communicate()
    assert (child[0].returncode, out, err) == (EXIT_INTERRUPTED, b"", b"")


def test_a_closed_pipe_ends_quietly(service: StandIn) -> None:
    """`pi-rag get 1 --text | head -1` is no error, however long the text is."""
    service.on("GET", "/v1/documents/1", {"id": 1, "text": "line\n" * 200_000})
    with spawn("get", "1", "--text", "--socket", str(service.socket_path)) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline() == b"line\n"
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == EXIT_PIPE_CLOSED


def test_a_pipe_closed_before_the_last_flush_ends_quietly(service: StandIn) -> None:
    """An answer small enough to wait in the buffer fails only at the end; that is quiet too."""
    child: list[subprocess.Popen[bytes]] = []

    def answer(asked: object) -> tuple[int, object]:
        assert child[0].stdout
        child[0].stdout.close()
        return 200, {"jobs": []}

    service.on("GET", "/v1/jobs", answer)
    child.append(spawn("jobs", "--socket", str(service.socket_path)))
    with child[0]:
        assert child[0].stderr
        assert child[0].stderr.read() == b""
    assert child[0].returncode == EXIT_PIPE_CLOSED


def test_a_name_that_no_terminal_can_show_does_not_break_the_output(service: StandIn) -> None:
    """Half a character in an answer is shown as an escape instead of ending in a traceback."""
    page = {"documents": [{"id": 1, "title": "\ud800", "source": "a\udcff"}], "next": None}
    service.on("GET", "/v1/documents", page)
    with spawn("list", "--json", "--socket", str(service.socket_path)) as child:
        out, err = child.communicate()
    assert err == b""
    assert child.returncode == 0
    assert json.loads(out)["documents"][0]["id"] == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(("serach", "x"), "'search'"), (("ad", "x"), "'add'"), (("search", "x", "--mode", "txt"), "'text'")],
)
def test_a_mistyped_word_is_answered_with_the_nearest_right_one(
    run: Run, typed: tuple[str, ...], meant: str
) -> None:
    """As mistyped settings are."""
    ran = run(*typed)
    assert ran.code == 2
    assert f"Did you mean {meant}?" in ran.err


@pytest.mark.parametrize(
    "typed",
    [
        ("add", ""),
        ("sources", ""),
        *(("watch", action, "") for action in ("add", "list", "remove")),
        ("remove", "--under", ""),
        ("remove", "--source", ""),
        ("search", "x", "--under", ""),
        ("import", ""),
        ("memory", "import", ""),
        ("model", "import", ""),
        ("backup", ""),
        ("restore", ""),
        ("restore", "--list", ""),
        ("recover", "--to", ""),
        ("verify", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_folder_one_is_in(
    service: StandIn, run: Run, typed: tuple[str, ...]
) -> None:
    """An unset variable in a script does nothing to what lies around."""
    ran = run(*typed)
    assert (ran.code, service.asked) == (2, [])
    assert "A path is empty." in ran.err
    assert "Check the variable" in ran.err
