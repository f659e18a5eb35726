"""The repository as a whole: one address, one table of contents, safe workflows."""

import json
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


# Versions


def pins(path: str) -> dict[str, str]:
    """What a file pins: names and versions, however it writes them."""
    return dict(re.findall(r"([\w-]+)==([\w.]+)", (ROOT / path).read_text(encoding="utf-8")))


def test_everything_that_is_pinned_has_a_hash_in_the_lock():
    """requirements.lock was made from requirements.txt as it is now."""
    wanted, lock = pins("requirements.txt"), (ROOT / "requirements.lock").read_text("utf-8")
    assert wanted.items() <= pins("requirements.lock").items()
    blocks = re.findall(r"^(?=[\w-]+==)(.+?)(?=^\S|\Z)", lock, re.M | re.S)
    assert len(blocks) == len(pins("requirements.lock"))
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("path", [".binder/requirements.txt", ".devcontainer/devcontainer.json"])
def test_readers_in_a_browser_get_the_versions_that_were_tested(path):
    assert {"torch", "torchvision"} <= set(pins(path))
    assert pins(path).items() <= pins("requirements.txt").items()


# The contributor's house


def test_the_citation_and_the_changelog_have_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
    assert f"## [{citation['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["formula", "number", "question"])
def test_a_form_asks_where_and_what_and_requires_both(name):
    path = ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml"
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(form) == {"name", "description", "labels", "body"}
    required = [part.get("validations", {}).get("required", False) for part in form["body"]]
    assert form["body"][0]["id"] == "place" and required[:2] == [True, True]
    ids = [part["id"] for part in form["body"]]
    assert len(set(ids)) == len(ids) and all(part["attributes"]["label"] for part in form["body"])


def test_the_container_and_the_hooks_use_what_exists():
    """The container's last step is a target of the Makefile, and the hooks are files and checks."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    target = container["postCreateCommand"].split()[-1]
    assert f"STAMP := {target}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = {hook["id"]: hook["entry"] for hook in hooks["repos"][0]["hooks"]}
    assert entries["ruff"] == "python -m ruff check"
    assert entries["notebooks"] == "python scripts/notebooks.py check"


def test_every_script_is_in_the_table_of_contributing_and_no_other():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Every script")[2]
    table = table.partition("\n## ")[0]
    listed = set(re.findall(r"`((?:scripts|benchmarks)/[\w.]+)`", table))
    folders = ROOT / "scripts", ROOT / "benchmarks"
    found = [*(path for folder in folders for path in folder.glob("*.py"))]
    found += [path.parent for path in folders[0].glob("*/__main__.py")]
    assert listed == {path.relative_to(ROOT).as_posix() for path in found}


# The model cards

WEIGHTS = ROOT / "ddpm_lite" / "weights"
TEXT_OF_CARDS = (WEIGHTS / "README.md").read_text(encoding="utf-8")
CARDS = dict(re.findall(r"^## (\S+)\n(.+?)(?=^## |\Z)", TEXT_OF_CARDS, re.M | re.S))


def test_every_file_of_weights_has_a_model_card():
    assert set(CARDS) == {path.name for path in WEIGHTS.glob("*.pt")}
    for card in CARDS.values():
        rows = dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", card, re.M))
        asked = ["data", "licence of the data", "command", "seed", "scores", "limits"]
        assert set(asked) <= set(rows)
        assert (ROOT / re.search(r"python (\S+\.py)", rows["command"])[1]).exists()


@pytest.mark.parametrize("name", sorted(CARDS))
def test_a_model_card_has_the_scores_of_the_book(name):
    """Each number of its scores is in the section of Results; those of flow in chapter 13."""
    if name == "flow.pt":
        notebook = json.loads((ROOT / "notebooks" / "13_flow.ipynb").read_text(encoding="utf-8"))
        outputs = [out for c in notebook["cells"] for out in c.get("outputs", [])]
        text = "".join("".join(out.get("text", "")) for out in outputs)
    else:
        text = (ROOT / "book" / "results.md").read_text(encoding="utf-8")
        text = text.partition(f"\n## `{name.removesuffix('.pt')}`\n")[2].partition("\n## ")[0]
    scores = re.search(r"^\| scores \| (.+) \|$", CARDS[name], re.M)[1]
    numbers = re.findall(r"\d[\d,]*(?:\.\d+)?", scores)
    assert numbers and set(numbers) <= set(re.findall(r"\d[\d,]*(?:\.\d+)?", text))
