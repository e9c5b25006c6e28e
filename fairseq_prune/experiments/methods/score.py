"""What methods are compared by."""

import json
import os
from math import prod
from typing import Any, Callable, Dict, List

import torch

from ...analysis.language_model import (
    BLOCK,
    check_subsets,
    subset_perplexity,
    words_of,
    words_per_second,
)
from ...checkpoints.packed.packed_model import PackedModel
from ...checkpoints.safe_io import write_text
from ...pruning import PruneError
from ...runtime.load import load
from ..versions import versions
from .make import Maker
from .read import Method

SUBSETS = ("valid", "test")
BATCHES = (1, 32)

Row = Dict[str, Any]


def score(maker: Maker, methods: List[Method], say: Callable[[str], None]) -> List[Row]:
    """A row for each of ``methods``, all made: parameters, bytes, perplexities, words a second.

    Perplexities are kept in ``score.json`` beside the packed file; speeds are measured anew,
    one after another, so that they are of one run.

    Raises:
        PruneError: a packed file or the data cannot be used.
    """
    rows = []
    for method in methods:
        path = maker.packed(method)
        model, _, task = load(path, maker.plan.data, method.runtime, {"tokens_per_sample": BLOCK})
        check_subsets(task, maker.plan.data, list(SUBSETS))
        row = {
            "method": method.name,
            "parameters": kept_parameters(path),
            "bytes": os.path.getsize(path),
            "values": method.values,
            "runtime": method.runtime,
            "seconds": maker.record(method)["seconds"],
            **_perplexities(path, method, model, task),
        }
        texts = words_of(task, "test")
        for batch in BATCHES:
            row[f"words_per_second_{batch}"] = words_per_second(
                model, texts, batch, maker.plan.seconds
            )
        row["threads"] = torch.get_num_threads()
        row["commands"] = maker.record(method)["commands"]
        row["versions"] = versions()
        rows.append(row)
        speeds = ", ".join(f"{row[f'words_per_second_{batch}']:,.0f}" for batch in BATCHES)
        say(
            f"{method.name}: perplexity {row['valid']:.2f} (valid), {row['test']:.2f} (test), "
            f"{speeds} words/s"
        )
    return rows


def _perplexities(path: str, method: Method, model, task) -> Dict[str, float]:
    """Of the file as it is: scored once for each file and runtime."""
    place = os.path.join(os.path.dirname(path), "score.json")
    of = {"runtime": method.runtime, "file": os.stat(path).st_mtime_ns}
    try:
        with open(place, encoding="utf-8") as f:
            found = json.load(f)
        if {key: found[key] for key in of} == of:
            return {subset: found[subset] for subset in SUBSETS}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not scored yet
    scores = {subset: subset_perplexity(model, task, subset) for subset in SUBSETS}
    write_text(place, json.dumps({**of, **scores}))
    return scores


def kept_parameters(path: str) -> int:
    """Parameters in a packed file, tied ones once, without those that its mask has pruned."""
    different = {tensor.name: tensor for tensor in PackedModel(path).tensors.values()}
    return sum(
        tensor.kept() if tensor.recorded else prod(tensor.shape) for tensor in different.values()
    )


def write_rows(rows: List[Row], path: str) -> None:
    """As JSON, whole or not at all."""
    try:
        write_text(path, json.dumps(rows, indent=1))
    except OSError as error:
        raise PruneError(f"{path} cannot be written: {error.strerror}") from error
