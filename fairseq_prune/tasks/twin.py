"""The name of a task's pruned twin."""

from fairseq.tasks import TASK_REGISTRY


def twin_of(task: str) -> str:
    """The pruned twin of a task, to name it in a sentence."""
    twin = f"pruned_{task}"
    return twin if twin in TASK_REGISTRY else "pruned_<task>"
