"""Whether a file is a teacher: a model that translates, of the dictionaries of the data."""

from typing import Any, Tuple

from fairseq.models import (
    ARCH_MODEL_REGISTRY,
    MODEL_REGISTRY,
    FairseqLanguageModel,
    FairseqMultiModel,
)
from fairseq.tasks import FairseqTask

from ..checkpoints.dictionaries import differing_side
from ..checkpoints.reading import read_checkpoint
from ..loading.task_of import config_of, set_up
from ..pruning import PruneError


def check_translates(source: str, data: str) -> None:
    """Raise PruneError if ``source`` is damaged, or is known to be no model of two languages."""
    read_checkpoint(source)  # says what is wrong with it
    model = config_of(source, data).model
    name = getattr(model, "_name", None) or getattr(model, "arch", None)
    kind = ARCH_MODEL_REGISTRY.get(name) or MODEL_REGISTRY.get(name)
    if kind is not None and issubclass(kind, FairseqLanguageModel):
        raise PruneError(f"{source} is a language model, which translates nothing; give another")
    if kind is not None and issubclass(kind, FairseqMultiModel):
        raise not_of_a_pair(source)


def not_of_a_pair(source: str) -> PruneError:
    return PruneError(f"{source} is no model that translates from one language to another")


def languages_of(source: str, task: FairseqTask) -> Tuple[str, str]:
    """From which and to which language the model at ``source`` translates."""
    options = task.args if task.cfg is None else task.cfg
    first, second = (getattr(options, f"{side}_lang", None) for side in ("source", "target"))
    if first is None or second is None:
        raise not_of_a_pair(source)
    return first, second


def check_dictionaries(source: str, data: str, cfg: Any, task: FairseqTask) -> None:
    """Raise PruneError if ``data``, of ``task``, have other dictionaries than those that the model
    at ``source`` was trained on, of ``cfg``; where these are still there.

    (A checkpoint of a dense model notes no dictionaries; where one is noted, loading has checked.)
    """
    try:
        trained = set_up(cfg, source)
    except PruneError:
        return
    side = differing_side(task, [trained])
    if side is not None:
        raise PruneError(
            f"{source} was trained with another {side} dictionary than {data} has; give data made "
            f"with its dictionaries (--srcdict, --tgtdict)"
        )
