"""From a packed file to its model in the engine."""

from ..errors import PruneError
from ..packed.container import Container
from ..packed.settings import Settings
from .architectures import parts_of
from .model import EngineModel
from .packed_weights import PackedWeights
from .text import Texts


def read_model(
    container: Container, settings: Settings, texts: Texts, otherwise: str
) -> EngineModel:
    """
    Args:
        otherwise: what does it with models that the engine does not know, for the message.
    Raises:
        PruneError: the engine does not know the model, or the file is damaged.
    """
    weights = PackedWeights(container)
    try:
        parts_of(settings.arch, settings.model, weights.names)
    except PruneError as error:
        raise PruneError(f"{container.path}: {error}; {otherwise}") from error
    model = EngineModel(weights, settings.arch, settings.model)
    sides = [("target", texts.target, model.target_words)]
    if model.source_words:
        sides.insert(0, ("source", texts.source, model.source_words))
    for side, dictionary, rows in sides:
        words = len(dictionary)
        if words != rows:
            raise PruneError(
                f"{container.path} is damaged: its {side} dictionary has {words:,} words and its "
                f"model {rows:,}"
            )
    return model
