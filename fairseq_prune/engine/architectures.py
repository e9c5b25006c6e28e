"""Which tensor of a model is which part of the engine's."""

import re
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Callable, Dict, List, Mapping, Optional, Set

from ..errors import PruneError


@dataclass
class Parts:
    """What the engine builds a model of.

    Attributes:
        kind: what ``engine_build`` takes.
        matrices: name in the engine -> name of the tensor.
        gates: those of ``matrices`` and ``vectors`` whose rows are the gates of an LSTM.
        vectors: name in the engine -> names of tensors, which are added up.
        numbers: options of the architecture.
    """

    kind: str
    matrices: Dict[str, str] = field(default_factory=dict)
    gates: Set[str] = field(default_factory=set)
    vectors: Dict[str, List[str]] = field(default_factory=dict)
    numbers: Dict[str, float] = field(default_factory=dict)


#: The number of the padding in dictionaries of fairseq's.
PAD = 1
#: No size is larger.
MOST = 1 << 28

_SOURCE = "encoder.embed_tokens.weight"

#: A model's options.
Options = Mapping[str, Any]
#: The names of its tensors.
Names = Set[str]


def parts_of(arch: Optional[str], options: Options, names: Names) -> Parts:
    """The parts of a model of architecture ``arch``.

    Raises:
        PruneError: the engine has no such architecture, or not with these options.
    """
    for pattern, make in (*_LANGUAGE_MODELS.items(), *_TRANSLATION_MODELS.items()):
        if arch is not None and re.fullmatch(pattern, arch):
            parts = make(options, names)
            _check_all_used(parts, names)
            return parts
    raise PruneError(f"the engine does not know the architecture {arch}")


#: Tensors that nobody trained: numbers of versions, a buffer that says where the model is,
#: sinusoids, and the copies of an encoder layer's weights that fairseq 0.12.2 has.
_UNUSED = re.compile(
    r"(.*\.)?(version|_float_tensor|embed_positions\.weights)"
    r"|encoder\.layers\.\d+\.(in_proj|out_proj|fc1|fc2)_(weight|bias)"
)


def _check_all_used(parts: Parts, names: Names) -> None:
    """A model with weights that the engine has no place for is another than it takes it for."""
    used = {*parts.matrices.values(), *chain.from_iterable(parts.vectors.values())}
    for name in sorted(names - used):
        if not _UNUSED.fullmatch(name):
            raise PruneError(f"the engine does not know what {name} is for")


def is_language_model(arch: Optional[str]) -> bool:
    """Whether the engine scores text with such models; others translate."""
    return any(arch is not None and re.fullmatch(pattern, arch) for pattern in _LANGUAGE_MODELS)


def _pruned_lstm(options: Options, names: Names) -> Parts:
    parts = Parts("lstm", numbers={"backwards": 1.0})
    parts.numbers["input_feed"] = float(bool(options.get("decoder_input_feed")))
    _embeddings(parts, names)
    _lstm(parts, names, "encoder.{layer}.0", "encoder.lstm", "_l{layer}")
    _lstm(parts, names, "decoder.{layer}", "decoder.lstm", "_l{layer}")
    _linear(parts, names, "attention.output", "decoder.attention.output_proj")
    return parts


def _fairseq_lstm(options: Options, names: Names) -> Parts:
    _refuse(options, "residuals")
    parts = Parts("lstm", numbers={"backwards": 0.0, "input_feed": 1.0})
    _embeddings(parts, names)
    _lstm(parts, names, "encoder.{layer}.0", "encoder.lstm", "_l{layer}")
    _lstm(parts, names, "encoder.{layer}.1", "encoder.lstm", "_l{layer}_reverse")
    _lstm(parts, names, "decoder.{layer}", "decoder.layers.{layer}", "")
    _linear(parts, names, "attention.query", "decoder.attention.input_proj")
    _linear(parts, names, "attention.output", "decoder.attention.output_proj")
    _linear(parts, names, "project_hidden", "decoder.encoder_hidden_proj")
    _linear(parts, names, "project_cell", "decoder.encoder_cell_proj")
    _linear(parts, names, "before_softmax", "decoder.additional_fc")
    return parts


def _pruned_lstm_lm(options: Options, names: Names) -> Parts:
    if options.get("factorization") not in (None, "none"):
        raise PruneError(f"the engine has no --factorization {options['factorization']}")
    parts = Parts("lstm")
    _words(parts, names)
    _lstm(parts, names, "decoder.{layer}", "decoder.lstm", "_l{layer}")
    return parts


def _fairseq_lstm_lm(options: Options, names: Names) -> Parts:
    _refuse(options, "residuals")
    parts = Parts("lstm")
    _words(parts, names)
    _lstm(parts, names, "decoder.{layer}", "decoder.layers.{layer}", "")
    _linear(parts, names, "before_softmax", "decoder.additional_fc")
    return parts


#: In the order of ``Activation`` in ``src/transformer.h``, after none.
_ACTIVATIONS = ("relu", "gelu", "gelu_accurate", "tanh")


def _transformer(options: Options, names: Names) -> Parts:
    _refuse(options, "cross_self_attention", "no_cross_attention")
    parts = _transformer_lm(options, names)
    parts.matrices["source"] = _SOURCE
    _side(parts, options, names, "encoder")
    return parts


