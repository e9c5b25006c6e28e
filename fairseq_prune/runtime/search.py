"""Beam search's choice of candidates in two steps: the same ones, sooner."""

import torch
from fairseq.search import BeamSearch


class TwoStepBeamSearch(BeamSearch):
    """The best of each hypothesis, then the best of those: torch.topk is several times as fast
    on a few long rows as on one row as long as all of them, and nothing of the vocabulary's size
    is added up or copied.
    """

    def step(self, step, lprobs, scores, *rest):
        """Scores, words and hypotheses (B, candidates), best first, from lprobs (B, beam, V)."""
        count = 2 * lprobs.size(1)
        # a sixth argument would be another number of candidates
        if step == 0 or lprobs.size(2) <= count or len(rest) > 2:
            return super().step(step, lprobs, scores, *rest)
        best, words = torch.topk(lprobs, count, dim=2)
        totals = (best + scores[:, :, step - 1].unsqueeze(-1)).flatten(1)
        totals, places = torch.topk(totals, count, dim=1)
        return totals, words.flatten(1).gather(1, places), places // count
