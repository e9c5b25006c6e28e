"""Checkpoints that name fairseq's own task, optimizer and criterion, not those of this plugin.

fairseq sets up the task that a checkpoint names, and validates by its criterion, so that a pruned
model does in any fairseq only if these are fairseq's.
"""

from argparse import Namespace
from dataclasses import fields
from typing import Any, Dict, Mapping

from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.tasks import TASK_DATACLASS_REGISTRY, TASK_REGISTRY
from fairseq.trainer import Trainer

TWIN = "pruned_"
#: Where the configuration in a checkpoint has the ``--prune-*`` options it was trained with.
KEY = "prune"
#: A criterion of this plugin: the one of fairseq's that it is in evaluation.
CRITERIONS = {"distillation": "label_smoothed_cross_entropy"}

_REGISTRIES = {"task": TASK_REGISTRY, "optimizer": OPTIMIZER_REGISTRY}
_OPTIONS = {"task": TASK_DATACLASS_REGISTRY, "criterion": CRITERION_DATACLASS_REGISTRY}


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
    was, now = cfg.get("task"), stock.get("task")
    if isinstance(was, Mapping):
        gone = {k: v for k, v in was.items() if k not in now and k.startswith("prune_")}
        if gone:
            stock[KEY] = gone
    was, now = cfg.get("criterion"), stock.get("criterion")
    if isinstance(was, Mapping) and was is not now:
        stock[was["_name"]] = {k: v for k, v in was.items() if k not in now}
    return {**state, "cfg": stock}


def save_stock_names() -> None:
    """Let fairseq write such checkpoints in this process."""
    make_state = Trainer.state_dict
    if getattr(make_state, "has_stock_names", False):
        return

    def state_dict(self):
        return with_stock_names(make_state(self))

    state_dict.has_stock_names = True
    Trainer.state_dict = state_dict


def _stock_section(section: str, content: Any) -> Any:
    """A section of a configuration: a dict or, where options came from argparse, all of them."""
    if isinstance(content, Namespace):
        values = vars(content)
        return Namespace(**{k: _stock_name(k, v, section) for k, v in values.items()})
    if section not in {*_REGISTRIES, *_OPTIONS} or not isinstance(content, Mapping):
        return content
    name = _stock_name("_name", content.get("_name"), section)
    if name == content.get("_name"):
        return content
    known = content
    if name in _OPTIONS.get(section, {}):
        own = {field.name for field in fields(_OPTIONS[section][name])}
        known = {k: v for k, v in content.items() if k in own}
    return {**known, "_name": name}


def _stock_name(key: str, value: Any, section: str) -> Any:
    """``value`` of ``key``, or what it is the twin of if it names one of this plugin's."""
    kind = section if key == "_name" else key
    if kind == "criterion" and isinstance(value, str):
        return CRITERIONS.get(value, value)
    registry = _REGISTRIES.get(kind, {})
    if isinstance(value, str) and value.startswith(TWIN) and value[len(TWIN) :] in registry:
        return value[len(TWIN) :]
    return value
