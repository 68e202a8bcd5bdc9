"""Texts that differ in every way that matters to an embedder."""

TEXTS = (
    "power cut",
    "How long may the Pi stay on a shelf without power?",
    "The quick brown fox jumps over the lazy dog.",
    "def area(radius: float) -> float:\n    return math.pi * radius**2\n",
    "Ünïcode, naïve café, straße, São Paulo — and an em dash…",
    "東京は日本の首都です。 Привет, мир! مرحبا بالعالم",
    "😀 🚀 smile and launch",
    "1234567890 3.14159 2026-11-21 10:45:00 +0200 0xDEADBEEF",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "[CLS] [MASK] markers inside a text are only text [SEP]",
    "WORDS IN CAPITALS AND words in small letters",
    "one\ttwo\n\n\nthree    four",
    "A document is wholly there or not there after a power cut. " * 8,
    " ".join(f"item{number} costs {number * 7} euros;" for number in range(28)),
)
