"""What ``--amp`` leaves out of checkpoints, put in.

fairseq's AMPOptimizer saves and loads the state of the torch optimizer and passes by the
fairseq optimizer around it, where a pruned one keeps its mask; its fp16 wrappers do not.
"""

from fairseq.optim.amp_optimizer import AMPOptimizer


def state_dict(self):
    return self.fp32_optimizer.state_dict()


def load_state_dict(self, state_dict, optimizer_overrides=None):
    self.fp32_optimizer.load_state_dict(state_dict, optimizer_overrides)


# the same as before for optimizers that add nothing to the state
AMPOptimizer.state_dict = state_dict
AMPOptimizer.load_state_dict = load_state_dict
