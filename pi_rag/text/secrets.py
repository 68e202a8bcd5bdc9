"""Secrets in a text: keys, tokens and passwords, found by their forms. Pure.

Two ways lead to one. Some issuers give their keys a form of their own ("ghp_", "AKIA"), which is certain.
Else a word has to say that a secret follows ("password", "API key"), and what follows has to look like one: a
word of the language does not, so "the password is in the safe" passes, and "hunter2" does not. Numbers that
are long or random are no secrets by themselves: a text is full of commits, sums and addresses.

It asks nobody whether a key is valid, and it is no proof: a secret without a form and without a word for it
passes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Secret:
    """A place in a text, from `start` up to `end`, and what stands there."""

    start: int
    end: int
    kind: str
    """In words for people: "GitHub token", "password"."""


def secrets_in(text: str) -> tuple[Secret, ...]:
    """All secrets of the text, in order, none over another.

    What is found is blanked and the rest looked at again, until nothing is found: one may hide another.
    """
    found: list[Secret] = []
    left = _LABEL.sub(lambda label: _BLANK * len(label.group()), text)
    while more := list(_all(left)):
        found += more
        for secret in more:
            left = left[: secret.start] + _BLANK * (secret.end - secret.start) + left[secret.end :]
    return tuple(_apart(found))


def _apart(found: Sequence[Secret]) -> list[Secret]:
    """Those that lie over each other as one, of the kind of the first."""
    apart: list[Secret] = []
    for secret in sorted(found, key=lambda each: (each.start, -each.end)):
        if apart and secret.start < apart[-1].end:
            first = apart.pop()
            apart.append(Secret(first.start, max(first.end, secret.end), first.kind))
        else:
            apart.append(secret)
    return apart


def masked(text: str, secrets: Sequence[Secret]) -> str:
    """The text with "[secret: KIND]" in the place of each, in which no secret is found any more."""
    pieces, at = [], 0
    for secret in secrets:
        pieces += [text[at : secret.start], f"[secret: {secret.kind}]"]
        at = secret.end
    return "".join([*pieces, text[at:]])


_BLANK: Final = "\x00"

_FORMS: Final = tuple(
    (kind, re.compile(rf"(?<![A-Za-z0-9_])(?:{form})(?![A-Za-z0-9])"))
    for kind, form in (
        ("AWS key", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
        ("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,}"),
        ("GitLab token", r"gl(?:pat|dt|ft|soat|rt|cbt|ptt|agent|imt)-[\w-]{20,}"),
        ("Anthropic key", r"sk-ant-[\w-]{20,}"),
        ("OpenAI key", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
        ("Google key", r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,}"),
        ("Hugging Face token", r"hf_[A-Za-z0-9]{30,}"),
        ("Slack token", r"xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{10,}"),
        ("Slack address", r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,}"),
        ("Stripe key", r"[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}=*"),
        ("npm token", r"npm_[A-Za-z0-9]{36}"),
        ("PyPI token", r"pypi-AgE[\w-]{50,}"),
        ("SendGrid key", r"SG\.[\w-]{16,}\.[\w-]{16,}"),
        ("Telegram token", r"\d{8,10}:[A-Za-z0-9_-]{35}"),
        ("Discord token", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}"),
        ("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}"),
        ("Vault token", r"hv[sbr]\.[\w-]{24,}"),
        ("1Password token", r"ops_eyJ[A-Za-z0-9+/=]{50,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}"),
        ("age key", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
        ("JSON web token", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}(?:\.[\w-]*+)?"),
        ("Azure key", r"[A-Za-z0-9+/]{86}=="),
    )
)

_LABEL = re.compile(rf"\[secret: (?:private key|password|token|key|{'|'.join(kind for kind, _ in _FORMS)})\]")
"""What `masked` leaves behind: its own words would speak for a secret that follows."""

_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:"
    r"(?:[^-]|-(?!----))*+-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|\s+[A-Za-z0-9+/=]{16,}[A-Za-z0-9+/=\s]*+)"
)
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/:@\x00]{0,100}:([^\s/@\x00]{1,200})@")
_BEARER = re.compile(r"\b(?:bearer|basic)\s+([A-Za-z0-9+/._~=-]{16,})", re.IGNORECASE)

_PASSWORD: Final = r"password|passwd|passphrase|passcode|pass|pwd|psk|passwort|kennwort|contraseña"
_KEY: Final = (
    r"secret|token|api[ _-]?key|apikey|access[ _-]?key|auth[ _-]?key|account[ _-]?key|private[ _-]?key"
    r"|secret[ _-]?key|client[ _-]?secret|signing[ _-]?key|encryption[ _-]?key|credentials?"
)
_SAID = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?-i:(?<=[a-z])(?=[A-Z]))|(?=passw))"  # db_password, dbPassword, dbpassword
    rf"(?:(?P<password>{_PASSWORD})|(?P<key>{_KEY})|(?P<pin>pin(?:[ -]?code)?))(?![A-Za-z0-9_-])"
    r"(?P<between>['\"`\])]{0,2}(?:[ \t]+(?:for|of|to|on|at|von|für)\b[^\n=:\x00]{1,60}?)?"
    r"(?:\s*+(?:=>|:=|={1,3}|:)\s*+|\s++(?:is|was|ist|lautet)\s++(?:now\s++|still\s++)?:?))"
    r"(?P<quote>['\"`]?)(?=(?P<value>[^\s'\"`\x00]{4,200}))",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"<.*>?$|\$|%\w+%|\{\{?|\*+$|x+$|\.+$|-+$|\?+$|null$|none$|true$|false$|undefined$|redacted|changeme$|your[_-]"
    r"|(?:os|process|env|self|settings|config|secrets)\.|[\w.]+\(|https?:|\d+-[a-z]+$"
    r"|~|/(?:etc|home|opt|usr|var|run|srv|tmp|mnt|media|root|boot|proc|sys|dev)\b"
    r"|[\w-]+\.(?:txt|md|ya?ml|env|json)$",
    re.IGNORECASE,
)
"""What stands for a secret, or says where it is kept."""


_ALONE = re.compile(r"[^\s\x00]{4,200}[ \t]*(?:\n|\Z)")
"""A word after which the line ends: "wifi password: heron"."""

_STATES: Final = frozenset(
    """
    required optional forgotten unknown unchanged changed missing unset empty expired hidden needed wrong
    correct invalid valid lost reset stored saved encrypted hashed string same default later
    """.split()
)
"""What is said of a password, and is none."""


def _all(text: str) -> Iterator[Secret]:
    for kind, form in _FORMS:
        yield from (Secret(*match.span(), kind) for match in form.finditer(text))
    yield from (Secret(*match.span(), "private key") for match in _BLOCK.finditer(text))
    for match in _IN_ADDRESS.finditer(text):
        if not _PLACEHOLDER.match(match.group(1)):
            yield Secret(*match.span(1), "password")
    for match in _BEARER.finditer(text):
        if _is_random(match.group(1)):
            yield Secret(*match.span(1), "token")
    for match in _SAID.finditer(text):
        end = match.end("value") - len(match["value"]) + len(match["value"].rstrip(".,;:!?)]}\\"))
        if _is_secret(match, text[match.start("value") : end]):
            yield Secret(match.start("value"), end, "key" if match["key"] else "password")


def _is_secret(match: re.Match[str], value: str) -> bool:
    """Whether what follows the word for a secret is one."""
    if len(value) < 4 or _PLACEHOLDER.match(value):
        return False
    if match["pin"]:
        return value.isdigit()
    if match["password"]:
        assigned = "=" in match["between"] or bool(match["quote"])
        counted = match["password"].casefold() == "pass" and value.isdigit()
        stands_alone = ":" in match["between"] and _ALONE.match(match.string, match.start("value"))
        told = bool(stands_alone) and value.casefold() not in _STATES
        return (_is_no_word(value) and not counted) or (assigned and len(value) >= 6) or told
    return len(value) >= 8 and (_is_random(value) or (bool(match["quote"]) and _is_no_word(value)))


def _is_no_word(value: str) -> bool:
    """Whether it has digits or signs, or capitals within, as words have not."""
    inner = value.replace("-", "").replace("'", "").replace("’", "")
    return not inner.isalpha() or (inner[1:] != inner[1:].lower() and not inner.isupper())


def _is_random(value: str) -> bool:
    """Whether it mixes letters and digits, and is as even as chance: 2.5 bits a character, of 3 to 6 at most.

    Shannon, A Mathematical Theory of Communication, 1948.
    """
    has_both = any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value)
    counts = Counter(value).values()
    return has_both and -sum(n / len(value) * math.log2(n / len(value)) for n in counts) >= 2.5
