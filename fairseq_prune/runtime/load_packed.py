"""``fairseq_prune.load_packed``: a packed file as a model ready to decode."""

from typing import Optional

from fairseq import checkpoint_utils
from fairseq.hub_utils import GeneratorHubInterface

from ..checkpoints.packed.dictionaries import check_dictionaries
from ..checkpoints.packed.packed_model import PackedModel
from ..checkpoints.task_of import config_of, set_up
from ..pruning import PruneError
from .convert import check_runtime


def load_packed(
    path: str, data: Optional[str] = None, runtime: str = "dense"
) -> GeneratorHubInterface:
    """The model packed at ``path``, on the CPU, in fairseq's interface of hub models.

    >>> model = load_packed("model.packed", data="data-bin", runtime="sparse")
    >>> model.translate("ein Hund")

    ``models[0]`` is the model itself, ``task`` its task, ``generate`` takes tokens.

    Args:
        data: folder with the dictionaries; by default the one it was trained on.
        runtime: as ``--prune-runtime``.
    Raises:
        PruneError: the file is damaged, or the data are not there or have other dictionaries.
    """
    check_runtime(runtime)
    packed = PackedModel(path)
    cfg = config_of(path, data)
    changes = {}
    if runtime != "dense":
        name = str(cfg.task._name)
        pruned = name if name.startswith("pruned_") else f"pruned_{name}"
        changes = {"_name": pruned, "prune_runtime": runtime}
    task = set_up(cfg, path, changes)
    check_dictionaries(path, packed.dictionaries, task)
    try:
        models, cfg, task = checkpoint_utils.load_model_ensemble_and_task([path], task=task)
    except (RuntimeError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise PruneError(f"{path} cannot be decoded with: {reason}") from error
    return GeneratorHubInterface(cfg, task, models).eval()
