"""The decks of slides: whole, in one file, and turned by the arrow keys."""

import base64
import re
import xml.etree.ElementTree as ET

import nbformat
import pytest
import test_book
from bs4 import BeautifulSoup
from nbformat import v4

import slides

browser = test_book.browser  # its fixture
CHAPTERS = sorted((test_book.ROOT / "notebooks").glob("*.ipynb"))
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def notebook(path):
    """A chapter with one of each thing that a deck shows, and some that it doesn't."""
    image = {"mystnb": {"image": {"alt": "Digits <0 to 9>"}}}
    outputs = [v4.new_output("display_data", data={"image/png": PNG})]
    cells = [
        v4.new_markdown_cell("[![badge](x.svg)](y)\n\n# 7. Seven\n\n**How?**\n\nYou will"),
        v4.new_code_cell("show()", outputs=outputs, metadata=image),
        v4.new_markdown_cell("**Figure 7.1.** What to see, $x_t$.\n\n## 7.1 Why?\n\nBecause"),
        v4.new_markdown_cell("a sentence before it:\n\n$$x = \\|y\\| \\tag{7.1}$$\n\nMore text."),
        v4.new_markdown_cell(
            "> **Predict before you run.** Which?\n\n<details><summary>Answer</summary>\n\n"
            "The *second*.\n\n</details>\n\n> **Pitfall: signs.** Mind [them](06_x.ipynb)."
        ),
        v4.new_markdown_cell("## Summary\n\n- one\n- two\n\n## Exercises\n\n$$z = 1$$"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def parts(page):
    return BeautifulSoup(page, "html.parser").select("section.slide")


def test_a_deck_has_what_a_lesson_needs(tmp_path):
    title, figure, question, equation, box, pitfall, summary = parts(
        slides.deck_of(notebook(tmp_path / "07_seven.ipynb"))
    )
    assert title.h1.text == "7. Seven" and "How?" in title.text and "badge" not in title.text
    assert figure.img["src"].endswith(PNG) and figure.img["alt"] == "Digits <0 to 9>"
    assert "What to see" in figure.select_one(".caption").text and figure.math
    assert question.h2.text == "7.1 Why?"
    assert "a sentence before it" in equation.text and "(7.1)" in equation.text
    assert "‖" in equation.math.text.replace("∥", "‖") and "tag" not in equation.math.text
    assert "Which?" in box.text and "second" in box.details.text and "signs" in pitfall.text
    assert len(summary.find_all("li")) == 2 and "z" not in summary.text
    assert not pitfall.a  # a link to a file that isn't beside the deck


@pytest.mark.parametrize("first", ["# 7. Seven", "**How?**\n\n# 7. Seven", ""])
def test_a_chapter_without_a_question_below_its_title_is_refused(first, tmp_path):
    path = tmp_path / "07_seven.ipynb"
    cells = [v4.new_markdown_cell(first)] if first else []
    nbformat.write(v4.new_notebook(cells=cells), path)
    with pytest.raises(ValueError, match="no title with a question"):
        slides.deck_of(path)


@pytest.mark.parametrize("text, words", [
    (None, "No such file"), ("{", "isn't a notebook"), ("![a](https://x.org/a.png)", "No such file")
])  # fmt: skip
def test_a_notebook_without_slides_gets_a_sentence(text, words, tmp_path, monkeypatch, capsys):
    path = tmp_path / "own.ipynb"
    if text == "{":
        path.write_text(text)
    elif text:
        cells = [v4.new_markdown_cell("# Mine\n\n**How?**"), v4.new_markdown_cell(text)]
        nbformat.write(v4.new_notebook(cells=cells), path)
    monkeypatch.setattr("sys.argv", ["slides.py", str(path), "--out", str(tmp_path)])
    assert slides.main() == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: ") and words in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_each_chapter_makes_a_deck_that_needs_nothing_else(path):
    page = slides.deck_of(path)
    captions = sum(
        len(re.findall(r"^\*\*Figure \d+d?\.\d+\.\*\*", cell.source, re.M))
        for cell in nbformat.read(path, 4).cells
    )
    images = [image["src"] for image in BeautifulSoup(page, "html.parser").select("img")]
    assert all(image.startswith("data:image/") for image in images)
    assert len(images) >= captions and len(parts(page)) > 5
    assert not re.search(r'(src|href)="(?!data:)', page) and "http://" not in page.replace(
        "http://www.w3.org", ""
    )


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_each_formula_becomes_well_formed_mathml(path):
    """Without a command or an alignment mark that was left as it is."""
    page = slides.deck_of(path)
    formulas = re.findall(r"<math.*?</math>", page, re.S)
    texts = ["".join(ET.fromstring(formula).itertext()) for formula in formulas]
    assert texts and not [text for text in texts if re.search(r"[\\&$]", text)]


FORMULAS = {
    r"\begin{aligned}a &= b \\[4pt] &= c\end{aligned}": 2,
    r"\begin{gathered}a = b \\ c = d\end{gathered}": 2,
    r"\mathbb E\big\|x\big\|^2": 0,
}


@pytest.mark.parametrize(("formula", "rows"), FORMULAS.items())
def test_lines_and_letters_of_a_formula(formula, rows):
    math = ET.fromstring(slides.equation(formula))
    assert len(math.findall(".//{*}mtr")) == rows
    assert rows or "𝔼" in "".join(math.itertext())


@test_book.needs_browser
def test_the_arrow_keys_turn_the_slides(browser, tmp_path):
    out = tmp_path / "deck.html"
    out.write_text(slides.deck_of(notebook(tmp_path / "07_seven.ipynb")), encoding="utf-8")
    page = browser.new_page(viewport={"width": 960, "height": 540})
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(out.as_uri())
    shown = "() => [...document.querySelectorAll('.slide')].findIndex(s => s.offsetParent)"
    places = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home", "ArrowLeft"):
        page.keyboard.press(key)
        places.append(page.evaluate(shown))
    assert places == [1, 2, 1, 6, 6, 0, 0] and errors == []
    page.keyboard.press("Control+End")  # the browser's own, as Alt+ArrowLeft is
    assert page.evaluate(shown) == 0
    page.goto(out.as_uri() + "#4")
    page.reload()
    assert page.evaluate(shown) == 3 and page.inner_text("nav span") == "4 / 7"
    page.close()
