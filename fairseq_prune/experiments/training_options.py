"""From a checkpoint to the ``fairseq-train`` options that train its model on."""

import argparse
import contextlib
import io
from argparse import Namespace
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from fairseq import options
from fairseq.dataclass.configs import (
    CheckpointConfig,
    CommonConfig,
    DatasetConfig,
    DistributedTrainingConfig,
    EMAConfig,
    OptimizationConfig,
)
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.registry import REGISTRIES

from ..checkpoints.sentences import catchable
from ..pruning import PruneError
from .option_words import MISSING, same_value, words_of_action
from .settings import Settings

#: Of the sections about a run, the options that say how the model is trained. All others say where
#: things are written, how long, on what machine, or what a run starts from.
KEPT = (
    "seed", "empty_cache_freq",
    "num_workers", "skip_invalid_size_inputs_valid_test", "max_tokens", "batch_size",
    "required_batch_size_multiple", "required_seq_len_multiple", "dataset_impl",
    "data_buffer_size", "train_subset", "valid_subset", "combine_valid_subsets",
    "ignore_unused_valid_subsets", "fixed_validation_seed", "max_tokens_valid",
    "batch_size_valid", "max_valid_steps", "curriculum", "grouped_shuffling",
    "clip_norm", "sentence_avg", "update_freq", "skip_remainder_batch",
    "best_checkpoint_metric", "maximize_best_checkpoint_metric",
    "ddp_backend", "find_unused_parameters",
)  # fmt: skip
#: Kept as well where there is a GPU.
OF_A_GPU = (
    "bf16", "memory_efficient_bf16", "fp16", "memory_efficient_fp16", "fp16_no_flatten_grads",
    "fp16_init_scale", "fp16_scale_window", "fp16_scale_tolerance", "min_loss_scale",
    "threshold_loss_scale", "amp", "amp_batch_retries", "amp_init_scale", "amp_scale_window",
)  # fmt: skip
#: Kept as well where the checkpoint was trained on a CPU, too.
OF_A_CPU = ("bf16", "memory_efficient_bf16")
#: Ways to distribute a training that cannot prune.
NO_BACKENDS = ("fully_sharded", "slowmo")
#: fairseq sets these to the option they follow where they are not given.
FOLLOW = {"max_tokens_valid": "max_tokens", "batch_size_valid": "batch_size"}

_OF_THE_RUN = {
    field.name
    for config in (
        CommonConfig, DatasetConfig, DistributedTrainingConfig, OptimizationConfig,
        CheckpointConfig, EMAConfig,
    )
    for field in fields(config)
}  # fmt: skip


def training_words(
    settings: Settings, data: str, base: Sequence[str], given: Sequence[str], gpus: int = 0
) -> List[str]:
    """Options of ``fairseq-train`` that a checkpoint was trained with and ``base`` does not say.

    What is as fairseq has it anyway is not said. Left out are the options about the run (where it
    writes, how long it is, what it starts from, how it is distributed), the learning rate and its
    schedule, ``--prune-*``, and what ``given`` has.

    Args:
        settings: of the checkpoint.
        data: folder of binarised data.
        base: task, architecture, optimizer, criterion and schedule, as options.
        given: further options, which the user gives: they have the last word.
        gpus: that the training will have; 0: it is on the CPU, in fp32 unless the checkpoint was
            trained with ``--cpu --bf16``. Where it was on more, as
            many more batches are added up before an update.
    Raises:
        PruneError: fairseq has no such options, or its command line cannot say one of them.
    """
    wanted, usual = _wanted(settings, gpus), _usual(settings.arch)
    words: Dict[str, List[str]] = {}

    def missing(words: Mapping[str, List[str]]) -> List[argparse.Action]:
        """The options that are not as wanted with ``words``."""
        parser, args = parse_training([data, *base, *_joined(words), *given])
        said = {*_dests(parser, [*base, *given]), *_scheduler_options(settings, args)}
        return [
            action
            for action in parser._actions
            if action.option_strings
            and action.dest in wanted
            and action.dest not in said
            and not same_value(_value(args, action.dest, usual), wanted[action.dest])
        ]

    for _ in range(8):  # architectures derive options from others
        left = missing(words)
        more = {action.dest: words_of_action(action, wanted[action.dest]) for action in left}
        new = {dest: word for dest, word in more.items() if word not in (None, words.get(dest))}
        if not new:
            break
        words.update(new)
    for action in left:
        if not same_value(wanted[action.dest], None):
            raise PruneError(
                f"{settings.path} was trained with {action.dest} {wanted[action.dest]!r}, which "
                f"the command line of fairseq-train cannot say together with its other options; "
                f"give {action.option_strings[0]} after --"
            )
    for dest in reversed(list(words)):  # what others have it derive by now
        fewer = {name: word for name, word in words.items() if name != dest}
        if len(missing(fewer)) == len(left):
            words = fewer
    return _joined(words)


