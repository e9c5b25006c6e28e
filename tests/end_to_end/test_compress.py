"""``fairseq-prune compress``: from a trained checkpoint to a small one, in one command."""

import hashlib
import json
import os
import re
import shlex

import numpy as np
import pytest
import torch
from commands import DECODE, FORKED, PLUGIN, equal, lines, run, server, state_of
from language_models import eval_lm
from wandb_files import wandb_records

from fairseq_prune.analysis.choose import choose_for
from fairseq_prune.analysis.loading import batches_of, load_model
from fairseq_prune.analysis.perplexity import perplexity
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.checkpoints.prune_file import prune_checkpoint
from fairseq_prune.experiments.training_options import parse_training
from fairseq_prune.pruning import unpack
from fairseq_prune.tasks.prune_model import Choice

GENERATE = "--beam 2 --max-len-b 12"
ONLY_PRUNES = shlex.join((*FORKED, "only-prunes"))
#: Plain fairseq-train, without this plugin.
STOCK = """
    --cpu --num-workers 0 --max-tokens 400 --max-epoch 1 --log-format json
    --no-epoch-checkpoints --optimizer adam --lr 0.01
""".split()
ARCHS = {
    "transformer": """--arch transformer_iwslt_de_en --encoder-embed-dim 16
        --encoder-ffn-embed-dim 16 --encoder-layers 1 --encoder-attention-heads 2
        --decoder-embed-dim 16 --decoder-ffn-embed-dim 16 --decoder-layers 1
        --decoder-attention-heads 2 --criterion label_smoothed_cross_entropy
        --label-smoothing 0.1 --share-decoder-input-output-embed""",
    "lstm": """--arch lstm --encoder-embed-dim 16 --encoder-hidden-size 16 --decoder-embed-dim 16
        --decoder-hidden-size 16 --decoder-out-embed-dim 16""",
    "fconv": """--arch fconv --encoder-embed-dim 16 --decoder-embed-dim 16
        --decoder-out-embed-dim 16 --encoder-layers [(16,3)] --decoder-layers [(16,3)]""",
}


def compress(checkpoint, data, out, *options, after=(), env=None, **kwargs):
    return run(
        "fairseq-prune", "compress", checkpoint, data, "--out", out, "--command",
        shlex.join(map(str, (*FORKED, "fairseq-train"))), *options, "--", *after,
        env={"FORK_SERVER": server(), **(env or {})}, **kwargs,
    )  # fmt: skip


def translated(checkpoint, data, out, *options, **kwargs):
    return compress(checkpoint, data, out, "--generate", GENERATE, *options, **kwargs)


def card_of(out):
    return json.loads((out / "card.json").read_text())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def counts(packed):
    """(kept, weights) of what its mask is of, by numpy from the file's own tensors."""
    tensors = {t.name: t for t in PackedModel(str(packed)).tensors.values() if t.recorded}
    masks = [
        np.unpackbits(np.asarray(t.packed_mask()))[: int(np.prod(t.shape))]
        for t in tensors.values()
    ]
    return sum(int(mask.sum()) for mask in masks), sum(len(mask) for mask in masks)


@pytest.fixture(scope="module")
def done(data, dense, tmp_path_factory):
    """An LSTM compressed, what was said, and the dense file's digest before."""
    out = tmp_path_factory.mktemp("compressed") / "out"
    before = digest(dense)
    options = ("--sparsity", "0.8", "--epochs", "3", "--test", "test")
    return out, translated(dense, data, out, *options), before


def test_all_of_it(data, dense, done):
    out, said, before = done
    card = card_of(out)
    assert digest(dense) == before
    record = state_of(out / "checkpoint_best.pt")["prune"]
    masks = [unpack(m, record["shapes"][n]) for n, m in record["masks"].items()]
    assert sum(int((~m).sum()) for m in masks) == pytest.approx(
        0.8 * sum(m.numel() for m in masks), abs=len(masks)
    )
    kept, weights = counts(out / "model.packed")
    assert card["sparsity"] == pytest.approx(1 - kept / weights, abs=1e-9)
    assert sum(row["kept"] for row in card["classes"]) == kept
    assert card["sizes"]["packed"] == (out / "model.packed").stat().st_size
    assert [r["sparsity"] for r in card["rounds"]] == [0.65, 0.8]
    assert [len(r["validations"]) for r in card["rounds"]] == [1, 2]
    assert card["speeds"]["dense"] > 0 and card["speeds"]["packed"] > 0
    assert "epochs" in said and "of training left" in said
    for name in ("card.md", "card.html", "densities.png", "rounds.png"):
        assert (out / name).stat().st_size > 0
    text = (out / "card.md").read_text()
    assert f"{card['sizes']['packed']:,}" in text and "fairseq-prune compress" in text
    assert "seed:12345" in text and "each retrained with the dense model as teacher" in text


