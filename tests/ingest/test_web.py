"""Promises of pi_rag/ingest/web.py, against a real server on this machine."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import IngestSettings, from_values
from pi_rag.errors import DocumentTooLarge, DocumentTooSlow, DocumentUnreachable
from pi_rag.ingest import web
from pi_rag.ingest.web import Page, fetch, is_of_the_house, is_url
from tests.embedder.fake import FakeEmbedder
from tests.service.conftest import built, guest_of

Handler = BaseHTTPRequestHandler


@dataclass
class Site:
    """A server whose pages a test lays out; `asked` are the targets that came, in order."""

    server: ThreadingHTTPServer
    pages: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    scheme: str = "http"

    def url(self, path: str, host: str = "localhost") -> str:
        """Where a page is."""
        return f"{self.scheme}://{host}:{self.server.server_port}{path}"

    def page(self, path: str, body: bytes, kind: str = "text/html; charset=utf-8", status: int = 200) -> None:
        """Lay out a page."""
        self.pages[path] = lambda handler: answer(handler, status, {"Content-Type": kind}, body)

    def leads(self, path: str, to: str, status: int = 302) -> None:
        """Lay out a redirect."""
        self.pages[path] = lambda handler: answer(handler, status, {"Location": to}, b"")


def answer(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
    handler.send_response(status)
    for name, value in (headers | {"Content-Length": str(len(body))}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    """On a free port of the loopback."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            made.headers.append(dict(self.headers.items()))
            made.pages[self.path](self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is what some tests are about."""

    server = Quiet(("127.0.0.1", 0), Pages)
    made = Site(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def settings(**changed: Any) -> IngestSettings:
    """Fetching is on, of the house too."""
    values = {"web": "on", "web_private": "on"} | changed
    return from_values({f"ingest.{name}": value for name, value in values.items()}).ingest


def fetched(url: str, **changed: Any) -> Page:
    return fetch(url, settings(**changed), SystemClock())


def test_a_page_is_fetched_as_a_file_of_its_name(site: Site) -> None:
    """What it is says its content type, whatever its address ends in."""
    site.page("/a/notes.md", b"# Tea", "text/plain")
    site.page("/", b"<p>Tea</p>")
    site.page("/caf%C3%A9?x=1", b"%PDF-1.4", "application/pdf")
    assert fetched(site.url("/a/notes.md")) == Page("notes.md", b"# Tea")
    assert fetched(site.url("") + "#part") == Page("localhost.html", b"<p>Tea</p>")
    assert fetched(site.url("/café?x=1")) == Page("café.pdf", b"%PDF-1.4")
    assert site.asked == ["/a/notes.md", "/", "/caf%C3%A9?x=1"]
    assert site.headers[0]["Host"] == f"localhost:{site.server.server_port}"
    assert "Cookie" not in site.headers[0]


def test_a_host_without_a_path_says_nothing_of_the_kind(site: Site) -> None:
    """A text from example.org is no Org file."""
    site.page("/", b"* Tea", "text/plain")
    assert fetched(site.url("/")).name == "localhost.txt"


def test_off_means_off(site: Site) -> None:
    """Nothing is asked, and the hint says how to do without."""
    with pytest.raises(DocumentUnreachable) as told:
        fetch(site.url("/"), from_values({}).ingest, SystemClock())
    assert "curl" in told.value.hint and "ingest.web" in told.value.hint
    assert site.asked == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_the_house_is_not_asked(site: Site, host: str) -> None:
    """However this machine is spelled."""
    with pytest.raises(DocumentUnreachable, match=r"this house|could not be fetched"):
        fetched(site.url("/", host), web_private="off")
    assert site.asked == []


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("0.0.0.0", True),
        ("::", True),
        ("::1", True),
        ("fe80::1", True),
        ("fec0::1", True),
        ("fd00::1", True),
        ("ff02::1", True),
        ("::ffff:192.168.1.1", True),
        ("64:ff9b::c0a8:101", True),
        ("64:ff9b::808:808", False),
        ("2002:c0a8:101::1", True),
        ("2001:0:808:808:0:0:3f57:fefe", True),
    ],
)
def test_addresses_of_the_house_are_known(address: str, inside: bool) -> None:
    """Private, local, special ones, and such as are wrapped in an address of the new kind."""
    assert is_of_the_house(ip_address(address)) is inside


def test_the_address_that_was_looked_at_is_the_one_that_is_called(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means something else the next moment gains nothing: it is looked up once."""
    site.page("/", b"tea")
    real, names = socket.getaddrinfo, []

    def looked_up(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "rebound.example":
            names.append(host)
            host = "127.0.0.1"
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(web, "is_of_the_house", lambda address: False)
    assert fetched(site.url("/", "rebound.example"), web_private="off").data == b"tea"
    assert names == ["rebound.example"]


def test_redirects_are_followed_and_counted(site: Site) -> None:
    """Also to a relative address, and only so often."""
    site.page("/b/end.txt", b"tea", "text/plain")
    site.leads("/a", "/b/c", 301)
    site.leads("/b/c", "end.txt", 307)
    assert fetched(site.url("/a")) == Page("end.txt", b"tea")
    assert fetched(site.url("/a"), web_redirects_max=2).data == b"tea"
    with pytest.raises(DocumentUnreachable, match="more than 1 times"):
        fetched(site.url("/a"), web_redirects_max=1)
    site.leads("/loop", "/loop")
    with pytest.raises(DocumentUnreachable, match="more than 5 times"):
        fetched(site.url("/loop"))


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://localhost/", "http://127.0.0.2/", "http://u:p@localhost/"]
)
def test_a_redirect_is_looked_at_as_the_first_address_was(
    site: Site, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    """A page out there must not lead into the house."""
    outside = ip_address("127.0.0.1")
    monkeypatch.setattr(web, "is_of_the_house", lambda address: address != outside)
    site.leads("/", to)
    with pytest.raises(DocumentUnreachable):
        fetched(site.url("/", "127.0.0.1"), web_private="off")
    assert site.asked == ["/"]


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_what_is_no_page_is_refused_with_its_status(site: Site, status: int) -> None:
    """A page that says that there is none is not remembered."""
    site.page("/", b"", status=status)
    with pytest.raises(DocumentUnreachable, match=str(status)):
        fetched(site.url("/"))


def test_too_large_is_too_large(site: Site) -> None:
    """Whether or not it says how large it is."""

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65536))

    site.page("/large", bytes((1 << 20) + 1))
    site.page("/fits", bytes(1 << 20))
    site.pages["/endless"] = endless
    for path in ("/large", "/endless"):
        with pytest.raises(DocumentTooLarge):
            fetched(site.url(path), document_mib_max=1)
    assert len(fetched(site.url("/fits"), document_mib_max=1).data) == 1 << 20


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 302 F\r\n"]
)
def test_who_drips_is_cut_off(head: bytes) -> None:
    """However busy it looks, before its answer, in its headers, or in a page without a length."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(head)
                letters = b"" if not head else b"x"
                while not done.wait(0.02):
                    try:
                        connection.sendall(letters)
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(DocumentTooSlow):
                fetched(f"http://127.0.0.1:{listener.getsockname()[1]}/", web_s_max=0.3)
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"no http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_no_answer_is_refused(said: bytes) -> None:
    """Cut off, or not HTTP: never half a page."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DocumentUnreachable):
            fetched(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://x:99999/",
        "http://u:p@localhost/",
        "http://nowhere.invalid/",
        "http://a b/",
        "http://[::/",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """With the reason."""
    with pytest.raises(DocumentUnreachable, match="could not be fetched: "):
        fetched(url)


def test_nobody_there_is_refused() -> None:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DocumentUnreachable, match="refused"):
        fetched(f"http://127.0.0.1:{port}/")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost that signs itself, with its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path = tmp_path / "both.pem"
    key = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(path), "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + key.read_text())
    return path


