"""Options of ``fairseq-generate`` for decoding in this process."""

import argparse
import copy
import functools
import os
from typing import Any, FrozenSet, List, Optional, Sequence, Tuple

from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.tasks import TASK_REGISTRY, FairseqTask
from omegaconf import OmegaConf, open_dict

from ..checkpoints.sentences import catchable
from ..loading.task_of import config_of, options_of, task_name
from ..packed.dictionary import cut_by
from ..pruning import PruneError
from ..tasks.twin import twin_of

#: What is otherwise than fairseq-generate has it where nothing is said.
DEFAULTS = "--scoring sacrebleu --required-batch-size-multiple 1 --num-workers 0".split()

_FLOATS = "numbers are float32 here"
_ONE_FILE = "a checkpoint is one file here"
#: Options that are not taken, and why; all others do here what they do there.
REFUSED = {
    "path": "the checkpoint is named apart from these options",
    "prune_runtime": "the runtime is named apart from these options",
    "results_path": "translations are scored here, not written",
    "score_reference": "it translates nothing",
    "sacrebleu_char_level": "BLEU is of words here",
    "num_shards": "fairseq-generate has no use for it; --distributed-world-size N takes a part",
    "shard_id": "fairseq-generate has no use for it; --distributed-rank N says which part",
    "checkpoint_suffix": _ONE_FILE,
    "checkpoint_shard_count": _ONE_FILE,
    "pipeline_model_parallel": _ONE_FILE,
    **dict.fromkeys(("fp16", "bf16", "tpu", "amp"), _FLOATS),
    **dict.fromkeys(("memory_efficient_fp16", "memory_efficient_bf16"), _FLOATS),
}


def check_options(words: List[str]) -> None:
    """Raise PruneError unless ``words`` are options of fairseq-generate that can be taken."""
    _parse("DATA", "translation", tuple(words), ())


def generate_config(path: str, data: str, words: List[str], more: List[str]) -> Any:
    """fairseq's configuration of ``fairseq-generate DATA --path PATH WORDS``.

    The task and its options are those of the checkpoint, as far as ``words`` have no others; the
    task is the pruned one, which knows ``--prune-runtime`` and decodes as the stock one.

    Args:
        more: options before ``words``, which have the last word.
    Raises:
        PruneError: an option is unknown, or is not taken.
    """
    trained = config_of(path, data)
    parsed, given = _parse(data, task_name(trained), tuple(words), tuple(more))
    cfg = copy.deepcopy(parsed)
    mine = options_of(cfg)
    with open_dict(cfg):
        cfg.common_eval.path = path
        for name, value in options_of(trained).items():
            if name in mine and name not in given and _is_own(cfg, name):
                mine[name] = value
    return cfg


def joins_pieces(words: Sequence[str]) -> bool:
    """Whether ``words`` say how pieces of words are joined."""
    return any(word.split("=")[0] in ("--remove-bpe", "--post-process") for word in words)


def pieces_of(task: FairseqTask) -> Optional[str]:
    """What ``--remove-bpe`` is to be where the target dictionary shows pieces of words."""
    return cut_by(task.target_dictionary.symbols)


def _is_own(cfg: Any, name: str) -> bool:
    """Whether an option is the task's: not pruning's, nor said elsewhere, as ``seed`` is."""
    if name in ("_name", "task", "data") or name.startswith("prune_"):
        return False
    return not OmegaConf.is_config(cfg.task) or not OmegaConf.is_interpolation(cfg.task, name)


@functools.lru_cache(maxsize=16)  # fairseq takes half a second to make a configuration
def _parse(
    data: str, task: str, words: Tuple[str, ...], more: Tuple[str, ...]
) -> Tuple[Any, FrozenSet[str]]:
    """The configuration, but for the checkpoint's path, and the options that ``words`` give."""
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--task", default=task)
    which.add_argument("--path")
    where = f"generate: {' '.join(words)}:"
    try:
        chosen, rest = which.parse_known_args(words)
        # for the path, a file that is there
        command = [data, "--path", os.devnull, "--task", _twin(chosen.task), *DEFAULTS]
        with catchable():
            args = _args([*command, *more, *rest])
            given = set(vars(_args([*command, *rest], suppress_defaults=True)))
    except SystemExit as error:
        raise PruneError(
            f"{where} not options of fairseq-generate (what it said is above)"
        ) from error
    except (ValueError, KeyError) as error:
        raise PruneError(f"{where} {error}") from error
    if chosen.path is None:
        given.discard("path")
    for name, why in REFUSED.items():
        if name in given:
            raise PruneError(f"{where} --{name.replace('_', '-')} is not for this: {why}")
    if args.scoring != "sacrebleu":
        raise PruneError(f"{where} --scoring {args.scoring} is not for this: BLEU is sacreBLEU's")
    args.quiet, args.log_format = False, "none"
    return convert_namespace_to_omegaconf(args), frozenset(given)


def _args(words: List[str], **kwargs) -> argparse.Namespace:
    return options.parse_args_and_arch(options.get_generation_parser(), words, **kwargs)


def _twin(task: str) -> str:
    return twin_of(task) if twin_of(task) in TASK_REGISTRY else task
