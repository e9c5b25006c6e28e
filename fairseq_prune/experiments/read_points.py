"""The points of a grid as its file lists them."""

import itertools
from typing import Any, Iterable, List, Mapping, Tuple

from ..pruning import PruneError, check_request, check_steps, find_scheme, find_score
from ..pruning.choice import Choice
from ..pruning.floors import exact
from ..pruning.movement import MOVEMENT
from .points import KINDS, USUAL, Point
from .yaml_values import check_keys

POINT_KEYS = ("kinds", "schemes", "sparsities")
#: Lists that points may have besides, and what each is of.
MORE_POINT_KEYS = {
    "scores": "score",
    "steps": "steps",
    "floors": "floor",
    "row_floors": "row_floor",
    "samples": "samples",
}


def read_points(content: Mapping[str, Any]) -> List[Point]:
    """Those of all ``seeds`` and entries of ``points``, the dense ones first, each once. An entry
    may have ``seeds`` of its own.

    Raises:
        PruneError: an entry is wrong, or asks for what cannot be together.
    """
    seeds = _seeds(content.get("seeds", [1]))
    if not isinstance(content["points"], list):
        raise PruneError(f"points must be a list of {', '.join(POINT_KEYS)}")
    points = []
    for entry in content["points"]:
        check_keys(entry, (*POINT_KEYS, *MORE_POINT_KEYS, "seeds"), "points")
        for key in POINT_KEYS:
            if not isinstance(entry.get(key), list) or not entry[key]:
                raise PruneError(f"points: {key} must be a list")
        for kind in entry["kinds"]:
            if kind not in KINDS[1:]:
                raise PruneError(
                    f"points: kinds: {kind} is unknown; choose from {', '.join(KINDS[1:])}"
                )
        for sparsity in entry["sparsities"]:
            if type(sparsity) not in (int, float) or not 0 < sparsity < 1:
                raise PruneError(f"points: sparsities: {sparsity} is out of range; give 0 < x < 1")
        combinations = _more(entry)
        for scheme in entry["schemes"]:
            _check_scheme(scheme, entry)
        points += [
            Point(seed, kind, scheme, float(sparsity), *more)
            for seed in _seeds(entry.get("seeds", seeds))
            for kind in entry["kinds"]
            for scheme in entry["schemes"]
            for more in combinations
            # without data, several steps are one, and no samples are looked at
            if (more[1] == 1 and more[4] is None) or Choice(scheme, more[0]).needs_data
            for sparsity in entry["sparsities"]
        ]
    every = dict.fromkeys([*seeds, *(point.seed for point in points)])
    return list(dict.fromkeys([*(Point(seed, "dense") for seed in every), *points]))


def _seeds(value: Any) -> List[int]:
    if not isinstance(value, list) or not value or any(type(s) is not int or s < 1 for s in value):
        raise PruneError("seeds must be a list of whole numbers above 0, e.g. [1, 2, 3]")
    return value


def _more(entry: Mapping[str, Any]) -> List[Tuple]:
    """All combinations of score, steps, floors and samples that an entry asks for."""
    lists = []
    for key, name in MORE_POINT_KEYS.items():
        values = entry.get(key, [USUAL[name]])
        if not isinstance(values, list) or not values:
            raise PruneError(f"points: {key} must be a list")
        lists.append(values)
    for key, counts in (("steps", lists[1]), ("samples", lists[4])):
        for count in counts:
            if count is None and key == "samples":  # as the grid has it
                continue
            if type(count) is not int or count < 1:
                raise PruneError(f"points: {key}: {count} is out of range; give 1 or more")
    for key, values in (("floors", lists[2]), ("row_floors", lists[3])):
        for value in values:
            if value is None and key == "row_floors":  # as is usual for the score
                continue
            if type(value) not in (int, float) or not 0 <= value < 1:
                raise PruneError(f"points: {key}: {value} is out of range; give 0 <= x < 1")
    return list(itertools.product(*lists))


def check_remembered(points: Iterable[Point]) -> None:
    """Raise PruneError where models trained dense are to be pruned by what only trainings that
    prune save."""
    for point in points:
        score = find_score(point.score) if point.kind == "pruned" and point.score else None
        if score is not None and score.state == MOVEMENT.state:
            raise PruneError(
                f"points: score {point.score} is of what a training that prunes by it remembers; "
                f"for kinds: [pruned] take another, or name such a checkpoint as dense"
            )


def _check_scheme(scheme: Any, entry: Mapping[str, Any]) -> None:
    """Raise PruneError unless there is such a scheme, for the ``entry``'s sparsities, kinds and
    scores."""
    try:
        only = find_scheme(str(scheme)).sparsity
        for steps in entry.get("steps", [1]):
            check_steps(str(scheme), steps)
        for score in entry.get("scores", [None]):
            for sparsity in entry["sparsities"]:
                check_request(scheme, sparsity, score=score and str(score))
                _check_floors(sparsity, entry)
            if Choice(str(scheme), score).needs_data:
                continue
            for key, without in (("steps", 1), ("samples", None)):
                if without not in entry.get(key, [without]):
                    raise PruneError(
                        f"{key} have no meaning with score {score or 'magnitude'}, which needs no "
                        f"data; leave them out"
                    )
    except PruneError as error:
        raise PruneError(f"points: {error}") from error
    if only is not None and "iterative" in entry["kinds"]:
        raise PruneError(
            f"points: kinds: iterative prunes to other sparsities on the way, and scheme {scheme} "
            f"has one; leave it out"
        )


def _check_floors(sparsity: float, entry: Mapping[str, Any]) -> None:
    for key in ("floors", "row_floors"):
        for floor in entry.get(key, []):
            if floor is not None and exact(floor) > 1 - exact(sparsity):
                raise PruneError(
                    f"{key}: {floor:g} is more than the density that sparsity {sparsity:g} leaves; "
                    f"give less, in an entry of its own"
                )
