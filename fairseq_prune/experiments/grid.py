"""A grid as its YAML file describes it."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ..errors import options_begin_with
from ..pruning import PruneError
from ..pruning.choice import Calibration
from ..user_dir import import_plugin_of
from .own_options import OWN, OWN_OF_ITERATE, check_own
from .points import KINDS, TRAINED, Point
from .read_points import check_remembered, read_points
from .yaml_values import check_keys, patterns, read_yaml, text, words

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
    content = read_yaml(path)
    try:
        return _grid(content)
    except PruneError as error:
        raise PruneError(f"{path}: {error}") from error


def _grid(content: Any) -> Grid:
    check_keys(content, KEYS, "the file")
    for key, needed in KEYS.items():
        if needed and content.get(key) is None:
            raise PruneError(f"{key} is missing")
    if content.get("train") is not None:
        check_keys(content["train"], TRAIN_KEYS, "train")
    train = {key: words(content.get("train"), key, "train") for key in ("command", "all", *TRAINED)}
    command = train.pop("command") or ["fairseq-train"]
    iterate = words(content, "iterate", "the file") or []
    check_own([word for words in train.values() for word in words or []], OWN, "train")
    check_own(iterate, OWN_OF_ITERATE, "iterate")
    evaluate = content.get("evaluate") or {}
    check_keys(evaluate, EVALUATE_KEYS, "evaluate")
    import_plugin_of(train["all"] or [], "train")
    points = read_points(content)
    dense = text(content, "dense", None)
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
    if not dense:
        check_remembered(points)
    return Grid(
        data=text(content, "data", ""),
        dense=dense,
        command=command,
        train={key: words or [] for key, words in train.items()},
        iterate=iterate,
        calibration=_calibration(content),
        include=patterns(content, "include"),
        exclude=patterns(content, "exclude"),
        evaluate={
            "valid": text(evaluate, "valid", "valid"),
            "test": text(evaluate, "test", "test"),
            "generate": words(evaluate, "generate", "evaluate"),
            "references": text(evaluate, "references", None),
            **_translated(evaluate),
        },
        points=points,
    )


def _translated(evaluate: Mapping[str, Any]) -> Dict[str, List[str]]:
    """Which kinds are translated, where it is not all (and results of before say nothing of it)."""
    kinds = evaluate.get("translate")
    if kinds is None:
        return {}
    if not isinstance(kinds, list) or any(kind not in KINDS for kind in kinds):
        raise PruneError(f"evaluate: translate must be a list of {', '.join(KINDS)}")
    return {"translate": kinds}


def _calibration(content: Mapping[str, Any]) -> Calibration:
    given = content.get("calibration") or {}
    check_keys(given, Calibration._fields, "calibration")
    for key, value in given.items():
        kind = str if key == "subset" else int
        if type(value) is not kind:
            raise PruneError(f"calibration: {key} must be a {kind.__name__}, not {value!r}")
    calibration = Calibration(**given)
    with options_begin_with("calibration: "):
        calibration.check()
    return calibration
