"""A shortlist for a model, from the data that it was trained on."""

from typing import Any, Iterable, Iterator, List, Optional, Tuple

from fairseq.data import LanguagePairDataset
from fairseq.tasks import FairseqTask

from ..loading.task_of import config_of, set_up
from ..packed.shortlist import Shortlist, ShortlistOptions
from ..pruning import PruneError
from .align import Sentence, find_links, read_links
from .count import Links, count_links


def make_shortlist(checkpoint: str, data: Optional[str], asked: ShortlistOptions) -> Shortlist:
    """
    Args:
        data: the folder of the training data; by default that of the model's training.
    Raises:
        PruneError: the data are not there or not of pairs of sentences; see ``align``.
    """
    cfg = config_of(checkpoint, data)
    task = set_up(cfg, checkpoint)
    # published checkpoints may say no more than task and model
    pairs = _pairs(task, (cfg.get("dataset") or {}).get("train_subset") or "train")
    source, target = task.source_dictionary, task.target_dictionary
    links = find_links(pairs) if asked.alignments is None else read_links(asked.alignments)
    return count_links(
        _with_links(pairs, links, asked.alignments),
        len(source),
        len(target),
        asked.best,
        asked.frequent,
        same=[(k, target.index(w)) for k, w in enumerate(source.symbols) if w in target],
    )


def _pairs(task: FairseqTask, subset: str) -> List[Tuple[Sentence, Sentence]]:
    """Numbers of the words of all sentences and their translations, without ends."""
    try:
        task.load_dataset(subset, combine=True)
        dataset = task.dataset(subset)
    except (OSError, AssertionError, KeyError) as error:
        raise PruneError(f"--shortlist: subset {subset} cannot be read: {error}") from error
    if not isinstance(dataset, LanguagePairDataset) or dataset.tgt is None:
        raise PruneError("--shortlist is for models that translate: leave it out")

    def words(sentences: Any, end: int) -> Iterator[Sentence]:
        for k in range(len(sentences)):
            yield [number for number in sentences[k].tolist() if number != end]

    return list(
        zip(
            words(dataset.src, task.source_dictionary.eos()),
            words(dataset.tgt, task.target_dictionary.eos()),
        )
    )


def _with_links(
    pairs: List[Tuple[Sentence, Sentence]], all_links: Iterable[Links], path: Optional[str]
) -> Iterator[Tuple[Sentence, Sentence, Links]]:
    """
    Raises:
        PruneError: the links are of other sentences.
    """
    count = 0
    for count, links in enumerate(all_links, 1):
        source, target = pairs[count - 1] if count <= len(pairs) else ([], [])
        if any(i >= len(source) or j >= len(target) for i, j in links):
            raise PruneError(
                f"--alignments {path}: line {count:,} has a place that its sentences have not; "
                f"give those of the training data, in their order"
            )
        yield source, target, links
    if count != len(pairs):
        raise PruneError(
            f"--alignments {path} has {count:,} lines, and the training data {len(pairs):,} pairs "
            f"of sentences"
        )
