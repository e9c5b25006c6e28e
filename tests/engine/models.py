"""Random models of fairseq's architectures, pruned and packed, and fairseq's own search on them."""

import torch
from fairseq import options
from fairseq.data import Dictionary
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.sequence_generator import SequenceGenerator
from fairseq.sequence_scorer import SequenceScorer
from omegaconf import OmegaConf

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.engine.model import EngineModel
from fairseq_prune.engine.packed_weights import PackedWeights
from fairseq_prune.packed.container import Container
from fairseq_prune.packed.dictionary import dictionary_text
from fairseq_prune.packed.texts import Text

WORDS = 60


class Task:
    """The dictionaries a model asks its task for."""

    def __init__(self, words: int = WORDS):
        dictionary = Dictionary()
        self.dictionary = self.source_dictionary = self.target_dictionary = dictionary
        for k in range(words - len(dictionary)):
            dictionary.add_symbol(f"w{k}")


def random_model(words: str, seed: int = 0, density: float = 0.3):
    """A model of ``--arch``, sharp enough to prefer some words; and fairseq's configuration."""
    parser = options.get_training_parser()
    args = options.parse_args_and_arch(parser, ["data", "--cpu", *words.split()])
    cfg = convert_namespace_to_omegaconf(args)
    torch.manual_seed(seed)
    model = ARCH_MODEL_REGISTRY[args.arch].build_model(cfg.model, Task()).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, (4 / density / weight.shape[1]) ** 0.5)
                if "embed_tokens" not in name:
                    weight.masked_fill_(torch.rand_like(weight) >= density, 0.0)
            elif "norm" not in name:
                weight.normal_(0, 0.5)
    return model, cfg


def pack(model, cfg, path: str, values: str = "exact", texts=None) -> str:
    state = {"args": None, "cfg": OmegaConf.to_container(cfg), "model": model.state_dict()}
    torch.save(state, f"{path}.pt")
    pack_checkpoint(f"{path}.pt", f"{path}.packed", values=values, texts=texts)
    return f"{path}.packed"


def in_engine(path: str, cfg) -> EngineModel:
    named = (
        OmegaConf.to_container(cfg)["model"] if OmegaConf.is_config(cfg.model) else vars(cfg.model)
    )
    return EngineModel(PackedWeights(Container(path)), named.get("arch") or named["_name"], named)


def sentences(count: int, seed: int = 0, longest: int = 9):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.cat((torch.randint(4, WORDS, (1 + (3 * k) % longest,), generator=generator),
                   torch.tensor([2])))
        for k in range(count)
    ]  # fmt: skip


def its_dictionary(words: int = WORDS) -> dict:
    """Texts for a packed file: the dictionary of ``Task``, of both sides."""
    symbols = Task(words).source_dictionary.symbols
    dictionary = Text("dictionary", dictionary_text(symbols, [1] * len(symbols)))
    return {"source": dictionary, "target": dictionary}


def fairseq_scores(model, texts):
    """fairseq's log-probabilities of the words of each text but its first, (T - 1,)."""
    longest = max(map(len, texts)) - 1
    read, wanted = (torch.full((len(texts), longest), 1) for _ in range(2))
    for k, text in enumerate(texts):
        read[k, : len(text) - 1], wanted[k, : len(text) - 1] = text[:-1], text[1:]
    lengths = torch.tensor([len(text) - 1 for text in texts])
    sample = {"net_input": {"src_tokens": read, "src_lengths": lengths}, "target": wanted}
    found = SequenceScorer(Task().target_dictionary).generate([model], sample)
    return [hypotheses[0]["positional_scores"].numpy() for hypotheses in found]


def fairseq_search(model, batch, prefix=None, **wanted):
    """fairseq's hypotheses of a batch, the longest first and padded on the left, as its datasets
    do it; in the order of ``batch``."""
    longest = max(map(len, batch))
    order = sorted(range(len(batch)), key=lambda k: -len(batch[k]))
    tokens = torch.full((len(batch), longest), 1)
    for row, k in zip(tokens, order):
        row[longest - len(batch[k]) :] = batch[k]
    lengths = torch.tensor([len(batch[k]) for k in order])
    generator = SequenceGenerator([model], Task().target_dictionary, **wanted)
    sample = {"net_input": {"src_tokens": tokens, "src_lengths": lengths}}
    with torch.no_grad():
        prefix = None if prefix is None else prefix[order]
        found = generator.generate([model], sample, prefix_tokens=prefix)
    return [found[order.index(k)] for k in range(len(batch))]
