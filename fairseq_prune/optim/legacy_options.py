"""A config dataclass for optimizers that still declare their options with argparse.

fairseq's sgd, adagrad, adadelta, adafactor, adamax and lamb do, and hydra cannot see
them; their pruned twins get a dataclass, and with it YAML.
"""

from argparse import ArgumentParser
from dataclasses import field, make_dataclass
from typing import Any, List, Optional, Tuple

from fairseq.dataclass import FairseqDataclass
from omegaconf import II


def dataclass_from_add_args(cls) -> type:
    """The options that ``cls.add_args`` declares, as a FairseqDataclass, with ``lr``."""
    parser = ArgumentParser(add_help=False)
    cls.add_args(parser)
    fields: List[Tuple[str, Any, Any]] = [
        ("lr", List[float], field(default=II("optimization.lr"))),
    ]
    for action in parser._actions:
        kind: Any = type(action.default) if action.nargs == 0 else (action.type or str)
        metadata = {"help": action.help}
        if len(action.option_strings) > 1:
            metadata["argparse_alias"] = action.option_strings[-1]
        if action.default is None:
            kind = Optional[kind]
        fields.append((action.dest, kind, field(default=action.default, metadata=metadata)))
    return make_dataclass(f"{cls.__name__}Config", fields, bases=(FairseqDataclass,))
