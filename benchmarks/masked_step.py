"""A training step under a mask against the same step without."""

from fairseq_prune.optim.pruned_optimizer import Held
from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable
from fairseq_prune.pruning import make_record, prune

from . import models


def rows(args):
    task = models.FakeTask()
    sample, criterion = models.batch(task), models.criterion(task)
    for name, options in (("sgd", {}), ("adam", {})):
        trained = []
        for masked in (True, False):
            model = models.ours(task, 512, 2, input_feed=False).train()
            optimizer = models.optimizer(f"pruned_{name}", model, **options)
            if masked:
                hold(model, optimizer)
            trained.append((model, optimizer))
        masked, unmasked = models.in_turn(
            [lambda m=m, o=o: models.step(m, o, criterion, sample) for m, o in trained], rounds=15
        )
        # pair by pair: the machine's speed drifts more than the mask costs
        ratio = models.median(a / b for a, b in zip(masked, unmasked))
        yield (
            f"masked training step, {name}, 2 x 512",
            f"{1000 * models.median(masked):.0f} ms",
            f"{1000 * models.median(unmasked):.0f} ms",
            f"{ratio:.3f}",
            "at most 1.03",
        )


def hold(model, optimizer) -> None:
    weights = fairseq_prunable(dict(model.named_parameters()))
    result = prune(weights, fairseq_classes(weights), "class-blind", 0.8)
    held = [Held.place(weights[n], 0, mask) for n, mask in result.masks.items()]
    optimizer.hold(make_record(result, 0.8), held)