def test_the_rounds_learn_from_the_dense_model_with_its_options(data, dense, done):
    out, _, _ = done
    first, second = (r["command"] for r in card_of(out)["rounds"])
    for command in (first, second):
        said = " ".join(command)
        assert f"--criterion distillation --teacher {dense} --teacher-weight 0.8" in said
        assert "--task pruned_translation" in said and "--optimizer pruned_sgd" in said
        assert "--init-range 0.5" in said and "--clip-norm 5" in said and "--lr 0.75" in said
    assert first[first.index("--finetune-from-model") + 1] == str(dense)
    assert second[second.index("--finetune-from-model") + 1].endswith("round1/checkpoint_best.pt")
    # a warm-up, then down to a hundredth, in as many updates as there are
    last = state_of(out / "rounds" / "round2" / "checkpoint_last.pt")
    updates = last["optimizer_history"][-1]["num_updates"]
    assert int(second[second.index("--total-num-update") + 1]) == updates + 1
    rates = [
        float(x)
        for x in re.findall(
            r'"train_lr": "([\d.e-]+)"', (out / "rounds" / "round2" / "train.log").read_text()
        )
    ]
    assert rates[-1] < 0.2 * 0.5


@pytest.mark.parametrize("subset", ["valid", "test"])
def test_scores_are_those_of_other_commands(data, dense, done, subset):
    """fairseq-generate on both files, and sacrebleu's command on what it has written."""
    out, _, _ = done
    (scores,) = [s for s in card_of(out)["scores"] if s["subset"] == subset]
    for name, path, d in (("dense", dense, "baseline"), ("packed", out / "model.packed", "system")):
        said = run(
            "fairseq-generate", data, "--user-dir", PLUGIN, "--path", path, "--gen-subset", subset,
            *GENERATE.split(), *DECODE,
        )  # fmt: skip
        texts = lines(said, "D")
        assert (out / f"{subset}.{name}.txt").read_text().splitlines() == [
            texts[n] for n in sorted(texts)
        ]
        for metric, key in (("bleu", "BLEU"), ("chrf", "chrF")):
            score = run(
                "sacrebleu", out / f"{subset}.reference.txt", "-i", out / f"{subset}.{name}.txt",
                "-m", metric, "-b", "-w", "4",
            )  # fmt: skip
            (found,) = [x for x in scores["differences"] if x["metric"] == key]
            assert found[d] == pytest.approx(float(score), abs=1e-4)


def test_again_it_only_says_what_it_has(data, dense, done):
    out, _, _ = done
    before = digest(out / "model.packed")
    options = ("--sparsity", "0.8", "--epochs", "3", "--test", "test")
    said = translated(dense, data, out, *options, env={"KILL": "update 1"})
    assert "num_updates" not in said and digest(out / "model.packed") == before
    said = translated(dense, data, out, *options[:1], "0.7", *options[2:], ok=False)
    assert "--sparsity 0.7" in said and "--sparsity 0.8" in said and "Traceback" not in said


@pytest.mark.parametrize("arch", list(ARCHS))
def test_stock_architectures_trained_without_this_plugin(data, tmp_path, arch):
    run(
        "fairseq-train", data, *STOCK, *ARCHS[arch].split(), "--save-dir", tmp_path / "dense",
        prepare=("outside", "refuse_the_plugin"),
    )  # fmt: skip
    out = tmp_path / "out"
    dense = tmp_path / "dense" / "checkpoint_best.pt"
    translated(dense, data, out, "--sparsity", "0.6", "--values", "int8", "--epochs", "1")
    card = card_of(out)
    kept, weights = counts(out / "model.packed")
    assert 1 - kept / weights == pytest.approx(0.6, abs=0.01)
    assert len(card["rounds"]) == 1 and len(card["rounds"][0]["validations"]) == 1
    # of a model this small most of the file is its configuration
    assert card["sizes"]["packed"] == (out / "model.packed").stat().st_size


