"""The ``--prune-*`` flags where a config dataclass does not make them."""

import argparse
from contextlib import suppress

from fairseq.dataclass.utils import gen_parser_from_dataclass

from ..mixed_into import Task
from ..pruning import any_of
from .options import OPTIONS, PATTERNS, RUNTIME, PruneOptions, flag


class _Joined(argparse.Action):
    """Takes an option each time that it is given; argparse's own would keep the last alone."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest, None)
        given = [values] if before is None else [before, values]
        setattr(namespace, self.dest, any_of(given, self.option_strings[0]))


class PatternFlagsMixin(Task):
    """The flags that may be given several times, which fairseq's dataclasses know nothing of."""

    @classmethod
    def add_args(cls, parser):
        for name, _, default, text in OPTIONS:
            if name in PATTERNS:
                # whoever adds a flag first keeps it, for fairseq too
                with suppress(argparse.ArgumentError):
                    parser.add_argument(flag(name), default=default, help=text, action=_Joined)
        super().add_args(parser)


class ArgparseOptionsMixin(Task):
    """The pruning options for tasks that declare theirs with argparse.

    Their config is a Namespace of all options of the run, and so of those in ``FAIRSEQ_OPTIONS``.
    """

    @classmethod
    def add_args(cls, parser):
        super().add_args(parser)
        gen_parser_from_dataclass(parser, PruneOptions())

    @classmethod
    def setup_task(cls, args, **kwargs):
        # of a checkpoint that was trained without
        for name, _, default, _ in (*OPTIONS, RUNTIME):
            vars(args).setdefault(name, default)
        return super().setup_task(args, **kwargs)
