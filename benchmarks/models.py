"""Models and batches to time, without a corpus."""

import statistics
import time
from argparse import Namespace

import torch
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from fairseq.optim import OPTIMIZER_DATACLASS_REGISTRY, OPTIMIZER_REGISTRY
from omegaconf import OmegaConf

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.models.pruned_lstm_nmt import PrunedLSTMNMT, PrunedLSTMNMTConfig

VOCABULARY, BATCH, LENGTH = 8000, 64, 25


class FakeTask:
    """The two dictionaries a model asks its task for."""

    def __init__(self, size: int = VOCABULARY):
        self.source_dictionary = self.target_dictionary = dictionary = Dictionary()
        for k in range(size - len(dictionary)):
            dictionary.add_symbol(f"w{k}")


def ours(task, size: int, layers: int, input_feed: bool):
    cfg = PrunedLSTMNMTConfig(
        hidden_size=size, num_layers=layers, decoder_input_feed=input_feed, dropout=0.2,
        max_source_positions=1024, max_target_positions=1024,
    )  # fmt: skip
    return PrunedLSTMNMT.build_model(cfg, task)


def stock_lstm(task, size: int, layers: int):
    """fairseq's own lstm of the same size; it always feeds its input."""
    args = Namespace(
        arch="lstm", dropout=0.2, criterion="cross_entropy", encoder_layers=layers,
        decoder_layers=layers, encoder_embed_dim=size, decoder_embed_dim=size,
        encoder_hidden_size=size, decoder_hidden_size=size, decoder_out_embed_dim=size,
    )  # fmt: skip
    ARCH_CONFIG_REGISTRY["lstm"](args)
    return ARCH_MODEL_REGISTRY["lstm"].build_model(args, task)


def transformer(task, size: int, layers: int):
    """fairseq's, with one matrix for both embeddings and the softmax."""
    args = Namespace(
        arch="transformer_iwslt_de_en", dropout=0.2, encoder_layers=layers, decoder_layers=layers,
        encoder_embed_dim=size, decoder_embed_dim=size, encoder_ffn_embed_dim=4 * size,
        decoder_ffn_embed_dim=4 * size, share_all_embeddings=True, max_source_positions=1024,
        max_target_positions=1024,
    )  # fmt: skip
    ARCH_CONFIG_REGISTRY["transformer_iwslt_de_en"](args)
    return ARCH_MODEL_REGISTRY["transformer_iwslt_de_en"].build_model(args, task)


def batch(task):
    """BATCH sentences of up to LENGTH words, longest first, the source padded on the left."""
    generator = torch.Generator().manual_seed(0)
    dictionary = task.target_dictionary
    lengths = torch.randint(LENGTH // 2, LENGTH + 1, (BATCH,), generator=generator)
    lengths = lengths.sort(descending=True)[0]
    words = torch.randint(4, len(dictionary), (BATCH, LENGTH), generator=generator)
    position = torch.arange(LENGTH).expand(BATCH, -1)
    target = words.masked_fill(position >= lengths.unsqueeze(1), dictionary.pad())
    source = words.masked_fill(position < LENGTH - lengths.unsqueeze(1), dictionary.pad())
    return {
        "net_input": {
            "src_tokens": source, "src_lengths": lengths,
            "prev_output_tokens": target.roll(1, dims=1),
        },
        "target": target,
        "ntokens": int(lengths.sum()),
    }  # fmt: skip


def optimizer(name: str, model, **options):
    defaults = vars(OPTIMIZER_DATACLASS_REGISTRY[name]())
    # what would come from other parts of fairseq's configuration: no tpu, no fp16
    defaults = {k: False if str(v).startswith("${") else v for k, v in defaults.items()}
    cfg = OmegaConf.create({**defaults, "lr": [0.1], **options})
    return OPTIMIZER_REGISTRY[name](cfg, list(model.parameters()))


def step(model, optimizer, criterion, sample) -> None:
    """One training step as fairseq's trainer takes it."""
    optimizer.zero_grad()
    loss, size, _ = criterion(model, sample)
    optimizer.backward(loss)
    optimizer.multiply_grads(1.0 / size)
    optimizer.clip_grad_norm(5.0)
    optimizer.step()


def criterion(task):
    return CrossEntropyCriterion(task, sentence_avg=False)


def in_turn(functions, rounds: int):
    """Seconds of each function, A B C A B C ..., so that drift of the machine is shared."""
    seconds = [[] for _ in functions]
    for round_ in range(rounds + 1):
        for times, function in zip(seconds, functions):
            started = time.perf_counter()
            function()
            if round_:  # the first round warms up
                times.append(time.perf_counter() - started)
    return seconds


median = statistics.median
