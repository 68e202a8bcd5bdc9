"""What is taken for a secret. The keys here are made up by chance, and belong to nobody."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.secrets import masked, secrets_in

DICE = random.Random(7)
LETTERS = string.ascii_letters + string.digits


def some(length: int, letters: str = LETTERS) -> str:
    """Written down nowhere, so that no scanner of this repository takes it for a leak."""
    return "".join(DICE.choice(letters) for _ in range(length))


SECRETS = [
    ("The token is {} today", f"ghp_{some(36)}", "GitHub token"),
    ("use {}", f"github_pat_{some(70)}", "GitHub token"),
    ("use {} for backups", f"AKIA{some(16, 'ABCDEFGHXYZ234567')}", "AWS key"),
    ("aws_secret_access_key = {}", some(40, LETTERS + "/+"), "key"),
    ("{}", f"sk-ant-api03-{some(93)}AA", "Anthropic key"),
    ("OPENAI_API_KEY={}", f"sk-proj-{some(48)}", "OpenAI key"),
    ("maps: {}", f"AIza{some(35)}", "Google key"),
    ("{}", f"hf_{some(34)}", "Hugging Face token"),
    ("{}", f"xoxb-123456789012-{some(24)}", "Slack token"),
    ("{}", f"glpat-{some(20)}", "GitLab token"),
    ("bot {}", f"123456789:{some(35)}", "Telegram token"),
    ("it is {}.", f"eyJ{some(20)}.eyJ{some(30)}.{some(43)}", "JSON web token"),
    (
        "a\n{}\nb",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{some(70)}\n-----END OPENSSH PRIVATE KEY-----",
        "private key",
    ),
    ("postgres://bob:{}@db/x", "s3cr3t", "password"),
    ("the wifi password is {}", "Sommer2024", "password"),
    ('db_password = "{}"', "correcthorse", "password"),
    ("dbPassword: {}", "aB3$kk9", "password"),
    ("Das WLAN-Passwort lautet {}", "Gr8Haus99", "password"),
    ("The alarm PIN is {}", "4711", "password"),
    ("API key for the weather service is {}", some(32, "0123456789abcdef"), "key"),
    ("https://x.org/?token={}", some(32), "key"),
    ("Authorization: Bearer {}", some(40), "token"),
]


@pytest.mark.parametrize(("around", "secret", "kind"), SECRETS, ids=[around for around, _, _ in SECRETS])
def test_a_secret_is_found_and_masked(around: str, secret: str, kind: str) -> None:
    """Each is found whole and for what it is, and nothing of it is left once it is masked."""
    text = around.format(secret)
    found = secrets_in(text)

    assert [(text[each.start : each.end], each.kind) for each in found] == [(secret, kind)]
    assert masked(text, found) == around.format(f"[secret: {kind}]")


@pytest.mark.parametrize(
    "text",
    [
        "The password is in the safe",
        "The password is stored in KeePass.",
        "The PIN was changed yesterday",
        "The secret is patience",
        "Reset your password: click the link",
        "Password: required.\nName: optional",
        "password is required",
        "password: <your password>",
        "API_KEY=${API_KEY}",
        "token = os.environ['TOKEN']",
        "password = getpass()",
        "token: str = None",
        "The secret key is kept in /etc/app/key",
        "max_tokens=512 and token_count: 1234567",
        "The token is refreshed every 15 minutes",
        "the LED pin is GPIO17",
        "pass: 1300 passed",
        "commit 1f5e0d6a9c3b2e4f5a6b7c8d9e0f1a2b3c4d5e6f",
        f"sha256 {'0123456789abcdef' * 4}",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "see https://example.org/a/b?q=1",
        "call Ann at 555-1234",
        "password is [secret: password]",
    ],
)
def test_what_only_speaks_of_secrets_passes(text: str) -> None:
    """A person or an agent may say where a secret is kept, and write of commits and sums."""
    assert secrets_in(text) == ()


FRAGMENTS = st.one_of(
    st.sampled_from([around.format(secret) for around, secret, _ in SECRETS]),
    st.sampled_from(
        ["password", "token", "API key", ": ", " is ", "=", "'", "[secret: ", "]", "\n", "://", "@"]
    ),
    st.text(max_size=20),
)


@given(st.lists(FRAGMENTS, max_size=8).map("".join))
def test_nothing_is_found_in_what_was_masked(text: str) -> None:
    """Masking once is enough, and what is found lies in order within the text."""
    found = secrets_in(text)
    ends = [edge for each in found for edge in (each.start, each.end)]

    assert ends == sorted(ends) and all(0 <= edge <= len(text) for edge in ends)
    assert secrets_in(masked(text, found)) == ()


@pytest.mark.parametrize(
    "unit",
    ["a-", "password ", "-----BEGIN PRIVATE KEY-----", "eyJ", "://a:", "sk-", "pass for ", "token is ", "1:"],
)
def test_a_text_made_to_take_long_is_read_all_the_same(unit: str) -> None:
    """No pattern looks at a text again and again: this would last for minutes if one did."""
    assert len(secrets_in(unit * 4_000)) <= 4_000


@pytest.mark.parametrize("text", ["wifi password: heron", "Wi-Fi passwort: Reiher.", "a\npsk: heron \nb"])
def test_a_word_alone_after_its_name_is_a_password(text: str) -> None:
    """People choose words. Whoever writes a line of it says so, and a sentence goes on."""
    [found] = secrets_in(text)
    assert (text[found.start : found.end].casefold(), found.kind) in [
        ("heron", "password"),
        ("reiher", "password"),
    ]
    assert secrets_in(text.replace(":", ": ask Ann about")) == ()
