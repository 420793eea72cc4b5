"""PaCMAP, compiled: draws of other items for its pairs, and one step of Adam down its loss.

All positions are read before any is written, as in the authors' own code, so rows can be shared among threads and the
seed alone decides the result.
"""

import numpy as np
from numba import njit

__all__ = ["descend", "draw_others"]

F4 = np.float32
KEEP, KEEP_SQUARE, TINY = F4(0.9), F4(0.999), F4(1e-7)  # Adam


@njit("void(i4[:,::1],i4[:,::1],i8[::1],i8,u8[::1])", nogil=True, cache=True)
def draw_others(out, taken, own, n, state):  # type: ignore
    """Fill each row of `out` (m, c) with c different numbers below n, none of them its `own` nor in its row of `taken`.

    The caller sees to it that there are so many. `state` holds a random number generator a row (xorshift).
    """
    count = np.uint64(n)
    for i in range(len(out)):
        random = state[i]
        for place in range(out.shape[1]):
            free = False
            drawn = np.int32(0)
            while not free:
                random ^= random << np.uint64(13)
                random ^= random >> np.uint64(7)
                random ^= random << np.uint64(17)
                drawn = np.int32((random >> np.uint64(32)) * count >> np.uint64(32))
                free = drawn != own[i]
                for before in range(place):
                    free = free and out[i, before] != drawn
                for known in range(taken.shape[1]):
                    free = free and taken[i, known] != drawn
            out[i, place] = drawn
        state[i] = random


@njit(
    "void(f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1],"
    "i8[::1],i4[::1],i8[::1],i4[::1],i8[::1],i4[::1],f4,f4,f4,f4,i8,i8)",
    fastmath=True,
    nogil=True,
    cache=True,
    error_model="numpy",
)
def descend(  # type: ignore
    old, new, others, mean, square, near_at, near, mid_at, mid, far_at, far, pull, hold, push, rate, first, last
):
    """Move rows `first` to `last` of `old` (n, dims) against `others` (m, dims), into `new`.

    Pairs of row j of a kind are near[near_at[j]:near_at[j + 1]], and so on. With d = 1 + squared distance the loss is
    pull d / (10 + d) for near pairs, hold d / (10000 + d) for mid-near ones, push / (1 + d) for further ones. `mean`
    and `square` (n, dims) are Adam's running means; `rate` holds its correction for the first steps.
    """
    dims = old.shape[1]
    slope = np.empty(3, np.float32)
    apart = np.empty(3, np.float32)
    for j in range(first, last):
        for c in range(dims):
            slope[c] = F4(0)
        for kind in range(3):
            if kind == 0:
                begin, end, weight, flat = near_at[j], near_at[j + 1], pull * F4(20), F4(10)
            elif kind == 1:
                begin, end, weight, flat = mid_at[j], mid_at[j + 1], hold * F4(20_000), F4(10_000)
            else:
                begin, end, weight, flat = far_at[j], far_at[j + 1], push * F4(-2), F4(1)
            if weight == F4(0):
                continue
            for pair in range(begin, end):
                other = near[pair] if kind == 0 else mid[pair] if kind == 1 else far[pair]
                d = F4(1)
                for c in range(dims):
                    apart[c] = old[j, c] - others[other, c]
                    d += apart[c] * apart[c]
                force = weight / ((flat + d) * (flat + d))
                for c in range(dims):
                    slope[c] += force * apart[c]
        for c in range(dims):
            mean[j, c] += (F4(1) - KEEP) * (slope[c] - mean[j, c])
            square[j, c] += (F4(1) - KEEP_SQUARE) * (slope[c] * slope[c] - square[j, c])
            new[j, c] = old[j, c] - rate * mean[j, c] / (np.sqrt(square[j, c]) + TINY)
