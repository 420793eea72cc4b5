"""One pass of UMAP's gradient descent, compiled: attraction along the edges, repulsion from points drawn at random.

Old positions are read and new ones written, so rows can be shared among threads and the seed alone decides the result;
umap-learn writes in place, and with more than one thread chance decides.
"""

import numpy as np
from numba import njit

__all__ = ["descend"]

REPULSIONS = 5  # points a row is pushed from for each edge it is pulled along, as in umap-learn
CLIP = np.float32(4)
EDGE = np.float32(0.001)
F4 = np.float32


@njit(
    "void(f4[:,::1],f4[:,::1],f4[:,::1],i4[::1],i4[::1],f4[::1],f4[::1],u8[::1],f4,f4,f4,f4,f4,f4,i8,i8)",
    fastmath=True,
    nogil=True,
    cache=True,
    error_model="numpy",
)
def descend(old, new, others, starts, tails, period, due, state, a, b, gamma, pulls, alpha, epoch, first, last):  # type: ignore
    """Move rows `first` to `last` of `old` (n, dims) against `others` (m, dims), into `new`.

    Edges of row j are tails[starts[j]:starts[j + 1]]; each is due every `period` epochs. `state` holds a random number
    generator a row (xorshift). a, b give the curve 1 / (1 + a d^(2b)), `gamma` the strength of repulsion. `pulls`
    is 2 where both ends of an edge move, as each pass moves only the row's own end, and 1 where the others stand still.
    """
    count = np.uint64(len(others))
    dims = old.shape[1]
    point = np.empty(3, np.float32)
    for j in range(first, last):
        random = state[j]
        for c in range(dims):
            point[c] = old[j, c]
        for edge in range(starts[j], starts[j + 1]):
            if due[edge] > epoch:
                continue
            due[edge] += period[edge]
            near = tails[edge]
            square = F4(0)
            for c in range(dims):
                square += (point[c] - others[near, c]) ** 2
            if square > F4(0):
                power = np.exp(b * np.log(square))
                pull = F4(-2) * a * b * power / (square * (a * power + F4(1)))
                for c in range(dims):
                    point[c] += pulls * min(max(pull * (point[c] - others[near, c]), -CLIP), CLIP) * alpha
            for _ in range(REPULSIONS):
                random ^= random << np.uint64(13)
                random ^= random >> np.uint64(7)
                random ^= random << np.uint64(17)
                far = np.int64((random >> np.uint64(32)) * count >> np.uint64(32))
                square = F4(0)
                for c in range(dims):
                    square += (point[c] - others[far, c]) ** 2
                if square > F4(0):  # a row is not pushed from itself
                    power = np.exp(b * np.log(square))
                    push = F4(2) * gamma * b / ((EDGE + square) * (a * power + F4(1)))
                    for c in range(dims):
                        point[c] += min(max(push * (point[c] - others[far, c]), -CLIP), CLIP) * alpha
        state[j] = random
        for c in range(dims):
            new[j, c] = point[c]
