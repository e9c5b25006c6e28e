"""``fairseq_prune.load_packed``: a packed file as a model ready to decode."""

from typing import Any, Optional

from fairseq.dataclass.utils import overwrite_args_by_name
from fairseq.hub_utils import GeneratorHubInterface
from omegaconf import open_dict

from ..checkpoints.packed.packed_model import PackedModel
from ..fairseq_fixes.encoders import ENCODERS, leave_out_encoders
from ..packed.container import is_packed
from .load import load


def load_packed(
    path: str, data: Optional[str] = None, runtime: str = "dense", **encoders: Any
) -> GeneratorHubInterface:
    """The model packed at ``path``, on the CPU, in fairseq's interface of hub models.

    >>> model = load_packed("model.packed", data="data-bin", runtime="sparse")
    >>> model.translate("ein Hund")

    ``models[0]`` is the model itself, ``task`` its task, ``generate`` takes tokens.

    Args:
        path: of ``fairseq-prune pack`` or ``compress``.
        data: folder with the dictionaries; by default the one it was trained on.
        runtime: as ``--prune-runtime``.
        encoders: what turns text into the words of the dictionaries and back, as options of
            ``fairseq-interactive``: ``bpe="sentencepiece", sentencepiece_model="spm.model"``. What
            the file names is used only if it needs no other file and no network.
    Raises:
        PruneError: the file is damaged, or the data are not there or have other dictionaries.
    """
    if not is_packed(path):
        PackedModel(path)  # says what is wrong with it
    model, cfg, task = load(path, data, runtime)
    with open_dict(cfg):
        for kind in ENCODERS:
            if kind in encoders:
                cfg[kind] = None  # fairseq sets options of it only, where the file has one
        overwrite_args_by_name(cfg, encoders)
        leave_out_encoders(path, cfg, encoders)
    return GeneratorHubInterface(cfg, task, [model]).eval()
