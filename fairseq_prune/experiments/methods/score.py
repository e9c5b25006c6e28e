"""What methods are compared by."""

import json
import math
import os
import statistics
from math import prod
from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.tasks.language_modeling import LanguageModelingConfig, LanguageModelingTask

from ...analysis.language_model import (
    BLOCK,
    check_subsets,
    subset_perplexity,
    words_of,
    words_per_second,
)
from ...checkpoints.packed.packed_model import PackedModel
from ...checkpoints.writing import write_text
from ...loading.load import load
from ...parameters.kinds import is_parameter
from ...pruning import PruneError
from ..results import versions
from .make import MethodMaker
from .read import Method

SUBSETS = ("valid", "test")
BATCHES = (1, 32)
#: of speed: all methods one after another, then all again, so that what else a machine does for a
#: while is not one method's alone
ROUNDS = 3

Row = Dict[str, Any]


def check_data(data: str) -> None:
    """Raise PruneError unless ``data`` has what methods are compared by."""
    if not os.path.isdir(data):
        raise PruneError(f"data: there is no folder {data}; name the one with binarised data")
    try:
        task = LanguageModelingTask.setup_task(LanguageModelingConfig(
            data=data, tokens_per_sample=BLOCK, dataset_impl=None, use_plasma_view=False,
            plasma_path="",
        ))  # fmt: skip
    except OSError as error:
        raise PruneError(f"data {data} has no dict.txt; name a folder of binarised data") from error
    check_subsets(task, data, list(SUBSETS))
    count = len(words_of(task, "test"))
    if count < max(BATCHES):
        raise PruneError(f"data {data}: its test text of {count} words is too short")


def score(
    maker: MethodMaker, methods: List[Method], say: Callable[[str], None]
) -> Tuple[List[Row], List[str]]:
    """A row for each of ``methods``, all made: parameters, bytes, perplexities, words a second;
    and what went wrong with others, a sentence each.

    Perplexities are kept in ``score.json`` beside the packed file; speeds are measured anew,
    so that they are of one run.
    """
    rows, failed = [], []
    for method in methods:
        try:
            rows.append(_row(maker, method))
            row = rows[-1]
            say(f"{method.name}: perplexity {row['valid']:.2f} (valid), {row['test']:.2f} (test)")
        except PruneError as error:
            say(f"failed: {error}")
            failed.append(f"{method.name}: {error}")
    for turn in range(ROUNDS):
        for row in rows:
            _add_speeds(maker, row)
        say(f"speeds: round {turn + 1} of {ROUNDS}")
    for row in rows:
        for batch in BATCHES:
            key = f"words_per_second_{batch}"
            row[key] = statistics.median(row[f"{key}_rounds"])
    return rows, failed


def _load(maker: MethodMaker, method: Method):
    options = {"tokens_per_sample": BLOCK}
    model, _, task = load(maker.packed(method), maker.plan.data, method.runtime, options)
    check_subsets(task, maker.plan.data, list(SUBSETS))
    return model, task


def _row(maker: MethodMaker, method: Method) -> Row:
    path = maker.packed(method)
    record = maker.record(method)
    return {
        "method": method.name,
        "parameters": kept_parameters(path),
        "bytes": os.path.getsize(path),
        "values": method.values,
        "runtime": method.runtime,
        "seconds": record["seconds"],
        **_perplexities(maker, method),
        "threads": torch.get_num_threads(),
        "commands": record["commands"],
        "versions": versions(),
    }


def _add_speeds(maker: MethodMaker, row: Row) -> None:
    model, task = _load(maker, maker.plan.methods[row["method"]])
    texts = words_of(task, "test")
    for batch in BATCHES:
        speed = words_per_second(model, texts, batch, maker.plan.seconds / ROUNDS)
        row.setdefault(f"words_per_second_{batch}_rounds", []).append(speed)


def _perplexities(maker: MethodMaker, method: Method) -> Dict[str, float]:
    """Of the file as it is: scored once for each file, data and runtime."""
    path = maker.packed(method)
    place = os.path.join(os.path.dirname(path), "score.json")
    files = [path, *(os.path.join(maker.plan.data, f"{subset}.bin") for subset in SUBSETS)]
    of = {"runtime": method.runtime, "files": [os.stat(file).st_mtime_ns for file in files]}
    try:
        with open(place, encoding="utf-8") as f:
            kept = json.load(f)
        if {key: kept[key] for key in of} == of:
            return {subset: kept[subset] for subset in SUBSETS}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not scored yet
    model, task = _load(maker, method)
    scores = {subset: subset_perplexity(model, task, subset) for subset in SUBSETS}
    if not all(map(math.isfinite, scores.values())):
        raise PruneError("its perplexity is no finite number; train it with a lower --lr")
    write_text(place, json.dumps({**of, **scores}))
    return scores


def kept_parameters(path: str) -> int:
    """Parameters in a packed file, tied ones once, without those that its mask has pruned."""
    different = {tensor.name: tensor for tensor in PackedModel(path).tensors.values()}
    return sum(
        tensor.kept() if tensor.recorded else prod(tensor.shape)
        for name, tensor in different.items()
        if is_parameter(name, tensor)
    )
