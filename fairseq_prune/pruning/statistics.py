"""What data says of weights: sums over batches of calibration."""

import contextlib
from typing import ContextManager, Dict, Mapping

import torch
from torch import Tensor

from ..errors import PruneError


class Statistic:
    """A sum over batches, made of the gradient of the loss in each.

    To make one's own, say what a batch adds to it (``of_gradient``); the rest is done here. What
    needs more than gradients sees the model at work (``watching``) and says in ``take`` what came
    of it.
    """

    #: Sentences, or blocks of text, that say enough; more where the user asks for them.
    samples = 1024

    def __init__(self) -> None:
        self.sums: Dict[str, Tensor] = {}
        self.batches = 0

    def of_gradient(self, gradient: Tensor) -> Tensor:
        """What a batch adds to the sum of a weight.

        Args:
            gradient: float32, shaped like the weight: of the batch's mean loss.
        """
        raise NotImplementedError

    def watching(self, weights: Mapping[str, Tensor]) -> ContextManager:
        """What a batch goes forward and backward in: hooks, if there are to be some.

        Entered anew where a batch is done again, as when float16 gradients have overflown.

        Args:
            weights: the parameters that are asked for, by name.
        """
        return contextlib.nullcontext()

    def zeros(self, weight: Tensor) -> Tensor:
        """The sum of no batch."""
        return self.of_gradient(torch.zeros_like(weight, dtype=torch.float32))

    def add(self, gradients: Mapping[str, Tensor]) -> None:
        """Take in a batch.

        Args:
            gradients: of some weights by name, in units of the loss (unscaled), any
                floating-point type. A weight that is in no batch has no statistic.
        Raises:
            PruneError: one is NaN or infinite; weight and batch are named.
        """
        self.batches += 1
        for name, given in gradients.items():
            gradient = given.detach().float()
            if not bool(torch.isfinite(gradient.sum())):
                raise PruneError(
                    f"the gradient of {name} is NaN or infinite in batch {self.batches} of the "
                    f"calibration; lower the learning rate it was trained with, or leave out the "
                    f"sentences that do it"
                )
            self.take(name, gradient)

    def take(self, name: str, gradient: Tensor) -> None:
        """Take in a weight's gradient of a batch, float32.

        Raises:
            PruneError: what it adds is NaN or infinite; weight and batch are named.
        """
        added = self.of_gradient(gradient)
        if not torch.is_tensor(added):
            raise PruneError(
                f"{type(self).__name__}.of_gradient gives {type(added).__name__} for {name}; it is "
                f"to give a tensor"
            )
        if not bool(torch.isfinite(added.sum())):
            raise PruneError(
                f"what batch {self.batches} of the calibration adds to the statistic of {name} is "
                f"NaN, infinite or too large to add up, and its gradient is not; leave out the "
                f"sentences that do it, or take another score"
            )
        if name in self.sums:
            self.sums[name].add_(added)
        else:
            self.sums[name] = added.clone()

    def settle(self) -> None:
        """Bring ``sums`` up to date, where gradients wait to be summed together."""

    def mean(self) -> Dict[str, Tensor]:
        """The mean over batches, by name; the sums are used up."""
        self.settle()
        means = {name: total.div_(max(1, self.batches)) for name, total in self.sums.items()}
        self.sums = {}
        return means


class SquaredGradients(Statistic):
    """Diagonal of the empirical Fisher matrix: the mean of squared gradients of batches.

    Over batches of more than one sentence it is that of the batch's mean, smaller by about its
    size; the order of weights is what matters here. One float32 a weight.
    """

    def of_gradient(self, gradient: Tensor) -> Tensor:
        return gradient.square()


class AbsoluteGradients(Statistic):
    """The mean of absolute gradients of batches. One float32 a weight."""

    def of_gradient(self, gradient: Tensor) -> Tensor:
        return gradient.abs()
