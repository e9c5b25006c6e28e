"""Checkpoints of random models, pruned, with a corpus of random words to decode."""

import atexit
import functools
import os
import shutil
import tempfile
from argparse import Namespace

import torch
from fairseq import options, tasks
from fairseq.data import Dictionary
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from omegaconf import OmegaConf

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable
from fairseq_prune.pruning import RECORD_KEY, apply_, make_record, prune

from .process import call

_OURS = "pruned_lstm_nmt --hidden-size {} --num-layers {}"
#: Millions of weights -> architecture, vocabulary; 216 is the paper's model.
SIZES = {
    10: (_OURS.format(256, 2), 10_000),
    50: (_OURS.format(500, 4), 22_300),
    216: (_OURS.format(1000, 4), 50_000),
    "iwslt": ("transformer_iwslt_de_en", 10_000),
}

#: Sentences, of LENGTHS words: to decode one by one and in two batches, to calibrate with.
SUBSETS = {"few": 5, "twice": 64, "usual": 1024}
LENGTHS = (18, 23)


@functools.lru_cache(maxsize=None)
def folder_of(million: int) -> str:
    """A folder with data for models of that size, there until this process ends."""
    folder = tempfile.mkdtemp(prefix="fairseq_prune_bench_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_data(folder, million)
    return folder


@functools.lru_cache(maxsize=None)
def stored(million: int, sparsity: float) -> str:
    """A checkpoint in ``folder_of(million)``, made once."""
    return call("checkpoints:make_checkpoint", folder_of(million), million, sparsity)


def make_data(folder: str, million: int) -> None:
    """Dictionaries and subsets, as raw text."""
    generator = torch.Generator().manual_seed(1)
    dictionary = Dictionary()
    for k in range(SIZES[million][1] - len(dictionary)):
        dictionary.add_symbol(f"w{k}")
    os.makedirs(folder, exist_ok=True)
    for side in ("src", "tgt"):
        dictionary.save(f"{folder}/dict.{side}.txt")
        for subset, sentences in SUBSETS.items():
            with open(f"{folder}/{subset}.src-tgt.{side}", "w") as f:
                for _ in range(sentences):
                    length = int(torch.randint(*LENGTHS, (1,), generator=generator))
                    words = torch.randint(len(dictionary) - 4, (length,), generator=generator)
                    f.write(" ".join(f"w{k}" for k in words.tolist()) + "\n")


def build(folder: str, million: int):
    """The configuration, the task on the data in ``folder`` and a model as initialised."""
    words = (
        f"{folder} --task translation --source-lang src --target-lang tgt --dataset-impl raw "
        f"--arch {SIZES[million][0]} --cpu --max-tokens 1000"
    )
    args: Namespace = options.parse_args_and_arch(options.get_training_parser(), words.split())
    cfg = convert_namespace_to_omegaconf(args)
    torch.manual_seed(1)
    task = tasks.setup_task(cfg.task)
    return cfg, task, task.build_model(cfg.model)


def make_checkpoint(folder: str, million: int, sparsity: float) -> str:
    """A model of ``million`` weights on the data in ``folder``, pruned class-blind; its path."""
    cfg, _, model = build(folder, million)
    state = {
        "args": None,
        "cfg": OmegaConf.to_container(cfg),
        "model": model.state_dict(),
        "optimizer_history": [
            {"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 1}
        ],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1}},
    }
    if sparsity:
        weights = fairseq_prunable(dict(model.named_parameters()))
        pruned = prune(weights, fairseq_classes(weights), "class-blind", sparsity)
        for name, mask in pruned.masks.items():
            apply_(weights[name], mask)
        state[RECORD_KEY] = make_record(pruned, sparsity)
    path = f"{folder}/{sparsity:g}.pt"
    torch.save(state, path)
    return path
