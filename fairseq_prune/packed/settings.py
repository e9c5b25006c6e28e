"""What a packed file says of the model: its options, its task, its languages."""

from dataclasses import dataclass
from typing import Any, Dict, Optional

from ..errors import PruneError
from .container import Container

#: Marks a value that JSON has no notion of: {MARK: kind, "is": ...} (``checkpoints.packed.plain``).
MARK = "!"
#: Kinds that are opened here.
OPENED = ("namespace", "ordered")


@dataclass(frozen=True)
class Settings:
    """Options by name, as ``fairseq-train`` set them: numbers, strings, None, lists and dicts.

    Attributes:
        model: of the architecture; from an older checkpoint, all there are.
        task: of the task.
    """

    model: Dict[str, Any]
    task: Dict[str, Any]

    @property
    def arch(self) -> Optional[str]:
        """What ``--arch`` was."""
        return _text(self.model.get("arch") or self.model.get("_name"))

    @property
    def task_name(self) -> Optional[str]:
        """What ``--task`` was."""
        return _text(self.task.get("_name") or self.task.get("task"))

    @property
    def source_language(self) -> Optional[str]:
        return _text(self.task.get("source_lang"))

    @property
    def target_language(self) -> Optional[str]:
        return _text(self.task.get("target_lang"))


def read_settings(container: Container) -> Settings:
    """
    Raises:
        PruneError: the file is damaged, or does not say what it is the model of.
    """
    try:
        state = container.content["state"]
        cfg, args = _plain(state.get("cfg")), _plain(state.get("args"))
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise PruneError(f"{container.path} is damaged: its settings are not complete") from error
    if not isinstance(cfg, dict):
        cfg = {"model": args, "task": args}
    model, task = cfg.get("model"), cfg.get("task")
    if not isinstance(model, dict) or not isinstance(task, dict):
        raise PruneError(
            f"{container.path} does not say what it is the model of; pack a checkpoint that "
            f"has the cfg (or args) of its training"
        )
    return Settings(model, task)


class _Skipped:
    """In place of what is not plain."""


def _plain(value: Any) -> Any:
    """``value`` without marks: those that hold options opened, all else left out, and so are
    references (``${...}``) to other options."""
    if isinstance(value, dict):
        if MARK in value:
            return _plain(value["is"]) if value[MARK] in OPENED else _Skipped
        items = ((key, _plain(item)) for key, item in value.items())
        return {key: item for key, item in items if item is not _Skipped}
    if isinstance(value, list):
        plain = list(map(_plain, value))
        return _Skipped if _Skipped in plain else plain
    if isinstance(value, str) and "${" in value:
        return _Skipped
    return value


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None
