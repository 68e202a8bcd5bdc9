"""A page of the web, fetched within bounds; only where that was turned on.

The address comes from a guest of the service, who must not reach through it what only this machine can: other
services of the house, its router, itself. So a name is looked up once, addresses of the house are left out,
and the connection goes to the very address that was looked at, at every redirect anew. It knows HTTP as far
as the standard library does, and nothing of what a page means. No proxy, no cookies, no passwords.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from pi_rag import __version__
from pi_rag.clock import Clock
from pi_rag.config import IngestSettings
from pi_rag.errors import DocumentTooLarge, DocumentTooSlow, DocumentUnreachable

READ_BYTES = 65536
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PORTS = {"http": 80, "https": 443}

SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
"""What a page would be called if it were a file: its reader goes by that."""

NAT64 = ipaddress.ip_network("64:ff9b::/96")

HEADERS = {
    "User-Agent": f"pi-rag/{__version__}",
    "Accept": "text/html, application/pdf, text/*;q=0.9, */*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Page:
    """What was fetched."""

    name: str
    """As a file of it would be called."""
    data: bytes


def is_url(text: str) -> bool:
    """Whether it is an address of the web and no path."""
    return text.lower().startswith(("http://", "https://"))


def fetch(url: str, settings: IngestSettings, clock: Clock) -> Page:
    """The page at an address, after redirects. It blocks, in all no longer than `ingest.web_s_max`, but for
    the lookup of names, which the system bounds.

    Raises DocumentUnreachable, DocumentTooLarge, DocumentTooSlow.
    """
    if settings.web == "off":
        raise DocumentUnreachable(
            "Addresses of the web are not fetched here.",
            hint="Send the page itself: curl -sSL URL | pi-rag add - --source URL, or set ingest.web.",
        )
    until_s = clock.monotonic_s() + settings.web_s_max
    for _ in range(settings.web_redirects_max + 1):
        answer = _asked(url, settings, until_s, clock)
        if isinstance(answer, Page):
            return answer
        if urlsplit(url).scheme == "https" and urlsplit(answer).scheme != "https":
            raise DocumentUnreachable("It leads from https to an address without.")
        url = answer
    raise DocumentUnreachable(f"It leads on more than {settings.web_redirects_max} times.")


def is_of_the_house(address: Address) -> bool:
    """Whether an address is of this machine or its networks, also one wrapped in an IPv6 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_of_the_house(inner)
        if address.is_site_local:
            return True
    return not address.is_global or address.is_multicast


def _asked(url: str, settings: IngestSettings, until_s: float, clock: Clock) -> Page | str:
    """The page, or the address that it leads on to."""
    try:
        parts = _parts(url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        address = _address(host, port, allow_house=settings.web_private == "on")
        with _connected(parts, address, port, until_s - clock.monotonic_s()) as sock:
            return _exchanged(url, parts, sock, settings.document_mib_max << 20)
    except TimeoutError:
        raise DocumentTooSlow(
            f"It took longer than {settings.web_s_max:g} s to fetch.", hint="See ingest.web_s_max."
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DocumentUnreachable(f"It could not be fetched: {_why(error)}.") from error


def _why(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip(" .")[:300]


def _parts(url: str) -> SplitResult:
    """Raises ValueError for what is no address of the web."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("only http and https with a name are fetched")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address with a password is not fetched")
    return parts


def _address(host: str, port: int, *, allow_house: bool) -> str:
    """One address of a host. Raises OSError, or ValueError when all of them are of the house."""
    name = host if ":" in host else host.encode("idna").decode("ascii")
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    allowed = [each for each in addresses if allow_house or not is_of_the_house(ipaddress.ip_address(each))]
    if not allowed:
        raise ValueError(f"{host} is an address of this house; ingest.web_private would allow it")
    return allowed[0]


@contextmanager
def _connected(parts: SplitResult, address: str, port: int, seconds: float) -> Iterator[socket.socket]:
    """A connection that is shut when the time is up, however busy it looks. Raises TimeoutError, OSError."""
    if seconds <= 0:
        raise TimeoutError
    over = threading.Event()
    plain = socket.create_connection((address, port), timeout=seconds)
    with _wrapped(plain, parts) as sock:
        timer = threading.Timer(seconds, _shut, [sock, over])
        timer.daemon = True
        timer.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            yield sock
        except Exception:
            if not over.is_set():
                raise
        finally:
            timer.cancel()
    if over.is_set():
        # What came by then may look whole, since some pages end where their connection does.
        raise TimeoutError


def _wrapped(plain: socket.socket, parts: SplitResult) -> socket.socket:
    if parts.scheme == "http":
        return plain
    try:
        context = ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise


def _shut(sock: socket.socket, over: threading.Event) -> None:
    over.set()
    with suppress(OSError):
        # The plain way also where it is secured: nobody waits for a farewell.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _exchanged(url: str, parts: SplitResult, sock: socket.socket, bytes_max: int) -> Page | str:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port)
    # It is connected already, to an address that was looked at.
    connection.sock = sock
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
        "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else ""
    )
    connection.request("GET", target, headers=HEADERS)
    with connection.getresponse() as answer:
        if answer.status in REDIRECTS and (place := answer.getheader("Location")):
            return urljoin(url, place)
        if answer.status != 200:
            raise DocumentUnreachable(f"It answers {answer.status} {answer.reason}.")
        return Page(_name(parts, answer.headers.get_content_type()), _body(answer, bytes_max))


def _body(answer: http.client.HTTPResponse, bytes_max: int) -> bytes:
    """All of it. Raises DocumentTooLarge, and IncompleteRead when it was cut off."""
    whole = bytearray()
    while part := answer.read(READ_BYTES):
        whole += part
        if len(whole) > bytes_max:
            raise DocumentTooLarge(f"It is larger than {bytes_max >> 20} MiB.")
    if answer.length:
        raise http.client.IncompleteRead(bytes(whole[:0]), answer.length)
    return bytes(whole)


def _name(parts: SplitResult, content_type: str) -> str:
    named = PurePosixPath(unquote(parts.path)).name
    # What a host ends in says nothing: that of example.org is no Org file.
    name, other = (named, "") if named else (parts.hostname or "page", ".txt")
    suffix = SUFFIXES.get(content_type, other)
    return name if name.lower().endswith(suffix) else name + suffix
