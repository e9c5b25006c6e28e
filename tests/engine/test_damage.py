"""Packed files that are forged, in an engine that is compiled to notice what goes wrong in it.

Its memory and all undefined behaviour are watched by the compiler's sanitizers. A file is refused
in one sentence, or it is read and translates, whatever it then says; nothing else happens.
"""

import copy
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine.models import Task, random_model
from forged import content_of, forge, taken_apart, with_content
from omegaconf import OmegaConf

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.engine import library
from fairseq_prune.packed.texts import Text

SOURCE = Path(library.__file__).with_name("src") / "engine.cpp"
CHILD = Path(__file__).with_name("translate_all.py")
SANITIZE = ("-O0", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MODELS = {
    "ours": ("--arch pruned_lstm_nmt --hidden-size 16 --num-layers 1 --lstm-bias", "exact"),
    "lstm": ("--arch lstm --encoder-embed-dim 8 --encoder-hidden-size 12 --encoder-layers 1 "
             "--encoder-bidirectional --decoder-embed-dim 8 --decoder-hidden-size 12 "
             "--decoder-layers 1 --decoder-out-embed-dim 10", "int8"),
    "transformer": ("--arch transformer --encoder-layers 1 --decoder-layers 1 "
                    "--encoder-embed-dim 12 --decoder-embed-dim 12 --encoder-ffn-embed-dim 20 "
                    "--decoder-ffn-embed-dim 20 --encoder-attention-heads 3 "
                    "--decoder-attention-heads 2 --decoder-learned-pos --max-target-positions 30 "
                    "--share-decoder-input-output-embed", "fp16"),
}  # fmt: skip


def runtime_library(name):
    """Where the compiler's runtime of a sanitizer is."""
    found = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True)
    path = found.stdout.strip()
    return path if os.path.isabs(path) else None


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("there is no g++")
    if not all(map(runtime_library, ("libasan.so", "libubsan.so"))):
        pytest.skip("the compiler has no sanitizers")
    path = tmp_path_factory.mktemp("engine") / "sanitized.so"
    words = ("-std=c++17", "-fPIC", "-shared", "-pthread", "-Wno-psabi", *SANITIZE)
    subprocess.run(["g++", *words, str(SOURCE), "-o", str(path)], check=True)
    return path


@pytest.fixture(scope="module", params=list(MODELS))
def packed(request, tmp_path_factory):
    """The path of a packed file with its dictionaries."""
    words, values = MODELS[request.param]
    model, cfg = random_model(words)
    path = tmp_path_factory.mktemp(request.param) / "model.packed"
    state = {"args": None, "cfg": OmegaConf.to_container(cfg), "model": model.state_dict()}
    torch.save(state, f"{path}.pt")
    symbols = Task().source_dictionary.symbols[4:]
    dictionary = Text("dictionary", "".join(f"{word} 1\n" for word in symbols).encode())
    texts = {"source": dictionary, "target": dictionary}
    pack_checkpoint(f"{path}.pt", str(path), values, texts=texts)
    return path


