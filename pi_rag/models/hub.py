"""The Hugging Face hub: the only door to `huggingface_hub`, and the place where its errors are translated.

The library itself forgets a broken download when its process ends. Its lower functions can resume one, so the
partial file is kept here, under a name that holds the content's own tag: a changed file starts afresh.

It knows no model: it brings one file, and says which revision and sum the hub claims for it.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

from huggingface_hub import close_session, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import HfFileMetadata, http_get

from pi_rag.errors import DiskFull, ModelSourceFailed

# The library changed its HTTP client between versions; the errors of either have this base.
_NetworkError = cast(type[Exception], HfHubHTTPError.__bases__[0])

constants.DOWNLOAD_CHUNK_SIZE = 256 * 1024
"""The library writes in pieces of 10 MiB, and loses a begun piece when the line breaks: too much for bad
lines."""

ANSWER_S_MAX = 15.0
"""Longest the hub may take to say what a file is. Without a network it is known at once."""

# Sizes are compared, so the bytes must come as they are kept.
_HEADERS = {"User-Agent": "pi-rag", "Accept-Encoding": "identity"}
_SHA256 = re.compile(r"[0-9a-f]{64}")

Report = Callable[[int, int], None]
"""Called with (bytes done, bytes in all); 0 in all when it is not known."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file of the hub, whole."""

    path: Path
    revision: str
    sha256: str | None
    """What the hub claims, for files that it keeps by their sum; None for small ones."""


def fetch(
    repository: str,
    filename: str,
    into: Path,
    *,
    revision: str = "main",
    endpoint: str | None = None,
    report: Report = lambda done, total: None,
) -> Fetched:
    """Bring one file to `into / filename`; a transfer that broke earlier goes on where it stopped.

    `endpoint` None is the hub's own address, or HF_ENDPOINT. No credentials are sent. Raises DiskFull, and
    ModelSourceFailed for no network, an unknown name or a broken transfer.
    """
    # The library's own warnings would be a second, stranger voice beside our errors.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    what = f"{repository}/{filename}"
    with _translated(what):
        _check_endpoint(endpoint)
        url = hf_hub_url(repository, filename, revision=revision, endpoint=endpoint)
        described = get_hf_file_metadata(url, token=False, timeout=ANSWER_S_MAX, endpoint=endpoint)
        target = into / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer(described, target, report)
    tag = described.etag or ""
    return Fetched(target, described.commit_hash or revision, tag if _SHA256.fullmatch(tag) else None)


def _transfer(described: HfFileMetadata, target: Path, report: Report) -> None:
    tag = re.sub(r"\W", "", described.etag or "")[:16]
    unfinished = target.with_name(f"{target.name}.{tag}.partial")
    with unfinished.open("ab") as file:
        if described.size is not None and file.tell() > described.size:
            file.truncate(0)
        http_get(
            described.location,
            file,
            resume_size=file.tell(),
            headers=_HEADERS,
            expected_size=described.size,
            tqdm_class=cast(Any, partial(_Bar, report)),
        )
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)


class _Bar:
    """What the library takes for a progress bar: it passes the figures on."""

    def __init__(self, report: Report, *, total: int | None, initial: int, **_looks: object) -> None:
        self._report = report
        self._total = total or 0
        self._done = initial

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def update(self, count: int) -> None:
        """`count` more bytes have come; fewer, when the server made it start again."""
        self._done += count
        self._report(self._done, self._total)


def _check_endpoint(endpoint: str | None) -> None:
    parts = urlsplit(endpoint or "https://hub")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelSourceFailed(f"{endpoint!r} is not the address of a hub.", hint="Check HF_ENDPOINT.")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError, HFValidationError) as error:
        raise ModelSourceFailed(
            f"The hub has no public file {what}.", hint="Check the spelling of owner, repository and file."
        ) from error
    except HfHubHTTPError as error:
        raise ModelSourceFailed(f"The hub would not give {what}: {_first_line(error)}") from error
    except (_NetworkError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(
                f"The disk is full; {what} did not fit.",
                hint="Free some space and run the same command again: it resumes.",
            ) from error
        raise ModelSourceFailed(f"{what} could not be fetched from the hub: {_first_line(error)}") from error
    finally:
        close_session()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
