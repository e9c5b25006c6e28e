"""Schedules: when to prune, and to what sparsity.

A schedule is a tuple of steps in order, each an update and the sparsity due from it on.
Updates count from the start of the pruning run.
"""

from typing import NamedTuple, Optional, Tuple

from ..errors import OPTION, OptionError

#: By the name that ``--prune-schedule`` takes, each with the options it needs.
SCHEDULES = {
    "one-shot": (),
    "iterative": ("rounds", "every"),
    "gradual": ("end", "every"),
}
SPACINGS = ("geometric", "even")


class Step(NamedTuple):
    """Prune to ``sparsity`` before the update that follows ``update`` others."""

    update: int
    sparsity: float


Schedule = Tuple[Step, ...]


def one_shot(target: float, begin: int = 0) -> Schedule:
    """Everything at once (See et al. 2016, section 3)."""
    return (Step(begin, target),)


def iterative(
    target: float,
    rounds: int,
    every: int,
    begin: int = 0,
    spacing: str = "geometric",
    initial: float = 0.0,
) -> Schedule:
    """``rounds`` prunings, ``every`` updates apart (Han et al. 2015, section 3.4)."""
    sparsities = round_sparsities(target, rounds, spacing, initial)
    return tuple(Step(begin + k * every, sparsity) for k, sparsity in enumerate(sparsities))


def round_sparsities(
    target: float, rounds: int, spacing: str = "geometric", initial: float = 0.0
) -> Tuple[float, ...]:
    """The sparsity after each round; the last is exactly ``target``.

    Args:
        spacing: "even" prunes as many weights each round; "geometric" the same fraction
            of what is left (Renda et al. 2020 prune 20% of it each time).
        initial: the sparsity before the first round.
    """
    # of a few weights all may be gone
    density = (1 - target) / (1 - initial) if initial < 1 else 1.0

    def after(k: int) -> float:
        if spacing == "even":
            return initial + (target - initial) * k / rounds
        return 1 - (1 - initial) * density ** (k / rounds)

    return (*(after(k) for k in range(1, rounds)), target)


def gradual(target: float, begin: int, end: int, every: int, initial: float = 0.0) -> Schedule:
    """A cubic ramp between two updates, fast at first, pruning ``every`` so many.

    Zhu and Gupta 2017, equation 1: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3,
    at t_0, t_0 + dt, ... The first step prunes nothing where s_i is the sparsity already.
    """
    updates = [*range(begin + every, end, every), end]
    ramp = (
        Step(t, target + (initial - target) * (1 - (t - begin) / (end - begin)) ** 3)
        for t in updates
    )
    # as it is: 0.9 + (0.2 - 0.9) is more than 0.2
    return (Step(begin, initial), *ramp)


def due(schedule: Schedule, update: int) -> Optional[float]:
    """The sparsity due before the update that follows ``update`` others, or None."""
    return max((step.sparsity for step in schedule if step.update <= update), default=None)


def check_schedule(name: str, given: dict) -> None:
    """Raise PruneError, naming the option, unless ``given`` makes a schedule.

    Args:
        given: option -> value of "rounds", "every", "begin", "end" and "spacing"; None where
            the user gave none.
    """
    if name not in SCHEDULES:
        raise OptionError(f"{OPTION}schedule {name} is unknown; choose from {', '.join(SCHEDULES)}")
    for option in ("rounds", "every", "end"):
        needed = option in SCHEDULES[name]
        if needed and given.get(option) is None:
            raise OptionError(f"{OPTION}schedule {name} needs {OPTION}{option}")
        if not needed and given.get(option) is not None:
            raise OptionError(f"{OPTION}{option} has no meaning with {OPTION}schedule {name}")
        if needed and given[option] < 1:
            raise OptionError(f"{OPTION}{option} {given[option]} is out of range; give 1 or more")
    if given.get("spacing") is not None:
        if name != "iterative":
            raise OptionError(f"{OPTION}spacing has no meaning with {OPTION}schedule {name}")
        if given["spacing"] not in SPACINGS:
            raise OptionError(
                f"{OPTION}spacing {given['spacing']} is unknown; choose from {', '.join(SPACINGS)}"
            )
    if given.get("begin", 0) < 0:
        raise OptionError(f"{OPTION}begin {given['begin']} is out of range; give 0 or more")
    if name == "gradual" and given["end"] <= given.get("begin", 0):
        raise OptionError(
            f"{OPTION}end {given['end']} does not come after {OPTION}begin {given.get('begin', 0)}"
        )


def make_schedule(name: str, target: float, given: dict, initial: float = 0.0) -> Schedule:
    """The schedule of the options that ``check_schedule`` found good."""
    begin = given.get("begin") or 0
    if name == "iterative":
        spacing = given.get("spacing") or SPACINGS[0]
        return iterative(target, given["rounds"], given["every"], begin, spacing, initial)
    if name == "gradual":
        return gradual(target, begin, given["end"], given["every"], initial)
    return one_shot(target, begin)
