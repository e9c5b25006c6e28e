"""A language model that scores text, pruned, against torch on the dense one.

``pruned_lstm_lm``, 2 layers as large as PTB's small and medium models, 10,000 words, random weights
pruned class-blind to 90%: blocks of 70 words, one or 32 at once, as log-probabilities of all words.
``sparse`` is ``--prune-runtime sparse``; the engine is what ``fairseq-prune score`` runs.
"""

import torch

from fairseq_prune.engine.model import EngineModel
from fairseq_prune.models.pruned_lstm_lm import PrunedLSTMLM, PrunedLSTMLMConfig
from fairseq_prune.pruning import apply_, find_prunable, prune
from fairseq_prune.runtime.convert import convert_
from fairseq_prune.runtime.module_weights import ModuleWeights

from .models import FakeTask, in_turn, median

UNITS, WORDS, BLOCK, SPARSITY, ROUNDS = {"small": 200, "medium": 650}, 10_000, 70, 0.9, 9


def rows(args):
    for name, units in UNITS.items():
        dense, pruned = (model(units) for _ in range(2))
        weights = find_prunable(dict(dense.named_parameters()))
        masks = prune(weights, {n: "all" for n in weights}, "class-blind", SPARSITY).masks
        for n, weight in weights.items():
            apply_(weight, masks[n])
        convert_(pruned, "sparse")
        pruned.load_state_dict(dense.state_dict())
        engine = EngineModel(ModuleWeights(pruned), "pruned_lstm_lm", {"num_layers": 2})
        for batch in (1, 32):
            yield from compared(f"{name}, {100 * SPARSITY:g}%, {batch} x {BLOCK} words", batch,
                                dense, pruned, engine)  # fmt: skip


def model(units: int) -> PrunedLSTMLM:
    cfg = PrunedLSTMLMConfig(hidden_size=units, num_layers=2)
    return PrunedLSTMLM.build_model(cfg, FakeTask(WORDS)).eval()


@torch.no_grad()
def compared(what, batch, dense, pruned, engine):
    text = torch.randint(4, WORDS, (batch, BLOCK + 1))

    def read(model):
        model(text[:, :-1])[0].log_softmax(-1).gather(2, text[:, 1:, None])

    texts = list(text.int().numpy())
    ways = {"sparse": lambda: read(pruned), "engine": lambda: engine.score(texts)}
    *ours, theirs = map(median, in_turn([*ways.values(), lambda: read(dense)], ROUNDS))
    words = batch * BLOCK
    for way, seconds in zip(ways, ours):
        yield (
            f"language model, {what}: {way} vs dense",
            f"{words / seconds:,.0f} w/s",
            f"{words / theirs:,.0f} w/s",
            f"{theirs / seconds:.2f}",
            "",
        )
