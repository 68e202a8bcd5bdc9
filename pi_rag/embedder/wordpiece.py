"""A model's own tokenizer, made from the vocabulary in its GGUF file.

llama.cpp's tokenizer is not quite BERT's: it drops the vowel signs of Hindi and Tamil, takes no Hangul apart
and cuts words of any length into pieces, where the model was trained on [UNK] past a hundred characters. So
the reference implementation does it, Hugging Face's `tokenizers`. It does not know llama.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORD_CHARACTERS_MAX = 100
"""Of BERT: a longer word is [UNK]. No word has more tokens than this."""

_WORD_BEGINS = "\u2581"
"""How a GGUF file marks a token that begins a word; BERT marks the others, with ##."""


class WordPiece:
    """Devlin et al., "BERT" (2018), uncased: lower case, accents off, greedy pieces of words."""

    def __init__(self, vocabulary: Sequence[str], *, cls: int, sep: int, unknown: int) -> None:
        """`vocabulary` as a GGUF file spells it, in the order of the ids."""
        special = {cls, sep, unknown}
        ids = {_as_bert(token, number in special): number for number, token in enumerate(vocabulary)}
        unknown_token = _as_bert(vocabulary[unknown], special=True)
        self._tokenizer = Tokenizer(models.WordPiece(ids, unk_token=unknown_token))
        self._tokenizer.normalizer = normalizers.BertNormalizer()
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._ends = (cls, sep)

    def tokens(self, text: str) -> npt.NDArray[np.int32]:
        """[CLS], the text's ids, [SEP]. A lone surrogate, which has no UTF-8 form, becomes `?`."""
        spelled = text.encode("utf-8", "replace").decode()
        cls, sep = self._ends
        return np.array([cls, *self._tokenizer.encode(spelled, add_special_tokens=False).ids, sep], np.int32)

    def first_tokens(self, text: str, count: int) -> npt.NDArray[np.int32]:
        """As `tokens`, but for a long text only as much of it as gives `count` tokens or more."""
        wanted = count + WORD_CHARACTERS_MAX
        length = 16 * wanted
        while length < len(text):
            # The last word may have been cut; what comes before its hundred tokens is as in the whole text.
            ids = self.tokens(text[:length])
            if len(ids) >= wanted + 2:
                return ids
            length *= 8
        return self.tokens(text)


def _as_bert(token: str, special: bool) -> str:
    if special:
        return token
    return token[1:] if token.startswith(_WORD_BEGINS) else f"##{token}"
