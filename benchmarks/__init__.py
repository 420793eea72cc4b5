"""What embedkit costs and how good it is, measured: python -m benchmarks, or one of benchmarks.NAME."""

import os

THREADS = 2  # the machine class of docs/benchmarks.md; more would not be comparable

for _name in ("MKL", "NUMBA", "NUMEXPR", "OMP", "OPENBLAS"):
    os.environ[f"{_name}_NUM_THREADS"] = str(THREADS)  # before numpy is loaded, which reads it once
os.environ["TOKENIZERS_PARALLELISM"] = "false"
