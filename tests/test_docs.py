"""The docs say what is there, and the project speaks of itself alone."""

import re
import subprocess
from pathlib import Path

import pytest

import embedkit

ROOT = Path(__file__).resolve().parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of the project's files")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_every_dependency_has_its_reason():
    reasons = (ROOT / "docs/dependencies.md").read_text("utf-8")
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text("utf-8").splitlines():
            if found := re.match(r"([A-Za-z][\w-]*)", line):
                assert found[1].lower() in reasons.lower(), f"{found[1]} of {name} is not in docs/dependencies.md"
                assert re.search(r">=[\d.]+,<[\d.]+", line), f"{line} needs a lower and an upper bound"


def test_every_page_and_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    for page in (ROOT / "pages").glob("*.py"):
        if page.stem != "home":
            assert f"docs/pictures/{page.stem}.png" in readme
    for command in ("make run", "make test", "-m venv .venv", "python -m embedkit"):
        assert command in readme


def test_every_method_is_in_the_docs():
    docs = "".join(path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    for key in embedkit.methods():
        assert key in docs


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_python_lines_of_the_readme_run():
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_no_path_of_a_machine_and_no_registry_stands_in_the_project():
    # put together here, so that this test does not find itself
    words = [
        "/" + "work/",
        "/" + "root/",
        "/" + "farm/",
        "/tmp/" + "v/",
        "py" + "pi.org",
        "registry." + "npmjs",
        "deb." + "debian.org",
    ]
    for path in tracked():
        kinds = {".py", ".md", ".toml", ".txt", ".tsv", ".svg", ".js", ".json", ""}
        if path.suffix in kinds and path.stat().st_size < 1_000_000:
            text = path.read_text("utf-8", errors="ignore")
            for word in words:
                assert word not in text, f"{path.relative_to(ROOT)} holds {word}"


def test_versions_agree():
    assert embedkit.__version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")
