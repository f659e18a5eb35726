"""Bugs of scenes.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "above and below are exchanged": (
        "_chains", "a + b", "a - b",
        "test_a_relation_fixes_the_places_of_the_two"),
    "places are counted down the columns": (
        "_chains", "2 * r + c", "r + 2 * c", "test_a_relation_fixes_the_places_of_the_two"),
    "two things share a place": (
        "_chains", "len({*cells}) == len(cells)", "True", "test_what_does_not_fit_has_no_layout"),
    "big and small are exchanged": (
        "_alone", "how == 'big'", "how == 'small'", "test_sizes_and_numbers"),
    "a size that isn't said is small": (
        "_alone", "range(5)", "range(4)", "test_sizes_and_numbers"),
    "numbers of things are off by one": (
        "_alone", "NUMBERS.index(how)", "NUMBERS.index(how) - 1", "test_sizes_and_numbers"),
    "an order of equal things counts": (
        "_alone", "combinations(range(4), NUMBERS.index(how))",
        "permutations(range(4), NUMBERS.index(how))", "test_sizes_and_numbers"),
    "held-out combinations are drawn": (
        "_draw", "(thing in HELD_OUT) == held_out", "True",
        "test_held_out_combinations_are_never_drawn_unless_asked_for"),
    "held-out captions only by chance": (
        "random_caption", "if held_out:\n    things[random.randrange(n)] = _draw(random, True)", "",
        "test_held_out_combinations_are_never_drawn_unless_asked_for"),
    "scenes without a seed": (
        "make_scenes", "Random(seed)", "Random()", "test_the_same_seed_gives_the_same_scenes"),
    "black is tinted": (
        "_tinted", "(x + 1) * rgb[:, :, None, None] - 1", "x * rgb[:, :, None, None]",
        "test_things_are_drawn_at_their_places_in_their_colours"),
    "rows and columns of places are exchanged": (
        "draw_scenes", "rearrange(cells[:, :4], 'n (r c) rgb h w -> n rgb (r h) (c w)', r=2)",
        "rearrange(cells[:, :4], 'n (c r) rgb h w -> n rgb (r h) (c w)', r=2)",
        "test_things_are_drawn_at_their_places_in_their_colours"),
    "any digit will do": (
        "_handwritten", "rows[digit]", "rows[0]", "test_digits_are_drawn_with_their_label"),
    "a big digit does not hide the places": (
        "Reader.read", "[BIG] if ds[BIG] < 10 else [p for p in range(4) if ds[p] < 10]",
        "[p for p in range(4) if ds[p] < 10]",
        "test_the_reader_turns_its_tables_into_layouts"),
    "colours are counted as digits": (
        "_compare", "hits - digits", "digits", "test_a_score_tells_attributes_from_places"),
    "every place will do": (
        "_compare", "placed and hits == max((m[1] for m in moved))", "placed",
        "test_a_score_tells_attributes_from_places"),
    "another thing too many is right": (
        "_matches", "there.keys() == {place for place, *_ in layout}", "True",
        "test_a_score_tells_attributes_from_places"),
    "the first layout instead of the nearest": (
        "_compare", "max(layouts(caption), key=lambda layout: _matches(read, layout))",
        "layouts(caption)[0]", "test_a_score_tells_attributes_from_places"),
    "shares of captions instead of things": (
        "score_scenes", "sum((row['colours'] for row in rows)) / things",
        "sum((row['colours'] for row in rows)) / len(rows)",
        "test_scores_are_shares_of_things_and_of_captions"),
}  # fmt: skip
