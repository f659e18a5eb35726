"""The tokenizer: words are split into pieces from the left, and rows are padded."""

import pytest
import torch

from ddpm_lite.scenes import PIECES
from ddpm_lite.tokenizer import Tokenizer

TOKENIZER = Tokenizer(PIECES)
PAIR = ["red seven above blue two", "blue seven above red two"]


def test_words_are_split_from_the_left_into_the_longest_pieces():
    assert TOKENIZER.split("two red sevens") == ["<start>", "two", "red", "seven", "s"]
    assert TOKENIZER.split("Sixes") == ["<start>", "six", "es"]
    known = Tokenizer(["a", "ab", "abc", "bc", "d"])
    assert known.split("abcd abd") == ["<start>", "abc", "d", "ab", "d"]


def test_rows_begin_with_the_start_and_end_with_padding():
    y = TOKENIZER(["red", "", "two red sixes"])
    assert y.shape == (3, 16) and y.dtype == torch.int64
    assert y[0].tolist() == [1, 2] + 14 * [0] and y[1].tolist() == [1] + 15 * [0]
    names = [TOKENIZER.pieces[i] for i in y[2]]
    assert names[:6] == ["<start>", "two", "red", "six", "es", "<pad>"]


def test_the_order_of_the_words_is_the_order_of_the_tokens():
    first, second = TOKENIZER(PAIR)
    assert sorted(first.tolist()) == sorted(second.tolist()) and not torch.equal(first, second)


def test_a_caption_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a word is 'purple'; expected one made of red, green"):
        TOKENIZER(["purple two"])
    with pytest.raises(ValueError, match="length is 5; expected 4 tokens at most"):
        Tokenizer(PIECES, length=4)(["two red sixes"])
    with pytest.raises(ValueError, match="captions is 'red seven'; expected a list of texts"):
        TOKENIZER("red seven")
    assert Tokenizer(PIECES, length=5)(["two red sixes"]).min() > 0  # just fits
