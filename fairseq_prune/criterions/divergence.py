"""How far a student's distribution over the words is from its teacher's, at each token."""

import torch
from torch import Tensor

#: Rows that are worked on at a time: few enough to stay in a processor's cache.
ROWS = 64


def divergence_(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher || student), of both distributions at ``temperature``.

    At a temperature they are what Hinton et al. 2015 learn from: the softmax of logits /
    temperature. (Log-probabilities do for logits, from which they differ by a constant in each
    row.) Gradients shrink with its square; who adds this to another loss makes up for it.

    Args:
        student: tokens x words, log-probabilities; the gradient is of these alone.
        teacher: the same of the teacher; overwritten, since memory is most of the cost.
    Returns:
        Of each token, in nats.
    """
    return _Divergence.apply(student, teacher, temperature)


class _Divergence(torch.autograd.Function):
    """One pass forward and one backward, in the memory of ``teacher``.

    Each of torch's own operations would take a pass and another tokens x words.
    """

    @staticmethod
    def forward(ctx, student, teacher, temperature):
        divergences = student.new_empty(len(student))
        smallest = torch.finfo(teacher.dtype).min
        for start in range(0, len(student), ROWS):
            rows = slice(start, start + ROWS)
            own, wanted = student[rows], teacher[rows]
            if temperature != 1:
                own = torch.log_softmax(own / temperature, dim=-1)
                wanted.copy_(torch.log_softmax(wanted / temperature, dim=-1))
            # 0 log 0 is 0, and not 0 times infinity
            ratio = wanted.clamp_(min=smallest) - own
            probability = wanted.exp_()
            torch.sum(ratio.mul_(probability), dim=-1, out=divergences[rows])
            if temperature != 1:
                probability.sub_(own.exp_()).div_(temperature)
        ctx.save_for_backward(teacher)  # minus the gradient, by now
        return divergences

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (by,) = ctx.saved_tensors
        return by.mul_(-gradient.unsqueeze(-1)), None, None