def _transformer_lm(options: Options, names: Names) -> Parts:
    _refuse(
        options, "scale_attn", "scale_heads", "scale_fc", "scale_resids", "adaptive_input",
        "character_embeddings", "base_layers", "decoder_xformers_att_config",
    )  # fmt: skip
    parts = Parts("transformer", numbers={"padding": float(PAD)})
    _words(parts, names)
    _linear(parts, names, "softmax", "decoder.output_projection")
    _side(parts, options, names, "decoder")
    return parts


def _side(parts: Parts, options: Options, names: Names, side: str) -> None:
    activation = options.get("activation_fn") or "relu"
    if activation not in _ACTIVATIONS:
        raise PruneError(f"the engine has no --activation-fn {activation}")
    size: Any = options.get(f"{side}_embed_dim")
    heads: Any = options.get(f"{side}_attention_heads")
    if not all(type(number) is int and 0 < number < MOST for number in (size, heads)):
        raise PruneError(f"the model's options lack --{side}-embed-dim or --{side}-attention-heads")
    learned = f"{side}.embed_positions.weight" in names
    if learned:
        parts.matrices[f"{side}.positions"] = f"{side}.embed_positions.weight"
    sinusoids = not learned and not options.get("no_token_positional_embeddings")
    parts.numbers.update({
        f"{side}.sinusoids": float(sinusoids),
        f"{side}.norm_before": float(bool(options.get(f"{side}_normalize_before"))),
        f"{side}.scale": 1.0 if options.get("no_scale_embedding") else size**0.5,
        f"{side}.heads": float(heads),
        f"{side}.activation": 1.0 + _ACTIVATIONS.index(activation),
    })  # fmt: skip
    _norm(parts, names, f"{side}.embedding_norm", f"{side}.layernorm_embedding")
    _norm(parts, names, f"{side}.last_norm", f"{side}.layer_norm")
    _linear(parts, names, f"{side}.project_in", f"{side}.project_in_dim")
    _linear(parts, names, f"{side}.project_out", f"{side}.project_out_dim")
    layer = 0
    while f"{side}.layers.{layer}.fc1.weight" in names:
        module = f"{side}.layers.{layer}"
        for part, attention in (("self", "self_attn"), ("cross", "encoder_attn")):
            if f"{module}.{attention}.bias_k" in names:
                raise PruneError("the engine has no attention with bias_k")
            for which in ("query", "key", "value"):
                name = f"{side}.{layer}.{part}.{which}"
                _linear(parts, names, name, f"{module}.{attention}.{which[0]}_proj")
            _linear(parts, names, f"{side}.{layer}.{part}.output", f"{module}.{attention}.out_proj")
            _norm(parts, names, f"{side}.{layer}.{part}.norm", f"{module}.{attention}_layer_norm")
        _linear(parts, names, f"{side}.{layer}.first", f"{module}.fc1")
        _linear(parts, names, f"{side}.{layer}.second", f"{module}.fc2")
        _norm(parts, names, f"{side}.{layer}.norm", f"{module}.final_layer_norm")
        layer += 1


def _norm(parts: Parts, names: Names, part: str, module: str) -> None:
    """A layer normalisation, where there is one."""
    for which in ("weight", "bias"):
        if f"{module}.{which}" in names:
            parts.vectors[f"{part}.{which}"] = [f"{module}.{which}"]


def _embeddings(parts: Parts, names: Names) -> None:
    parts.matrices["source"] = _SOURCE
    _words(parts, names)


def _words(parts: Parts, names: Names) -> None:
    """What reads and gives the target's words."""
    if any(name.startswith("decoder.adaptive_softmax.") for name in names):
        raise PruneError("the engine has no adaptive softmax")
    parts.matrices["target"] = parts.matrices["softmax"] = "decoder.embed_tokens.weight"
    _linear(parts, names, "softmax", "decoder.fc_out")


def _lstm(parts: Parts, names: Names, part: str, module: str, suffix: str) -> None:
    """All layers of an LSTM, where there is one."""
    layer = 0
    while True:
        name, module_name = part.format(layer=layer), module.format(layer=layer)
        end = suffix.format(layer=layer)
        if f"{module_name}.weight_ih{end}" not in names:
            return
        parts.matrices[f"{name}.input"] = f"{module_name}.weight_ih{end}"
        parts.matrices[f"{name}.recurrent"] = f"{module_name}.weight_hh{end}"
        biases = [f"{module_name}.bias_{which}{end}" for which in ("ih", "hh")]
        if biases[0] in names:
            parts.vectors[f"{name}.bias"] = biases
        parts.gates |= {f"{name}.input", f"{name}.recurrent", f"{name}.bias"}
        layer += 1


def _linear(parts: Parts, names: Names, part: str, module: str) -> None:
    """A linear layer and its bias, where there is one."""
    if f"{module}.weight" in names:
        parts.matrices[part] = f"{module}.weight"
    if f"{module}.bias" in names:
        parts.vectors[f"{part}.bias"] = [f"{module}.bias"]


def _refuse(options: Options, *unknown: str) -> None:
    for name in unknown:
        if options.get(name):
            flag = "--" + name.replace("_", "-")
            raise PruneError(f"the engine has no {flag}")


_LANGUAGE_MODELS: Dict[str, Callable[[Options, Names], Parts]] = {
    "pruned_lstm_lm.*": _pruned_lstm_lm,
    "lstm_lm.*": _fairseq_lstm_lm,
    "transformer_lm.*": _transformer_lm,
}
_TRANSLATION_MODELS: Dict[str, Callable[[Options, Names], Parts]] = {
    "pruned_lstm_nmt.*": _pruned_lstm,
    "lstm|lstm_.*": _fairseq_lstm,
    "transformer(?!_lm|_align|_ulm).*": _transformer,
}
