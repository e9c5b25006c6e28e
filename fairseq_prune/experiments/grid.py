"""A grid as its YAML file describes it."""

import itertools
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

import yaml

from ..pruning import PruneError, check_request, find_scheme
from ..tasks.calibration_data import Calibration
from ..tasks.prune_model import Choice
from ..user_dir import import_plugin_of
from .points import KINDS, TRAINED, USUAL, Point
from .values import check_keys, patterns, text, words

#: key -> whether it must be there.
KEYS = {
    "data": True,
    "seeds": False,
    "dense": False,
    "train": False,
    "iterate": False,
    "include": False,
    "exclude": False,
    "calibration": False,
    "evaluate": False,
    "points": True,
}
TRAIN_KEYS = ("command", "all", *TRAINED)
EVALUATE_KEYS = ("valid", "test", "generate", "references", "translate")
POINT_KEYS = ("kinds", "schemes", "sparsities")
#: Lists that points may have besides, and what each is of.
MORE_POINT_KEYS = {
    "scores": "score",
    "steps": "steps",
    "floors": "floor",
    "row_floors": "row_floor",
}
#: Options of fairseq-train that the grid sets itself.
OWN = (
    "--seed",
    "--save-dir",
    "--log-format",
    "--log-file",
    "--finetune-from-model",
    "--restore-file",
    "--prune-scheme",
    "--prune-sparsity",
    "--prune-mask-from",
    "--prune-include",
    "--prune-exclude",
    "--prune-score",
    "--prune-floor",
    "--prune-row-floor",
    "--prune-subset",
    "--prune-samples",
    "--prune-seed",
    "--prune-steps",
)
#: Options of fairseq-prune iterate that the grid sets itself.
OWN_OF_ITERATE = (
    "--from",
    "--out",
    "--scheme",
    "--sparsity",
    "--include",
    "--exclude",
    "--score",
    "--floor",
    "--row-floor",
    "--data",
    "--subset",
    "--samples",
    "--seed",
    "--steps",
    "--",
)


@dataclass(frozen=True)
class Grid:
    """What to train, prune and score.

    Attributes:
        data: folder of binarised data.
        dense: checkpoint to prune, with ``{seed}`` where seeds differ; None: train one.
        command: what starts a training, as words; "fairseq-train" by default.
        train: "all" and kinds -> options of their trainings, as words.
        iterate: options of ``fairseq-prune iterate``, as words.
        calibration: the data that scores look at.
        include, exclude: regular expressions, as of ``fairseq-prune prune``; at most one each.
        evaluate: "valid" and "test" (subsets), "generate" (options of fairseq-generate as
            words; None: no BLEU), "references" (a text file; None: the subset itself),
            "translate" (kinds; left out: all).
        points: in order, the dense ones first.
    """

    data: str
    dense: Optional[str]
    command: List[str]
    train: Dict[str, List[str]]
    iterate: List[str]
    calibration: Calibration
    include: List[str]
    exclude: List[str]
    evaluate: Dict[str, Any]
    points: List[Point]


def read_grid(path: str) -> Grid:
    """The grid in file ``path``.

    Raises:
        PruneError: it cannot be read, or a key of it is wrong.
    """
    found = read_yaml(path)
    try:
        return _grid(found)
    except PruneError as error:
        raise PruneError(f"{path}: {error}") from error


