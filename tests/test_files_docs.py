"""docs/files.md says of every format what the table of formats says, and the limits are those of the code."""

from pathlib import Path

from embedkit.cli import main
from embedkit.files import COMMAND_LINE, FORMATS, UPLOAD

DOCS = (Path(__file__).resolve().parents[1] / "docs" / "files.md").read_text("utf-8")


def test_the_docs_have_a_row_for_every_format() -> None:
    rows = [line for line in DOCS.splitlines() if line.endswith("|") and "`." in line]
    expected = [
        f"| {row.title} | `{key}` | {' '.join(f'`{end}`' for end in row.suffixes)} | yes "
        f"| {'yes' if row.write else 'no'} | {row.note} |"
        for key, row in FORMATS.items()
    ]
    assert rows == expected


def test_the_docs_state_the_limits() -> None:
    for limits in (COMMAND_LINE, UPLOAD):
        assert f"{limits.most_entries:,}; {limits.most_ratio}" in DOCS
        assert f"{limits.most_texts:,}" in DOCS
        assert f"{limits.most_columns:,}" in DOCS
    assert (COMMAND_LINE.most_bytes, UPLOAD.most_bytes) == (2 * 2**30, 200 * 2**20)
    assert 4 * COMMAND_LINE.most_numbers == 4 * 2**30
    for said in ("| 2 GB | 200 MB |", "| 4 GB | 400 MB |"):
        assert said in DOCS


def test_the_python_of_the_docs_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "vectors.csv").write_text("1,2\n3,4\n")
    assert main(["open", str(tmp_path / "vectors.csv"), "--to", str(tmp_path / "vectors.npy")]) == 0
    (tmp_path / "labels.tsv").write_text("one\ntwo\n")
    block = DOCS.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "files.md", "exec"), {})
    assert (tmp_path / "vectors.parquet").is_file()