def test_a_language_model(text, language_model, tmp_path):
    out = tmp_path / "out"
    compress(language_model, text, out, "--sparsity", "0.6", "--epochs", "2", "--test", "test")
    card = card_of(out)
    for found in card["scores"]:
        assert found["differences"] == []
        loss = eval_lm(text, out / "model.packed", subset=found["subset"], tokens=12, batch=4)
        assert found["perplexity"]["packed"] == pytest.approx(2**loss, rel=2e-3)
    assert card["speeds"]["unit"] == "words"


#: Of the trainings (a status of 1) and of the command itself, as ``done`` is made: rounds of 6 and
#: 12 updates.
KILLS = [
    ({}, ("kill", "at", "known", "1"), -9),
    ({"KILL": "update 3"}, None, 1),
    ({"KILL": "update 9"}, None, 1),
    ({}, ("kill", "at", "write", "2"), -9),
    ({}, ("kill", "at", "known", "1"), -9),
    ({}, ("kill", "at", "known", "2"), -9),
]


def test_killed_anywhere_it_ends_as_if_it_had_not_been(data, dense, done):
    out, _, _ = done
    options = ("--sparsity", "0.8", "--epochs", "3", "--test", "test")
    # in the same place, whose name is in the files
    whole, cut = out.with_name("whole"), out.with_name("cut")
    out.rename(whole)
    try:
        for env, prepare, status in KILLS:
            translated(dense, data, out, *options, env=env, prepare=prepare, ok=status)
        translated(dense, data, out, *options)
        out.rename(cut)
    finally:
        whole.rename(out)
    assert digest(out / "model.packed") == digest(cut / "model.packed")
    one, other = card_of(out), card_of(cut)
    # of pickled files, how long they are depends on what is shared in memory: look into them
    one["sizes"].pop("pruned_checkpoint"), other["sizes"].pop("pruned_checkpoint")
    assert equal(*(state_of(folder / "checkpoint_best.pt") for folder in (out, cut)))
    assert one["scores"] == other["scores"] and one["sizes"] == other["sizes"]
    assert [r["command"] for r in one["rounds"]] == [r["command"] for r in other["rounds"]]
    assert not list(cut.rglob(".fairseq_prune_*"))


def test_no_more_than_so_many_bytes(data, dense, tmp_path):
    out = tmp_path / "out"
    options = ("--epochs", "1", "--recipe", "magnitude", "--values", "fp16")
    said = translated(dense, data, out, "--max-bytes", "60kB", *options)
    size = (out / "model.packed").stat().st_size
    # the configuration, a third of so small a file, is somewhat smaller than was allowed for
    assert card_of(out)["about"].endswith("retrains without the dense model as teacher")
    assert 50_000 < size <= 60_000 and f"{size:,}" in said
    for given, words in (
        ("1kB", "no sparsity up to 99% packs"), ("10MB", "as it is; fairseq-prune pack does it"),
        ("many", "--max-bytes many is no size"),
    ):  # fmt: skip
        said = translated(dense, data, tmp_path / "no", "--max-bytes", given, *options, ok=False)
        assert words in said and "Traceback" not in said
        assert not (tmp_path / "no" / "model.packed").exists()


def test_a_loss_that_cannot_be_kept_to(data, dense, tmp_path):
    out = tmp_path / "out"
    said = translated(
        dense, data, out, "--max-loss", "0", "--metric", "perplexity", "--epochs", "9",
        after=("--lr", "1e-9"), ok=False,
    )  # fmt: skip
    assert "--max-loss 0: pruned to 60% already, it loses" in said and "Traceback" not in said
    assert not (out / "model.packed").exists() and not (out / "card.md").exists()


def test_the_last_round_within_the_loss_is_kept(data, dense, tmp_path):
    """With trainings that only prune, so that it is known what each round loses."""
    found, source = {}, dense
    for sparsity in (0.6, 0.7, 0.8):
        target = tmp_path / f"{sparsity}.pt"
        choose = choose_for(str(source), Choice("class-blind", "magnitude"), sparsity)
        prune_checkpoint(str(source), str(target), choose, sparsity)
        found[sparsity], source = perplexity_of(target, data), target
    before = perplexity_of(dense, data)
    assert before < found[0.6] < found[0.7] < found[0.8], "or another seed"
    out = tmp_path / "out"
    said = run(
        "fairseq-prune", "compress", dense, data, "--out", out, "--metric", "perplexity",
        "--max-loss", (found[0.7] + found[0.8]) / 2 - before, "--generate", GENERATE,
        "--command", ONLY_PRUNES, env={"FORK_SERVER": server()},
    )  # fmt: skip
    card = card_of(out)
    assert card["losses"] == pytest.approx([found[x] - before for x in found], rel=1e-4)
    assert card["kept"] == 2 and card["sparsity"] == pytest.approx(0.7, abs=1e-3)
    assert said.count(", within") == 2 and said.count(", more than") == 1
    (scores,) = card["scores"]
    assert scores["perplexity"]["packed"] == pytest.approx(found[0.7], rel=1e-4)


