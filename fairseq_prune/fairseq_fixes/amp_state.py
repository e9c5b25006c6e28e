"""Masks in checkpoints of ``--amp``."""

from fairseq.optim.amp_optimizer import AMPOptimizer


def save_state_under_amp() -> None:
    """Keep the mask in checkpoints of ``--amp``.

    AMPOptimizer saves and loads the state of the torch optimizer and passes by the fairseq
    optimizer around it, where a pruned one keeps its mask; the fp16 wrappers do not. The
    same as before for optimizers that add nothing to the state.
    """

    def state_dict(self):
        return self.fp32_optimizer.state_dict()

    def load_state_dict(self, state_dict, optimizer_overrides=None):
        self.fp32_optimizer.load_state_dict(state_dict, optimizer_overrides)

    AMPOptimizer.state_dict = state_dict
    AMPOptimizer.load_state_dict = load_state_dict
