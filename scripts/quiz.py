"""Export the quizzes of all chapters for a learning platform.

    python scripts/quiz.py --out _build/quizzes

This writes ``quizzes.gift`` for Moodle and ``quizzes.zip`` (QTI 2.1) for Canvas and other
platforms. The questions are in ``book/quizzes/NN.toml``. The book shows them at the end of each
chapter.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import unicodedata
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import tomllib
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).resolve().parents[1]
QUIZZES = ROOT / "book" / "quizzes"
QUESTIONS, ANSWERS = 10, 4
QTI = "http://www.imsglobal.org/xsd/imsqti_v2p1"
PACKAGE = "http://www.imsglobal.org/xsd/imscp_v1p1"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
SCORE = (
    '<responseProcessing><responseCondition><responseIf><match><variable identifier="RESPONSE"/>'
    '<correct identifier="RESPONSE"/></match><setOutcomeValue identifier="SCORE">'
    '<baseValue baseType="float">1</baseValue></setOutcomeValue></responseIf></responseCondition>'
    '<setOutcomeValue identifier="FEEDBACK"><variable identifier="RESPONSE"/></setOutcomeValue>'
    "</responseProcessing>"
)

REWRITE = {  # what latex2mathml doesn't know
    r"\\\|": "‖",
    r"\{aligned\}": "{split}",
    r"\{gathered\}": "{matrix}",
    r"\\\\\[[^\]]*\]": r"\\\\",  # the space after a line
}
LETTER = re.compile(r"\\math(bb|cal)\s*(?:\{([A-Z])\}|([A-Z]))")
STYLES = {"bb": "DOUBLE-STRUCK", "cal": "SCRIPT"}

Quizzes = dict[str, list[dict]]  # the questions by chapter, "00", "01", …


def load(folder: Path = QUIZZES) -> Quizzes:
    """All quizzes, in the order of the chapters.

    Raises:
        ValueError: one of them is not fit to be used; the message says what is wrong with it.
    """
    found = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            questions = tomllib.loads(path.read_text(encoding="utf-8")).get("question", [])
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path.name} isn't TOML: {error}") from error
        if faults := problems(questions):
            raise ValueError(f"{path.name}: {'; '.join(faults)}")
        found[path.stem] = questions
    return found


def problems(questions: list[dict]) -> list[str]:
    """Problems of the questions, for students or for platforms."""
    found = []
    if len(questions) != QUESTIONS:
        found.append(f"it has {len(questions)} questions, expected {QUESTIONS}")
    for number, question in enumerate(questions, 1):
        answers = question.get("answer", [])
        texts = [question.get("text"), *(a.get(key) for a in answers for key in ("text", "why"))]
        strings = [text for text in texts if isinstance(text, str) and text.strip()]
        choices = [a.get("text") for a in answers]
        rules = {
            f"has {len(answers)} answers, expected {ANSWERS}": len(answers) != ANSWERS,
            "needs exactly one answer with right = true": sum(
                a.get("right") is True for a in answers) != 1,
            "has an empty or missing text or why": len(strings) != len(texts),
            "has two equal answers": len({*choices}) != len(choices),
            "has a $ without its partner": any(t.count("$") % 2 for t in strings),
            "has a key that isn't text, why, answer or right": bool(
                {*question} - {"text", "answer"}
                or {key for a in answers for key in a} - {"text", "why", "right"}),
        }  # fmt: skip
        found += [f"question {number} {fault}" for fault, broken in rules.items() if broken]
    return found


def html(text: str, math) -> str:
    """Inline Markdown with formulas as HTML; ``math(tex)`` writes the formulas."""
    markdown = MarkdownIt("commonmark", {"xhtmlOut": True}).use(
        dollarmath_plugin, renderer=lambda tex, options: math(tex)
    )
    markdown.renderer.rules["math_inline"] = lambda tokens, i, *rest: math(tokens[i].content)
    return markdown.renderInline(" ".join(text.split()))


def tex(formula: str) -> str:
    r"""\( … \), which Moodle's MathJax filter renders."""
    return rf"\({escape(formula)}\)"


def mathml(formula: str, display: str = "inline") -> str:
    """MathML, which a browser shows without a script."""
    for pattern, new in REWRITE.items():
        formula = re.sub(pattern, new, formula)
    formula = LETTER.sub(lambda match: letter(STYLES[match[1]], match[2] or match[3]), formula)
    return convert(formula, display=display)


