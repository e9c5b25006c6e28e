"""The teacher: a trained model that is asked, and otherwise left alone."""

import contextlib
import hashlib
import logging
import random
from typing import Any, Callable, Dict, Iterator, Optional

import numpy
import torch
from fairseq.file_io import PathManager
from fairseq.models import BaseFairseqModel, FairseqMultiModel
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from ..checkpoints.dictionaries import differing_side, find_dictionaries
from ..checkpoints.reading import read_checkpoint
from ..loading.load import load
from ..loading.task_of import set_up
from ..packed.container import is_packed
from ..pruning import PruneError

logger = logging.getLogger("fairseq_prune")


class Teacher:
    """A model in evaluation mode that is not trained.

    No module itself, so that the criterion which has one neither trains nor saves it.

    Attributes:
        digest: of its weights, which in a packed file are those of the checkpoint.
    """

    def __init__(self, path: str, model: BaseFairseqModel):
        self.path = path
        # that its weights require no gradient (ask computes none) would make torch multiply
        # each sentence of a Transformer by a copy of the softmax's matrix of its own
        self.model = model.eval()
        limits = model.max_positions()
        self._limits = limits if isinstance(limits, tuple) else (limits,)
        self.digest = _digest(model)

    @torch.no_grad()
    def ask(
        self, student: nn.Module, sample: Dict[str, Any], read: Callable[[nn.Module, Any], Tensor]
    ) -> Tensor:
        """What ``read`` finds in the model and its output for a batch.

        Args:
            student: where it is and in what numbers it computes, the teacher does.
        Raises:
            PruneError: a sentence is longer than the model can read.
        """
        self._check_length(sample)
        like = next(student.parameters())
        self.model.to(device=like.device, dtype=like.dtype)
        return read(self.model, self.model(**sample["net_input"]))

    def _check_length(self, sample: Dict[str, Any]) -> None:
        lengths = (sample["net_input"]["src_tokens"].size(1), sample["target"].size(1))
        for side, length, most in zip(("source", "target"), lengths, self._limits):
            if isinstance(most, int) and length > most:
                raise PruneError(
                    f"--teacher {self.path} reads at most {most} {side} tokens at a time, and a "
                    f"batch has {length}; give --max-{side}-positions {most} (of a language model: "
                    f"--tokens-per-sample {most}), or another teacher"
                )


def teacher_path(teacher: Optional[str], finetuned_from: Optional[str]) -> str:
    """The file of the teacher.

    Args:
        teacher: ``--teacher``.
        finetuned_from: ``--finetune-from-model``.
    Raises:
        PruneError: there is none, or no such file.
    """
    path = teacher or finetuned_from
    if path is None:
        raise PruneError(
            "--criterion distillation needs a teacher, and this run is finetuned from no model; "
            "give --teacher CHECKPOINT"
        )
    if not PathManager.exists(path):
        default = "" if teacher else ", which is --finetune-from-model"
        raise PruneError(f"--teacher {path}{default}: there is no such file")
    return path


def load_teacher(path: str, task: FairseqTask) -> Teacher:
    """The teacher at ``path`` of a student of ``task``; random numbers go on as if it was not made.

    Raises:
        PruneError: it is damaged, has other dictionaries, or is of another kind of task.
    """
    data = getattr(task.args if task.cfg is None else task.cfg, "data", None)
    with _same_random_numbers():
        try:
            model, cfg, its_task = load(PathManager.get_local_path(path), data, "dense")
        except PruneError as error:
            raise PruneError(f"--teacher {path}: {_why(error, data)}") from error
        tasks = [its_task]
        # its own data, if they are still there; a checkpoint of a dense model notes no dictionaries
        try:
            tasks.append(set_up(cfg, path))
        except PruneError as error:
            if not _noted(path):
                logger.warning(
                    f"--teacher {path}: whether it was trained with the dictionaries of {data} "
                    f"cannot be told, but by their sizes: {error}"
                )
    side = differing_side(task, tasks)
    if side is not None:
        raise PruneError(
            f"--teacher {path} was trained with another {side} dictionary than {data} has; "
            f"take one that was trained with the dictionaries of this run"
        )
    if isinstance(model, FairseqMultiModel):
        raise PruneError(
            f"--teacher {path} holds several models, one for each pair of languages, and "
            f"--criterion distillation cannot tell which to ask; use another criterion"
        )
    return Teacher(path, model)


def _noted(path: str) -> bool:
    """Whether it notes its dictionaries, which have been compared then."""
    path = PathManager.get_local_path(path)
    return is_packed(path) or bool(find_dictionaries(read_checkpoint(path)))


def _why(error: PruneError, data: Optional[str]) -> str:
    """Why it cannot be loaded; if matrices do not fit, what makes their sizes."""
    if "size mismatch" in str(error.__cause__):
        return (
            f"it was trained with dictionaries of other sizes than {data} has; take one that was "
            f"trained with the dictionaries of this run"
        )
    return str(error)


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Models are made of random numbers before their weights are read."""
    numpy_state, python_state = numpy.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            yield
    finally:
        numpy.random.set_state(numpy_state)
        random.setstate(python_state)


def _digest(model: nn.Module) -> str:
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(f"{name} {tuple(tensor.shape)} ".encode())
        sha.update(tensor.cpu().numpy().tobytes())
    return sha.hexdigest()