def perplexity_of(path, data):
    model, task = load_model(str(path), str(data), ["valid"])
    return perplexity(model, batches_of(model, task, "valid"))


def test_hours(data, dense, tmp_path):
    """By the speed of a few updates, of which nothing is left."""
    said = translated(
        dense, data, tmp_path / "out", "--hours", "0.00001", "--recipe", "magnitude", ok=False
    )
    assert "--hours 1e-05 is less than an epoch, which takes about" in said
    said = translated(
        dense, data, tmp_path / "out", "--hours", "0.5", "--recipe", "magnitude", "--dry-run"
    )
    assert re.search(r"\d+ epochs, which 0.5 hours are enough for; about \d+ min", said)


def test_a_dry_run_writes_nothing(data, dense, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in dense.parent.iterdir()}
    said = translated(
        dense, data, tmp_path / "out", "--sparsity", "0.85", "--dry-run",
        after=("--lr", "0.25", "--update-freq", "2"),
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert before == {path: path.stat().st_mtime_ns for path in dense.parent.iterdir()}
    assert (
        "round 3 of 3: 85%, 4 epochs" in said
        and "8 epochs, 2 times as many as the checkpoint was trained for" in said
    )
    commands = [line for line in said.splitlines() if " --save-dir " in line]
    assert len(commands) == 3
    # 4 epochs of 3 updates
    assert "--lr 0.25 --warmup-updates 1 --total-num-update 13" in commands[2]
    assert commands[2].endswith(
        f"--finetune-from-model {tmp_path}/out/rounds/round2/checkpoint_best.pt"
    )


def test_trainings_are_given_whole_paths(data, dense, tmp_path):
    """A command that is spelled otherwise goes on with them."""
    near = [os.path.relpath(path) for path in (dense, data, tmp_path / "out")]
    far = (dense, data, tmp_path / "out")
    one, other = (translated(*paths, "--epochs", "2", "--dry-run") for paths in (near, far))
    commands = [[x for x in said.splitlines() if " --save-dir " in x] for said in (one, other)]
    assert len(commands[0]) == 2 and commands[0] == commands[1]


def test_a_schedule_of_ones_own_has_the_learning_rate(data, dense, tmp_path):
    """The recipe's, one and a half times the checkpoint's, unless it is given."""
    after = ("--lr-scheduler", "inverse_sqrt", "--warmup-updates", "5")
    for more, lr in (((), "0.75"), (("--lr", "0.1"), "0.1")):
        said = translated(
            dense, data, tmp_path / "out", "--epochs", "1", "--dry-run", after=(*after, *more)
        )
        (command,) = [shlex.split(line) for line in said.splitlines() if " --save-dir " in line]
        _, args = parse_training(command[command.index("fairseq-train") + 1 :])
        assert args.lr == [float(lr)] and args.lr_scheduler == "inverse_sqrt"


def test_the_estimate_has_the_teacher_in_it(data, dense, tmp_path):
    state = state_of(dense)
    state["extra_state"]["previous_training_time"] = 3600 * 20 * 10.0
    updates = state["optimizer_history"][-1]["num_updates"]  # 10 hours each: 20
    torch.save(state, tmp_path / "slow.pt")
    found = []
    for recipe in ("rounds", "magnitude"):
        said = translated(
            tmp_path / "slow.pt", data, tmp_path / "out", "--epochs", "10", "--recipe", recipe,
            "--dry-run",
        )  # fmt: skip
        hours = re.search(r"10 epochs as asked for; about (\d+) h", said)
        found.append(int(hours[1]))
    assert updates == 20
    assert found[1] == pytest.approx(10 * 6 * 10 * 1.1, rel=0.01)  # 6 updates an epoch
    assert found[0] == pytest.approx(1.35 * found[1], rel=0.01)


@pytest.mark.parametrize(
    "options, after, said",
    [
        (("--sparsity", "0.5", "--max-loss", "1"), (), "two goals; give one"),
        (("--sparsity", "1.5"), (), "--sparsity 1.5 is out of range"),
        (("--max-loss", "-1"), (), "--max-loss -1 is out of range"),
        (("--epochs", "0"), (), "--epochs 0 is out of range"),
        (("--epochs", "2", "--hours", "1"), (), "two budgets; give one"),
        (("--values", "int4"), (), "--values int4: choose one of fp32, fp16, int8"),
        (("--metric", "ter"), (), "--metric ter: choose one of bleu, chrf"),
        (("--recipe", "cake"), (), "--recipe cake is unknown; choose from rounds"),
        (("--test", "tset"), (), "tset"),
        (("--generate", "--beem 5"), (), "--beem"),
        ((), ("--max-epoch", "3"), "--max-epoch is not for this: give --epochs"),
        ((), ("--valid-subset", "test"), "--valid-subset is not for this: give --valid before --"),
        ((), ("--prune-score", "obs"), "--prune-score is not for this"),
        ((), ("--optimizer", "composite"), "--optimizer composite has no pruned_composite"),
        ((), ("--drpout", "0.1"), "unrecognized arguments: --drpout 0.1"),
    ],
)
def test_mistakes(data, dense, tmp_path, options, after, said):
    generate = () if "--generate" in options else ("--generate", GENERATE)
    output = compress(dense, data, tmp_path / "out", *generate, *options, after=after, ok=False)
    assert said in output and "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_it_says_why_there_is_no_teacher(data, dense, tmp_path):
    options = (dense, data, tmp_path / "out", "--epochs", "1", "--dry-run")
    said = translated(*options, after=("--criterion", "cross_entropy"))
    assert f"no round has {dense} as teacher: --criterion is given after --" in said
    assert "--teacher" not in said and "no round has" not in translated(*options)


def test_a_plugin_that_cannot_prune(data, dense, tmp_path):
    folder = tmp_path / "plain_plugin"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    options = ("--user-dir", folder, "--epochs", "1", "--dry-run")
    said = translated(dense, data, tmp_path / "out", *options, ok=False)
    assert "plain_plugin does not import fairseq_prune" in said and "Traceback" not in said
    (folder / "__init__.py").write_text("import fairseq_prune")
    assert f"--user-dir {folder}" in translated(dense, data, tmp_path / "out", *options)


def test_wrong_files(data, text, dense, retrained, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "none.pt").write_bytes(b"no checkpoint")
    other = tmp_path / "other"
    folder = data.parent
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de", "--trainpref",
        folder / "valid", "--validpref", folder / "test", "--destdir", other,
        "--thresholdsrc", "12",
    )  # fmt: skip
    pruned = retrained[0] / "checkpoint_best.pt"
    for checkpoint, where, words in (
        (tmp_path / "missing.pt", data, "missing.pt does not exist"),
        (tmp_path / "none.pt", data, "none.pt cannot be read as a checkpoint"),
        (dense, tmp_path / "nowhere", "nowhere: there is no such folder"),
        (dense, tmp_path, "has no data for"),
        (dense, other, "cannot be used with"),
        (pruned, data, "is pruned to already (0.8)"),
    ):
        said = translated(checkpoint, where, out, "--sparsity", "0.7", ok=False)
        assert words in said and "Traceback" not in said, said
        assert not out.exists()


