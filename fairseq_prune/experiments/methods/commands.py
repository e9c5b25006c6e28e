"""The commands that make a method's model."""

import os
import shlex
from typing import List, NamedTuple, Optional

from ...pruning import find_score
from .read import Method, Plan


class Step(NamedTuple):
    """A command and the file it writes. ``trains``: a long one, with a folder of its own."""

    command: List[str]
    target: str
    trains: bool = False


def steps(plan: Plan, method: Method, out: str) -> List[Step]:
    """What makes ``method``'s packed file of the model it begins with."""
    folder = os.path.join(out, method.folder)
    model: Optional[str] = None
    if method.start:
        model = checkpoint(plan, plan.methods[method.start], out)
    all_steps: List[Step] = []

    def add(verb: str, name: str, *words: str) -> str:
        assert model is not None, "a method begins with another's model, or with a training"
        target = os.path.join(folder, name)
        all_steps.append(Step(["fairseq-prune", verb, model, target, *words], target))
        return target

    if method.factorize is not None and model is not None:
        model = add("factorize", "factorized.pt", *method.factorize)
    if method.train is not None:
        options = plan.trainings[method.train]
        training = _training(plan, method, options, folder, model)
        all_steps.append(Step(training, _best(folder), trains=True))
        model = _best(folder)
    elif method.prune is not None:
        model = add("prune", "pruned.pt", *method.prune, *_data(plan, method.prune))
    add("pack", "model.packed", "--values", method.values, "--data", plan.data, "--no-texts")
    return all_steps


def _data(plan: Plan, prune: List[str]) -> List[str]:
    """What a score that needs data looks at, unless it is told to look at others."""
    names = [word.split("=")[0] for word in prune]
    if "--score" not in names or "--data" in names:
        return []
    k = names.index("--score")
    score = prune[k].partition("=")[2] or prune[k + 1]
    return ["--data", plan.data] if find_score(score).statistic is not None else []


def checkpoint(plan: Plan, method: Method, out: str) -> str:
    """The checkpoint that ``method``'s packed file is made of."""
    made = steps(plan, method, out)
    return made[-1].command[2]


def shown(plan: Plan, method: Method, out: str) -> List[str]:
    """All commands that make ``method``'s model from nothing, as a person would type them."""
    commands = []
    for part in plan.line(method):
        made = steps(plan, part, out)
        commands += made if part is method else made[:-1]
    return [" ".join(map(shlex.quote, step.command)) for step in commands]


def _best(folder: str) -> str:
    return os.path.join(folder, "checkpoint_best.pt")


def _training(
    plan: Plan, method: Method, options: List[str], folder: str, model: Optional[str]
) -> List[str]:
    command = [*plan.command, plan.data, *plan.options, *options]
    for part in plan.line(method):
        command += part.factorize or []
    command += ["--log-format", "json", "--seed", str(plan.seed), "--save-dir", folder]
    if model is not None:
        command += ["--finetune-from-model", model]
    for word in method.prune or []:
        command.append("--prune-" + word[2:] if word.startswith("--") else word)
    return command
