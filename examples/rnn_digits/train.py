"""Training, and retraining with the pruned weights held at zero."""

from typing import Mapping, Optional, Tuple

import torch
from data import Part, Split
from torch import Tensor, nn

from fairseq_prune.pruning import keep_bits, zero_pruned_

LEARNING_RATE = 0.001  # of the study, fixed


@torch.no_grad()
def evaluate(model: nn.Module, part: Part) -> Tuple[int, float]:
    """How many images of ``part`` are classified right, and the mean loss."""
    right, loss = 0, 0.0
    for images, labels in zip(part.images.split(1000), part.labels.split(1000)):
        scores = model(images)
        right += int((scores.argmax(1) == labels).sum())
        loss += float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
    return right, loss / len(part.labels)


def train(
    model: nn.Module,
    split: Split,
    epochs: int,
    batch: int,
    seed: int,
    masks: Optional[Mapping[str, Tensor]] = None,
) -> int:
    """Train ``model`` in place; under ``masks`` pruned weights are +0.0 from before the first
    update on.

    It ends with the weights of the epoch that had the most validation images right (of equals,
    the lowest validation loss).

    Args:
        batch: images in an update.
        seed: of the order of the images.
        masks: bool, by parameter name, True = keep; None: all weights are trained.
    Returns:
        which epoch that was, from 1.
    """
    parameters = dict(model.named_parameters())
    held = {parameters[name]: keep_bits(mask) for name, mask in (masks or {}).items()}
    optimizer = torch.optim.RMSprop(model.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(seed)
    zero_pruned_weights_(held, optimizer)
    best, best_epoch, best_state = (-1, 0.0), 0, {}
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(split.train.labels), generator=generator)
        for places in order.split(batch):
            optimizer.zero_grad()
            scores = model(split.train.images[places])
            nn.functional.cross_entropy(scores, split.train.labels[places]).backward()
            # with clipping, pruned weights would have to lose their gradients first, lest they
            # have a say in its norm
            optimizer.step()
            zero_pruned_weights_(held, optimizer)
        right, loss = evaluate(model, split.validation)
        if (right, -loss) > best:
            best, best_epoch = (right, -loss), epoch
            best_state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best_state)
    return best_epoch


def zero_pruned_weights_(held: Mapping[Tensor, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Assign +0.0 to pruned weights, which the step has revived (the gradient of a zero is not
    zero), and to what the optimizer remembers of them.

    Args:
        held: parameter -> its mask, from ``keep_bits``.
    """
    for parameter, bits in held.items():
        zero_pruned_(parameter, bits)
        for value in optimizer.state[parameter].values():
            # what has an entry for each weight; not the number of updates
            if torch.is_tensor(value) and value.shape == parameter.shape:
                zero_pruned_(value, bits)
