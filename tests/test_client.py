"""The client: what it sends, what it gives back, and what it calls everything that can go wrong."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag import __version__, errors
from pi_rag.client import Client, _encoded, _opened
from tests.standin import StandIn, raw, standing_in

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: "
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in service."""
    with standing_in(tmp_path / "s") as standin:
        yield standin


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """A client of whatever listens on `s`."""
    return Client(tmp_path / "s", answer_s_max=30, answer_mib_max=1)


class HurryingClock:
    """A clock on which 25 seconds pass between two looks."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def monotonic_s(self) -> float:
        """25 seconds later than before."""
        self._now_s += 25
        return self._now_s

    def wall_s(self) -> float:
        """Nobody should ask."""
        raise AssertionError


def test_search_sends_the_contract_and_nothing_else(service: StandIn, client: Client) -> None:
    """A search carries its fields by their names; what was not given is left to the service."""
    service.on("POST", "/v1/search", {"hits": [], "degraded": [], "took_ms": {}})
    assert client.search("boiler", k=3, mode="text") == {"hits": [], "degraded": [], "took_ms": {}}
    client.search("boiler", collection="c", filters={"year": 2024}, explain=True)
    assert service.asked[0].headers["User-Agent"] == f"pi-rag/{__version__}"
    first, second = service.bodies("/v1/search")
    assert first == {"query": "boiler", "k": 3, "mode": "text", "explain": False}
    assert second["collection"] == "c"
    assert second["filter"] == {"year": 2024}


def test_documents_and_paths_are_posted_to_the_same_address(service: StandIn, client: Client) -> None:
    """Both ways of adding give the job, and say whether to wait."""
    service.on("POST", "/v1/documents", {"job": {"id": 1}}, 202)
    client.add_paths(["/a"], collection="c")
    client.add_documents([{"source": "s", "text": "t"}], wait=True)
    assert service.bodies("/v1/documents") == [
        {"paths": ["/a"], "collection": "c", "wait": False},
        {"documents": [{"source": "s", "text": "t"}], "collection": "default", "wait": True},
    ]


def test_reading_and_removing_go_to_their_addresses(service: StandIn, client: Client) -> None:
    """Ids stand in the path, everything else in the query, whatever characters it has."""
    for method, path in [
        ("GET", "/v1/documents"),
        ("GET", "/v1/documents/7"),
        ("DELETE", "/v1/documents/7"),
        ("DELETE", "/v1/documents"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/3"),
        ("GET", "/v1/status"),
    ]:
        service.on(method, path, {"at": f"{method} {path}"})
    assert client.documents(collection="ä b&c", limit=5, after=2) == {"at": "GET /v1/documents"}
    assert client.document(7) == {"at": "GET /v1/documents/7"}
    assert client.remove(7) == {"at": "DELETE /v1/documents/7"}
    assert client.remove_source("/a b\udcff?&", collection="c") == {"at": "DELETE /v1/documents"}
    assert client.jobs(limit=2) == {"at": "GET /v1/jobs"}
    assert client.job(3) == {"at": "GET /v1/jobs/3"}
    assert client.status(check=True) == {"at": "GET /v1/status"}
    assert [asked.params for asked in service.asked] == [
        {"collection": "ä b&c", "limit": "5", "after": "2"},
        {},
        {},
        {"source": "/a b??&", "collection": "c"},
        {"limit": "2"},
        {},
        {"check": "true"},
    ]


@pytest.mark.parametrize("kind", list(errors.every_kind()), ids=lambda kind: kind.code)
def test_an_error_of_the_service_arrives_as_itself(
    service: StandIn, client: Client, kind: type[errors.PiRagError]
) -> None:
    """Every kind crosses the socket with its message, hint and waiting time."""
    wire = kind("What happened.", hint="What to do.", retry_after_ms=70).to_wire()
    service.on("GET", "/v1/status", {"error": wire}, kind.http_status)
    with pytest.raises(kind) as raised:
        client.status()
    assert type(raised.value) is kind
    assert raised.value.to_wire() == wire


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (200, b"[1]", errors.InternalError),
        (200, b"", errors.InternalError),
        (200, b'{"a":', errors.InternalError),
        (200, b"[" * 100_000, errors.InternalError),
        (200, b'\xff\xfe{"a": 1}', errors.InternalError),
        (302, {"a": 1}, errors.InternalError),
        (500, {"detail": "no shape of ours"}, errors.InternalError),
        (500, {"error": "a text"}, errors.InternalError),
        (503, b"Service Unavailable", errors.Busy),
        (400, {"error": {"code": "of_a_newer_service", "retry_after_ms": 1e999}}, errors.PiRagError),
        (400, {"error": {}}, errors.PiRagError),
    ],
)
def test_an_odd_answer_is_an_error_with_a_name(
    service: StandIn, client: Client, status: int, answer: Any, kind: type[errors.PiRagError]
) -> None:
    """Whatever comes back, the caller meets an error of ours with a message and a hint."""
    service.on("GET", "/v1/status", answer, status)
    with pytest.raises(errors.PiRagError) as raised:
        client.status()
    assert type(raised.value) is kind
    assert raised.value.message
    assert raised.value.hint


@given(st.binary(max_size=200), st.integers(min_value=100, max_value=599))
def test_no_bytes_break_the_reading_of_an_answer(data: bytes, status: int) -> None:
    """A body gives an object or an error of ours, never anything else."""
    with suppress(errors.PiRagError):
        assert isinstance(_opened(status, data), dict)


@given(st.text(st.characters(), max_size=50))
def test_every_text_can_be_sent(text: str) -> None:
    """Even halves of characters, which a shell may pass, leave as valid JSON in UTF-8."""
    sent = json.loads(_encoded({"query": text}).decode("utf-8"))["query"]
    assert sent == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b'5\r\n{"a":\r\n3;x=y\r\n 1}\r\n0\r\nTrailer: x\r\n\r\n',
        LENGTH + b'8\r\n\r\n{"a": 1}and more that nobody asked for',
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH + b'8\r\n\r\n{"a": 1}',
    ],
)
def test_both_ways_of_framing_a_body_are_read(tmp_path: Path, client: Client, answer: bytes) -> None:
    """A length or chunks: the same object."""
    with raw(tmp_path / "s", answer):
        assert client.status() == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        LENGTH + b"-1\r\n\r\n",
        LENGTH + b"2\r\nContent-Length: 3\r\n\r\n{}",
        LENGTH + b"2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    ],
)
def test_what_is_not_our_http_is_said_to_be_so(tmp_path: Path, client: Client, answer: bytes) -> None:
    """Nothing about framing is guessed."""
    with raw(tmp_path / "s", answer), pytest.raises(errors.InternalError, match="does not speak HTTP"):
        client.status()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200", LENGTH + b"9\r\n\r\n{", CHUNKED + b"5\r\n{", CHUNKED + b'8\r\n{"a": 1}\r\n'],
)
def test_an_answer_cut_short_is_never_taken_for_a_whole_one(
    tmp_path: Path, client: Client, answer: bytes
) -> None:
    """A service that dies while it answers is down, and the next step is to look."""
    with raw(tmp_path / "s", answer), pytest.raises(errors.ServiceDown, match="hung up"):
        client.status()


@pytest.mark.parametrize(
    "answer",
    [
        LENGTH + b"1048577\r\n\r\n",
        LENGTH + b"9" * 5000 + b"\r\n\r\n",
        CHUNKED + b"fffffffffffff\r\n",
        CHUNKED + b"1\r\n{\r\n100000\r\n",
    ],
)
def test_a_huge_answer_is_refused_before_it_is_read(tmp_path: Path, client: Client, answer: bytes) -> None:
    """The size is bounded by what the answer says of itself, so no RAM is spent on it."""
    with raw(tmp_path / "s", answer), pytest.raises(errors.InternalError, match="larger than 1 MiB"):
        client.status()


def test_the_deadline_is_for_the_whole_exchange(tmp_path: Path) -> None:
    """A service that drips its answer is given up when the time is over, however often it drips."""
    client = Client(tmp_path / "s", answer_s_max=60, clock=HurryingClock())
    with raw(tmp_path / "s", LENGTH + b"9\r\n\r\n{", hold=True), pytest.raises(errors.DeadlineExceeded):
        client.status()


def test_a_silent_service_is_given_up(tmp_path: Path) -> None:
    """Somebody who never answers costs the time that was set and no more."""
    client = Client(tmp_path / "s", answer_s_max=0.05)
    with raw(tmp_path / "s", b"", hold=True), pytest.raises(errors.DeadlineExceeded, match=r"0\.05 s"):
        client.status()


def test_an_early_refusal_is_heard_although_the_body_was_not_read(tmp_path: Path, client: Client) -> None:
    """The service says 'too large' and hangs up in the middle of our request; we hear why."""
    wire = json.dumps({"error": errors.RequestTooLarge("Too large.").to_wire()}).encode()
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%b" % (len(wire), wire)
    with raw(tmp_path / "s", answer), pytest.raises(errors.RequestTooLarge):
        client.add_documents([{"source": "s", "text": "x" * 20_000_000}])


def test_no_socket_means_that_the_service_is_down(client: Client) -> None:
    """And the hint says how to start it."""
    with pytest.raises(errors.ServiceDown) as raised:
        client.status()
    assert type(raised.value) is errors.ServiceDown
    assert "pi-rag serve" in raised.value.hint


def test_a_socket_left_by_a_dead_service_means_the_same(tmp_path: Path, client: Client) -> None:
    """The file is still there, but nobody listens."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    with pytest.raises(errors.ServiceDown) as raised:
        client.status()
    assert type(raised.value) is errors.ServiceDown


