"""``pruned_<optimizer>``: any fairseq optimizer, made to keep pruned weights at zero."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import torch
from fairseq.optim import OPTIMIZER_DATACLASS_REGISTRY, OPTIMIZER_REGISTRY, register_optimizer
from torch import Tensor

from ..mixed_into import Optimizer
from ..pruning import RECORD_KEY, PruneError, keep_bits
from .legacy_options import dataclass_from_add_args
from .zeroing import zero_all_

#: The entry of the optimizer's state that ``sums_movement`` makes: minus the sum of w g.
MOVEMENT = "movement"


class Held(NamedTuple):
    """Weights to keep at zero: where they are in a parameter of the optimizer.

    With fairseq's flat fp16 masters that parameter is one vector for all weights, and
    a mask covers a part of it; otherwise it covers the whole parameter.
    """

    param: Tensor
    start: int  # offset in elements; 0 where the mask covers the whole parameter
    bits: Tensor  # the mask, flat, from pruning.keep_bits

    @classmethod
    def place(cls, param: Tensor, start: int, mask: Tensor) -> "Held":
        """Hold ``mask`` (bool, True = keep) in ``param`` from element ``start`` on."""
        return cls(param, start, keep_bits(mask).reshape(-1))

    def zero_(self, *tensors: Tensor) -> None:
        """Assign +0.0 to the pruned entries of ``tensors``, laid out like the parameter."""
        size = self.bits.numel()
        parts = [t if t.numel() == size else t.view(-1)[self.start :][:size] for t in tensors]
        zero_all_(parts, self.bits)


class PrunedOptimizerMixin(Optimizer):
    """Put before a FairseqOptimizer: ``class PrunedX(PrunedOptimizerMixin, X)``.

    Until ``hold`` is called it changes nothing. From then on, at pruned positions:
    gradients are zero before the norm that clips them is taken; weights, and every
    state of the optimizer that has an entry for each weight, are zero after each step.
    The mask travels in the optimizer's state dict, one bit a weight.
    """

    #: the optimizer without pruning
    made_of: type
    _held: List[Held] = []
    _is_held = False
    prune_record: Optional[Dict[str, Any]] = None
    #: whether to sum up how weights move away from zero, as "movement" in the optimizer's state
    sums_movement = False
    #: called before the state is saved, to bring ``prune_record`` up to date
    before_saving: Optional[Callable[[], None]] = None

    def __init__(self, *args, **kwargs):
        try:
            super().__init__(*args, **kwargs)
        except ImportError as error:
            raise SystemExit(
                f"fairseq_prune: error: --optimizer {registered_name(type(self))} cannot be used "
                f"here: {error}"
            ) from error

    def hold(self, record: Dict[str, Any], held: List[Held]) -> None:
        """Enforce a mask from now on.

        Args:
            record: what a checkpoint must say of the mask (``pruning.record``).
            held: the mask, placed in the parameters of this optimizer.
        """
        self.prune_record = record
        self._held = held
        self._is_held = True
        self._zero_weights_and_state_()

    @torch.no_grad()
    def _zero_weights_and_state_(self) -> None:
        state = self.optimizer.state
        for held in self._held:
            of_each_weight = [
                value
                for value in state.get(held.param, {}).values()
                if torch.is_tensor(value) and value.shape == held.param.shape
            ]
            held.zero_(held.param.data, *of_each_weight)

    def clip_grad_norm(self, max_norm, aggregate_norm_fn=None):
        # every trainer path, fp16 and amp included, takes the norm through here
        for held in self._held:
            if held.param.grad is not None:
                held.zero_(held.param.grad.data)
        return super().clip_grad_norm(max_norm, aggregate_norm_fn)

    @property
    def is_pruned(self) -> bool:
        """Whether there is a mask to keep."""
        return bool((self.prune_record or {}).get("masks"))

    def step(self, *args, **kwargs):
        if self.is_pruned and not self._is_held:
            raise SystemExit(
                "fairseq_prune: error: this run continues a pruned checkpoint, but its task "
                "does not know of pruning; use --task pruned_<task>, e.g. pruned_translation"
            )
        begun = self._sum_movement() if self.sums_movement else []
        result = super().step(*args, **kwargs)
        for param, moved in begun:
            self.optimizer.state[param][MOVEMENT] = moved
        self._zero_weights_and_state_()
        return result

    @torch.no_grad()
    def _sum_movement(self) -> List[Tuple[Tensor, Tensor]]:
        """Add what this step's gradients say; the sums that begin with it, by parameter.

        Those are put in their place after the step: optimizers make their own state in the first,
        if there is none.
        """
        begun = []
        for group in self.optimizer.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                moved = self.optimizer.state.get(param, {}).get(MOVEMENT)
                if moved is None:
                    begun.append((param, -(param.data * param.grad)))
                else:
                    moved.addcmul_(param.data, param.grad, value=-1)
        return begun

    def state_dict(self):
        if self.before_saving is not None:
            self.before_saving()
        state = super().state_dict()
        if self.prune_record is not None:
            state = {**state, RECORD_KEY: self.prune_record}
        return state

    def load_state_dict(self, state_dict, optimizer_overrides=None):
        state = {key: value for key, value in state_dict.items() if key != RECORD_KEY}
        super().load_state_dict(state, optimizer_overrides)
        # the task places it in the parameters, whose names only it knows
        self.prune_record = state_dict.get(RECORD_KEY)
        self._held, self._is_held = [], False


def register_pruned_optimizer(name: str) -> type:
    """Register ``pruned_<name>`` for the fairseq optimizer registered as ``name``.

    It has the options of the original. Returns the class; a second call returns the same.

    Raises:
        PruneError: there is no such optimizer, or it cannot be made to hold a mask.
    """
    if name not in OPTIMIZER_REGISTRY:
        raise PruneError(f"no optimizer is registered as {name}")
    if name in UNSUPPORTED:
        raise PruneError(f"optimizer {name} cannot be pruned: {UNSUPPORTED[name]}")
    base = OPTIMIZER_REGISTRY[name]
    twin = OPTIMIZER_REGISTRY.get(f"pruned_{name}")
    if twin is not None and issubclass(twin, base):
        return twin
    options = OPTIMIZER_DATACLASS_REGISTRY.get(name) or dataclass_from_add_args(base)
    pruned = type(
        f"Pruned{base.__name__}",
        (PrunedOptimizerMixin, base),
        {
            "__doc__": f"fairseq's {name}, keeping pruned weights at zero.",
            "__module__": __name__,
            "made_of": base,
        },
    )
    return register_optimizer(f"pruned_{name}", dataclass=options)(pruned)


def registered_name(cls: type) -> str:
    """What ``--optimizer`` calls it."""
    return next((name for name, c in OPTIMIZER_REGISTRY.items() if c is cls), cls.__name__)


#: fairseq optimizers that get no pruned_ twin, and why.
UNSUPPORTED = {
    "composite": "it is several optimizers in one; take a single one, e.g. pruned_adam",
}


def register_all() -> None:
    """Register the pruned twin of every fairseq optimizer that can have one."""
    for name in list(OPTIMIZER_REGISTRY):
        if not name.startswith("pruned_") and name not in UNSUPPORTED:
            register_pruned_optimizer(name)
