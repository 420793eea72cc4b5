"""Counting pairs of words that stand near each other, compiled: a row of the table at a time, in one dense line.

Gustavson's way of multiplying sparse matrices (1978): the places of a word are visited, its neighbors added up in a
line as long as the vocabulary, and the line is written out sparse. No hashing, no sorting of pairs, and memory that
does not grow with the text. No fastmath: sums are exact to double precision and then rounded once.
"""

import numpy as np
from numba import njit

__all__ = ["count_rows", "mirror", "places_by_word"]


@njit("void(i4[::1],i8[::1],i4[::1])", nogil=True, cache=True, error_model="numpy")
def places_by_word(spaced, starts, places):  # type: ignore
    """Fill `places` with the positions of word 0 in `spaced`, then of word 1 ..., word i from starts[i] on."""
    following = starts.copy()
    for p in range(len(spaced)):
        word = spaced[p]
        if word >= 0:
            places[following[word]] = p
            following[word] += 1


@njit(
    "i8(i4[::1],i8[::1],i4[::1],f8[::1],i8,i8,i8[::1],i4[::1],f4[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
)
def count_rows(spaced, starts, places, weights, first, last, lengths, cols, values):  # type: ignore
    """Count rows `first` to `last`, columns up to the row's own; give the number of entries written.

    `spaced` holds the text with -1 between lines and at both ends; a pair at distance k counts weights[k]. Row i gets
    `lengths[i]` entries, in rising order of columns. A pair of equal words is met from both of its ends.
    """
    sums = np.zeros(last, np.float64)
    filled = 0
    for i in range(first, last):
        begin = filled
        for k in range(starts[i], starts[i + 1]):
            p = places[k]
            for way in (-1, 1):
                q = p
                for distance in range(1, len(weights)):
                    q += way
                    j = spaced[q]
                    if j < 0:  # the end of the line
                        break
                    if j <= i:
                        if sums[j] == 0:
                            cols[filled] = j
                            filled += 1
                        sums[j] += weights[distance]
        cols[begin:filled].sort()
        for entry in range(begin, filled):
            values[entry] = sums[cols[entry]]
            sums[cols[entry]] = 0
        lengths[i] = filled - begin
    return filled


@njit("void(i8[::1],i4[::1],f4[::1],i8[::1],i4[::1],f4[::1])", nogil=True, cache=True, error_model="numpy")
def mirror(starts, cols, values, whole_starts, whole_cols, whole_values):  # type: ignore
    """Write the whole symmetric table from its lower half; rows come out in rising order of columns."""
    following = whole_starts[:-1].copy()
    for i in range(len(starts) - 1):
        for entry in range(starts[i], starts[i + 1]):
            j = cols[entry]
            whole_cols[following[i]] = j
            whole_values[following[i]] = values[entry]
            following[i] += 1
            if j != i:
                whole_cols[following[j]] = i
                whole_values[following[j]] = values[entry]
                following[j] += 1
