"""``reduce_lr_on_plateau``, resumed."""

from fairseq.optim.lr_scheduler.reduce_lr_on_plateau import ReduceLROnPlateauLRSchedule


def save_plateau_counters() -> None:
    """Keep in checkpoints how long ``reduce_lr_on_plateau`` has waited already."""
    counters = ("num_bad_epochs", "cooldown_counter")
    save, load = ReduceLROnPlateauLRSchedule.state_dict, ReduceLROnPlateauLRSchedule.load_state_dict

    def state_dict(self):
        return {**save(self), **{name: getattr(self.lr_scheduler, name) for name in counters}}

    def load_state_dict(self, state_dict):
        load(self, state_dict)
        for name in counters:
            if name in state_dict:
                setattr(self.lr_scheduler, name, state_dict[name])

    ReduceLROnPlateauLRSchedule.state_dict = state_dict
    ReduceLROnPlateauLRSchedule.load_state_dict = load_state_dict
