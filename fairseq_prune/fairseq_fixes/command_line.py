"""What is wrong with a command line of fairseq's, said before anything is loaded."""

import functools
from argparse import Namespace
from typing import List

from fairseq import options, utils
from fairseq.checkpoint_utils import get_maybe_sharded_checkpoint_filename
from fairseq.file_io import PathManager

from ..criterions.distillation import TEACHER_FLAGS
from ..criterions.teacher import teacher_path
from ..pruning import PruneError
from ..tasks.options import OPTIONS, RUNTIME, flag
from ..tasks.request import given_options
from ..tasks.start import starting_checkpoint
from ..tasks.twin import twin_of

_FLAGS = [flag(name) for name, *_ in (*OPTIONS, RUNTIME)]


def check_command_lines() -> None:
    """Look at what fairseq's commands are given, in this process, as soon as it is parsed."""
    parse = options.parse_args_and_arch

    @functools.wraps(parse)
    def parse_and_check(parser, input_args=None, parse_known=False, suppress_defaults=False, **how):
        if parse_known or suppress_defaults:
            return parse(parser, input_args, parse_known, suppress_defaults, **how)
        try:
            _check_task(parser.parse_known_args(input_args)[0])
            args, unknown = parse(parser, input_args, parse_known=True, **how)
            _check_unknown(args, unknown)
            if hasattr(args, "max_epoch"):
                _check_training(args)
            elif hasattr(args, "path"):
                _check_use(args)
        except PruneError as error:
            raise SystemExit(f"fairseq_prune: error: {error}") from error
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return args

    options.parse_args_and_arch = parse_and_check


def _check_task(args: Namespace) -> None:
    if getattr(args, "task", "") is None:  # fairseq-validate has no default
        raise PruneError("--task is missing; give the one that the model was trained on")


def _check_unknown(args: Namespace, unknown: List[str]) -> None:
    for word in unknown:
        name = word.split("=")[0]
        if name in _FLAGS:
            raise PruneError(
                f"{name} is an option of pruned_ tasks; give --task {twin_of(args.task)} in place "
                f"of --task {args.task}"
            )
        if name in TEACHER_FLAGS:
            raise PruneError(f"{name} is an option of --criterion distillation; give that too")


def _check_training(args: Namespace) -> None:
    path = starting_checkpoint(args)
    if path is not None and path == args.finetune_from_model and not PathManager.exists(path):
        raise PruneError(f"--finetune-from-model {path}: there is no such file")
    if args.criterion == "distillation" and args.teacher_weight:
        teacher_path(args.teacher, args.finetune_from_model)


def _check_use(args: Namespace) -> None:
    """Of a command that uses trained models."""
    given = given_options(args)
    if given:
        raise PruneError(
            f"{flag(given[0])} is for training, and prunes nothing here; leave it out (fairseq-"
            f"prune prune makes a pruned checkpoint without training)"
        )
    if args.path is None:
        raise PruneError("--path is missing; give the checkpoint to use")
    # fairseq-validate and fairseq-eval-lm have no options for files in parts
    suffix, parts = (getattr(args, f"checkpoint_{x}", None) for x in ("suffix", "shard_count"))
    for path in utils.split_paths(args.path):
        shard = get_maybe_sharded_checkpoint_filename(path, suffix or "", 0, parts or 1)
        if not PathManager.exists(shard):
            raise PruneError(f"--path {path}: there is no such file")
