"""Class-blind selection and masking against torch.nn.utils.prune.global_unstructured."""

import json
import subprocess
import sys
import time

import torch

# the paper's twelve classes as shares of 216 M: 8 x 8 M, 2 M, 3 x 50 M
SHARES = [8] * 8 + [2] + [50] * 3

MEMORY = "/proc/self/status"


def peak_kib() -> int:
    """The most memory this process has held, in KiB."""
    with open(MEMORY) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


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


def peer(weights, sparsity):
    from torch.nn.utils import prune

    modules = []
    for weight in weights:
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(weight)
        modules.append((module, "weight"))
    prune.global_unstructured(modules, pruning_method=prune.L1Unstructured, amount=sparsity)


def measure(which: str, million: float) -> dict:
    """Seconds and extra GB of one pruning, in a process of its own."""
    code = f"import benchmarks.pruning as p; p.child({which!r}, {million})"
    output = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(output.decode().splitlines()[-1])


def child(which: str, million: float) -> None:
    function = {"ours": ours, "peer": peer}[which]
    function(make_weights(0.05), 0.8)  # imports and first calls are not what is measured
    weights = make_weights(million)
    before, started = peak_kib(), time.perf_counter()
    function(weights, 0.8)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "extra_gb": (peak_kib() - before) / 1e6}))


def rows(args):
    mine = sorted((measure("ours", args.million) for _ in range(3)), key=lambda m: m["seconds"])[1]
    theirs = measure("peer", args.million)
    size = f"{args.million:g} M weights, mask included"
    yield (
        f"prune, {size}",
        f"{mine['seconds']:.2f} s",
        f"{theirs['seconds']:.2f} s",
        f"{mine['seconds'] / theirs['seconds']:.4f}",
        "at most 1/30 = 0.0333",
    )
    yield (
        f"extra memory, {size}",
        f"{mine['extra_gb']:.2f} GB",
        f"{theirs['extra_gb']:.2f} GB",
        f"{mine['extra_gb'] / theirs['extra_gb']:.4f}",
        "at most 0.4 GB",
    )
