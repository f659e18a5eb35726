"""The quizzes: fit for a student, in the page and in the files for Moodle and Canvas."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import types
import xml.etree.ElementTree as ET
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import tomllib

import quiz

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(quiz.QUIZZES.glob("*.toml"))
CHAPTERS = {path.stem[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
TRICKY = r"Is $\{x_t\}: a = b \| c \neq 0$ for `a ~ b`, or # not? \no"


def extension():
    """The Sphinx extension, which has the same name as the script."""
    spec = importlib.util.spec_from_file_location("quiz_extension", ROOT / "_ext" / "quiz.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def questions(text="Which?", n=quiz.QUESTIONS):
    """A quiz without a fault."""
    answers = [{"text": f"{text} {i}", "why": f"because {text}"} for i in range(4)]
    answers[2]["right"] = True
    return [{"text": f"{text} {n}", "answer": copy.deepcopy(answers)} for n in range(n)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_quiz_has_ten_sound_questions(path):
    assert path.stem in CHAPTERS
    assert quiz.problems(tomllib.loads(path.read_text(encoding="utf-8"))["question"]) == []


def test_a_sound_quiz_is_accepted():
    assert quiz.problems(questions()) == quiz.problems(questions(TRICKY)) == []


FAULTS = {
    "9 questions": lambda q: q.pop(),
    "3 answers": lambda q: q[3]["answer"].pop(),
    "exactly one": lambda q: q[0]["answer"][2].pop("right"),
    "needs exactly one": lambda q: q[0]["answer"][0].update(right=True),
    "needs exactly one answer": lambda q: q[0]["answer"][2].update(right="yes"),
    "missing text or why": lambda q: q[9]["answer"][1].pop("why"),
    "empty or missing": lambda q: q[9].update(text=" "),
    "two equal": lambda q: q[1]["answer"][0].update(text=q[1]["answer"][1]["text"]),
    "partner": lambda q: q[1]["answer"][0].update(why="the size of $x"),
    "a key": lambda q: q[1]["answer"][0].update(reason="x"),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_faults_are_seen(sentence, tmp_path):
    broken = questions()
    FAULTS[sentence](broken)
    assert sentence in "; ".join(quiz.problems(broken))


def test_a_file_with_a_fault_is_named(tmp_path):
    (tmp_path / "07.toml").write_text("[[question]]\ntext = 'Why?'\n", encoding="utf-8")
    with pytest.raises(ValueError, match="07.toml: it has 1 questions"):
        quiz.load(tmp_path)
    (tmp_path / "07.toml").write_text("[[question]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="07.toml isn't TOML"):
        quiz.load(tmp_path)


def read_gift(text):
    """The questions of a GIFT file as Moodle reads them: (name, text, [(mark, text, why)])."""
    hidden = {c: f"\x00{i}\x01" for i, c in enumerate("\\~=#{}:")}
    for char, code in hidden.items():
        text = text.replace("\\" + char, code)

    def shown(part):
        for char, code in hidden.items():
            part = part.replace(code, char)
        return part.strip()

    found = []
    for name, head, body in re.findall(r"::(.*?)::\[html\](.*?)\{(.*?)\}", text, re.S):
        answers = re.findall(r"([=~])([^=~#]*)#([^=~#]*)", body)
        found.append((name, shown(head), [(m, shown(a), shown(b)) for m, a, b in answers]))
    return found


def test_gift_comes_back_as_it_was():
    """Whatever marks of GIFT a text contains, backslashes and braces included."""
    (name, text, answers), *rest = read_gift(quiz.gift({"07": questions(TRICKY)}))
    assert name == "7.1" and len(rest) == 9 and [a[0] for a in answers] == ["~", "~", "=", "~"]
    assert text == quiz.html(f"{TRICKY} 0", quiz.tex)
    assert r"\(\{x_t\}: a = b \| c \neq 0\)" in text and "<code>a ~ b</code>" in text
    wanted = [quiz.html(text, quiz.tex) for text in (f"{TRICKY} 1", f"because {TRICKY}")]
    assert [*answers[1][1:]] == wanted


def test_an_answer_that_begins_with_a_percent_sign_gets_no_weight():
    assert quiz.gift_text("%50% of it") == r"&\#37;50% of it"


def test_each_quiz_comes_back_from_gift():
    for chapter, asked in quiz.load().items():
        found = read_gift(quiz.gift({chapter: asked}))
        assert [(f[1], len(f[2])) for f in found] == [
            (quiz.html(q["text"], quiz.tex), quiz.ANSWERS) for q in asked
        ]
        for (*_, answers), question in zip(found, asked, strict=True):
            right = [bool(a.get("right")) for a in question["answer"]]
            assert [mark == "=" for mark, *_ in answers] == right


def test_qti_is_xml_that_refers_to_what_is_there():
    """Well-formed, a test for each chapter, and each answer has its explanation."""
    quizzes = quiz.load() or {"07": questions()}
    with zipfile.ZipFile(BytesIO(quiz.zipped(quiz.qti(quizzes | {"99": questions(TRICKY)})))) as z:
        trees = {name: ET.fromstring(z.read(name)) for name in z.namelist()}
    resources = trees["imsmanifest.xml"].findall(".//p:resource", {"p": quiz.PACKAGE})
    assert {r.get("href") for r in resources} == {*trees} - {"imsmanifest.xml"}
    names = {r.get("identifier") for r in resources}
    needs = trees["imsmanifest.xml"].findall(".//p:dependency", {"p": quiz.PACKAGE})
    assert {need.get("identifierref") for need in needs} <= names
    for tree in trees.values():
        if tree.tag.endswith("assessmentItem"):
            kinds = ("simpleChoice", "modalFeedback")
            choices, whys = (tree.findall(f".//q:{k}", {"q": quiz.QTI}) for k in kinds)
            letters = [choice.get("identifier") for choice in choices]
            assert letters == [why.get("identifier") for why in whys] == [*"ABCD"]
            assert tree.find(".//q:correctResponse/q:value", {"q": quiz.QTI}).text in letters
            assert all("".join(part.itertext()).strip() for part in [*choices, *whys])
        elif tree.tag.endswith("assessmentTest"):
            refs = tree.findall(".//q:assessmentItemRef", {"q": quiz.QTI})
            assert len(refs) == quiz.QUESTIONS and all(ref.get("href") in trees for ref in refs)


def test_the_same_questions_make_the_same_file():
    files = quiz.qti({"07": questions()})
    assert quiz.zipped(files) == quiz.zipped(files)


def test_the_right_answer_is_marked_in_qti():
    tree = ET.fromstring(quiz.item("item", "7.1", questions()[0]).encode())
    assert tree.find(".//q:correctResponse/q:value", {"q": quiz.QTI}).text == "C"


def test_the_page_gets_the_quiz_at_its_end(tmp_path):
    """With the right answer marked once in each question, in another order than it was written."""
    folder = tmp_path / "book" / "quizzes"
    folder.mkdir(parents=True)
    answers = "".join(
        f"[[question.answer]]\ntext = 'answer {i}'\nwhy = '{'Right. ' * (i == 0)}reason {i}'\n"
        f"right = {str(i == 0).lower()}\n"
        for i in range(4)
    )
    tables = "".join(f"[[question]]\ntext = 'Which {n}?'\n{answers}" for n in range(10))
    (folder / "07.toml").write_text(tables, encoding="utf-8")
    used = []
    env = types.SimpleNamespace(note_dependency=used.append)
    app = types.SimpleNamespace(srcdir=str(tmp_path), env=env)
    source = [json.dumps({"cells": [{"cell_type": "markdown", "source": "# 7. Seven"}]})]
    extension().append_quiz(app, "notebooks/07_seven", source)
    first, last = json.loads(source[0])["cells"]
    text = last["source"]
    assert used == [str(folder / "07.toml")] and text.startswith("## Quiz\n")
    assert text.count("<details>") == text.count("</details>") == 10
    right = re.findall(r"- \*\*([A-D])\.\*\* \*\*Right\.\*\* reason 0", text)
    assert len(right) == 10 and len({*right}) > 2
    for letter, block in zip(right, text.split("**Question ")[1:], strict=True):
        assert f"- **{letter}.** answer 0" in block

    before = source[0] = json.dumps({"cells": []})
    for page in ("notebooks/08_eight", "book/index", "notebooks/07d_deeper"):
        extension().append_quiz(app, page, source)
    assert source[0] == before
