"""The rate before every update, against the schedule written out in exact fractions."""

from fractions import Fraction

import pytest
import torch
from fairseq.optim import FairseqOptimizer

from fairseq_prune.optim.luong_lr_scheduler import LuongLRSchedule, LuongLRScheduleConfig

TRAINING = dict(lr=[1.0], lr_decay_start=8.0, lr_decay_every=1.0)  # Luong et al. 2015, 12 epochs
RETRAINING = dict(lr=[0.5], lr_decay_start=2.0, lr_decay_every=0.5)  # See et al. 2016, 4 epochs


class Optimizer(FairseqOptimizer):
    def __init__(self):
        super().__init__(None)
        self._optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=123.0)


def schedule(**options):
    return LuongLRSchedule(LuongLRScheduleConfig(**options), Optimizer())


def begin_epoch(scheduler, epoch):
    """As fairseq's trainer: the epoch, then the updates made so far."""
    scheduler.step_begin_epoch(epoch)
    scheduler.step_update(scheduler.num_updates)


def train(scheduler, lengths, first_epoch=1, done=0, skip=0):
    """The rate each update is made with. ``skip`` updates of the first epoch are done."""
    rates = []
    for epoch, length in enumerate(lengths, first_epoch):
        begin_epoch(scheduler, epoch)
        for _ in range(skip, length):
            rates.append(scheduler.optimizer.get_lr())
            done += 1
            assert scheduler.step_update(done) == scheduler.optimizer.get_lr()
        skip = 0
    return rates


def formula(options, lengths, factor=0.5):
    (lr,), start, every = options["lr"], options["lr_decay_start"], options["lr_decay_every"]
    rates = []
    for epoch, length in enumerate(lengths):
        for update in range(length):
            t = epoch + Fraction(update, length)
            decays = 0 if t < Fraction(start) else 1 + (t - Fraction(start)) // Fraction(every)
            rates.append(lr * factor ** int(decays))
    return rates


@pytest.mark.parametrize("updates", [1, 7, 10])
@pytest.mark.parametrize("options, epochs", [(TRAINING, 12), (RETRAINING, 4)])
def test_rates_follow_the_formula(options, epochs, updates):
    lengths = [updates] * epochs
    assert train(schedule(**options), lengths) == formula(options, lengths)


def test_training_halves_every_epoch_after_the_eighth():
    rates = train(schedule(**TRAINING), [3] * 12)
    assert rates[::3] == [1.0] * 8 + [1 / 2, 1 / 4, 1 / 8, 1 / 16]


def test_retraining_halves_every_half_epoch_after_the_second():
    rates = train(schedule(**RETRAINING), [10] * 4)
    expected = [0.5] * 20
    for halvings in (1, 2, 3, 4):
        expected += [0.5 / 2**halvings] * 5
    assert rates == expected


def test_an_odd_epoch_decays_at_the_first_update_past_its_half():
    rates = train(schedule(**RETRAINING), [7] * 3)
    assert rates[14:] == [0.25] * 4 + [0.125] * 3


@pytest.mark.parametrize(
    "options, lengths",
    [
        (dict(lr=[2.0], lr_decay_start=1.0, lr_decay_every=0.1), [30, 30]),
        (dict(lr=[2.0], lr_decay_start=1.3, lr_decay_every=0.7), [10, 10, 10]),
    ],
)
def test_decimal_fractions_of_an_epoch_are_exact(options, lengths):
    exact = {k: Fraction(str(v)) if k != "lr" else v for k, v in options.items()}
    assert train(schedule(**options), lengths) == formula(exact, lengths)


def test_the_factor_is_an_option():
    options = dict(TRAINING, lr_decay_start=1.0)
    rates = train(schedule(**options, lr_decay_factor=0.1), [2] * 3)
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_the_optimizer_starts_at_the_full_rate():
    assert schedule(**RETRAINING).optimizer.get_lr() == 0.5


