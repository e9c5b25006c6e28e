"""Tasks whose options come from argparse: pruned, resumed, and translated by fairseq alone."""

import re
import shutil

import numpy
import pytest
import torch
from commands import PLUGIN, equal, run, state_of, train

from fairseq_prune.parameters.kinds import is_copy
from fairseq_prune.parameters.weight_classes import fairseq_classes
from fairseq_prune.pruning import unpack

BASE = """
    --seed 3 --cpu --num-workers 0 --lr 0.01 --log-format json --no-epoch-checkpoints
    --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2
    --encoder-layers 1 --decoder-embed-dim 16 --decoder-ffn-embed-dim 32
    --decoder-attention-heads 2 --decoder-layers 1
""".split()
PRUNE = """
    --prune-scheme class-uniform --prune-sparsity 0.6 --prune-schedule iterative
    --prune-rounds 2 --prune-every 8 --max-update 10 --save-interval-updates 7
""".split()
EN_DE = "--source-lang en --target-lang de".split()
LANGUAGES = "--lang-pairs en-de,de-en --langs en,de --encoder-langtok src --decoder-langtok".split()
SHARED = "--arch transformer --share-all-embeddings".split()

#: name -> task, its options, further ones of training, further ones of generating
TASKS = {
    "multilingual": (
        "multilingual_translation", "--lang-pairs en-de,de-en".split(),
        "--arch multilingual_transformer --max-tokens 1200".split(), EN_DE,
    ),
    "virtual epochs": (
        "translation_multi_simple_epoch", LANGUAGES,
        [*SHARED, *"--max-tokens 600 --sampling-method temperature --sampling-temperature 1.5 "
         "--virtual-epoch-size 300 --virtual-data-size 900".split()], EN_DE,
    ),
    "BART": (
        "translation_from_pretrained_bart", ["--langs", "en,de", *EN_DE],
        "--arch mbart_base --max-tokens 600".split(),
        ["--user-dir", PLUGIN],  # without its fix this task fails in fairseq
    ),
    "speech": (
        "speech_to_text", [], "--arch s2t_transformer_s --conv-channels 16 --max-tokens 400 "
        "--criterion label_smoothed_cross_entropy".split(), [],
    ),
}  # fmt: skip

#: What they are pruned by, of few batches.
SCORES = {
    "multilingual": "--prune-score fisher --prune-samples 96".split(),
    "virtual epochs": "--prune-score taylor --prune-samples 64".split(),
    "speech": "--prune-score obs --prune-samples 32".split(),
}

BATCHES_OF_THEIR_OWN = ("multilingual", "virtual epochs")

