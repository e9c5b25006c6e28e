"""``fairseq_prune.load_packed``: a packed file as a model ready to decode."""

from typing import Optional

from fairseq.hub_utils import GeneratorHubInterface

from ..checkpoints.packed.container import is_packed
from ..checkpoints.packed.packed_model import PackedModel
from .load import load


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
    if not is_packed(path):
        PackedModel(path)  # says what is wrong with it
    model, cfg, task = load(path, data, runtime)
    return GeneratorHubInterface(cfg, task, [model]).eval()
