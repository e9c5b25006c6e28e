"""``--lr-scheduler luong``: constant, then halved every so many epochs."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import List, Optional

from fairseq.dataclass import FairseqDataclass
from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler
from omegaconf import II

_NEARLY_ONE = 1 - Fraction(1, 10**12)


@dataclass
class LuongLRScheduleConfig(FairseqDataclass):
    lr: List[float] = II("optimization.lr")
    lr_decay_start: float = field(
        default=8.0,
        metadata={"help": "epochs at the full learning rate; the first decay comes right after"},
    )
    lr_decay_every: float = field(
        default=1.0, metadata={"help": "epochs between one decay and the next"}
    )
    lr_decay_factor: float = field(
        default=0.5, metadata={"help": "what the learning rate is multiplied with"}
    )
    lr_epoch_updates: Optional[int] = field(
        default=None,
        metadata={
            "help": "updates in an epoch; needed only if a decay falls inside the first epoch "
            "of the run (default: as many as the epoch before had)"
        },
    )


@register_lr_scheduler("luong", dataclass=LuongLRScheduleConfig)
class LuongLRSchedule(FairseqLRScheduler):
    """lr(t) = lr * factor ** (0 if t < E else 1 + floor((t - E) / D)), t in epochs.

    Luong et al. 2015, section 4.1: 12 epochs at 1.0, "after 8 epochs, we start halving
    every epoch" (E = 8, D = 1). See et al. 2016, section 4, retraining: 4 epochs at 0.5,
    "after 2 epochs, we begin to halve the learning rate every half an epoch"
    (E = 2, D = 0.5).
    """

    def __init__(self, cfg: LuongLRScheduleConfig, optimizer):
        super().__init__(cfg, optimizer)
        self._check(cfg)
        self.base_lr = cfg.lr[0]
        # exact arithmetic: 0.1 epochs of 30 updates are 3 updates, not 3.0000000000000004
        self.start, self.every = (
            Fraction(str(cfg.lr_decay_start)),
            Fraction(str(cfg.lr_decay_every)),
        )
        self.num_updates = 0
        self.epoch: Optional[int] = None
        self.epoch_start = 0
        self.epoch_updates = cfg.lr_epoch_updates
        self.optimizer.set_lr(self.base_lr)

    @staticmethod
    def _check(cfg) -> None:
        if len(cfg.lr) != 1:
            _refuse(f"--lr-scheduler luong takes one learning rate, --lr gives {len(cfg.lr)}")
        for flag, value, low in (
            ("--lr-decay-start", cfg.lr_decay_start, 0.0),
            ("--lr-decay-every", cfg.lr_decay_every, 1e-9),
            ("--lr-epoch-updates", 1 if cfg.lr_epoch_updates is None else cfg.lr_epoch_updates, 1),
        ):
            if not low <= value < float("inf"):
                _refuse(f"{flag} {value:g} is out of range; it must be a positive number")
        if not 0.0 < cfg.lr_decay_factor <= 1.0:
            _refuse(f"--lr-decay-factor {cfg.lr_decay_factor:g} is outside (0, 1]")

    def lr_at(self, progress: Fraction) -> float:
        """The learning rate after ``progress`` epochs."""
        if progress < self.start:
            return self.base_lr
        halvings = 1 + (progress - self.start) // self.every
        return self.base_lr * self.cfg.lr_decay_factor ** int(halvings)

    def step_begin_epoch(self, epoch: int):
        if epoch != self.epoch:
            if self.epoch is not None and self.cfg.lr_epoch_updates is None:
                self.epoch_updates = self.num_updates - self.epoch_start
            self.epoch, self.epoch_start = epoch, self.num_updates
        if not self.epoch_updates and self._decays_inside(epoch):
            _refuse(
                f"--lr-decay-start {float(self.start):g} and --lr-decay-every "
                f"{float(self.every):g} put a decay inside epoch {epoch}, whose length is not "
                f"known yet; give --lr-epoch-updates (see 'num_updates' in the log of an epoch)"
            )
        return self._update()

    def step_update(self, num_updates: int):
        self.num_updates = num_updates
        return self._update()

    def _update(self) -> float:
        if self.epoch is not None:
            done = Fraction(0)
            if self.epoch_updates:
                done = Fraction(self.num_updates - self.epoch_start, self.epoch_updates)
            # an epoch longer than the one before is the same epoch to its end
            self.optimizer.set_lr(self.lr_at(self.epoch - 1 + min(done, _NEARLY_ONE)))
        return self.optimizer.get_lr()

    def _decays_inside(self, epoch: int) -> bool:
        # one decay at least lies strictly inside unless all fall on whole epochs
        last = self.lr_at(epoch - 1 + _NEARLY_ONE)
        return last != self.lr_at(Fraction(epoch - 1))

    def state_dict(self):
        return {
            "best": self.best,
            "epoch": self.epoch,
            "epoch_start": self.epoch_start,
            "epoch_updates": self.epoch_updates,
        }

    def load_state_dict(self, state_dict):
        self.best = state_dict["best"]
        self.epoch = state_dict["epoch"]
        self.epoch_start = state_dict["epoch_start"]
        self.epoch_updates = self.cfg.lr_epoch_updates or state_dict["epoch_updates"]


def _refuse(sentence: str) -> None:
    raise SystemExit(f"fairseq_prune: error: {sentence}")
