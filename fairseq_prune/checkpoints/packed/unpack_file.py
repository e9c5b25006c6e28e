"""``fairseq-prune unpack``: a packed file as an ordinary checkpoint."""

from ..writing import check_writable, write_checkpoint
from .packed_model import PackedModel


def unpack_file(source: str, target: str) -> None:
    """Write the checkpoint that was packed in ``source``, without optimizer state, to ``target``.

    Raises:
        PruneError: see ``PackedModel`` and ``write_checkpoint``.
    """
    check_writable(target)
    packed = PackedModel(source)
    write_checkpoint(packed.state(packed.decode()), target)
