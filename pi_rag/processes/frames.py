"""Frames: four bytes of length, most significant first, then the payload.

Both ends check the length against their own bound before they read or send, so a broken peer can neither
fill the memory nor be fed more than it takes. It does not know what a payload means.
"""

from __future__ import annotations

import asyncio
import socket
import struct

_LENGTH = struct.Struct(">I")


class FrameError(ValueError):
    """A frame that cannot be taken. The users of frames translate it: to them it is a broken peer."""


class FrameTooLarge(FrameError):
    """A frame is longer than the bound."""


class FrameTruncated(FrameError):
    """The peer ended before its frame did."""


def packed(payload: bytes, bytes_max: int) -> bytes:
    """The frame of a payload. Raises FrameTooLarge."""
    _check_length(len(payload), bytes_max)
    return _LENGTH.pack(len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    """The next payload. Raises FrameTooLarge, and FrameTruncated at the end of the stream."""
    try:
        length = _length(await reader.readexactly(_LENGTH.size), bytes_max)
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise FrameTruncated("The peer is gone.") from error


async def write_frame(writer: asyncio.StreamWriter, payload: bytes, bytes_max: int) -> None:
    """Send a payload and wait until the kernel has most of it. Raises FrameTooLarge, FrameTruncated."""
    frame = packed(payload, bytes_max)
    try:
        writer.write(frame)
        await writer.drain()
    except ConnectionError as error:
        raise FrameTruncated("The peer is gone.") from error


def recv_frame(sock: socket.socket, bytes_max: int) -> bytes | None:
    """The next payload of a blocking socket; None when the peer ended between two frames.

    Raises FrameTooLarge, and FrameTruncated when the peer ended within one.
    """
    head = _recv(sock, _LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise FrameTruncated("The peer ended within a length.")
    length = _length(head, bytes_max)
    payload = _recv(sock, length)
    if len(payload) < length:
        raise FrameTruncated(f"The peer ended after {len(payload)} of {length} bytes.")
    return bytes(payload)


def send_frame(sock: socket.socket, payload: bytes, bytes_max: int) -> None:
    """Send a payload over a blocking socket. Raises FrameTooLarge, FrameTruncated."""
    frame = packed(payload, bytes_max)
    try:
        sock.sendall(frame)
    except ConnectionError as error:
        raise FrameTruncated("The peer is gone.") from error


def _length(head: bytes | bytearray, bytes_max: int) -> int:
    (length,) = _LENGTH.unpack(head)
    _check_length(length, bytes_max)
    return int(length)


def _check_length(length: int, bytes_max: int) -> None:
    if length > min(bytes_max, 0xFFFFFFFF):
        raise FrameTooLarge(f"A frame of {length} bytes; at most {bytes_max} are taken.")


def _recv(sock: socket.socket, count: int) -> bytearray:
    """Up to `count` bytes: fewer only when the peer ended."""
    buffer = bytearray(count)
    view, filled = memoryview(buffer), 0
    while filled < count:
        try:
            got = sock.recv_into(view[filled:])
        except ConnectionResetError:
            got = 0
        if got == 0:
            break
        filled += got
    view.release()
    return buffer[:filled]
