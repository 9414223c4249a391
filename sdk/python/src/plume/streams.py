"""Random numbers of a call: a function of the host's seed and the member alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Streams:
    """One independent random stream per member.

    Every stream is a Philox generator (Salmon et al. 2011, doi:10.1145/2063384.2063405)
    whose key is the seed of the call and whose counter begins at the member's number, so
    a member draws the same whatever members are called with it. numbers holds the numbers
    of all rows: those in the ensemble at the start, which members keep when others are
    dropped or are in other calls. A forcing of its own is found by numbers[i]. cycle is the
    number of the assimilation cycle."""

    def __init__(self, seed: tuple[int, int], numbers: Sequence[int], cycle: int) -> None:
        self.numbers, self.cycle = numbers, cycle
        self._seed = seed
        self._open: dict[int, np.random.Generator] = {}

    def member(self, i: int) -> np.random.Generator:
        """Returns the stream of row i."""
        if i not in self._open:
            self._open[i] = generator(self._seed, self.numbers[i] + 1)
        return self._open[i]

    def normal(self, *shape: int) -> NDArray[np.float64]:
        """Returns standard normal draws, (members, \\*shape)."""
        return np.stack([self.member(i).standard_normal(shape) for i in range(len(self.numbers))])

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        """Returns draws from [0, 1), (members, \\*shape)."""
        return np.stack([self.member(i).random(shape) for i in range(len(self.numbers))])


def generator(seed: tuple[int, int], stream: int) -> np.random.Generator:
    """Returns one stream of a call's seed."""
    return np.random.Generator(
        np.random.Philox(
            key=np.array(seed, dtype=np.uint64),
            counter=np.array([0, 0, stream, 0], dtype=np.uint64),
        )
    )