def translate_all(sanitized, folder):
    """name -> what is said of each file."""
    env = {
        **os.environ,
        "LD_PRELOAD": " ".join(map(runtime_library, ("libasan.so", "libubsan.so"))),
        "ASAN_OPTIONS": "detect_leaks=0:max_allocation_size_mb=1000",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    words = [sys.executable, str(CHILD), str(sanitized), str(folder)]
    found = subprocess.run(words, env=env, capture_output=True, timeout=500)
    said = found.stderr.decode(errors="replace")
    assert found.returncode == 0 and not said, said[:6000]
    lines = found.stdout.decode().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def tensor_changed(rng, header, content, data):
    """Another shape, other values, another tensor in its place, or none."""
    tensors = content["tensors"]
    name = rng.choice([name for name, said in tensors.items() if "same_as" not in said])
    said = tensors[name]
    kind = rng.choice(("shape", "shape", "shape", "other", "remove", "rename", "type"))
    if kind == "shape":
        count = 1
        for length in said["shape"]:
            count *= length
        divisor = rng.choice([d for d in range(1, count + 1) if count % d == 0])
        said["shape"] = rng.choice((
            [divisor, count // divisor], [divisor, count // divisor], said["shape"][::-1], [count],
            [n + rng.choice((-1, 1, 4)) for n in said["shape"]], [1 << 17, 1 << 13], [1 << 40, 2],
            [0, 5], [5, 0], [], [1, 1], [count, 1, 1], [n * 64 for n in said["shape"]],
        ))  # fmt: skip
        for entry in (name, f"{name}:scales"):  # where these are in the header, too
            if entry in header and rng.random() < 0.9:
                header[entry]["shape"] = said["shape"][: 1 if "scales" in entry else None]
    elif kind == "other":
        tensors[name] = {"same_as": rng.choice(list(tensors))}
    elif kind == "remove":
        del tensors[name]
    elif kind == "rename":
        tensors[f"{name}x"] = tensors.pop(name)
    else:
        said["dtype"] = rng.choice(("F32", "F16", "BF16", "I8", "F64", "I32"))


def option_changed(rng, header, content, data):
    options = content["state"]["cfg"]["model"]
    options = options.get("is", options)  # a namespace
    names = [name for name in options if name.startswith(("arch", "_name", "encoder_", "decoder_"))]
    odd = (None, True, -1, 0, 1, 2, 5, 7, 2**31, 10**400, 1e308, "relu", "gelu", [], {})
    names += ["max_target_positions", "max_source_positions", "activation_fn"]
    options[rng.choice(names)] = rng.choice(odd)


def bytes_changed(rng, header, content, data):
    for _ in range(rng.choice((1, 2, 10, 200))):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def mask_changed(rng, header, content, data):
    """In the table of a mask, or its first bytes."""
    masks = [name for name in header if name.endswith(":mask")]
    begin, end = header[rng.choice(masks)]["data_offsets"]
    for _ in range(rng.choice((1, 2, 5))):
        at = begin + rng.randrange(min(end - begin, rng.choice((9, 40))))
        data[at] = rng.choice((0, 1, 16, 17, 64, 80, 81, 254, 255, rng.randrange(256)))


def values_lost(rng, header, content, data):
    """Of two entries beside each other, one gets bytes of the other."""
    entries = [name for name in header if name != "__metadata__" and not name.startswith("text:")]
    entries.sort(key=lambda name: header[name]["data_offsets"])
    k = rng.randrange(len(entries) - 1)
    width = {"F32": 4, "F16": 2, "I8": 1, "U8": 1}
    one, other = (header[name] for name in entries[k : k + 2])
    by = rng.choice((-4, -2, -1, 1, 2, 4)) * max(width.get(e["dtype"], 8) for e in (one, other))
    for entry, end in ((one, 1), (other, 0)):
        entry["data_offsets"][end] += by
        entry["shape"] = [
            (entry["data_offsets"][1] - entry["data_offsets"][0]) // width.get(entry["dtype"], 8)
        ]


CHANGES = (tensor_changed, tensor_changed, option_changed, bytes_changed, mask_changed, values_lost)


def test_forged_files(sanitized, packed, tmp_path):
    header, data = taken_apart(packed)
    rng, count = random.Random(0), 300
    shutil.copy(packed, tmp_path / "whole.packed")
    for k in range(count):
        other, raw = copy.deepcopy(header), bytearray(data)
        content = content_of(other)
        for _ in range(rng.choice((1, 1, 2))):
            try:
                rng.choice(CHANGES)(rng, other, content, raw)
            except (KeyError, ValueError, IndexError, TypeError):
                pass  # undone by the first change
        forge(tmp_path / f"{k:03}.packed", with_content(other, content), bytes(raw))
    found = translate_all(sanitized, tmp_path)
    assert len(found) == count + 1 and found["whole.packed"] == "translated"
    refused = [said for said in found.values() if said != "translated"]
    assert count / 5 < len(refused) < count * 0.95, "some are refused, some are not"
    assert json.dumps(refused).count("do not fit together") > 3
