"""Which parameters of a fairseq model are one weight under several names."""

import re
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from torch import Tensor, nn

from ..pruning import classify
from .kinds import is_parameter

#: A weight's first name -> its other names: later ones in the state dict and, where the model
#: multiplies by the embedding without a matrix of its own for the output, the name of that.
Aliases = Dict[str, List[str]]

EMBEDDINGS = r"(models\.[^.]+\.)?((en|de)coder\.embed_tokens|decoder\.output_projection)\.weight"

#: Options, as a checkpoint's configuration has them -> what names look like (regular expression,
#: whole name) and the weight they then stand for, as ``CLASS_RULES`` spells classes. Names of one
#: weight are tied.
TIE_RULES = (
    ({"share_all_embeddings": True}, EMBEDDINGS, "embedding"),
    ({"merge_src_tgt_embed": True}, EMBEDDINGS, "embedding"),
    (
        {"share_decoder_input_output_embed": True},
        r"(?P<of>(models\.[^.]+\.)?)decoder\.(embed_tokens|output_projection)\.weight",
        "{of}target embedding",
    ),
    # fconv
    ({"share_input_output_embed": True}, r"decoder\.(embed_tokens|fc3)\.weight", "fconv embedding"),
    # adaptive input and softmax: tail 0 is the second band
    (
        {"tie_adaptive_weights": True},
        r"decoder\.embed_tokens\.embeddings\.(?P<band>\d+)\.0\.weight",
        "band {band}",
    ),
    (
        {"tie_adaptive_weights": True},
        r"decoder\.adaptive_softmax\.head\.word_proj(\.1)?\.weight",
        "band 0",
    ),
    (
        {"tie_adaptive_weights": True},
        r"decoder\.adaptive_softmax\.tail\.(?P<k>\d+)\.2\.weight",
        "band {k}",
    ),
    (
        {"tie_adaptive_weights": True, "tie_adaptive_proj": True},
        r"decoder\.embed_tokens\.embeddings\.(?P<band>\d+)\.1\.weight",
        "projection {band}",
    ),
    (
        {"tie_adaptive_weights": True, "tie_adaptive_proj": True},
        r"decoder\.adaptive_softmax\.tail\.(?P<k>\d+)\.0\.weight",
        "projection {k}",
    ),
    # multilingual_transformer: a coder for each language, or one for all
    (
        {"share_encoders": False},
        r"models\.(?P<language>[^.-]+)-[^.]+\.encoder\.(?P<rest>.+)",
        "encoder of {language}: {rest}",
    ),
    (
        {"share_decoders": False},
        r"models\.[^.-]+-(?P<language>[^.-]+)[^.]*\.decoder\.(?P<rest>.+)",
        "decoder of {language}: {rest}",
    ),
    ({"share_encoders": True}, r"models\.[^.]+\.encoder\.(?P<rest>.+)", "encoder: {rest}"),
    ({"share_decoders": True}, r"models\.[^.]+\.decoder\.(?P<rest>.+)", "decoder: {rest}"),
    (
        {"share_encoder_embeddings": True},
        r"models\.[^.]+\.encoder\.embed_tokens\.weight",
        "source embeddings",
    ),
    (
        {"share_decoder_embeddings": True},
        r"models\.[^.]+\.decoder\.embed_tokens\.weight",
        "target embeddings",
    ),
    # levenshtein_transformer
    (
        {"share_discriminator_maskpredictor": True},
        r"decoder\.layers_(msk|del)\.(?P<rest>.+)",
        "deletion: {rest}",
    ),
    (
        {"untie_weights_roberta": False},
        r"encoder\.(sentence_encoder\.embed_tokens|lm_head)\.weight",
        "roberta embedding",
    ),
    (
        {"same_quantizer": True},
        r"(?P<of>(.+\.)?)(input_)?quantizer\.(?P<rest>.+)",
        "{of}quantizer: {rest}",
    ),
)

#: Matrices that an output is multiplied by.
_OUTPUTS = r"decoder\.(fc_out|output_projection|adaptive_softmax|embed_out|fc3)\b"


def aliases_of(model: nn.Module) -> Aliases:
    """The aliases of a model, which shares modules or parameters."""
    named = [
        (f"{prefix}.{name}".lstrip("."), parameter)
        # with the default, a module that has two names would be left out under the second
        for prefix, module in model.named_modules(remove_duplicate=False)
        for name, parameter in module.named_parameters(recurse=False)
    ]
    named = [(name, parameter) for name, parameter in named if is_parameter(name, parameter)]
    return make_aliases([name for name, _ in named], ties_in_memory(named))


def ties_in_memory(named: Iterable[Tuple[str, Tensor]]) -> List[List[str]]:
    """Groups of names that are the same numbers in the same memory."""
    groups: Dict[Any, List[str]] = {}
    for name, tensor in named:
        if tensor.numel():
            place = (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
            groups.setdefault(place, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def ties_by_options(
    names: Iterable[str], options: Mapping[str, Any]
) -> List[Tuple[str, List[str]]]:
    """(options that tie them, names) of what a model trained with ``options`` holds once.

    Only what ``options`` say counts: one that they do not have ties nothing.
    """
    groups: Dict[Tuple[str, str], List[str]] = {}
    for condition, pattern, weight in TIE_RULES:
        if all(o in options and bool(options[o]) is value for o, value in condition.items()):
            for name in names:
                if re.fullmatch(pattern, name):
                    (of,) = classify([name], [(pattern, weight)]).values()
                    groups.setdefault((", ".join(condition), of), []).append(name)
    return [(why, group) for (why, _), group in groups.items() if len(group) > 1]


def make_aliases(names: Sequence[str], groups: Iterable[Sequence[str]]) -> Aliases:
    """The aliases of a model that has the parameters ``names``, in the order of its state dict.

    Args:
        groups: names that stand for one weight; groups that overlap are one.
    """
    unnamed = _unnamed_outputs(names)
    of = {name: {name} for name in (*names, *unnamed.values())}
    for group in (*groups, *unnamed.items()):
        joined = set().union(*(of[name] for name in group))
        of.update((name, joined) for name in joined)
    aliases: Aliases = {}
    seen: Set[str] = set()
    for name in names:
        if len(of[name]) > 1 and name not in seen:
            aliases[name] = [other for other in of if other in of[name] and other != name]
            seen |= of[name]
    return aliases


def _unnamed_outputs(names: Sequence[str]) -> Dict[str, str]:
    """Embedding -> the output matrix that the decoder does without."""
    unnamed = {}
    for name in names:
        match = re.fullmatch(r"(?P<of>(.+\.)?)decoder\.embed_tokens\.weight", name)
        if match is None:
            continue
        outputs = re.compile(re.escape(match["of"]) + _OUTPUTS)
        if not any(map(outputs.match, names)):
            unnamed[name] = f"{match['of']}decoder.fc_out.weight"
    return unnamed
