"""The repository as a whole: one address, one table of contents, safe workflows."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import set_repository

ROOT = Path(__file__).resolve().parents[2]
TEXT = set_repository.files()


def test_every_link_agrees_with_the_declared_address():
    owner_and_name = set_repository.declared()
    found = {
        (path, pair)
        for path, text in TEXT.items()
        for pair in set_repository.links(text)
        if path.relative_to(ROOT).parts[0] != "tests"  # where wrong links are made on purpose
    }
    assert len(found) >= 4
    assert {path for path, pair in found if pair != owner_and_name} == set()


@pytest.mark.parametrize(
    "text",
    [
        "pip install git+https://github.com/me/other",
        "git clone https://github.com/me/other",
        "[badge](https://colab.research.google.com/github/me/other/blob/main/x.ipynb)",
        "repository:\n  url: https://github.com/me/other\n",
        'repository-code: "https://github.com/me/other"',
        "  baseurl: https://me.github.io/other",
        'url: "https://me.github.io/other"',
    ],
)
def test_a_link_that_disagrees_is_seen(text):
    assert set_repository.links(text) == [("me", "other")]


def test_one_command_rewrites_every_link(tmp_path):
    owner, name = set_repository.declared()
    for path in ("pyproject.toml", "CITATION.cff", "_config.yml", "book/setup.md"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert len(set_repository.rewrite("https://github.com/me/my-book", tmp_path)) == 4
    assert set_repository.declared(tmp_path) == ("me", "my-book")
    for text in set_repository.files(tmp_path).values():
        assert f"{owner}/{name}" not in text and f"{owner}.github.io" not in text
        assert set(set_repository.links(text)) <= {("me", "my-book")}
    with pytest.raises(ValueError, match="is not like"):
        set_repository.rewrite("me/my-book", tmp_path)


def test_every_page_and_chapter_is_in_the_table_of_contents():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?:file|root): (\S+)", toc))
    pages = [*(ROOT / "book").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    assert listed == {page.relative_to(ROOT).with_suffix("").as_posix() for page in pages}


def test_every_chapter_is_in_the_table_of_the_cover():
    cover = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    for chapter in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        assert f"(../notebooks/{chapter.name})" in cover


def test_every_file_of_the_package_has_a_page():
    leaves = {path.stem for path in (ROOT / "ddpm_lite").glob("*.py") if path.stem[0] != "_"}
    assert leaves <= {path.stem for path in (ROOT / "book" / "api").glob("*.md")}


def test_requirements_are_pinned_and_the_package_is_not():
    lines = (ROOT / "requirements.txt").read_text(encoding="ascii").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"-e \.|[\w-]+==[\w.]+", line) for line in names)
    assert "==" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_sanitizer_is_short_and_ascii():
    rules = (ROOT / "tests" / "nbval-sanitize.cfg").read_text(encoding="ascii")
    assert rules.count("regex:") <= 5


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=str)
def test_workflows_are_pinned_and_have_least_permissions(path):
    text = path.read_text(encoding="utf-8")
    actions = re.findall(r"uses: (\S+)", text)
    assert actions and all(re.search(r"@[0-9a-f]{40}$", action) for action in actions)
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow[True]  # YAML reads the key `on` as a truth value
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_no_path_of_one_machine():
    machine = re.compile(r"(?<![\w.:/-])/(home|root|Users|work)/")
    found = [path.relative_to(ROOT) for path, text in TEXT.items() if machine.search(text)]
    assert [path for path in found if path.parts[0] not in ("tests", "scripts")] == []
