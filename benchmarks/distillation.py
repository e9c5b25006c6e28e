"""A training step with a teacher against the same step without."""

from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from fairseq_prune.criterions import DistillationCriterion
from fairseq_prune.criterions.teacher import Teacher

from . import models

#: Words of Multi30k's dictionaries of 4,000 pieces.
VOCABULARY = 4848


def rows(args):
    task = models.FakeTask(VOCABULARY)
    sample = models.batch(task)
    alone = LabelSmoothedCrossEntropyCriterion(task, False, label_smoothing=0.1)
    teacher = Teacher("", models.ours(task, 256, 2, input_feed=False))
    criterions = [alone]
    temperatures = (1.0, 2.0)
    for temperature in temperatures:
        taught = DistillationCriterion(task, False, 0.1, teacher_temperature=temperature)
        taught.teacher = teacher
        criterions.append(taught)
    steps = []
    for criterion in criterions:
        model = models.ours(task, 256, 2, input_feed=False).train()
        optimizer = models.optimizer("pruned_adam", model)
        steps.append(lambda m=model, o=optimizer, c=criterion: models.step(m, o, c, sample))
    plain, *taught = models.in_turn(steps, rounds=9)
    for temperature, seconds in zip(temperatures, taught):
        yield (
            f"training step with a teacher, 2 x 256, temperature {temperature:g}",
            f"{1000 * models.median(seconds):.0f} ms",
            f"{1000 * models.median(plain):.0f} ms",
            # pair by pair, as of a masked step
            f"{models.median(a / b for a, b in zip(seconds, plain)):.3f}",
            "at most 1.45",
        )
