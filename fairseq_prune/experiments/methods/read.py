"""Methods as their YAML file describes them."""

import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional

from ...packed.described import VALUES
from ...pruning import PruneError
from ...runtime.convert import check_runtime
from ...user_dir import import_plugin_of
from ..own_options import OWN, check_own
from ..yaml_values import check_keys, read_yaml, text, words

KEYS = ("data", "seed", "seconds", "command", "options", "trainings", "methods")
#: Raises PruneError unless options of a verb of ``fairseq-prune`` are right; the last argument
#: says whether a training gets them, which has further ones.
Check = Callable[[str, List[str], bool], None]
METHOD_KEYS = ("name", "from", "factorize", "prune", "train", "values", "runtime")


@dataclass(frozen=True)
class Method:
    """How a model is made, from another or from nothing.

    Attributes:
        start: name of the method whose model this one begins with.
        factorize: options of ``fairseq-prune factorize``; without ``start``, of the architecture
            that is trained.
        prune: options of ``fairseq-prune prune``; where it is trained, of ``--prune-``.
        train: name of the options of the training that comes last; None: there is none.
        values, runtime: how it is packed, and what it is scored with.
    """

    name: str
    start: Optional[str] = None
    factorize: Optional[List[str]] = None
    prune: Optional[List[str]] = None
    train: Optional[str] = None
    values: str = "exact"
    runtime: str = "dense"

    @property
    def folder(self) -> str:
        """Where it goes, below the folder of all."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True)
class Plan:
    """What to make.

    Attributes:
        data: folder of binarised data.
        seconds: of each measurement of speed.
        command: what starts a training, as words.
        options: of every training, as words.
        trainings: name -> options, as words.
        methods: by name, each after the one it begins with.
    """

    data: str
    seed: int
    seconds: float
    command: List[str]
    options: List[str]
    trainings: Dict[str, List[str]]
    methods: Dict[str, Method]

    def line(self, method: Method) -> List[Method]:
        """``method`` and those it comes of, itself last."""
        before = [] if method.start is None else self.line(self.methods[method.start])
        return [*before, method]


def read_plan(path: str, check: Check) -> Plan:
    """The plan in file ``path``.

    Raises:
        PruneError: it cannot be read, or a key of it is wrong.
    """
    content = read_yaml(path)
    try:
        return _plan(content, check)
    except PruneError as error:
        raise PruneError(f"{path}: {error}") from error


def _plan(content: Any, check: Check) -> Plan:
    check_keys(content, KEYS, "the file")
    for key in ("data", "trainings", "methods"):
        if content.get(key) is None:
            raise PruneError(f"{key} is missing")
    seed = content.get("seed", 1)
    if type(seed) is not int or seed < 1:
        raise PruneError(f"seed must be a whole number above 0, not {seed!r}")
    seconds = content.get("seconds", 3)
    if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
        raise PruneError(f"seconds must be a number above 0, not {seconds!r}")
    if not isinstance(content["trainings"], dict):
        raise PruneError("trainings must hold names and options")
    trainings = {
        name: words(content["trainings"], name, "trainings") for name in content["trainings"]
    }
    options = words(content, "options", "the file") or []
    check_own([word for part in (options, *trainings.values()) for word in part or []], OWN)
    import_plugin_of(options, "options")
    plan = Plan(
        data=text(content, "data", ""),
        seed=seed,
        seconds=seconds,
        command=words(content, "command", "the file") or ["fairseq-train"],
        options=options,
        trainings={name: part or [] for name, part in trainings.items()},
        methods={},
    )
    if not isinstance(content["methods"], list) or not content["methods"]:
        raise PruneError("methods must be a list, each with a name")
    for entry in content["methods"]:
        method = _method(entry)
        try:
            _add(plan, method, check)
        except PruneError as error:
            raise PruneError(f"methods: {method.name}: {error}") from error
    return plan


def _method(entry: Any) -> Method:
    check_keys(entry, METHOD_KEYS, "methods")
    name = text(entry, "name", None)
    if not name:
        raise PruneError("methods: each needs a name")
    where = f"methods: {name}"
    return Method(
        name=name,
        start=text(entry, "from", None),
        factorize=words(entry, "factorize", where),
        prune=_with_scheme(words(entry, "prune", where)),
        train=text(entry, "train", None),
        values=text(entry, "values", "exact"),
        runtime=text(entry, "runtime", "dense"),
    )


def _with_scheme(prune: Optional[List[str]]) -> Optional[List[str]]:
    """The default of ``fairseq-prune prune`` written out: a training has none."""
    if prune is None or any(word.split("=")[0] == "--scheme" for word in prune):
        return prune
    return ["--scheme", "class-blind", *prune]


def _add(plan: Plan, method: Method, check: Check) -> None:
    if not re.search("[a-z0-9]", method.folder):
        raise PruneError("its name needs a letter (a to z) or a digit, for its folder")
    if method.folder in {other.folder for other in plan.methods.values()}:
        raise PruneError("there is one of that name before it (small letters and digits count)")
    if method.start is not None and method.start not in plan.methods:
        raise PruneError(f"from: {method.start} is no method above it")
    if method.start is None and method.train is None:
        raise PruneError("it needs a model to begin with (from) or a training (train)")
    if method.train is not None and method.train not in plan.trainings:
        raise PruneError(f"train: {method.train} is not among trainings")
    if method.values not in VALUES:
        raise PruneError(f"values: {method.values}: choose one of {', '.join(VALUES)}")
    check_runtime(method.runtime, flag="runtime")
    before = plan.line(plan.methods[method.start]) if method.start else []
    if method.factorize is not None and any(other.factorize is not None for other in before):
        raise PruneError("what it comes of is factorized already; leave factorize out")
    if method.train and method.prune is None and any(m.prune is not None for m in before):
        raise PruneError("it trains a pruned model on and needs prune, which keeps its mask")
    _check_options(method, check)
    plan.methods[method.name] = method


def _check_options(method: Method, check: Check) -> None:
    if method.factorize is not None:
        check("factorize", method.factorize, False)
    if method.prune is None or any(word.startswith("--mask-from") for word in method.prune):
        return
    if method.start is None:
        raise PruneError("it prunes and has no model to begin with; give from")
    check("prune", method.prune, method.train is not None)
