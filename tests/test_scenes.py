"""Scenes: what a caption allows, what is drawn, and what the score of an image says."""

from random import Random

import pytest
import torch

from ddpm_lite.scenes import (
    BIG,
    COLOURS,
    HELD_OUT,
    NUMBERS,
    PIECES,
    Reader,
    draw_scenes,
    layouts,
    make_scenes,
    random_caption,
    score_scenes,
)
from ddpm_lite.scenes.captions import KINDS
from ddpm_lite.tokenizer import Tokenizer


def places(caption):
    return [[place for place, *_ in layout] for layout in layouts(caption)]


def test_a_relation_fixes_the_places_of_the_two():
    assert sorted(places("red seven above blue two")) == [[0, 2], [1, 3]]
    assert sorted(places("red seven below blue two")) == [[2, 0], [3, 1]]
    assert sorted(places("red seven left of blue two")) == [[0, 1], [2, 3]]
    assert sorted(places("red seven right of blue two")) == [[1, 0], [3, 2]]
    assert layouts("red seven above blue two")[0] == ((0, "red", 7), (2, "blue", 2))


def test_a_chain_that_turns_a_corner_has_one_layout():
    assert places("red one above blue two left of green four") == [[0, 2, 3]]
    assert places("red one right of blue two below green four") == [[3, 2, 0]]
    assert places("red one above blue two left of green four below pink six") == [[0, 2, 3, 1]]


def test_what_does_not_fit_has_no_layout():
    assert layouts("red seven above blue two above green one") == []
    assert layouts("red seven above blue two below green one") == []  # at the first one's place


def test_sizes_and_numbers():
    assert places("big red six") == [[BIG]]
    assert sorted(places("small red six")) == [[0], [1], [2], [3]]
    assert sorted(places("red six")) == [[0], [1], [2], [3], [BIG]]
    assert [len(layouts(f"{n} red sixes")) for n in ("two", "three", "four")] == [6, 4, 1]
    assert layouts("four blue twos") == [tuple((p, "blue", 2) for p in range(4))]


UNKNOWN = [
    "five red sevens", "purple two", "red", "two red", "two red seven", "",
    "red seven over blue two",
]  # fmt: skip


@pytest.mark.parametrize("caption", [*UNKNOWN, "two red sevens above blue two"])
def test_other_captions_are_refused(caption):
    with pytest.raises(ValueError, match="expected a colour and a digit, such as 'red seven"):
        layouts(caption)


def test_captions_of_each_kind_can_be_drawn_and_written_in_tokens():
    random, tokenizer = Random(0), Tokenizer(PIECES)
    things = {"one": 1, "two": 2, "three": 3}
    for kind in KINDS:
        captions = [random_caption(random, kind) for _ in range(200)]
        for caption in captions:
            assert all(len(layout) == things.get(kind, len(layout)) for layout in layouts(caption))
            assert layouts(caption) and len(tokenizer.split(caption)) <= 10
        assert len({*captions}) > 50
    numbers = {random_caption(random, "count").split()[0] for _ in range(100)}
    assert numbers == {"two", "three", "four"}
    kinds = [len(layouts(random_caption(random))) for _ in range(500)]
    assert {1, 2, 5} <= {*kinds}


def test_held_out_combinations_are_never_drawn_unless_asked_for():
    """One colour for each digit; asked for, each caption has one at least."""
    assert len(HELD_OUT) == 10 and {digit for _, digit in HELD_OUT} == {*range(10)}
    random = Random(1)
    for held_out in (False, True):
        for _ in range(500):
            layout = layouts(random_caption(random, held_out=held_out))[0]
            hidden = [thing[1:] in HELD_OUT for thing in layout]
            assert any(hidden) == held_out


