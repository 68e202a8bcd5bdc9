"""Promises of pi_rag/text/western.py."""

from __future__ import annotations

import pytest

from pi_rag.text.western import ENCODING, is_western

WESTERN = (
    "Milch kaufen für Oma", "Größe 42", "Jürgen", "Öl nachfüllen", "Straße 5, Köln", "Name;Größe\nJörg;178",
    "Noël à Genève", "à la carte", "Où est la clé ?", "l’été", "sœur", "«clé»", "Élève n° 12",
    "mañana", "¿Quién?", "¡Hola!", "jamón y piña", "La porta è chiusa", "città", "è così", "coração",
    "Blåbær på fjellet", "Smörgås", "Ø", "rødgrød med fløde", "þetta er íslenska",
    "Temp 21°", "21 °C", "1/2 ½ Tasse", "20 £", "5 m²", "© 2020 Meier", "12 µm",
    "It’s done", "“quoted” text", "a – b", "wait…", "5 €", "Café…", "“Élan”", "„Über“ uns", "cliché”",
    "12,50\xa0€", "«\xa0Là.\xa0»", "–––––––––\nTotal 5 €", "§§ 12", "Brand™ and Other™", "qu’à la mer",
)  # fmt: skip

OTHERS = (
    ("cp1251", "Привет"), ("cp1251", "купить молоко 42"), ("cp1251", "я и ты"), ("koi8-r", "ключ у соседей"),
    ("cp1253", "αγόρασε γάλα"), ("cp1255", "לקנות חלב"), ("cp1256", "شراء الحليب"), ("cp874", "ซื้อนม"),
    ("shift_jis", "牛乳を買う"), ("shift_jis", "テスト"), ("shift_jis", "機能 A"), ("euc-jp", "鍵は隣の家"),
    ("gb18030", "买牛奶"), ("gb18030", "中文 42"), ("big5", "買牛奶"), ("big5", "新竹"), ("big5", "林淑芳"),
    ("euc-kr", "우유를 사다"), ("big5", "張宗霖"), ("big5", "臺中"), ("shift_jis", "太田 和也"),
)  # fmt: skip


@pytest.mark.parametrize("text", WESTERN)
def test_a_few_western_words_are_enough(text: str) -> None:
    """A note of one word is read as it was written, with accents, signs, quotes and dashes."""
    assert is_western(text.encode(ENCODING))


@pytest.mark.parametrize(("encoding", "text"), OTHERS)
def test_a_few_words_of_another_script_are_none(encoding: str, text: str) -> None:
    """They are left to who knows more encodings."""
    assert not is_western(text.encode(encoding))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", "U盘 C盘 D盘\n" + "人工智能是研究开发用于模拟延伸和扩展人的智能的理论方法" * 20),
        ("gb18030", "x轴y轴z轴方向的速度"),
        ("euc-kr", "A형 B형 O형 AB형\n혈액형"),
        ("cp1251", "Иванов: 10 – 12, 14 – 18\n"),
        ("cp1253", "Παπαδόπουλος: 10 – 12, 14 – 18\n"),
        ("cp1255", "שלום: 10 – 12, 14 – 18\n"),
        ("cp1256", "مرحبا: 10 – 12, 14 – 18\n"),
    ],
)
def test_letters_beside_ascii_and_dashes_do_not_outweigh_words(encoding: str, text: str) -> None:
    """A page is not misread for the names of drives on it, nor for the dashes that many code pages share."""
    assert not is_western(text.encode(encoding))


def test_many_western_words_outweigh_one_place() -> None:
    """A name in capitals does not make a letter Chinese."""
    text = "Die Größe für ÄÖÜ: schön, grün, süß. "
    assert is_western(text.encode(ENCODING))
    assert not is_western("ÄÖÜ".encode(ENCODING))


def test_what_the_code_page_has_not_is_not_western() -> None:
    """Five of its bytes mean nothing."""
    assert not is_western(b"Gr\xf6\xdfe \x81")
