"""Append the quiz of a chapter, ``book/quizzes/NN.toml``, to its page.

The questions become Markdown in a last cell of the notebook as the build reads it, with the answers
folded in ``<details>``: no JavaScript, formulas as everywhere else, and printing shows them. The
answers are in a fixed random order, so that it doesn't matter where the author put the right one.
"""

import json
import random
import re
from pathlib import Path

import tomllib

CHAPTER = re.compile(r"notebooks/(\d\d)_\w+$")
INTRO = "Ten questions. Decide on an answer before you unfold the explanation."


def markdown(questions, chapter):
    """The section of the page."""
    parts = ["## Quiz", INTRO]
    for number, question in enumerate(questions, 1):
        answers = [*zip("ABCD", shuffled(question["answer"], f"{chapter}.{number}"), strict=True)]
        right = next(letter for letter, answer in answers if answer.get("right"))
        parts.append(f"**Question {number}.** {one_line(question['text'])}")
        parts.append("\n".join(f"- **{a}.** {one_line(b['text'])}" for a, b in answers))
        parts.append(f"<details><summary>Answer {number}</summary>")
        why = [f"- **{a}.** {'**Right.** ' * (a == right)}{explained(b)}" for a, b in answers]
        parts += ["\n".join(why), "</details>"]
    return "\n\n".join(parts)


def shuffled(answers, seed):
    """In an order that stays the same from build to build."""
    return random.Random(seed).sample(answers, len(answers))


def explained(answer):
    """Why the answer is right or wrong, without the author's own "Right."."""
    return re.sub(r"^(Right|Correct|Yes)[.:] *", "", one_line(answer["why"]))


def one_line(text):
    return " ".join(text.split())


def append_quiz(app, docname, source):
    if not (match := CHAPTER.match(docname)):
        return
    path = Path(app.srcdir) / "book" / "quizzes" / f"{match[1]}.toml"
    if not path.exists():
        return
    app.env.note_dependency(str(path))
    notebook = json.loads(source[0])
    text = markdown(tomllib.loads(path.read_text(encoding="utf-8"))["question"], match[1])
    cell = {"cell_type": "markdown", "id": "quiz", "metadata": {}, "source": text}
    notebook["cells"].append(cell)
    source[0] = json.dumps(notebook)


def setup(app):
    app.connect("source-read", append_quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
