"""Where the shipped assets lie."""

from pathlib import Path

from embedkit.errors import DamagedFile

__all__ = ["ASSETS", "asset"]

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def asset(name: str) -> Path:
    """Path of a shipped file; raises DamagedFile when it is not there."""
    path = ASSETS / name
    if not path.is_file():
        raise DamagedFile(f"The shipped file assets/{name} is missing. Restore it from the repository: git checkout.")
    return path
