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
    """A longer one would run through a box; parts I and II need none."""
    pairs = chapter_map.arrows({n: chapter.needs for n, chapter in CHAPTERS.items()})
    assert all(chapter_map.near(a, b) for a, b in pairs if b <= 10)
    assert chapter_map.near(0, 6) is False and chapter_map.near(1, 2)
    drawn = 1 + sum(chapter_map.near(a, b) for a, b in pairs)  # and the tip
    assert chapter_map.drawing().count('<path d="M') == drawn


def test_a_box_names_what_no_arrow_shows():
    box = chapter_map.box(CHAPTERS[19], [9, 13])
    assert f">{CHAPTERS[19].minutes} min, after 9 and 13<" in box
    assert box in chapter_map.drawing()


def test_what_follows_from_other_arrows_is_left_out():
    assert chapter_map.arrows({1: set(), 2: {1}, 3: {1, 2}, 4: {1}}) == [(1, 2), (2, 3), (1, 4)]


def test_the_table_for_teachers_has_the_minutes_of_the_chapters():
    page = (chapter_map.ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
    for number, chapter in CHAPTERS.items():
        assert f"| [{number}](../notebooks/{chapter.name}.ipynb) | {chapter.minutes} min |" in page