def test_what_is_sent_to_wandb(data, dense, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    env = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true",
           "FORK_SERVER": server()}  # fmt: skip
    # not in a fork of a process that has imported wandb, whose temporary folder is gone there
    run(
        "python", "-m", "fairseq_prune.cli.main", "compress", dense, data, "--out", out,
        "--generate", GENERATE, "--sparsity", "0.6", "--wandb-project", "small", "--command",
        ONLY_PRUNES, env=env,
    )  # fmt: skip
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (sent,) = (folder / "files" / "media" / "images").iterdir()
    assert sent.read_bytes() == (out / "densities.png").read_bytes()
    _, (row,) = wandb_records(tmp_path)
    card = card_of(out)
    assert row["bytes/packed"] == card["sizes"]["packed"]
    assert row["valid/BLEU/p"] == card["scores"][0]["differences"][0]["p"]


def test_the_folder_of_the_checkpoint_itself(data, dense):
    before = digest(dense)
    said = translated(dense, data, dense.parent, ok=False)
    assert "has a checkpoint_best.pt that is not of this command" in said
    assert digest(dense) == before


def test_options_before_and_after(dense, data, tmp_path):
    said = run("fairseq-prune", "compress", dense, data, "--out", tmp_path / "o", "--lr", "1",
               ok=False)  # fmt: skip
    assert "--lr is no option of compress; options of fairseq-train go after --" in said