def test_a_plain_file_is_not_a_socket(tmp_path: Path, client: Client) -> None:
    """The kernel says 'refused' to it as well; we say what is wrong."""
    (tmp_path / "s").write_text("hello")
    with pytest.raises(errors.SocketPathInvalid, match="not the socket"):
        client.status()


def test_a_socket_of_another_kind_is_not_ours(tmp_path: Path, client: Client) -> None:
    """A datagram socket cannot be the service's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.bind(str(tmp_path / "s"))
        with pytest.raises(errors.SocketPathInvalid):
            client.status()


def test_a_path_through_a_file_is_not_a_socket_path(tmp_path: Path) -> None:
    """A folder in the path that is a file is named as what it is."""
    (tmp_path / "f").write_text("")
    with pytest.raises(errors.SocketPathInvalid):
        Client(tmp_path / "f" / "s").status()


def test_a_path_too_long_for_the_kernel_is_said_to_be_so(tmp_path: Path) -> None:
    """It has nothing to do with the service being down."""
    with pytest.raises(errors.SocketPathInvalid, match="too long"):
        Client(tmp_path / ("x" * 200)).status()


def test_a_full_backlog_is_busy(tmp_path: Path) -> None:
    """Somebody listens but takes no more: try later, not 'down'."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(str(tmp_path / "s"))
        try:
            with pytest.raises(errors.Busy):
                Client(tmp_path / "s", answer_s_max=0.05).status()
        finally:
            for each in waiting:
                each.close()


