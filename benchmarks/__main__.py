"""All benchmarks, one after the other: python -m benchmarks; an option is passed on to each."""

import subprocess
import sys

NAMES = (
    "startup",
    "words",
    "contexts",
    "projection",
    "images",
    "interactions",
    "word_training",
    "explorer",
    "explorer_page",
)

if __name__ == "__main__":
    # Each in a process of its own: what one has loaded must not be there for the next.
    python = [sys.executable, "-W", "ignore", "-m"]
    codes = [subprocess.call([*python, f"benchmarks.{name}", *sys.argv[1:]]) for name in NAMES]
    sys.exit(max(codes))
