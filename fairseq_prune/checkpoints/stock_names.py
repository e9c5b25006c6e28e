"""Checkpoints that name fairseq's own task, optimizer and criterion, not those of this plugin.

fairseq sets up the task that a checkpoint names, and validates by its criterion, so that a pruned
model does in any fairseq only if these are fairseq's.
"""

from argparse import Namespace
from dataclasses import fields
from typing import Any, Dict, Mapping, Optional, Set

TWIN = "pruned_"
#: Where the configuration in a checkpoint has the ``--prune-*`` options it was trained with.
KEY = "prune"
#: A criterion of this plugin: the one of fairseq's that it is in evaluation.
CRITERIONS = {"distillation": "label_smoothed_cross_entropy"}

#: Sections of a configuration, and options of older ones, that can name what is this plugin's.
NAMED = ("task", "optimizer", "criterion")


def with_stock_names(state: Mapping[str, Any]) -> Dict[str, Any]:
    """``state``, a checkpoint, whose configuration names what fairseq has.

    The configuration of the task and the criterion keeps what fairseq's own have, which refuse
    anything else; the ``--prune-*`` options move to ``cfg["prune"]``, those of a teacher to
    ``cfg["distillation"]``. What is no twin of a task or an optimizer that is registered in this
    process stays as it is.
    """
    cfg = state.get("cfg")
    if not isinstance(cfg, Mapping):
        return dict(state)
    stock = {section: _stock_section(section, content) for section, content in cfg.items()}
    was = cfg.get("task")
    if isinstance(was, Mapping):
        now = stock["task"]
        gone = {k: v for k, v in was.items() if k not in now and k.startswith("prune_")}
        if gone:
            stock[KEY] = gone
    was = cfg.get("criterion")
    if isinstance(was, Mapping) and was is not stock["criterion"]:
        now = stock["criterion"]
        stock[was["_name"]] = {k: v for k, v in was.items() if k not in now}
    return {**state, "cfg": stock}


def _stock_section(section: str, content: Any) -> Any:
    """A section of a configuration: a dict or, where options came from argparse, all of them."""
    if isinstance(content, Namespace):
        values = vars(content)
        return Namespace(**{k: _stock_name(k, v, section) for k, v in values.items()})
    if section not in NAMED or not isinstance(content, Mapping):
        return content
    name = _stock_name("_name", content.get("_name"), section)
    if name == content.get("_name"):
        return content
    options = _options(section, name)
    known = {k: v for k, v in content.items() if options is None or k in options}
    return {**known, "_name": name}


def _stock_name(key: str, value: Any, section: str) -> Any:
    """``value`` of ``key``, or what it is the twin of if it names one of this plugin's."""
    kind = section if key == "_name" else key
    if kind == "criterion" and isinstance(value, str):
        return CRITERIONS.get(value, value)
    if kind in NAMED and isinstance(value, str) and value.startswith(TWIN):
        if _is_registered(kind, value[len(TWIN) :]):
            return value[len(TWIN) :]
    return value


# here, for what training with this plugin writes has stock names: few files need fairseq


def _is_registered(kind: str, name: str) -> bool:
    from fairseq.optim import OPTIMIZER_REGISTRY
    from fairseq.tasks import TASK_REGISTRY

    return name in {"task": TASK_REGISTRY, "optimizer": OPTIMIZER_REGISTRY}.get(kind, {})


def _options(section: str, name: str) -> Optional[Set[str]]:
    """Those of fairseq's own that have a dataclass."""
    from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    registries = {"task": TASK_DATACLASS_REGISTRY, "criterion": CRITERION_DATACLASS_REGISTRY}
    dataclass = registries.get(section, {}).get(name)
    return None if dataclass is None else {field.name for field in fields(dataclass)}
