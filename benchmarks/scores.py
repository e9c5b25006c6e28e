"""What scores cost: choosing weights by them, and looking at data for them.

Seconds are the processor's, on one thread: other work on the machine does not show in them.
"""

import time

import torch

from .checkpoints import SIZES, build, folder_of
from .process import call, held_kib
from .pruning import make_weights

SPARSITY = 0.9
#: The statistics of a row of the largest matrices, the embeddings, are rank ** -this.
STEEPNESS = {"words": 1.0, "alike": 0.0}


def rows(args):
    what, million = f"choose {100 * SPARSITY:g}% of {args.million:g} M", args.million
    magnitude = measure("magnitude", 0.0, "words", million)
    for kind, said in (("words", "most words below"), ("alike", "no row below")):
        plain, floored = (measure("fisher", floor, kind, million) for floor in (0.0, None))
        if kind == "words":
            yield from both(f"{what}: fisher, magnitude", plain, magnitude, "at most 1.5")
        name = f"{what}: floor, {said}; none"
        yield from both(name, floored, plain, "at most 1.5")
    kron = measure("kron", None, "words", million)
    yield from both(f"{what}: kron, surviving weights moved; magnitude", kron, magnitude, "")
    if million in SIZES:
        yield from calibration(int(million))


def measure(score: str, row_floor, kind: str, million: float) -> dict:
    """Seconds and the most memory held, in a process of its own."""
    return call("scores:choose", score, row_floor, kind, million)


def both(what: str, ours: dict, peer: dict, goal: str):
    seconds, gb = ((ours[key], peer[key]) for key in ("seconds", "gb"))
    yield what, f"{seconds[0]:.2f} s", f"{seconds[1]:.2f} s", f"{seconds[0] / seconds[1]:.2f}", goal
    yield f"{what}: memory", f"{gb[0]:.2f} GB", f"{gb[1]:.2f} GB", f"{gb[0] / gb[1]:.2f}", ""


def choose(score: str, row_floor, kind: str, million: float) -> dict:
    """``row_floor``: None: what is usual for the score."""
    from fairseq_prune.pruning import Floors, prune

    torch.set_num_threads(1)
    warm = {"w": torch.rand(4, 4)}  # imports and first calls are not what is measured
    prune(warm, {"w": "w"}, "class-blind", 0.5)
    weights = {f"w{k}": weight for k, weight in enumerate(make_weights(million))}
    statistics = statistics_of(score, weights, STEEPNESS[kind])
    seconds = []
    for _ in range(2):
        started = time.process_time()
        prune(
            weights, {name: name for name in weights}, "class-blind", SPARSITY, score=score,
            statistics=statistics, floors=Floors(0.0, row_floor),
        )  # fmt: skip
        seconds.append(time.process_time() - started)
    return {"seconds": min(seconds), "gb": held_kib("VmHWM") / 1e6}


def statistics_of(score: str, weights, steepness: float):
    """Of random gradients; for fisher, those of words fall with their rank as their frequency
    does."""
    from fairseq_prune.pruning.kron import KroneckerFactors

    torch.manual_seed(1)
    if score == "magnitude":
        return {}
    if score == "kron":
        return {
            name: KroneckerFactors().of_gradient(torch.randn_like(weight))
            for name, weight in weights.items()
        }
    found = {name: torch.empty_like(weight).exponential_() for name, weight in weights.items()}
    words = max(map(len, found.values()))
    for value in found.values():
        if len(value) == words:
            ranks = torch.arange(1.0, len(value) + 1)
            value.mul_(ranks.pow(-steepness)[torch.randperm(len(value))].unsqueeze(1))
    return found


def calibration(million: int):
    for score in ("fisher", "kron"):
        yield from calibration_for(score, million)


def calibration_for(score: str, million: int):
    found = call("scores:calibrate", folder_of(million), million, score)
    what = f"calibrate {million} M for {score}, a batch of 16"
    mine, plain = found["seconds"], found["step"]
    ratio = f"{mine / plain:.2f}"
    yield f"{what}: loss and gradients", f"{mine:.2f} s", f"{plain:.2f} s", ratio, ""
    gb, weights = found["gb"], found["weights_gb"]
    yield f"{what}: memory, weights", f"{gb:.2f} GB", f"{weights:.2f} GB", f"{gb / weights:.2f}", ""


def calibrate(folder: str, million: int, score: str, batches: int = 2) -> dict:
    """Seconds of a batch of 16, the mean of some, and how many go into the task's own step."""
    from fairseq_prune.pruning import find_score
    from fairseq_prune.tasks import calibration as data

    torch.set_num_threads(1)
    cfg, task, model = build(folder, million)
    criterion = task.build_criterion(cfg.criterion)
    names = [name for name, weight in model.named_parameters() if weight.dim() > 1]
    step = Timed(task.train_step)
    started = time.process_time()
    statistic = find_score(score).statistic()
    data.calibrate(
        task, step, model, criterion, statistic, names, data.Calibration("usual", 16 * batches)
    )
    return {
        "batches": statistic.batches,
        "seconds": (time.process_time() - started) / batches,
        "step": step.seconds / batches,
        "gb": held_kib("VmHWM") / 1e6,
        "weights_gb": sum(4 * weight.numel() for weight in model.parameters()) / 1e9,
    }


class Timed:
    """A training step that adds up the seconds it takes."""

    def __init__(self, step):
        self._step, self.seconds = step, 0.0

    def __call__(self, *args):
        started = time.process_time()
        found = self._step(*args)
        self.seconds += time.process_time() - started
        return found