@pytest.mark.parametrize("options, lengths", [(TRAINING, [7] * 12), (RETRAINING, [7] * 4)])
@pytest.mark.parametrize("given", [{}, {"lr_epoch_updates": 7}])
def test_an_interrupted_run_goes_on_with_the_same_rates(options, lengths, given):
    whole = train(schedule(**options, **given), lengths)
    for stop in range(1, len(whole)):
        epochs, inside = divmod(stop, 7)
        before = schedule(**options, **given)
        rates = train(before, lengths[:epochs] + ([inside] if inside else []))
        after = schedule(**options, **given)
        after.load_state_dict(before.state_dict())
        after.step_update(stop)  # fairseq's trainer, when it has loaded a checkpoint
        rest = [7] * (len(lengths) - epochs)
        rates += train(after, rest, first_epoch=epochs + 1, done=stop, skip=inside)
        assert rates == whole, f"stopped after {stop} updates"


def test_the_best_score_is_kept_in_the_state():
    before, after = schedule(**TRAINING), schedule(**TRAINING)
    begin_epoch(before, 1)
    before.step(1, val_loss=4.2)
    after.load_state_dict(before.state_dict())
    assert after.best == 4.2


def test_a_decay_inside_the_first_epoch_needs_its_length():
    options = dict(lr=[1.0], lr_decay_start=0.5, lr_decay_every=0.25)
    with pytest.raises(SystemExit, match="--lr-epoch-updates"):
        train(schedule(**options), [8])
    lengths = [8, 8]
    assert train(schedule(**options, lr_epoch_updates=8), lengths) == formula(options, lengths)


@pytest.mark.parametrize("start, every", [(0.0, 1.0), (1.0, 0.5), (1.0, 0.3), (0.0, 2.0)])
def test_decays_on_whole_epochs_and_later_ones_need_no_length(start, every):
    options = dict(lr=[1.0], lr_decay_start=start, lr_decay_every=every)
    exact = {k: Fraction(str(v)) if k != "lr" else v for k, v in options.items()}
    assert train(schedule(**options), [8, 8, 8]) == formula(exact, [8, 8, 8])


def test_a_first_epoch_of_another_length_than_said_still_counts_as_one_epoch():
    options = dict(TRAINING, lr_decay_start=1.0)
    lengths = [5, 5, 5]
    assert train(schedule(**options, lr_epoch_updates=5), lengths) == formula(options, lengths)
    shorter = train(schedule(**options, lr_epoch_updates=9), lengths)
    assert shorter == formula(options, lengths)


def test_an_epoch_longer_than_the_one_before_is_one_epoch_to_its_end():
    options, lengths = dict(TRAINING, lr_decay_start=2.0), [5, 7, 5]
    # every decay falls between epochs, so no estimate of a length can be in the way
    assert train(schedule(**options), lengths) == formula(options, lengths)


@pytest.mark.parametrize(
    "options, flag",
    [
        (dict(lr=[1.0, 0.5]), "--lr "),
        (dict(lr=[]), "--lr "),
        (dict(lr_decay_start=-1.0), "--lr-decay-start"),
        (dict(lr_decay_start=float("nan")), "--lr-decay-start"),
        (dict(lr_decay_start=float("inf")), "--lr-decay-start"),
        (dict(lr_decay_every=0.0), "--lr-decay-every"),
        (dict(lr_decay_every=-0.5), "--lr-decay-every"),
        (dict(lr_decay_factor=0.0), "--lr-decay-factor"),
        (dict(lr_decay_factor=1.5), "--lr-decay-factor"),
        (dict(lr_decay_factor=float("nan")), "--lr-decay-factor"),
        (dict(lr_epoch_updates=-3), "--lr-epoch-updates"),
        (dict(lr_epoch_updates=0), "--lr-epoch-updates"),
    ],
)
def test_bad_options_are_refused_by_name(options, flag):
    with pytest.raises(SystemExit, match=flag):
        schedule(**{**TRAINING, **options})
