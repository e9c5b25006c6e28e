"""What has been translated, in files of some hundred sentences each."""

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Sequence, Set, Tuple

import numpy as np

from ..checkpoints.whole_file import whole_file

#: Sentences in a file at least, and files at most: what a killed command has to do again, and what
#: is a burden for a file system.
SENTENCES, FILES = 100, 1000


@dataclass(frozen=True)
class Shard:
    """Batches whose translations are written together.

    Attributes:
        part: which set they are of.
        batches: numbers of the sentences of each.
    """

    number: int
    part: int
    batches: Tuple[Sequence[int], ...]

    @property
    def sentences(self) -> int:
        return sum(map(len, self.batches))


def cut(parts: Sequence[Sequence[Sequence[int]]]) -> List[Shard]:
    """Cut the batches of each part, in their order, into shards: always the same ones."""
    total = sum(len(batch) for batches in parts for batch in batches)
    least = max(SENTENCES, total // FILES)
    shards: List[Shard] = []
    for part, batches in enumerate(parts):
        together: List[Sequence[int]] = []
        for k, batch in enumerate(batches):
            together.append(batch)
            if sum(map(len, together)) >= least or k == len(batches) - 1:
                shards.append(Shard(len(shards), part, tuple(together)))
                together = []
    return shards


class Shards:
    """A folder of them."""

    def __init__(self, folder: str):
        self.folder = folder

    def finished(self) -> Set[int]:
        """Numbers of the shards that are there."""
        matches = (re.fullmatch(r"(\d+)\.npz", name) for name in os.listdir(self.folder))
        return {int(match.group(1)) for match in matches if match}

    def write(self, number: int, sentences: Dict[int, np.ndarray]) -> None:
        """Write word numbers of each sentence."""
        order = sorted(sentences)
        with whole_file(self._path(number)) as f:
            np.savez(
                f,
                numbers=np.array(order, dtype=np.int64),
                lengths=np.array([len(sentences[n]) for n in order], dtype=np.int64),
                words=np.concatenate([sentences[n] for n in order]).astype(np.int32),
            )

    def read(self, number: int) -> Dict[int, np.ndarray]:
        """What was written, int32."""
        with np.load(self._path(number), allow_pickle=False) as arrays:
            ends = np.cumsum(arrays["lengths"])[:-1]
            pieces = np.split(arrays["words"], ends)
            return dict(zip(arrays["numbers"].tolist(), pieces))

    def _path(self, number: int) -> str:
        return os.path.join(self.folder, f"{number:06d}.npz")
