"""What a training's log says of its validations."""

import json
import math
import re
from typing import Dict, Iterable, List


def history(lines: Iterable[str], subset: str = "valid") -> List[Dict[str, float]]:
    """ "updates" and "loss" of each validation on ``subset``, in order.

    Read from fairseq's lines under ``--log-format json``. The loss is in bits a target token,
    without label smoothing: the logarithm to base 2 of perplexity. Where a training was killed
    and made some validations again, the later ones count.
    """
    pattern = re.compile(rf"\| {re.escape(subset)} \| (\{{.*\}})")
    validations: List[Dict[str, float]] = []
    for line in lines:
        match = pattern.search(line)
        if not match:
            continue
        try:
            stats = json.loads(match[1])
            loss = float(stats.get(f"{subset}_nll_loss", stats[f"{subset}_loss"]))
            updates = int(stats[f"{subset}_num_updates"])
        except (ValueError, KeyError):
            continue
        validations = [before for before in validations if before["updates"] < updates]
        if math.isfinite(loss):
            validations.append({"updates": updates, "loss": loss})
    return validations