def parse_training(words: Sequence[str]) -> Tuple[argparse.ArgumentParser, Namespace]:
    """fairseq's own parser of a training, and what it makes of ``words``.

    Raises:
        PruneError: they are no options of ``fairseq-train``.
    """
    printed = io.StringIO()
    try:
        with catchable(), contextlib.redirect_stderr(printed):
            parser = options.get_training_parser()
            return parser, options.parse_args_and_arch(parser, list(words))
    except SystemExit as error:
        lines = printed.getvalue().strip().split("\n")
        reason = lines[-1].split("error: ", 1)[-1] or str(error)
        raise PruneError(f"fairseq-train does not take these options: {reason}") from error
    except (ValueError, KeyError) as error:
        raise PruneError(f"fairseq-train does not take these options: {error}") from error


def _value(args: Namespace, dest: str, usual: Mapping[str, Any]) -> Any:
    return getattr(args, dest, usual.get(dest, MISSING))


def _usual(arch: str) -> Dict[str, Any]:
    """What fairseq fills in for options of an architecture that its parser leaves out."""
    config = getattr(ARCH_MODEL_REGISTRY[arch], "__dataclass", None)
    if config is None:
        return {}
    return {f.name: f.default for f in fields(config) if f.default is not NO_DEFAULT}


def _wanted(settings: Settings, gpus: int) -> Dict[str, Any]:
    precision = OF_A_GPU if gpus else OF_A_CPU if settings.flat.get("cpu") else ()
    kept = {*KEPT, *precision}
    wanted = {
        name: value
        for name, value in settings.flat.items()
        if (name in kept or name not in _OF_THE_RUN)
        and name not in ("data", "arch", "task", *REGISTRIES)
        and not name.startswith("prune_")
    }
    for name, other in FOLLOW.items():
        if wanted.get(name) == wanted.get(other):
            wanted.pop(name, None)
    if str(wanted.get("ddp_backend")) in NO_BACKENDS:
        del wanted["ddp_backend"]
    if wanted.get("update_freq"):
        more = settings.world_size / max(1, gpus)
        wanted["update_freq"] = [max(1, round(n * more)) for n in wanted["update_freq"]]
    return wanted


def _scheduler_options(settings: Settings, args: Namespace) -> set:
    """Of the schedule that there was and of the one there will be."""
    chosen = REGISTRIES["lr_scheduler"]["dataclass_registry"].get(args.lr_scheduler)
    new = [field.name for field in fields(chosen)] if chosen is not None else []
    return {"lr", *settings.scheduler, *new}


def _dests(parser: argparse.ArgumentParser, words: Sequence[str]) -> set:
    """The options that ``words`` set."""
    known = parser._option_string_actions
    return {known[name].dest for name in (word.split("=")[0] for word in words) if name in known}


def _joined(words: Mapping[str, List[str]]) -> List[str]:
    return [word for said in words.values() for word in said]