def test_a_socket_without_rights_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's 'permission denied' says what to do by the mode of the socket that is there."""

    def denied(path: Path, timeout_s: float) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    made = tmp_path / "s"
    made.touch()
    made.chmod(0o600)
    monkeypatch.setattr("pi_rag.http1.connect", denied)
    with pytest.raises(errors.SocketForbidden, match="may not use") as raised:
        Client(made).status()
    assert "its owner's alone" in raised.value.hint


def chunks(*parts: bytes) -> bytes:
    """An answer in these chunks."""
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


END = b'{"pi_rag_export":1,"next":null}\n'


LINES = st.binary(max_size=20).filter(
    lambda line: b"\n" not in line and not line.startswith(b'{"pi_rag_export"')
)


@given(st.lists(LINES, max_size=5), st.data())
def test_lines_come_whole_however_they_are_cut(texts: list[bytes], data: st.DataObject) -> None:
    """Where a chunk ends says nothing of where a line does."""
    stream = b"".join(text + b"\n" for text in texts) + END
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=6)))
    parts = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    with tempfile.TemporaryDirectory() as folder, raw(Path(folder) / "s", chunks(*parts)):
        assert list(Client(Path(folder) / "s", answer_s_max=30).export()) == [t + b"\n" for t in texts]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (chunks(b'{"source":"a"}\n', END)[:-9], errors.ServiceDown),
        (chunks(b'{"source":"a"}\n'), errors.ServiceDown),
        (CHUNKED + b"2\r\nabc\r\n", errors.InternalError),
        (chunks(b"x" * (2 << 20)), errors.InternalError),
        (chunks(b"x" * 600_000, b"x" * 600_000), errors.InternalError),
        (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}", errors.InternalError),
    ],
)
def test_a_broken_stream_of_lines_is_an_error_of_ours(
    tmp_path: Path, client: Client, answer: bytes, kind: type[errors.PiRagError]
) -> None:
    """Cut off, without its end, wrong in its framing, or with a line that no RAM should hold."""
    with raw(tmp_path / "s", answer), pytest.raises(kind):
        list(client.export())


class SetClock:
    """A clock that a test moves."""

    now_s = 0.0

    def monotonic_s(self) -> float:
        """As it was set."""
        return self.now_s

    def wall_s(self) -> float:
        """Nobody should ask."""
        raise AssertionError


def test_a_stream_may_take_long_in_all(tmp_path: Path) -> None:
    """The time allowed is that between two pieces: 25 of 30 seconds pass before each."""
    pieces = [CHUNKED + chunks(b"a\n")[len(CHUNKED) : -5]]
    pieces += [chunks(part)[len(CHUNKED) : -5] for part in (b"b\n", b"c\n", END)] + [b"0\r\n\r\n"]
    clock, more = SetClock(), threading.Semaphore(1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for piece in pieces:
                    more.acquire()
                    connection.sendall(piece)

        server = threading.Thread(target=serve)
        server.start()
        found = []
        for line in Client(tmp_path / "s", answer_s_max=30, clock=clock).export():
            found.append(line)
            clock.now_s += 25
            more.release(3 if len(found) == 3 else 1)
        server.join()
    assert found == [b"a\n", b"b\n", b"c\n"]


def test_a_stream_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    """Even in the middle of a line."""
    client = Client(tmp_path / "s", answer_s_max=30, clock=HurryingClock())
    with raw(tmp_path / "s", CHUNKED + b"5\r\nab", hold=True), pytest.raises(errors.DeadlineExceeded):
        list(client.export())
