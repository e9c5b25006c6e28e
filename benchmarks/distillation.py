"""A training step with a teacher against the same step without."""

from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from fairseq_prune.criterions import DistillationCriterion
from fairseq_prune.criterions.teacher import Teacher

from . import models

#: Words of Multi30k's dictionaries of 4,000 pieces.
VOCABULARY = 4848
#: What is trained, how it is made, at what temperatures.
STUDENTS = (
    ("2 x 256", lambda task: models.ours(task, 256, 2, input_feed=False), (1.0, 2.0)),
    ("Transformer 3+3 x 256", lambda task: models.transformer(task, 256, 3), (1.0,)),
)


def rows(args):
    task = models.FakeTask(VOCABULARY)
    sample = models.batch(task)
    for what, make, temperatures in STUDENTS:
        criterions = [LabelSmoothedCrossEntropyCriterion(task, False, label_smoothing=0.1)]
        for temperature in temperatures:
            taught = DistillationCriterion(task, False, 0.1, teacher_temperature=temperature)
            taught.teacher = Teacher("", make(task))
            criterions.append(taught)
        steps = []
        for criterion in criterions:
            model = make(task).train()
            optimizer = models.optimizer("pruned_adam", model)
            steps.append(lambda m=model, o=optimizer, c=criterion: models.step(m, o, c, sample))
        plain, *taught = models.in_turn(steps, rounds=9)
        for temperature, seconds in zip(temperatures, taught):
            yield (
                f"training step with a teacher, {what}, temperature {temperature:g}",
                f"{1000 * models.median(seconds):.0f} ms",
                f"{1000 * models.median(plain):.0f} ms",
                # pair by pair, as of a masked step
                f"{models.median(a / b for a, b in zip(seconds, plain)):.3f}",
                "at most 1.45",
            )
