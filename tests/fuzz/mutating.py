"""Input made wrong from input that is right: bytes, and JSON that is still JSON. It knows no target.

All chance comes from the dice it is given, so a seed and a number name one input for ever.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

BYTES_MAX = 64 * 1024
"""No input grows beyond it when it is mutated: what is larger is a matter of bounds, which others test."""

SHARP: tuple[bytes, ...] = (
    b"", b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\r\n", b"\n", b"\r",
    b"\\",
    b'"', b"'", b"{", b"}", b"[", b"]", b",", b":", b"-", b"+", b".", b"1e999", b"-1", b"0", b"NaN",
    b"Infinity",
    b"null", b"true", b"18446744073709551616", b"9223372036854775808", b"9" * 400, b"1" * 5000,
    b"\xed\xa0\x80",
    b"\\ud800", b"\\u0000", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\xf0\x9f\x90\xa6", b"\xc0\x80", b"../",
    b"%00",
    b"[" * 3000, b'{"a":' * 1500, b"\xe2\x80\xa8", b" " * 300, b"\x1b[2J", b"=?base64?", b"0x", b"1_0",
    b"\x85",
)  # fmt: skip
"""What readers of text and numbers stumble over."""

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e308, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63,
    2**64,
    -(2**63) - 1, 10**400, -(10**30), 1e11, 253402300800, float("nan"), float("inf"), float("-inf"),
    "", " ", "\0", "a", "A" * 5000, "\ud800", "\udfff", "\u202e", "é", "é", "\n", "\r\n", "'; --", '"', "%",
    "../../etc/passwd", "/", "/dev/zero", "file:///etc/passwd", "http://127.0.0.1:1/", "NaN", "1e5", "１",
    "-1", "0",
    "2026-02-30", "9999-12-31T23:59:59+00:00", "0001-01-01", "user", "project:x", "agent:", "*", "NEAR(a b)",
    "\ufeff", "\x7f", "\x85", "\u2028", "𝔘", "ﬀ", "İ", "ß", "日本語", "ก็", "👩‍👩‍👧", "=?base64?eA==?=",
    "AAAA", "AA=", "0-0",
    [], {}, [[]], [None], [""], [0], [[0, 0]], {"": ""}, {"a": None}, [1] * 300, {"__proto__": {}},
    ["a"] * 300,
)  # fmt: skip
"""What fits JSON, and perhaps nothing else."""


class Mutator:
    """One source of wrong input."""

    def __init__(self, dice: random.Random, words: Sequence[bytes] = ()) -> None:
        """`words` are what the format at hand is made of, beside `SHARP`."""
        self.dice = dice
        self._words = (*SHARP, *words)

    def spoilt(self, data: bytes, other: bytes = b"") -> bytes:
        """`data` with one to a few wrongs done to it; `other` is what pieces may be taken from."""
        found = bytearray(data)
        for _ in range(self._few()):
            self._wrong(found, other)
        return bytes(found[:BYTES_MAX])

    def json(self, value: Any) -> Any:
        """A copy of a JSON value with one to a few wrongs done to it."""
        found = json.loads(json.dumps(value))
        for _ in range(self._few()):
            found = self._wrong_json(found)
        return found

    def text(self, value: Any) -> bytes:
        """A JSON value with wrongs, as bytes; now and then the bytes are wrong too."""
        data = json.dumps(self.json(value), ensure_ascii=self.dice.random() < 0.5)
        made = data.encode("utf-8", "surrogatepass")
        return self.spoilt(made) if self.dice.random() < 0.1 else made[:BYTES_MAX]

    def _few(self) -> int:
        """Mostly one: more than a few are refused for the first."""
        return self.dice.choice((1, 1, 1, 2, 2, 3, 5))

    def _wrong(self, data: bytearray, other: bytes) -> None:
        at = self.dice.randrange(len(data) + 1)
        end = min(len(data), at + self.dice.choice((1, 1, 2, 4, 8, 64, 512)))
        match self.dice.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << self.dice.randrange(8)
            case 1 if at < len(data):
                data[at] = self.dice.randrange(256)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = self.dice.choice(self._words)
            case 4:
                data[at:end] = self.dice.choice(self._words)
            case 5:
                data[at:at] = data[at:end] * self.dice.choice((1, 2, 50))
            case 6:
                del data[at:]
            case _:
                begin = self.dice.randrange(len(other) + 1)
                data[at:end] = other[begin : begin + self.dice.choice((1, 4, 16, 256))]

    def _wrong_json(self, value: Any) -> Any:
        """The value with a wrong done somewhere in it: the deeper it is, the likelier further down."""
        if isinstance(value, dict) and value and self.dice.random() < 0.85:
            key = self.dice.choice(list(value))
            return self._wrong_object(value, key)
        if isinstance(value, list) and value and self.dice.random() < 0.7:
            at = self.dice.randrange(len(value))
            return [*value[:at], self._wrong_json(value[at]), *value[at + 1 :]]
        return self._instead(value)

    def _wrong_object(self, value: dict[str, Any], key: str) -> dict[str, Any]:
        match self.dice.randrange(10):
            case 0:
                return {name: each for name, each in value.items() if name != key}
            case 1:
                return value | {self._key(key): value[key]}
            case 2:
                return value | {key: value[self.dice.choice(list(value))]}
            case _:
                return value | {key: self._wrong_json(value[key])}

    def _key(self, key: str) -> str:
        return self.dice.choice((key.upper(), key + "s", key[:-1], "", "\0", "\ud800", "__class__", key * 9))

    def _instead(self, value: Any) -> Any:
        match self.dice.randrange(6):
            case 0 if isinstance(value, str):
                return self.spoilt(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
            case 1 if isinstance(value, (int, float)) and not isinstance(value, bool):
                return self.dice.choice((-value, value + 1, value * 2**40, str(value)))
            case 2:
                return [value]
            case 3:
                return {"a": value}
            case _:
                return self.dice.choice(STRANGE)