def test_the_same_seed_gives_the_same_scenes(digits):
    first, again, other = (make_scenes(20, *digits, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and first[1] == again[1]
    assert first[1] != other[1] and first[0].shape == (20, 3, 16, 16)
    assert first[0].min() == -1 and first[0].max() <= 1


def test_things_are_drawn_at_their_places_in_their_colours(digits):
    x, y = digits
    one = (y == 7).nonzero()[:1, 0]
    images = draw_scenes([((1, "red", 7), (2, "white", 7)), ((BIG, "blue", 7),)], x[one], y[one])
    cell = x[one][0, 0]
    assert torch.allclose(images[0, 0, :8, 8:], cell)  # red: 255 of 255
    assert torch.allclose(images[0, :, 8:, :8], cell.expand(3, 8, 8))
    assert images[0, :, :8, :8].max() == images[0, :, 8:, 8:].max() == -1
    shade = torch.tensor(COLOURS["red"][1]) / 255
    assert torch.allclose(images[0, 1, :8, 8:], (cell + 1) * shade - 1)
    small = torch.nn.functional.avg_pool2d(images[1:, 2:], 2)[0, 0]
    assert torch.corrcoef(torch.stack([small.flatten(), cell.flatten()]))[0, 1] > 0.95


def test_scenes_have_the_precision_of_the_digits(digits):
    x, y = digits
    (scenes, _), (single, _) = make_scenes(5, x.double(), y), make_scenes(5, x, y)
    assert scenes.dtype == torch.float64 and torch.allclose(scenes.float(), single, atol=1e-6)


def test_digits_are_drawn_with_their_label(digits):
    x, y = digits
    constant = y.float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8) / 9 * 2 - 1  # grey tells the label
    many = [((place, "white", digit),) for digit in range(10) for place in range(4)]
    for image, ((_, _, digit),) in zip(draw_scenes(many, constant, y), many, strict=True):
        assert image.max().item() == pytest.approx(digit / 9 * 2 - 1, abs=1e-5)


def test_digits_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected digits \(M, 1, 8, 8\), and y their labels"):
        draw_scenes([((0, "red", 1),)], torch.zeros(5, 1, 28, 28), torch.ones(5))


ASKED = "red seven above blue two"


@pytest.mark.parametrize("read, digits, colours, relation, scene", [
    (((0, "red", 7), (2, "blue", 2)), 1, 1, 1, 1),
    (((1, "red", 7), (3, "blue", 2)), 1, 1, 1, 1),
    (((0, "blue", 7), (2, "red", 2)), 1, 0, 1, 0),  # the colours are exchanged
    (((0, "red", 2), (2, "blue", 7)), 0, 1, 1, 0),  # the digits are
    (((0, "blue", 2), (2, "red", 7)), 0, 0, 0, 0),  # the places are
    (((0, "red", 7), (1, "blue", 2)), 0.5, 0.5, 0, 0),
    (((0, "red", 9), (2, "blue", 2)), 0.5, 1, 1, 0),
    (((0, "red", 7), (2, "blue", 2), (3, "blue", 2)), 1, 1, 0, 0),
    ((), 0, 0, 0, 0),
])  # fmt: skip
def test_a_score_tells_attributes_from_places(read, digits, colours, relation, scene):
    scores = score_scenes([read], [ASKED])
    right = {"digits": digits, "colours": colours, "relations": relation, "scenes": scene}
    assert scores == right


def test_scores_are_shares_of_things_and_of_captions():
    asked = [ASKED, "big red six"]
    read = [((0, "red", 7), (2, "blue", 2)), ((BIG, "blue", 6),)]
    assert score_scenes([read[0], ()], [ASKED, ASKED])["relations"] == 0.5
    scores = score_scenes(read, asked)
    assert scores["digits"] == 1 and scores["colours"] == pytest.approx(2 / 3)
    assert scores["relations"] == 1 and scores["scenes"] == 0.5


def test_the_reader_turns_its_tables_into_layouts():
    """A reader whose logits are given: nothing is 10, and a big digit hides the places."""

    class Given(Reader):
        def forward(self, x):
            return digits, colours

    digits, colours = torch.zeros(2, 5, 11), torch.zeros(2, 5, 6)
    digits[:, :, 10] = 1
    digits[:, 1, 7], colours[:, 1, 2] = 2, 1
    digits[1, BIG, 3], colours[1, BIG, 0] = 2, 1
    assert Given().read(torch.zeros(2, 3, 16, 16)) == [((1, "blue", 7),), ((BIG, "red", 3),)]


def test_the_shipped_reader_reads_handwriting_that_it_has_not_seen():
    from ddpm_lite import load_images
    from ddpm_lite.pretrained import load_reader

    images, captions = make_scenes(300, *load_images("digits", train=False), seed=2)
    scores = score_scenes(load_reader().read(images), captions)
    assert scores["digits"] > 0.97 and scores["colours"] > 0.995 and scores["relations"] > 0.98


def test_the_pieces_are_different_words():
    assert len({*PIECES}) == len(PIECES) == 25 and {*COLOURS, *NUMBERS} < {*PIECES}
