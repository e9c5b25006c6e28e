"""``fairseq-prune compress``: from a trained checkpoint to a small one, in one command."""

import re
import shlex
import shutil

import pytest
from commands import DECODE, FORKED, PLUGIN, equal, lines, run, server, state_of
from compressing import GENERATE, ONLY_PRUNES, card_of, compress, counts, digest, translated
from wandb_files import wandb_records

from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.experiments.compress.card_tables import commands
from fairseq_prune.pruning import unpack


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
    state = state_of(out / "checkpoint_best.pt")
    assert state["compressed"]["lr"] == [0.5] and state["compressed"]["checkpoint"] == str(dense)
    record = state["prune"]
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
        assert "--init-range 0.5" in said and "--clip-norm 5" in said
        # half as much again as the dense model's 0.5
        assert "--lr 0.75 " in said
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
    assert rates[-1] < 0.2 * max(rates)


def test_the_cards_commands_make_the_model(done, tmp_path):
    """Of what the rounds have left: the same weights, masks and file."""
    out, _, _ = done
    *_, model, pack = (shlex.split(line) for line in commands(card_of(out)))
    assert model[-1] == pack[2] == str(out / "checkpoint_best.pt")
    assert pack[3] == str(out / "model.packed")
    made, packed = tmp_path / "checkpoint_best.pt", tmp_path / "model.packed"
    run(*model[:-1], made)
    run(*pack[:2], made, packed, *pack[4:])
    one, other = (state_of(path) for path in (out / "checkpoint_best.pt", made))
    assert equal(one["model"], other["model"])
    assert equal(one["prune"]["masks"], other["prune"]["masks"])
    one, other = (PackedModel(str(path)) for path in (out / "model.packed", packed))
    assert one.tensors.keys() == other.tensors.keys()


def test_other_values_and_subsets_without_training_again(data, dense, done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    before = card_of(out)
    options = ("--sparsity", "0.8", "--epochs", "3", "--values", "int8")
    said = translated(dense, data, out, *options, env={"KILL": "update 1"})
    after = card_of(out)
    assert "of training left" not in said and "updates" not in said
    assert [found["subset"] for found in after["scores"]] == ["valid"]
    assert after["sizes"]["packed"] == (out / "model.packed").stat().st_size
    assert after["sizes"]["packed"] < before["sizes"]["packed"]
    assert after["rounds"] == before["rounds"]
    found = [card["scores"][0]["perplexity"]["packed"] for card in (before, after)]
    assert found[0] != found[1]
    assert not (out / "test.packed.txt").exists() and (out / "test.dense.txt").exists()
    assert (out / "valid.packed.txt").stat().st_mtime > (out / "model.packed").stat().st_mtime


def test_other_translations_without_training_again(data, dense, done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    options = ("--sparsity", "0.8", "--epochs", "3", "--generate", "--beam 1 --max-len-b 6")
    said = compress(dense, data, out, *options, env={"KILL": "update 1"})
    assert "updates" not in said and digest(out / "model.packed") == digest(
        done[0] / "model.packed"
    )
    assert not (out / "test.packed.txt").exists()  # of the other translations
    texts = run("fairseq-generate", data, "--user-dir", PLUGIN, "--path", dense, "--gen-subset",
                "valid", "--beam", "1", "--max-len-b", "6", *DECODE)  # fmt: skip
    texts = lines(texts, "D")
    written = (out / "valid.dense.txt").read_text().splitlines()
    assert written == [texts[n] for n in sorted(texts)]
    assert written != (done[0] / "valid.dense.txt").read_text().splitlines()


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
    elsewhere = ("--command", shlex.join(("env", *FORKED, "fairseq-train")))
    # in the same place, whose name is in the files
    whole, cut = out.with_name("whole"), out.with_name("cut")
    out.rename(whole)
    try:
        for k, (env, prepare, status) in enumerate(KILLS):
            # on another machine by then, where another program starts trainings
            more = elsewhere if k > 1 else ()
            translated(dense, data, out, *options, *more, env=env, prepare=prepare, ok=status)
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
    one, other = (
        [r["command"][r["command"].index(str(data)) :] for r in card["rounds"]]
        for card in (one, other)
    )
    assert one == other
    assert not list(cut.rglob(".fairseq_prune_*"))


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
