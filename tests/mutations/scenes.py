"""Bugs of scenes, a table for each file: name: (function, code, what it becomes, the test that must
fail)."""

TEST = "test_scenes.py::test_{}"

CAPTIONS = {
    "above and below are exchanged": (
        "_chains", "pair in RELATIONS[r]", "pair[::-1] in RELATIONS[r]",
        TEST.format("a_relation_fixes_the_places_of_the_two")),
    "places are counted down the columns": (
        "", "{(0, 2), (1, 3)}", "{(0, 1), (2, 3)}",
        TEST.format("a_relation_fixes_the_places_of_the_two")),
    "two things share a place": (
        "_chains", "permutations(range(4), len(relations) + 1)",
        "product(*[range(4)] * (len(relations) + 1))",
        TEST.format("what_does_not_fit_has_no_layout")),
    "a big digit is a small one": (
        "", "[(BIG,)]", "[(0,)]", TEST.format("sizes_and_numbers")),
    "a size that isn't said is small": (
        "_alone", "PLACES['small'] + PLACES['big']", "PLACES['small']",
        TEST.format("sizes_and_numbers")),
    "numbers of things are off by one": (
        "", "enumerate(('small', *NUMBERS[2:5]), 1)", "enumerate(('small', *NUMBERS[2:5]), 2)",
        TEST.format("sizes_and_numbers")),
    "an order of equal things counts": (
        "", "combinations(range(4), n)", "permutations(range(4), n)",
        TEST.format("sizes_and_numbers")),
    "two sixs": (
        "", "f'{number}es' if number == 'six' else f'{number}s'", "f'{number}s'",
        TEST.format("sizes_and_numbers")),
    "never two of a kind": (
        "random_caption", "NUMBERS[2:5]", "NUMBERS[3:5]",
        TEST.format("captions_of_each_kind_can_be_drawn_and_written_in_tokens")),
    "held-out combinations are drawn": (
        "_draw", "(thing in HELD_OUT) == held_out", "True",
        TEST.format("held_out_combinations_are_never_drawn_unless_asked_for")),
    "held-out captions only by chance": (
        "random_caption", "if held_out:\n    things[random.randrange(n)] = _draw(random, True)", "",
        TEST.format("held_out_combinations_are_never_drawn_unless_asked_for")),
}  # fmt: skip

DRAWING = {
    "scenes without a seed": (
        "make_scenes", "Random(seed)", "Random()",
        TEST.format("the_same_seed_gives_the_same_scenes")),
    "black is tinted": (
        "_tinted", "(x + 1) * rgb[:, :, None, None] - 1", "x * rgb[:, :, None, None]",
        TEST.format("things_are_drawn_at_their_places_in_their_colours")),
    "scenes are always in float32": (
        "draw_scenes", "x.new_full((len(many), 5, 3, 8, 8), -1.0)",
        "torch.full((len(many), 5, 3, 8, 8), -1.0)",
        TEST.format("scenes_have_the_precision_of_the_digits")),
    "rows and columns of places are exchanged": (
        "draw_scenes", "rearrange(cells[:, :4], 'n (r c) rgb h w -> n rgb (r h) (c w)', r=2)",
        "rearrange(cells[:, :4], 'n (c r) rgb h w -> n rgb (r h) (c w)', r=2)",
        TEST.format("things_are_drawn_at_their_places_in_their_colours")),
    "any digit will do": (
        "_handwritten", "rows[digit]", "rows[0]", TEST.format("digits_are_drawn_with_their_label")),
}  # fmt: skip

READER = {
    "a big digit does not hide the places": (
        "Reader.read", "[BIG] if ds[BIG] < 10 else [p for p in range(4) if ds[p] < 10]",
        "[p for p in range(4) if ds[p] < 10]",
        TEST.format("the_reader_turns_its_tables_into_layouts")),
    "colours are counted as digits": (
        "_compare", "hits - digits", "digits", TEST.format("a_score_tells_attributes_from_places")),
    "every place will do": (
        "_compare", "placed and nearest", "placed",
        TEST.format("a_score_tells_attributes_from_places")),
    "another thing too many is right": (
        "_matches", "places == len(read) == len(layout)", "True",
        TEST.format("a_score_tells_attributes_from_places")),
    "the first layout instead of the nearest": (
        "_compare", "max(allowed, key=lambda layout: _matches(read, layout))", "allowed[0]",
        TEST.format("a_score_tells_attributes_from_places")),
    "relations are counted, not shared out": (
        "score_scenes", "sum(related) / len(related)", "sum(related)",
        TEST.format("scores_are_shares_of_things_and_of_captions")),
    "shares of captions instead of things": (
        "score_scenes", "sum(colours) / sum(things)", "sum(colours) / len(things)",
        TEST.format("scores_are_shares_of_things_and_of_captions")),
}  # fmt: skip

FILES = {
    "scenes/captions.py": CAPTIONS,
    "scenes/__init__.py": DRAWING,
    "scenes/reader.py": READER,
}
