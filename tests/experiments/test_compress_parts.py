"""Parts of ``fairseq-prune compress`` that need no model."""

import argparse
import json
import os
from types import SimpleNamespace

import pytest
from fairseq.modules import AdaptiveSoftmax
from torch import nn

from fairseq_prune.experiments.compress.asked import Asked
from fairseq_prune.experiments.compress.base import dropout_words, no_teacher, scaled, with_twins
from fairseq_prune.experiments.compress.decode import usual_words
from fairseq_prune.experiments.compress.folder import Folder
from fairseq_prune.experiments.compress.goal import Goal, bytes_of, goal_of
from fairseq_prune.experiments.compress.lengths import described, lengths
from fairseq_prune.experiments.compress.model import better_of, last_epochs
from fairseq_prune.experiments.compress.rounds import history
from fairseq_prune.experiments.compress.speed import Speed
from fairseq_prune.experiments.option_words import same_value, words_of_action
from fairseq_prune.experiments.recipes import (
    RECIPES,
    Recipe,
    by_connections,
    find_recipe,
    linear,
)
from fairseq_prune.pruning import PruneError


@pytest.mark.parametrize(
    "text, size",
    [("20MB", 20_000_000), ("500 kB", 500_000), ("1.5mib", 1_572_864), ("7", 7), ("1GB", 10**9)],
)
def test_sizes(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1TB", "-1MB", "1e3", "0", "ten"])
def test_no_sizes(text):
    with pytest.raises(PruneError, match="--max-bytes"):
        bytes_of(text)


def test_one_goal():
    assert goal_of(None, None, None) == Goal(sparsity=0.9)
    assert goal_of(None, 0.0, None) == Goal(max_loss=0.0)
    assert goal_of(None, None, "1kB") == Goal(max_bytes=1000)
    with pytest.raises(PruneError, match="--max-loss and --max-bytes are two goals"):
        goal_of(None, 1.0, "1kB")


@pytest.mark.parametrize("total", range(3, 40))
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_epochs_of_rounds(total, rounds):
    found = Recipe("").epochs(total, rounds)
    assert sum(found) == total and min(found) >= 1 and len(found) == rounds
    assert found[-1] == max(found)


@pytest.mark.parametrize(
    "target, before, expected",
    [(0.9, 0.0, [0.65, 0.8, 0.9]), (0.8, 0.0, [0.65, 0.8]), (0.95, 0.0, [0.65, 0.8, 0.9, 0.95]),
     (0.5, 0.0, [0.5]), (0.98, 0.0, [0.65, 0.8, 0.9, 0.95, 0.98]),
     (0.656, 0.0, [0.656]), (0.905, 0.0, [0.65, 0.8, 0.905]),
     (0.91, 0.0, [0.65, 0.8, 0.9, 0.91]), (0.92, 0.0, [0.65, 0.8, 0.9, 0.92]),
     (0.9, 0.7, [0.8, 0.9]),
     (0.9, 0.79996, [0.9])],
)  # fmt: skip
def test_rounds_lead_to_the_target(target, before, expected):
    assert Recipe("").sparsities(target, before) == expected


def test_what_a_checkpoint_has_is_not_tried_again():
    assert Recipe("").tries(0.92496) == [0.95, 0.97, 0.98]


def test_dropout_shrinks_with_the_model():
    """Of the kinds that the architecture has; what is given after -- stays as it is given."""
    flat = {"dropout": 0.3, "attention_dropout": 0.1, "activation_dropout": 0.0,
            "encoder_layerdrop": 0.2, "dropout_of_another_model": 0.5}  # fmt: skip
    command = ["data", "--arch", "transformer"]
    found = dropout_words(SimpleNamespace(flat=flat), command, [])
    assert found == ["--dropout", "0.3", "--attention-dropout", "0.1"]
    given = ["--attention-dropout=0.2"]
    assert dropout_words(SimpleNamespace(flat=flat), [*command, *given], given) == found[:2]
    # a hundredth of the connections: a tenth of the dropout
    assert scaled(found, by_connections(0.99)) == [
        "--dropout",
        "0.03",
        "--attention-dropout",
        "0.01",
    ]


def test_the_learning_rate_grows_with_what_is_pruned():
    """1.5 times as much where nothing is, twice that where a quarter is left; no further than
    was tried. Where steps are in proportion to gradients, width does not matter."""
    peak = find_recipe("rounds").peak
    assert [peak(x, "pruned_adam") for x in (0, 0.75)] == pytest.approx([1.5, 3])
    assert peak(0.95, "adam") == pytest.approx(6.7082, abs=1e-4) == peak(0.99, "pruned_adamax")
    assert {peak(x, name) for x in (0, 0.75, 0.99) for name in ("pruned_sgd", "nag")} == {1.5}
    assert (
        find_recipe("magnitude").peak(0.9, "adam") == find_recipe("magnitude").peak(0, "sgd") == 1
    )


@pytest.mark.parametrize(
    "given, expected",
    [
        (["--lr", "1", "--optimizer", "adam"], ["--lr", "1", "--optimizer", "pruned_adam"]),
        (["--optimizer=sgd"], ["--optimizer=pruned_sgd"]),
        (["--optimizer", "pruned_nag"], ["--optimizer", "pruned_nag"]),
        (["--optimizer", "adamm"], ["--optimizer", "adamm"]),
        (["--optimizer"], ["--optimizer"]),
    ],
)
def test_optimizers_become_their_twins(given, expected):
    assert with_twins(given) == expected
    with pytest.raises(PruneError, match="--optimizer composite has no pruned_composite"):
        with_twins(["--optimizer", "composite"])


def test_who_cannot_be_a_teacher():
    words = SimpleNamespace(criterion="label_smoothed_cross_entropy")
    model, own = nn.Linear(1, 1), ["--criterion", "cross_entropy"]
    adaptive = nn.Sequential(AdaptiveSoftmax(9, 4, [4], 0.0))
    assert no_teacher(words, ["--lr", "1"], model) is None
    assert "given after --" in no_teacher(words, own, model)
    assert "--criterion ctc, which" in no_teacher(SimpleNamespace(criterion="ctc"), [], model)
    assert "adaptive softmax" in no_teacher(words, [], adaptive)


def test_what_a_recipe_did_has_the_teacher_only_where_there_is_one():
    said = RECIPES["rounds"].said("the dense model")
    assert said.endswith("each retrained with the dense model as teacher")
    assert said.startswith("prunes by the score kron, ")
    assert RECIPES["rounds"].said(None).endswith("each retrained without a teacher")


def test_recipes_are_known_by_name():
    assert all(recipe.about and find_recipe(name) is recipe for name, recipe in RECIPES.items())


def test_the_learning_rate_goes_down_to_a_hundredth():
    words = linear(0.002, 100, 5)
    said = dict(zip(words[::2], words[1::2]))
    assert said == {
        "--lr-scheduler": "polynomial_decay", "--lr": "0.002", "--warmup-updates": "10",
        "--total-num-update": "501", "--end-learning-rate": "2e-05",
    }  # fmt: skip


def plan(goal, trained=10, seconds=2.0, **budget):
    asked = Asked("c", "d", "o", goal, "rounds", **budget)
    own = SimpleNamespace(epochs=trained, by="by its --max-epoch")
    return SimpleNamespace(
        asked=asked,
        recipe=Recipe(""),
        before=0.0,
        updates=100,
        own=own,
        seconds=seconds,
        but="",
    )


def never(*_):
    raise AssertionError("it is not asked for")


@pytest.mark.parametrize(
    "given, epochs, why",
    [
        (
            plan(Goal(0.9)),
            [5, 5, 10],
            "20 epochs, 2 times as many as the checkpoint was trained for (10, by its "
            "--max-epoch); about 73 min",
        ),
        (plan(Goal(0.9), epochs=4), [1, 1, 2], "4 epochs as asked for"),
        (plan(Goal(0.9), epochs=2), [1, 1], "2 epochs as asked for"),
        (plan(Goal(0.9), trained=None, seconds=None), [5, 5, 10], "does not say of how many"),
        (
            plan(Goal(max_loss=1.0)),
            [4] * 5 + [5] * 4,
            "4 times as many as the checkpoint was trained for (10, by its --max-epoch), 4 or 5 a "
            "round; at most about",
        ),
    ],
)
def test_lengths(given, epochs, why):
    found = lengths(given, never, never)
    assert found["epochs"] == epochs and why in found["why"]
    assert len(found["sparsities"]) == len(epochs) == len(described(found)) - 1


def test_lengths_that_are_looked_for():
    found = lengths(plan(Goal(max_bytes=9000)), lambda: (0.7, 8765), never)
    assert found["sparsities"] == [0.65, 0.7]
    assert "about 8,765 bytes, of 9,000 that it may" in found["why"]
    found = lengths(plan(Goal(0.9), hours=1.0), never, lambda sparsity: Speed(1.0))
    assert sum(found["epochs"]) == 32 and "measured here" in found["why"]  # 110 s an epoch
    with pytest.raises(PruneError, match="--hours 0.01 is less than a round of one"):
        lengths(plan(Goal(0.9), hours=0.01), never, lambda sparsity: Speed(1.0))


def test_rounds_that_a_budget_has_no_epochs_for():
    """Where a loss is given, any round may be the last: none is left out."""
    loss = Goal(max_loss=1.0)
    assert lengths(plan(loss, epochs=9), never, never)["epochs"] == [1] * 9
    with pytest.raises(PruneError, match="--epochs 5: .* has 9 rounds .*; give --epochs 9 or more"):
        lengths(plan(loss, epochs=5), never, never)
    with pytest.raises(PruneError, match="--hours 0.2 is enough for 6 epochs, .* give more"):
        lengths(plan(loss, hours=0.2), never, lambda sparsity: Speed(1.0))
    # all that are asked for, the more the further it is
    found = lengths(plan(loss, epochs=20), never, never)
    assert found["epochs"] == [2] * 7 + [3] * 2 and "asked for, 2 or 3 a round" in found["why"]
    found = lengths(plan(loss, trained=1), never, never)
    assert found["epochs"] == [1] * 9 and found["why"].startswith("9 epochs, as many as there are")


def test_no_sparsity_left_to_try():
    given = plan(Goal(max_loss=1.0))
    given.before = 0.985
    with pytest.raises(PruneError, match="nothing left to try: c is pruned to 98.5% already"):
        lengths(given, never, never)


@pytest.mark.parametrize(
    "symbols, words",
    [
        (["▁a", "b", "▁c"], ("--beam", "5", "--remove-bpe", "sentencepiece")),
        (["a@@", "b", "c"], ("--beam", "5", "--remove-bpe", "subword_nmt")),
        (["a", "b", "c"], ("--beam", "5")),
    ],
)
def test_pieces_of_words_are_seen(symbols, words):
    assert usual_words(SimpleNamespace(target_dictionary=SimpleNamespace(symbols=symbols))) == words


def test_the_last_epochs(tmp_path):
    for name in ("1", "2", "9", "10", "_best", "_last", "_1_50"):
        (tmp_path / f"checkpoint{name}.pt").touch()
    names = ["checkpoint2.pt", "checkpoint9.pt", "checkpoint10.pt"]
    assert last_epochs(str(tmp_path), 3) == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize("scores, averaged", [((3.0, 2.0), True), ((2.0, 2.0), False)])
def test_the_mean_is_kept_where_it_is_better(scores, averaged):
    found = better_of("best", "mean", dict(zip(("best", "mean"), scores)).get)
    assert found["averaged"] is averaged and found["path"] == ("mean" if averaged else "best")
    assert better_of("best", None, never)["path"] == "best"


def test_a_folder_knows_what_it_found(tmp_path):
    asked = {"CKPT": "a", "--epochs": None}
    folder = Folder(str(tmp_path), asked)
    assert folder.find("x", lambda: [1]) == [1]
    again = Folder(str(tmp_path), asked)
    assert again.find("x", never) == [1]
    with pytest.raises(PruneError, match="--epochs 3: .* was begun with no --epochs"):
        Folder(str(tmp_path), {**asked, "--epochs": 3})
    # what may be asked for otherwise is found anew
    assert folder.find("y", lambda: 2, {"--values": "fp16"}) == 2
    again = Folder(str(tmp_path), asked)
    assert again.find("y", never, {"--values": "fp16"}) == 2
    assert again.find("y", lambda: 3, {"--values": "int8"}) == 3
    (tmp_path / "a").write_text("1")
    again.check_same(str(tmp_path / "a"))
    again.note_same(str(tmp_path / "a"))
    again.check_same(str(tmp_path / "a"))
    (tmp_path / "a").write_text("2")
    with pytest.raises(PruneError, match="a is not what it was when .* was begun; take another"):
        Folder(str(tmp_path), asked).check_same(str(tmp_path / "a"))
    (tmp_path / "compress.json").write_text("{")
    with pytest.raises(PruneError, match="damaged"):
        Folder(str(tmp_path), asked)


def test_paths_are_the_same_from_wherever(tmp_path, monkeypatch):
    """A folder of data, or several."""
    monkeypatch.chdir(tmp_path)
    here, a, b = (str(tmp_path / name) for name in ("c.pt", "a", "b"))
    for one, other in (("./a", a), (os.pathsep.join(("a", "a/../b/")), os.pathsep.join((a, b)))):
        near = Asked("c.pt", one, "out", Goal(0.9), "rounds")
        far = Asked(here, other, str(tmp_path / "out"), Goal(0.9), "rounds")
        assert near.absolute() == far and near.noted() == far.noted()


def test_what_may_change_in_a_folder():
    """The rounds of a sparsity are the same whatever file is made of them."""
    for goal, same in ((Goal(0.9), True), (Goal(max_bytes=9), False), (Goal(max_loss=1.0), False)):
        one, other = (Asked("c", "d", "o", goal, "rounds", values=x) for x in ("fp32", "int8"))
        assert (one.noted() == other.noted()) is same
        assert one.packed_with() != other.packed_with()
    one, other = (Asked("c", "d", "o", Goal(0.9), "rounds", test=x) for x in (None, "test"))
    assert one.noted() == other.noted() and one.packed_with() == other.packed_with()
    assert one.scored_with() != other.scored_with()
    for goal, same in ((Goal(0.9), True), (Goal(max_bytes=9), True), (Goal(max_loss=1.0), False)):
        one, other = (Asked("c", "d", "o", goal, "rounds", generate=x) for x in (None, ("-x",)))
        assert (one.noted() == other.noted()) is same
        assert one.scored_with() != other.scored_with()


def test_a_list_of_texts_is_split_at_commas():
    """fairseq has split --lang-pairs when it writes its configuration."""
    action = argparse.ArgumentParser().add_argument("--lang-pairs", type=str)
    assert words_of_action(action, ["en-de", "de-en"]) == ["--lang-pairs", "en-de,de-en"]


def test_the_card_has_what_a_round_was_made_with(tmp_path):
    """Not what would be done now, of which the words may be others."""
    made = {"command": ["fairseq-train", "data"], "seconds": 7.0, "finished": True}
    (tmp_path / "checkpoint_best.pt").touch()
    (tmp_path / "training.json").write_text(json.dumps(made))
    rounds = SimpleNamespace(
        folder=lambda r: str(tmp_path),
        command=lambda r: ["fairseq-train", "./data"],
        plan=SimpleNamespace(sparsities=[0.6]),
    )
    (found,) = history(rounds, 1, "valid")
    assert found["command"] == made["command"] and found["seconds"] == 7.0


@pytest.mark.parametrize(
    "a, b, same",
    [
        ("(0.9, 0.98)", [0.9, 0.98], True), ([2], (2,), True), (False, None, True),
        (True, 1, True), (0, 0.0, True), ("1", 1, True), ("a", "b", False), (True, "yes", False),
        (None, 0, False), ([1], [1, 2], False),
    ],
)  # fmt: skip
def test_values_of_options(a, b, same):
    assert same_value(a, b) is same
