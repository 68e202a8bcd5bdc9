"""Promises of pi_rag/processes/frames.py."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.processes import frames

BYTES_MAX = 1000

payloads = st.binary(max_size=BYTES_MAX)


def sent(data: bytes) -> socket.socket:
    """The reading end of a socket whose peer sent `data` and ended."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(data)
    return ours


async def read(data: bytes, bytes_max: int = BYTES_MAX) -> bytes:
    """`read_frame` over a stream of `data`."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await frames.read_frame(reader, bytes_max)


@given(st.lists(payloads, max_size=5))
def test_what_is_packed_is_received(many: list[bytes]) -> None:
    """Any payloads, the empty one too, arrive whole and in order; then comes None."""
    with sent(b"".join(frames.packed(one, BYTES_MAX) for one in many)) as sock:
        assert [frames.recv_frame(sock, BYTES_MAX) for _ in many] == many
        assert frames.recv_frame(sock, BYTES_MAX) is None


@given(payloads, st.data())
def test_a_frame_cut_anywhere_is_told_from_an_end(payload: bytes, data: st.DataObject) -> None:
    """Whatever byte a peer dies at, the reader raises FrameTruncated and never gives half a payload."""
    frame = frames.packed(payload, BYTES_MAX)
    cut = data.draw(st.integers(1, len(frame) - 1))
    with sent(frame[:cut]) as sock, pytest.raises(frames.FrameTruncated):
        frames.recv_frame(sock, BYTES_MAX)
    with pytest.raises(frames.FrameTruncated):
        asyncio.run(read(frame[:cut]))


@given(payloads)
def test_both_readers_agree(payload: bytes) -> None:
    """The asyncio reader takes what the blocking one takes."""
    assert asyncio.run(read(frames.packed(payload, BYTES_MAX))) == payload


@given(st.binary(min_size=4, max_size=200))
def test_garbage_never_exceeds_the_bound(garbage: bytes) -> None:
    """Random bytes are a payload within the bound, or an error that has a name."""
    with sent(garbage) as sock, contextlib.suppress(frames.FrameError):
        assert len(frames.recv_frame(sock, 50) or b"") <= 50


def test_a_length_over_the_bound_is_refused_before_it_is_read() -> None:
    """Four hostile bytes cost no gigabyte."""
    with sent(b"\xff\xff\xff\xff") as sock, pytest.raises(frames.FrameTooLarge):
        frames.recv_frame(sock, BYTES_MAX)
    with pytest.raises(frames.FrameTooLarge):
        asyncio.run(read(b"\xff\xff\xff\xff"))


def test_nothing_over_the_bound_is_sent() -> None:
    """The sender checks too, before the first byte leaves."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(frames.FrameTooLarge):
            frames.send_frame(ours, b"x" * (BYTES_MAX + 1), BYTES_MAX)
        ours.close()
        assert theirs.recv(1) == b""


def test_sending_to_a_dead_peer_has_a_name() -> None:
    """A broken pipe becomes FrameTruncated."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(frames.FrameTruncated):
        frames.send_frame(ours, b"hello", BYTES_MAX)


async def test_writing_to_a_dead_peer_has_a_name() -> None:
    """The asyncio writer says the same."""
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_unix_connection(sock=ours)
    theirs.close()
    with pytest.raises(frames.FrameTruncated):
        for _ in range(100):
            await frames.write_frame(writer, b"x" * BYTES_MAX, BYTES_MAX)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_written_frames_are_read() -> None:
    """The asyncio writer and reader fit together over a real socket."""
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_unix_connection(sock=ours)
    reader, other = await asyncio.open_unix_connection(sock=theirs)
    await frames.write_frame(writer, b"hello", BYTES_MAX)
    assert await frames.read_frame(reader, BYTES_MAX) == b"hello"
    for one in (writer, other):
        one.close()
        await one.wait_closed()
