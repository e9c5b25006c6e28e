"""``--criterion distillation``: learning from the sentences and from a teacher."""

import math
from dataclasses import dataclass, field
from typing import Optional

from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
    label_smoothed_nll_loss,
)
from fairseq.logging import metrics
from omegaconf import II

from ..checkpoints.sentences import exits
from ..pruning import PruneError
from .divergence import divergence_
from .teacher import Teacher, load_teacher, teacher_path


@dataclass
class DistillationConfig(LabelSmoothedCrossEntropyCriterionConfig):
    teacher: Optional[str] = field(
        default=None,
        metadata={
            "help": "checkpoint or packed file of the model to learn from, of any architecture, "
            "with the dictionaries of this run (default: the one of --finetune-from-model)"
        },
    )
    teacher_weight: float = field(
        default=0.8,
        metadata={
            "help": "share of the loss that is the divergence from the teacher's distribution of "
            "each word (word-level distillation: Hinton et al. 2015; Kim and Rush 2016), in "
            "[0, 1]; the rest is cross entropy with --label-smoothing"
        },
    )
    teacher_temperature: float = field(
        default=1.0,
        metadata={
            "help": "what logits of both are divided by before they are compared, above 0; the "
            "divergence is then multiplied by its square (Hinton et al. 2015)"
        },
    )
    # these have no flags of their own
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")


TEACHER_FLAGS = ("--teacher", "--teacher-weight", "--teacher-temperature")


@register_criterion("distillation", dataclass=DistillationConfig)
class DistillationCriterion(LabelSmoothedCrossEntropyCriterion):
    """(1 - weight) cross entropy, with label smoothing, + weight T^2 KL(teacher || student).

    Both are summed over the target's tokens, those that are padding left out, as
    label_smoothed_cross_entropy does; the distributions of the divergence are those at
    temperature T. In evaluation the teacher is not asked: the loss is that of
    label_smoothed_cross_entropy, of which validation, and scores that look at data, speak.
    """

    def __init__(
        self,
        task,
        sentence_avg,
        label_smoothing,
        ignore_prefix_size=0,
        report_accuracy=False,
        teacher=None,
        teacher_weight=0.8,
        teacher_temperature=1.0,
        finetune_from_model=None,
    ):
        super().__init__(task, sentence_avg, label_smoothing, ignore_prefix_size, report_accuracy)
        self.weight, self.temperature = teacher_weight, teacher_temperature
        self._files = (teacher, finetune_from_model)
        self.teacher: Optional[Teacher] = None
        self._divergence = None

    def load_teacher(self) -> None:
        """Have the teacher from here on.

        Raises:
            PruneError: there is none to learn from in this task, or an option is out of range.
        """
        if not 0 <= self.weight <= 1:
            raise PruneError(f"--teacher-weight {self.weight} is out of range; give one in [0, 1]")
        if not 0 < self.temperature < math.inf:
            raise PruneError(
                f"--teacher-temperature {self.temperature} is out of range; give one above 0"
            )
        if self.weight:
            self.teacher = load_teacher(teacher_path(*self._files), self.task)

    def forward(self, model, sample, reduce=True):
        loss, sample_size, logged = super().forward(model, sample, reduce)
        if self._divergence is not None:
            logged["teacher_kl"], self._divergence = self._divergence, None
        return loss, sample_size, logged

    def compute_loss(self, model, net_output, sample, reduce=True):
        if not self.training or not self.weight:
            return super().compute_loss(model, net_output, sample, reduce)
        lprobs, target = self.get_lprobs_and_target(model, net_output, sample)
        loss, nll_loss = label_smoothed_nll_loss(
            lprobs, target, self.eps, ignore_index=self.padding_idx, reduce=reduce
        )
        with exits():
            if self.teacher is None:
                self.load_teacher()
            assert self.teacher is not None, "where there is a weight there is a teacher"
            teacher = self.teacher.ask(
                model, sample, lambda *output: self.get_lprobs_and_target(*output, sample)[0]
            )
        divergence = divergence_(lprobs, teacher, self.temperature)
        divergence = divergence.masked_fill(target == self.padding_idx, 0.0)
        divergence = divergence.sum() if reduce else divergence.unsqueeze(-1)
        self._divergence = divergence.data
        weight = self.weight
        return (1 - weight) * loss + weight * self.temperature**2 * divergence, nll_loss

    @classmethod
    def reduce_metrics(cls, logging_outputs) -> None:
        """Log ``teacher_kl`` besides: bits a token."""
        super().reduce_metrics(logging_outputs)
        if any("teacher_kl" in log for log in logging_outputs):
            tokens = sum(log.get("ntokens", 0) for log in logging_outputs)
            divergence = sum(log.get("teacher_kl", 0) for log in logging_outputs)
            metrics.log_scalar("teacher_kl", divergence / tokens / math.log(2), tokens, round=3)
