"""Class-blind selection and masking against torch.nn.utils.prune and torch.kthvalue."""

import time

import torch

from .process import call, held_kib

# the paper's twelve classes as shares of 216 M: 8 x 8 M, 2 M, 3 x 50 M
SHARES = [8] * 8 + [2] + [50] * 3


def make_weights(million: float):
    torch.manual_seed(0)
    return [
        torch.empty(int(share * 1000 * million / sum(SHARES)), 1000).uniform_(-0.1, 0.1)
        for share in SHARES
    ]


def ours(weights, sparsity):
    from fairseq_prune.pruning import apply_, prune

    named = {f"w{k}": weight for k, weight in enumerate(weights)}
    result = prune(named, {name: name for name in named}, "class-blind", sparsity)
    for name, weight in named.items():
        apply_(weight, result.masks[name])


def kthvalue(weights, sparsity):
    """What one would write by hand: a threshold over a copy of all magnitudes."""
    magnitudes = torch.cat([weight.abs().reshape(-1) for weight in weights])
    threshold = torch.kthvalue(magnitudes, round(sparsity * magnitudes.numel()))[0]
    for weight in weights:
        weight.masked_fill_(weight.abs() <= threshold, 0.0)


def torch_prune(weights, sparsity):
    from torch.nn.utils import prune

    modules = []
    for weight in weights:
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(weight)
        modules.append((module, "weight"))
    prune.global_unstructured(modules, pruning_method=prune.L1Unstructured, amount=sparsity)


def measure(which: str, million: float) -> dict:
    """Seconds and extra GB of one pruning, in a process of its own."""
    return call("pruning:run", which, million)


def run(which: str, million: float) -> dict:
    function = {"ours": ours, "torch.nn.utils.prune": torch_prune, "kthvalue": kthvalue}[which]
    function(make_weights(0.05), 0.8)  # imports and first calls are not what is measured
    weights = make_weights(million)
    before, started = held_kib("VmHWM"), time.perf_counter()
    function(weights, 0.8)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "extra_gb": (held_kib("VmHWM") - before) / 1e6}


def rows(args):
    for million in (args.million, 50, 10):
        times = 3 if million == args.million else 5
        mine = sorted((measure("ours", million) for _ in range(times)), key=by_seconds)[times // 2]
        for peer in ("torch.nn.utils.prune", "kthvalue"):
            theirs = measure(peer, million)
            main = million == 216 and peer != "kthvalue"
            yield (
                f"prune {million:g} M weights: {peer}",
                f"{mine['seconds']:.2f} s",
                f"{theirs['seconds']:.2f} s",
                f"{mine['seconds'] / theirs['seconds']:.4f}",
                "at most 1/30 = 0.0333" if main else "",
            )
            yield (
                f"extra memory, {million:g} M weights: {peer}",
                f"{mine['extra_gb']:.2f} GB",
                f"{theirs['extra_gb']:.2f} GB",
                f"{mine['extra_gb'] / theirs['extra_gb']:.4f}",
                "at most 0.4 GB" if main else "",
            )


def by_seconds(measured):
    return measured["seconds"]
