"""The files of a data folder, as ``fairseq-preprocess`` makes them."""

import glob
import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Iterable, List

import numpy as np
import torch
from fairseq.data import indexed_dataset

from ..checkpoints.whole_file import whole_file
from ..pruning import PruneError

ENDS = (".bin", ".idx")


@dataclass(frozen=True)
class Pairs:
    """Sentences and their translations, in files NAME.PAIR.LANGUAGE.bin and .idx."""

    name: str
    pair: str

    def prefix(self, folder: str, language: str) -> str:
        return os.path.join(folder, f"{self.name}.{self.pair}.{language}")


def find_sets(folder: str, subset: str, source: str, target: str) -> List[Pairs]:
    """``subset``, and those that fairseq-train reads together with it: train, train1, ...

    Raises:
        PruneError: there is none.
    """
    sets: List[Pairs] = []
    for k in itertools.count():
        name = subset + (str(k) if k else "")
        for pair in (f"{source}-{target}", f"{target}-{source}"):
            pairs = Pairs(name, pair)
            if os.path.exists(pairs.prefix(folder, source) + ".idx"):
                sets.append(pairs)
                break
        else:
            break
    if not sets:
        raise PruneError(
            f"DATA {folder} has no binarised {subset} set to translate from {source} to {target} "
            f"({subset}.{source}-{target}.{source}.idx); make it with fairseq-preprocess"
        )
    return sets


def files_of(folder: str, subset: str) -> List[str]:
    """What decides on the translations of ``subset``: its files, and the dictionaries."""
    names = ["dict.*.txt", f"{glob.escape(subset)}.*-*.*", f"{glob.escape(subset)}[1-9]*.*-*.*"]
    return sorted(
        path for name in names for path in glob.glob(os.path.join(glob.escape(folder), name))
    )


def implementation_of(prefix: str) -> str:
    """How the set at ``prefix`` is stored: mmap, or cached, which is also what lazy reads.

    Raises:
        PruneError: in another way.
    """
    implementation = indexed_dataset.infer_dataset_impl(prefix)
    if implementation not in ("mmap", "cached"):
        raise PruneError(
            f"{prefix} is stored as {implementation}, which cannot be written here; make the data "
            f"with fairseq-preprocess --dataset-impl mmap"
        )
    return implementation


def write_set(
    prefix: str, sentences: Iterable[np.ndarray], implementation: str, words: int, work: str
) -> None:
    """Write one language of a set, of word numbers, as ``fairseq-preprocess`` does.

    Args:
        implementation: as ``implementation_of`` says.
        words: in the dictionary.
        work: folder on the same disk to write in until all is there.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder:
        new = os.path.join(folder, "set")
        builder = indexed_dataset.make_builder(new + ".bin", implementation, vocab_size=words)
        for sentence in sentences:
            builder.add_item(torch.from_numpy(sentence))
        builder.finalize(new + ".idx")
        for end in ENDS:
            os.replace(new + end, prefix + end)


def copy_file(source: str, target: str) -> None:
    """Copies and no links: fairseq-preprocess writes into the files that it finds."""
    with open(source, "rb") as f, whole_file(target) as copy:
        shutil.copyfileobj(f, copy, 1 << 20)


def files_besides(folder: str, sets: List[Pairs]) -> List[str]:
    """Names of the dictionaries and of the sets of the same languages that are not ``sets``."""
    names = {
        os.path.basename(path)
        for path in glob.glob(os.path.join(glob.escape(folder), "dict.*.txt"))
    }
    for pair in sorted({pairs.pair for pairs in sets}):
        paths = glob.glob(os.path.join(glob.escape(folder), f"*.{pair}.*"))
        names.update(os.path.basename(path) for path in paths)
    # alignments (NAME.align.PAIR.*) are those of the references
    taken = tuple(f"{p.name}{middle}.{p.pair}." for p in sets for middle in ("", ".align"))
    return sorted(name for name in names if not name.startswith(taken))
