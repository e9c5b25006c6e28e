"""What a checkpoint says of its own training, or, if it was compressed, of the dense model's."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..settings import Settings
from ..training_options import OF_A_GPU

#: Where a compressed checkpoint has it.
KEY = "compressed"


@dataclass(frozen=True)
class OwnTraining:
    """
    Attributes:
        checkpoint: the dense one, a path.
        lr: learning rates of its epochs.
        options: name -> number, those that compressing changes of itself: dropouts, and the
            numbers' precision, which there is on a GPU alone.
        epochs: how many there were; None: it does not say.
        by: what they are known by.
        seconds: that an epoch took, times the processes that shared it; None: it does not say.
    """

    checkpoint: str
    lr: List[float]
    options: Dict[str, Any]
    epochs: Optional[int]
    by: str
    seconds: Optional[float]

    def noted(self) -> Dict[str, Any]:
        """In plain containers, for a checkpoint's ``KEY``."""
        return asdict(self)

    def restore(self, settings: Settings) -> None:
        """Have the ``settings`` of a compressed checkpoint say what these options were."""
        for name in list(settings.flat):
            if _is_changed(name, settings.flat[name]):
                del settings.flat[name]
        settings.flat.update(self.options)
        settings.lr = self.lr


def own_training(settings: Settings, state: Mapping[str, Any], updates: int) -> OwnTraining:
    """
    Args:
        settings: of the checkpoint, and ``state`` what is in it.
        updates: that an epoch of its training had.
    """
    before = noted_in(state)
    if before is not None:
        return before
    extra = state.get("extra_state") or {}
    done: Any = (state.get("optimizer_history") or [{}])[-1].get("num_updates")
    epochs, by = count_epochs(settings.flat, extra.get("train_iterator") or {}, done)
    seconds: Any = extra.get("previous_training_time")
    known = _whole(done) and type(seconds) in (int, float) and seconds > 0
    return OwnTraining(
        checkpoint=settings.path,
        lr=settings.lr,
        options={n: value for n, value in settings.flat.items() if _is_changed(n, value)},
        epochs=epochs,
        by=by,
        seconds=seconds / done * updates * settings.world_size if known else None,
    )


def count_epochs(
    options: Mapping[str, Any], iterator: Mapping[str, Any], updates: Optional[int]
) -> Tuple[Optional[int], str]:
    """How many epochs a training had, and what that is known by.

    A best checkpoint is of an earlier epoch than the last. Where the training was to end not long
    after, it is taken to have ended there; where it would have gone on for as long again, to have
    been ended by hand.

    Args:
        options: of the training.
        iterator: where it was in its data.
        updates: that it had made.
    """
    epoch = iterator.get("epoch")
    if not isinstance(epoch, int):
        return None, ""
    reached = max(1, epoch if iterator.get("iterations_in_epoch") else epoch - 1)
    ends = []
    if _whole(options.get("max_epoch")):
        ends.append((options["max_epoch"], "by its --max-epoch"))
    if _whole(options.get("max_update")) and updates:
        ends.append((math.ceil(options["max_update"] * reached / updates), "by its --max-update"))
    if _whole(options.get("patience")):
        ends.append((reached + options["patience"], "by its --patience"))
    last, by = min(ends, default=(reached, ""))
    if reached < last <= 2 * reached:
        return last, by
    return reached, "by the epoch it is of"


def noted_in(state: Mapping[str, Any]) -> Optional[OwnTraining]:
    """What a compressed checkpoint says of the dense model; None: it says nothing that is whole."""
    noted: Any = state.get(KEY)
    try:
        own = OwnTraining(**noted)
        right = (
            isinstance(own.checkpoint, str)
            and isinstance(own.by, str)
            and own.lr
            and all(type(x) in (int, float) for x in own.lr)
            and all(_is_changed(name, value) for name, value in own.options.items())
            and (own.epochs is None or _whole(own.epochs))
            and (own.seconds is None or type(own.seconds) is float)
        )
    except (TypeError, AttributeError):
        return None
    return own if right else None


def _is_changed(name: str, value: Any) -> bool:
    known = "dropout" in name or name in OF_A_GPU
    return known and type(value) in (bool, int, float)


def _whole(value: Any) -> bool:
    """Whether it is a limit: fairseq's 0 and -1 are none."""
    return type(value) is int and value > 0