def read_yaml(path: str) -> Any:
    """What is in file ``path``.

    Raises:
        PruneError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as f:
            return yaml.safe_load(f)
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise PruneError(f"{path} is no YAML: {reason}") from error


def _grid(found: Any) -> Grid:
    check_keys(found, KEYS, "the file")
    for key, needed in KEYS.items():
        if needed and found.get(key) is None:
            raise PruneError(f"{key} is missing")
    if found.get("train") is not None:
        check_keys(found["train"], TRAIN_KEYS, "train")
    train = {key: words(found.get("train"), key, "train") for key in ("command", "all", *TRAINED)}
    command = train.pop("command") or ["fairseq-train"]
    iterate = words(found, "iterate", "the file") or []
    check_own([word for words in train.values() for word in words or []], OWN, "train")
    check_own(iterate, OWN_OF_ITERATE, "iterate")
    evaluate = found.get("evaluate") or {}
    check_keys(evaluate, EVALUATE_KEYS, "evaluate")
    import_plugin_of(train["all"] or [], "train")
    points = _points(found)
    dense = text(found, "dense", None)
    if dense:
        try:
            dense.format(seed=1)
        except (ValueError, LookupError):
            raise PruneError(f"dense: {dense}: write {{seed}} where seeds differ") from None
    for kind in dict.fromkeys(point.kind for point in points):
        if kind in TRAINED and train[kind] is None and not (kind == "dense" and dense):
            raise PruneError(f"train: {kind} is missing, the options of those trainings")
    if any(point.kind == "iterative" for point in points) and not iterate:
        raise PruneError("iterate is missing, the options of fairseq-prune iterate: --rounds N")
    return Grid(
        data=text(found, "data", None),
        dense=dense,
        command=command,
        train={key: words or [] for key, words in train.items()},
        iterate=iterate,
        calibration=_calibration(found),
        include=patterns(found, "include"),
        exclude=patterns(found, "exclude"),
        evaluate={
            "valid": text(evaluate, "valid", "valid"),
            "test": text(evaluate, "test", "test"),
            "generate": words(evaluate, "generate", "evaluate"),
            "references": text(evaluate, "references", None),
            **_translated(evaluate),
        },
        points=points,
    )


def check_own(words: List[str], own, where: str = "options, trainings") -> None:
    """Raise PruneError if ``words`` has an option that is set for the user."""
    for word in words:
        if word.split("=")[0] in own:
            raise PruneError(f"{where}: {word.split('=')[0]} is set for you; leave it out")


def _translated(evaluate: Mapping[str, Any]) -> Dict[str, List[str]]:
    """Which kinds are translated, where it is not all (and results of before say nothing of it)."""
    kinds = evaluate.get("translate")
    if kinds is None:
        return {}
    if not isinstance(kinds, list) or any(kind not in KINDS for kind in kinds):
        raise PruneError(f"evaluate: translate must be a list of {', '.join(KINDS)}")
    return {"translate": kinds}


def _calibration(found: Mapping[str, Any]) -> Calibration:
    given = found.get("calibration") or {}
    check_keys(given, Calibration._fields, "calibration")
    for key, value in given.items():
        kind = str if key == "subset" else int
        if type(value) is not kind:
            raise PruneError(f"calibration: {key} must be a {kind.__name__}, not {value!r}")
    calibration = Calibration(**given)
    calibration.check(flags="calibration: ")
    return calibration


def _points(found: Mapping[str, Any]) -> List[Point]:
    seeds = found.get("seeds", [1])
    if not isinstance(seeds, list) or not seeds or any(type(s) is not int or s < 1 for s in seeds):
        raise PruneError("seeds must be a list of whole numbers above 0, e.g. [1, 2, 3]")
    if not isinstance(found["points"], list):
        raise PruneError(f"points must be a list of {', '.join(POINT_KEYS)}")
    points = [Point(seed, "dense") for seed in seeds]
    for entry in found["points"]:
        check_keys(entry, (*POINT_KEYS, *MORE_POINT_KEYS), "points")
        for key in POINT_KEYS:
            if not isinstance(entry.get(key), list) or not entry[key]:
                raise PruneError(f"points: {key} must be a list")
        for kind in entry["kinds"]:
            if kind not in KINDS[1:]:
                raise PruneError(
                    f"points: kinds: {kind} is unknown; choose from {', '.join(KINDS[1:])}"
                )
        for x in entry["sparsities"]:
            if type(x) not in (int, float) or not 0 < x < 1:
                raise PruneError(f"points: sparsities: {x} is out of range; give 0 < x < 1")
        combinations = _more(entry)
        for scheme in entry["schemes"]:
            _check_scheme(scheme, entry)
        points += [
            Point(seed, kind, scheme, float(x), *more)
            for seed in seeds
            for kind in entry["kinds"]
            for scheme in entry["schemes"]
            for more in combinations
            # without data, several steps are one
            if more[1] == 1 or Choice(scheme, more[0]).needs_data
            for x in entry["sparsities"]
        ]
    return list(dict.fromkeys(points))


def _more(entry: Mapping[str, Any]) -> List[Tuple]:
    """All combinations of score, steps and floors that an entry asks for."""
    lists = []
    for key, name in MORE_POINT_KEYS.items():
        values = entry.get(key, [USUAL[name]])
        if not isinstance(values, list) or not values:
            raise PruneError(f"points: {key} must be a list")
        lists.append(values)
    for steps in lists[1]:
        if type(steps) is not int or steps < 1:
            raise PruneError(f"points: steps: {steps} is out of range; give 1 or more")
    for value in (*lists[2], *(row for row in lists[3] if row is not None)):
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise PruneError(f"points: floors: {value} is out of range; give 0 <= x < 1")
    return list(itertools.product(*lists))


def _check_scheme(scheme: Any, entry: Mapping[str, Any]) -> None:
    """Raise PruneError unless there is such a scheme, for the ``entry``'s sparsities, kinds and
    scores."""
    try:
        only = find_scheme(str(scheme), flags="").sparsity
        for score in entry.get("scores", [None]):
            for x in entry["sparsities"]:
                check_request(scheme, x, flags="", score=score and str(score))
            if 1 not in entry.get("steps", [1]) and not Choice(str(scheme), score).needs_data:
                raise PruneError(
                    f"steps have no meaning with score {score or 'magnitude'}, which needs no "
                    f"data; leave them out"
                )
    except PruneError as error:
        raise PruneError(f"points: {error}") from error
    if only is not None and "iterative" in entry["kinds"]:
        raise PruneError(
            f"points: kinds: iterative prunes to other sparsities on the way, and scheme {scheme} "
            f"has one; leave it out"
        )
