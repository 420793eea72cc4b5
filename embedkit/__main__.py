"""`python -m embedkit`: the command line."""

import sys

from embedkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
