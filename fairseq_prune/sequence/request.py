"""What is asked of ``fairseq-prune distill``, as far as it decides what is written."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional

import torch

from ..pruning import PruneError
from ..runtime.convert import check_runtime

#: What the target of a sentence can be.
BEAM, REFERENCE = CHOICES = ("beam", "reference")

#: Sentences at a time where nothing is said: more are hardly faster on a CPU.
BATCH = 64


@dataclass(frozen=True)
class Request:
    """Options of ``fairseq-prune distill``, CKPT as ``source``.

    Raises:
        PruneError: one is out of range.
    """

    source: str
    data: str
    subset: str
    by: str
    beam: int
    max_len_a: float
    max_len_b: int
    lenpen: float
    batch_size: Optional[int]
    max_tokens: Optional[int]
    runtime: str
    keep_reference: bool
    cpu: bool = False

    def __post_init__(self) -> None:
        if self.by not in CHOICES:
            raise PruneError(f"--by {self.by}: choose one of {', '.join(CHOICES)}")
        for name in ("beam", "batch_size", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PruneError(f"{_flag(name)} {value} is out of range; give 1 or more")
        if self.max_len_a < 0 or int(self.max_len_a + self.max_len_b) < 1:
            raise PruneError(
                f"--max-len-a {self.max_len_a:g} and --max-len-b {self.max_len_b} leave no room "
                f"for a word; fairseq's are 0 and 200"
            )
        check_runtime(self.runtime, flag="--runtime")

    @property
    def sentences_at_a_time(self) -> Optional[int]:
        """Most sentences in a batch; None: as many as ``max_tokens`` allows."""
        return self.batch_size or (None if self.max_tokens else BATCH)


def usual_runtime(cpu: bool) -> str:
    """The runtime where none is asked for: a GPU's products are dense.

    Args:
        cpu: whether to stay on the CPU where there is a GPU.
    """
    return "dense" if torch.cuda.is_available() and not cpu else "auto"


def difference(before: Dict[str, Any], now: Request) -> Optional[str]:
    """What of ``now`` is otherwise than in ``before``, as a record has it; None: nothing.

    The files that CKPT and DATA name are compared apart from this; where it is done is no matter.
    """
    for name, value in asdict(now).items():
        if name not in ("source", "data", "cpu") and before.get(name) != value:
            return f"{_said(name, before.get(name))}, and now there is {_said(name, value)}"
    return None


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _said(name: str, value: Any) -> str:
    if value is None or value is False:
        return f"no {_flag(name)}"
    return _flag(name) if value is True else f"{_flag(name)} {value}"