def test_https_wants_a_certificate_that_is_trusted(
    site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one of that very name; nothing is asked before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.scheme = "https"
    site.page("/", b"tea", "text/plain")
    with pytest.raises(DocumentUnreachable, match="certificate"):
        fetched(site.url("/"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(DocumentUnreachable, match="certificate"):
        fetched(site.url("/", "127.0.0.1"))
    assert site.asked == []
    assert fetched(site.url("/")) == Page("localhost.txt", b"tea")
    site.leads("/down", f"http://localhost:{site.server.server_port}/")
    with pytest.raises(DocumentUnreachable, match="from https"):
        fetched(site.url("/down"))


async def test_a_page_becomes_a_document(site: Site, tmp_path: Path) -> None:
    """Under its address, read as what it is; unchanged it is skipped; switched off it is refused."""
    site.page("/lamp", b"<html><title>Lamps</title><body><p>The lamp is on the roof.</p></body></html>")
    body = {"paths": [site.url("/lamp"), site.url("/lamp").replace("http", "HTTP")], "metadata": {"a": 1}}
    data = {"service.data": str(tmp_path / "data")}
    allowed = from_values(data | {"ingest.web": "on", "ingest.web_private": "on"})
    async with built(allowed, FakeEmbedder()) as house, guest_of(house, allowed) as guest:
        first = (await guest.post("/v1/documents", json=body)).json()["job"]
        again = (await guest.post("/v1/documents", json=body)).json()["job"]
        stored = (await guest.get("/v1/documents")).json()["documents"]
    assert (first["items_done"], again["items_unchanged"]) == (2, 2)
    assert [(each["kind"], each["title"], each["metadata"]["a"]) for each in stored] == [
        ("html", "Lamps", 1)
    ] * 2
    assert {each["source"] for each in stored} == set(body["paths"])
    async with built(from_values(data), FakeEmbedder()) as house, guest_of(house, allowed) as guest:
        refused = (await guest.post("/v1/documents", json=body)).json()["job"]
    assert [each["code"] for each in refused["refusals"]] == ["document_unreachable"] * 2
    assert len(site.asked) == 4


def test_an_address_is_told_from_a_path() -> None:
    """By its beginning, in capitals too."""
    assert is_url("https://example.org") and is_url("HTTP://example.org")
    assert not is_url("/http://example.org") and not is_url("ftp://example.org")
