"""Captions as rows of token numbers. Token 0 is padding, and every caption begins with token 1."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .diffusion import expect

PAD = 0


class Tokenizer:
    """Turn captions into rows of token numbers (B, length), padded with 0.

    Args:
        pieces: the words and parts of words that it knows. Their tokens are 2, 3, …
        length: how many tokens a row has. Longer captions are refused.

    A word is split from the left into pieces, each as long as possible: "sevens" becomes "seven"
    and "s".

    Raises:
        ValueError: a word can't be split, a caption is too long or has a special token, or the
            captions aren't a list of texts.

    Built in chapter 17.
    """

    def __init__(self, pieces: Sequence[str], length: int = 16):
        _check_pieces(pieces)
        self.length, self.pieces = length, ("<pad>", "<start>", *pieces)

    def split(self, caption: str) -> list[str]:
        """The pieces of a caption, beginning with the start token."""
        found = ["<start>"]
        for word in caption.lower().split():
            while word:
                fits = [p for p in self.pieces if word.startswith(p)]
                expect(fits, "a word", word, f"one made of {', '.join(self.pieces[2:])}")
                found.append(max(fits, key=len))
                word = word[len(found[-1]) :]
        return found

    def __call__(self, captions: Sequence[str]) -> Tensor:
        _check_captions(captions)
        y = [[self.pieces.index(p) for p in self.split(c)] for c in captions]
        _check_length(y, self.length)
        return torch.tensor([r + [PAD] * (self.length - len(r)) for r in y])


def _check_pieces(pieces: Sequence[str]) -> None:
    words = [p for p in pieces if p and p == "".join(p.lower().split())]
    well = not isinstance(pieces, str) and words == [*pieces]
    expect(well, "pieces", pieces, "a list of words in small letters, without blanks")


def _check_captions(captions: Sequence[str]) -> None:
    texts = captions and not isinstance(captions, str) and all(isinstance(c, str) for c in captions)
    expect(texts, "captions", captions, "a list of texts, one at least, such as ['red seven']")
    special = [c for c in captions if "<pad>" in c.lower() or "<start>" in c.lower()]
    expect(not special, "captions", special, "texts alone: <start> and <pad> are added to them")


def _check_length(y: list[list[int]], length: int) -> None:
    longest = max(map(len, y))
    expect(longest <= length, "a caption's length", longest, f"{length} tokens at most")
