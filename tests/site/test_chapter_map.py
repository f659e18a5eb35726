"""The map of the chapters on the cover agrees with the chapters."""

import chapter_map

CHAPTERS = chapter_map.chapters()


def test_the_map_on_the_cover_is_that_of_the_chapters():
    """Titles, minutes and arrows. If it fails: python scripts/chapter_map.py"""
    assert chapter_map.drawing() in chapter_map.PAGE.read_text(encoding="utf-8")


def test_every_chapter_has_a_place_of_its_own_and_needs_only_earlier_ones():
    assert set(CHAPTERS) == set(chapter_map.PLACES)
    assert len(set(chapter_map.PLACES.values())) == len(CHAPTERS)
    for number, chapter in CHAPTERS.items():
        assert chapter.needs <= set(CHAPTERS) and all(n < number for n in chapter.needs)
        assert chapter.needs or number in (0, 1)


def test_arrows_join_neighbours():
    """An arrow that is longer would run through a box."""
    for a, b in chapter_map.arrows({n: chapter.needs for n, chapter in CHAPTERS.items()}):
        (xa, ya), (xb, yb) = chapter_map.PLACES[a], chapter_map.PLACES[b]
        assert xb - xa in (0, 1) and yb - ya in (0, 1)


def test_what_follows_from_other_arrows_is_left_out():
    assert chapter_map.arrows({1: set(), 2: {1}, 3: {1, 2}, 4: {1}}) == [(1, 2), (2, 3), (1, 4)]


def test_the_table_for_teachers_has_the_minutes_of_the_chapters():
    page = (chapter_map.ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
    for number, chapter in CHAPTERS.items():
        assert f"| [{number}](../notebooks/{chapter.name}.ipynb) | {chapter.minutes} min |" in page