def letter(style: str, capital: str) -> str:
    """𝔼 for \\mathbb E, 𝒩 for \\mathcal N; a few have names of their own, such as ℝ."""
    for name in (f"MATHEMATICAL {style} CAPITAL {capital}", f"{style} CAPITAL {capital}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            pass
    raise ValueError(f"there is no {style} {capital}")


def gift(quizzes: Quizzes) -> str:
    """All questions in Moodle's GIFT format, a category for each chapter."""
    lines = []
    for chapter, questions in quizzes.items():
        lines += [f"$CATEGORY: $course$/ddpm_lite/Chapter {int(chapter)}", ""]
        for number, question in enumerate(questions, 1):
            lines.append(f"::{int(chapter)}.{number}::[html]{gift_text(question['text'])}{{")
            for answer in question["answer"]:
                mark = "=" if answer.get("right") else "~"
                lines.append(f"  {mark}{gift_text(answer['text'])}#{gift_text(answer['why'])}")
            lines += ["}", ""]
    return "\n".join(lines)


def gift_text(text: str) -> str:
    """HTML in which GIFT finds none of its own marks: a backslash before each."""
    text = re.sub("^%", "&#37;", html(text, tex))  # at the start of an answer, a weight
    return re.sub(r"([\\~=#{}:])", r"\\\1", text)


def item(name: str, title: str, question: dict) -> str:
    """One question as a QTI 2.1 item, with an explanation for each answer."""
    letters = "ABCDEFGH"[: len(question["answer"])]
    pairs = list(zip(letters, question["answer"], strict=True))
    right = next(letter for letter, answer in pairs if answer.get("right"))
    choices = "\n".join(
        f'<simpleChoice identifier="{letter}">{html(answer["text"], mathml)}</simpleChoice>'
        for letter, answer in pairs
    )
    feedback = "\n".join(
        f'<modalFeedback outcomeIdentifier="FEEDBACK" identifier="{letter}" showHide="show">'
        f"{html(answer['why'], mathml)}</modalFeedback>"
        for letter, answer in pairs
    )
    declare = '<{} identifier="{}" cardinality="single" baseType="{}">{}</{}>'
    outcome, response = "outcomeDeclaration", "responseDeclaration"
    correct = f"<correctResponse><value>{right}</value></correctResponse>"
    zero = "<defaultValue><value>0</value></defaultValue>"
    return "\n".join([
        f'{HEAD}<assessmentItem xmlns="{QTI}" identifier="{name}" title={quoteattr(title)} '
        'adaptive="false" timeDependent="false">',
        declare.format(response, "RESPONSE", "identifier", correct, response),
        declare.format(outcome, "SCORE", "float", zero, outcome),
        declare.format(outcome, "FEEDBACK", "identifier", "", outcome),
        '<itemBody><choiceInteraction responseIdentifier="RESPONSE" shuffle="true" maxChoices="1">',
        f"<prompt>{html(question['text'], mathml)}</prompt>",
        f"{choices}\n</choiceInteraction></itemBody>\n{SCORE}\n{feedback}\n</assessmentItem>\n",
    ])  # fmt: skip


def exam(chapter: str, items: list[str]) -> str:
    """The test of one chapter, which refers to its items."""
    refs = "\n".join(f'<assessmentItemRef identifier="{n}" href="{n}.xml"/>' for n in items)
    title = f"ddpm_lite, chapter {int(chapter)}"
    return (
        f'{HEAD}<assessmentTest xmlns="{QTI}" identifier="quiz-{chapter}" title="{title}">\n'
        '<testPart identifier="part" navigationMode="nonlinear" submissionMode="individual">\n'
        f'<assessmentSection identifier="section" title="{title}" visible="true">\n'
        f"{refs}\n</assessmentSection></testPart></assessmentTest>\n"
    )


def qti(quizzes: Quizzes) -> dict[str, str]:
    """The files of a QTI 2.1 package: a test for each chapter, its items, and the manifest."""
    files, resources = {}, []
    for chapter, questions in quizzes.items():
        names = [f"item-{chapter}-{number:02d}" for number in range(1, len(questions) + 1)]
        for number, (name, question) in enumerate(zip(names, questions, strict=True), 1):
            files[f"{name}.xml"] = item(name, f"{int(chapter)}.{number}", question)
            resources.append(resource(name, "imsqti_item_xmlv2p1"))
        files[f"quiz-{chapter}.xml"] = exam(chapter, names)
        resources.append(resource(f"quiz-{chapter}", "imsqti_test_xmlv2p1", names))
    manifest = (
        f'{HEAD}<manifest xmlns="{PACKAGE}" identifier="ddpm-lite-quizzes">\n<metadata><schema>'
        "QTIv2.1 Package</schema><schemaversion>1.0.0</schemaversion></metadata>\n"
        f"<organizations/>\n<resources>\n{chr(10).join(resources)}\n</resources>\n</manifest>\n"
    )
    return {"imsmanifest.xml": manifest} | files


def resource(name: str, kind: str, needs: list[str] = ()) -> str:
    inside = "".join(f'<dependency identifierref="{other}"/>' for other in needs)
    return (
        f'<resource identifier="{name}" type="{kind}" href="{name}.xml">'
        f'<file href="{name}.xml"/>{inside}</resource>'
    )


def zipped(files: dict[str, str]) -> bytes:
    """The files in one archive, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    folder = ROOT / "_build" / "quizzes"
    parser.add_argument("--out", type=Path, default=folder, help="folder to write to")
    out = parser.parse_args().out
    try:
        quizzes = load()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)
    (out / "quizzes.gift").write_text(gift(quizzes), encoding="utf-8")
    (out / "quizzes.zip").write_bytes(zipped(qti(quizzes)))
    count = sum(map(len, quizzes.values()))
    print(f"{count} questions of {len(quizzes)} chapters: {out}/quizzes.gift and {out}/quizzes.zip")
    return 0


if __name__ == "__main__":
    sys.exit(main())