CLASSES = {
    "multilingual": {
        f"{pair} {name}"
        for pair in ("en-de", "de-en")
        for name in ("source embedding", "source layer 1", "target embedding",
                     "target layer 1", "attention", "softmax")
    },
    "virtual epochs": {"source embedding", "source layer 1", "target layer 1", "attention"},
    "speech": {
        "encoder.subsample.conv_layers.0", "encoder.subsample.conv_layers.1", "source layer 1",
        "target embedding", "target layer 1", "attention", "softmax",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def joined(data, tmp_path_factory):
    """The corpus with one dictionary for both languages."""
    folder = tmp_path_factory.mktemp("joined")
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de", "--destdir", folder,
        *(x for s in ("train", "valid", "test") for x in (f"--{s}pref", data.parent / s)),
        "--joined-dictionary",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def speech(data, tmp_path_factory):
    """Features of invented speech, and what was said."""
    folder = tmp_path_factory.mktemp("speech")
    (folder / "features").mkdir()
    rng = numpy.random.RandomState(0)
    for split, count in (("train", 40), ("valid", 10), ("test", 30)):
        rows = ["id\taudio\tn_frames\ttgt_text\tspeaker"]
        for k in range(count):
            words = rng.randint(0, 20, size=rng.randint(2, 6))
            frames = numpy.repeat(numpy.eye(20, dtype=numpy.float32)[words], 8, axis=0)[:, :8]
            numpy.save(folder / "features" / f"{split}{k}.npy", frames)
            text = " ".join(f"v{word}" for word in words)
            rows.append(f"{k}\tfeatures/{split}{k}.npy\t{len(frames)}\t{text}\tx")
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    shutil.copy(data / "dict.de.txt", folder / "dict.txt")
    (folder / "config.yaml").write_text(
        f"vocab_filename: dict.txt\ninput_feat_per_channel: 8\ninput_channels: 1\n"
        f"audio_root: {folder}\n"
    )
    return folder


def own(state):
    """The model without what stock transformers make anew whenever they are loaded."""
    return {n: w for n, w in state["model"].items() if not is_copy(n) and "_float_" not in n}


@pytest.mark.parametrize("name", list(TASKS))
def test_prunes_resumes_and_translates(request, tmp_path, name):
    task, options, training, generating = TASKS[name]
    corpus = request.getfixturevalue("speech" if name == "speech" else "joined")
    base = [*BASE, *options, *training]
    train(corpus, tmp_path / "dense", "--task", task, "--optimizer", "adam", "--max-update", "1",
          base=base)  # fmt: skip
    pruned = [
        "--task", f"pruned_{task}", "--optimizer", "pruned_adam", *PRUNE, *SCORES.get(name, []),
        "--finetune-from-model", tmp_path / "dense" / "checkpoint_last.pt",
    ]  # fmt: skip
    train(corpus, tmp_path / "whole", *pruned, base=base)
    whole = state_of(tmp_path / "whole" / "checkpoint_last.pt")
    if name in BATCHES_OF_THEIR_OWN:
        (interrupted,) = (tmp_path / "whole").glob("checkpoint_*_7.pt")
        assert int(interrupted.name.split("_")[1]) > 1, "in a later epoch than the first"
        (tmp_path / "again").mkdir()
        shutil.copy(interrupted, tmp_path / "again" / "checkpoint_last.pt")
        train(corpus, tmp_path / "again", *pruned, base=base)
        again = state_of(tmp_path / "again" / "checkpoint_last.pt")
        assert equal(own(whole), own(again))
        assert equal(whole["last_optimizer_state"], again["last_optimizer_state"])
    record = whole["last_optimizer_state"]["prune"]
    masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
    by_class = {}
    for parameter, weight_class in fairseq_classes(masks).items():
        by_class.setdefault(weight_class, []).append(masks[parameter].flatten())
        gone = whole["model"][parameter][~masks[parameter]]
        assert not gone.any() and not torch.signbit(gone).any()
    for mask in map(torch.cat, by_class.values()):
        assert int((~mask).sum()) == round(0.6 * len(mask))
    assert set(by_class) == CLASSES.get(name, set(by_class))
    if name in SCORES:
        asked = [word.replace("--prune-", "--") for word in SCORES[name]]
        run("fairseq-prune", "prune", tmp_path / "dense" / "checkpoint_last.pt", tmp_path / "p.pt",
            "--sparsity", "0.6", "--data", corpus, *asked)  # fmt: skip
        record = state_of(tmp_path / "p.pt")["prune"]
        kept = [unpack(m, record["shapes"][n]) for n, m in record["masks"].items()]
        assert sum(int((~m).sum()) for m in kept) == round(0.6 * sum(m.numel() for m in kept))
    said = run(
        "fairseq-generate", corpus, "--path", tmp_path / "whole" / "checkpoint_best.pt", "--task",
        task, *options, *generating, "--cpu", "--num-workers", "0", "--batch-size", "1",
        "--beam", "1", "--max-len-b", "12", "--required-batch-size-multiple", "1",
        env={"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},  # fairseq alone needs it on torch >= 2.6
    )  # fmt: skip
    assert len(re.findall(r"^H-\d+\t", said, re.MULTILINE)) == 30


def test_a_task_of_ones_own_with_arguments_gets_its_twin(data, dense, tmp_path):
    plugin = tmp_path / "my_plugin_with_arguments"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(
        "from fairseq.tasks import register_task\n"
        "from fairseq.tasks.translation import TranslationTask\n"
        "@register_task('my_arguments')\n"
        "class MyArgumentsTask(TranslationTask):\n"
        "    @staticmethod\n"
        "    def add_args(parser):\n"
        "        TranslationTask.add_args(parser)\n"
        "        parser.add_argument('--prune-the-roses', type=int, default=3)\n"
        "from fairseq_prune import register_pruned_task\n"
        "register_pruned_task('my_arguments')\n"
    )
    train(
        data, tmp_path / "run", "--task", "pruned_my_arguments", "--prune-the-roses", "5",
        "--optimizer", "pruned_sgd", "--lr", "0.5", "--prune-scheme", "class-blind",
        "--prune-sparsity", "0.5", "--finetune-from-model", dense, "--max-update", "1",
        "--user-dir", plugin,
    )  # fmt: skip
    state = state_of(tmp_path / "run" / "checkpoint_last.pt")
    assert state["last_optimizer_state"]["prune"]["sparsity"] == 0.5
    task = state["cfg"]["task"]
    assert task.task == task._name == "my_arguments" and task.prune_the_roses == 5
