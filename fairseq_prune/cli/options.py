"""``fairseq-prune options``: what ``fairseq-train`` takes besides, with this plugin."""

from dataclasses import fields
from textwrap import wrap
from typing import Iterator

from ..criterions.distillation import DistillationConfig
from ..models.pruned_lstm_lm import PrunedLSTMLMConfig
from ..models.pruned_lstm_nmt import PrunedLSTMNMTConfig
from ..optim.luong_lr_scheduler import LuongLRScheduleConfig
from ..tasks.options import PruneOptions
from .say import say

#: What brings them, and where they are.
SECTIONS = {
    "--task pruned_TASK, of any TASK (with --optimizer pruned_OPTIMIZER)": PruneOptions,
    "--criterion distillation (and those of label_smoothed_cross_entropy)": DistillationConfig,
    "--lr-scheduler luong": LuongLRScheduleConfig,
    "--arch pruned_lstm_nmt": PrunedLSTMNMTConfig,
    "--arch pruned_lstm_lm": PrunedLSTMLMConfig,
}


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "options",
        description="List the options that fairseq-train and fairseq's other commands take with "
        "--user-dir fairseq_prune besides their own, whose --help shows none of them.",
    )
    verb.set_defaults(run=run_options)


def run_options(_args) -> None:
    for title, config in SECTIONS.items():
        say(title, "", *_lines(config), "")


def _lines(config: type) -> Iterator[str]:
    for option in fields(config):
        text = option.metadata.get("help")
        if text and option.name in config.__annotations__:
            usual = "" if option.default in (None, "", False) else f" (default: {option.default})"
            usual = "" if "efault" in text or "${" in usual else usual
            yield f"  --{option.name.replace('_', '-')}"
            yield from wrap(text + usual, 96, initial_indent=" " * 6, subsequent_indent=" " * 6)
