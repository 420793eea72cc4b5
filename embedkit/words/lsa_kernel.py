"""The PPMI matrix times a few columns, compiled: its cells are made from counts on the way and never stored.

That halves the memory, and one loop serves the matrix and its transpose: the counts are symmetric, only the shifts of
rows and columns change places. fastmath, as all numbers are finite and sums may be taken in any order.
"""

import numpy as np
from numba import njit

__all__ = ["multiply"]


@njit(
    "f8(i8[::1],i4[::1],f4[::1],f4[::1],f4[::1],f4[:,::1],f4[:,::1],i8,i8)",
    fastmath=True,
    nogil=True,
    cache=True,
    error_model="numpy",
)
def multiply(starts, cols, logs, row_shift, col_shift, block, out, first, last):  # type: ignore
    """Write rows `first` to `last` of M @ block into `out`, both (n, k); give the sum of squares of those rows of M.

    M[i, j] = max(0, logs + row_shift[i] + col_shift[j]) where the words were met, 0 elsewhere.
    """
    k = block.shape[1]
    squares = 0.0
    for i in range(first, last):
        for c in range(k):
            out[i, c] = 0
        for entry in range(starts[i], starts[i + 1]):
            j = cols[entry]
            value = logs[entry] + row_shift[i] + col_shift[j]
            if value > 0:
                squares += np.float64(value) * np.float64(value)
                for c in range(k):
                    out[i, c] += value * block[j, c]
    return squares
