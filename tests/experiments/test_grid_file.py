"""What a grid's file asks for, and what is wrong with it."""

import re

import pytest
import yaml
from commands import REPO

from fairseq_prune.cli.main import build_parser
from fairseq_prune.cli.methods import check
from fairseq_prune.experiments.commands import training_command
from fairseq_prune.experiments.grid import read_grid
from fairseq_prune.experiments.methods.read import read_plan
from fairseq_prune.experiments.points import Point
from fairseq_prune.experiments.training_options import parse_training
from fairseq_prune.pruning import PruneError

GOOD = {
    "data": "data-bin",
    "seeds": [1, 2],
    "train": {
        "all": "--arch a --adam-betas '(0.9, 0.98)'",
        "dense": "--lr 1",
        "retrained": "--lr 2",
        "from-start": "--lr 3",
    },
    "evaluate": {"generate": "--beam 5"},
    "points": [
        {"kinds": ["pruned"], "schemes": ["class-blind", "class-uniform"], "sparsities": [0.5]},
        {"kinds": ["retrained", "pruned"], "schemes": ["class-blind"], "sparsities": [0.5, 0.9]},
    ],
}
TWO_OF_FOUR = {"kinds": ["pruned", "retrained"], "schemes": ["2:4"], "sparsities": [0.5]}


def write(folder, content):
    path = folder / "grid.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def test_points_are_those_asked_for_once(tmp_path):
    grid = read_grid(write(tmp_path, GOOD))
    expected = {Point(seed, "dense") for seed in (1, 2)}
    for seed in (1, 2):
        expected |= {Point(seed, "pruned", "class-uniform", 0.5)}
        for kind in ("pruned", "retrained"):
            expected |= {Point(seed, kind, "class-blind", x) for x in (0.5, 0.9)}
    assert len(grid.points) == len(expected) and set(grid.points) == expected
    assert grid.train["all"] == ["--arch", "a", "--adam-betas", "(0.9, 0.98)"]
    assert grid.evaluate["generate"] == ["--beam", "5"] and grid.evaluate["test"] == "test"
    assert grid.command == ["fairseq-train"]


def test_points_with_seeds_of_their_own(tmp_path):
    once = {"kinds": ["retrained"], "schemes": ["class-blind"], "sparsities": [0.5], "seeds": [3]}
    grid = read_grid(write(tmp_path, {**GOOD, "points": [*GOOD["points"], once]}))
    assert [p.seed for p in grid.points if p.kind == "dense"] == [1, 2, 3]
    assert [p for p in grid.points if p.seed == 3][1:] == [
        Point(3, "retrained", "class-blind", 0.5)
    ]


def test_floors_of_all_that_is_left(tmp_path):
    """1 - 0.9 is less than 0.1 in floating point."""
    floor = {"sparsities": [0.9], "floors": [0.1], "row_floors": [0.1]}
    grid = read_grid(write(tmp_path, {**GOOD, "points": [{**GOOD["points"][0], **floor}]}))
    assert {(p.floor, p.row_floor) for p in grid.points if p.kind == "pruned"} == {(0.1, 0.1)}


def test_points_of_a_pattern(tmp_path):
    points = read_grid(write(tmp_path, {**GOOD, "seeds": [1], "points": [TWO_OF_FOUR]})).points
    assert points[1:] == [Point(1, kind, "2:4", 0.5) for kind in ("pruned", "retrained")]
    # fairseq splits what --path names at colons
    assert points[2].folder == "seed1/retrained/2of4-0.5"


def without(*path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def put(value, *path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change, said",
    [
        (without("data"), "data is missing"),
        (without("points"), "points is missing"),
        (without("train", "retrained"), "train: retrained is missing"),
        (without("train", "dense"), "train: dense is missing"),
        (put(1, "nonsense"), "nonsense is unknown"),
        (put("--lr 1", "train", "drense"), "drense is unknown"),
        (put("--lr 'x", "train", "dense"), "dense cannot be split"),
        (put("--seed 4", "train", "dense"), "--seed is set for you"),
        (put("--save-dir=x", "train", "all"), "--save-dir is set for you"),
        (put([0], "seeds"), "seeds must be a list"),
        (put(1, "seeds"), "seeds must be a list"),
        (put(["one"], "points", 0, "seeds"), "seeds must be a list"),
        (put(["pruned", "cut"], "points", 0, "kinds"), "kinds: cut is unknown"),
        (put(["blind"], "points", 0, "schemes"), "points: scheme blind is unknown"),
        (put([124], "points", 0, "schemes"), 'n:m (such as "2:4"; in YAML with the quotes)'),
        (put(["4:2"], "points", 0, "schemes"), "points: scheme 4:2 is no pattern n:m"),
        (put(["fischer"], "points", 0, "scores"), "points: score fischer is unknown"),
        (put(["movement"], "points", 0, "scores"), "movement is of what a training that prunes by"),
        (put("fisher", "points", 0, "scores"), "points: scores must be a list"),
        (put(4, "points", 0, "steps"), "points: steps must be a list"),
        (put([0], "points", 0, "steps"), "points: steps: 0 is out of range"),
        (put([4], "points", 0, "steps"), "points: steps have no meaning with score magnitude"),
        (put([64], "points", 0, "samples"), "points: samples have no meaning with score magnitude"),
        (put([0.5], "points", 0, "samples"), "points: samples: 0.5 is out of range"),
        (put(64, "points", 0, "samples"), "points: samples must be a list"),
        (
            put([{**TWO_OF_FOUR, "scores": ["fisher"], "steps": [1, 4]}], "points"),
            "points: steps 4 prunes to other sparsities on the way, and scheme 2:4 has one",
        ),
        (put([1.5], "points", 0, "row_floors"), "points: row_floors: 1.5 is out of range"),
        (
            put([0.6], "points", 0, "floors"),
            "floors: 0.6 is more than the density",
        ),
        (put(["1:4"], "points", 0, "schemes"), "points: sparsity 0.5 is not that of scheme 1:4"),
        (put([{**TWO_OF_FOUR, "kinds": ["iterative"]}], "points"), "kinds: iterative prunes"),
        (put([80], "points", 0, "sparsities"), "sparsities: 80 is out of range"),
        (put(0.8, "points", 0, "sparsities"), "sparsities must be a list"),
        (put(["iterative"], "points", 0, "kinds"), "train: iterative is missing"),
        (put({"subset": "x"}, "evaluate"), "evaluate: subset is unknown"),
        (put(["a", "b"], "evaluate", "test"), "test must be a text"),
        (put(5, "evaluate", "references"), "references must be a text"),
        (put(["--beam", 5], "evaluate", "generate"), "generate must be a text"),
        (put(["--lr", 1], "train", "all"), "all must be a text"),
        (put(7, "data"), "data must be a text"),
        (put(5, "dense"), "dense must be a text"),
        (put("runs/{}/best.pt", "dense"), "dense: runs/{}/best.pt: write {seed}"),
        (put("runs/{sed}/best.pt", "dense"), "write {seed}"),
        (put("runs/{/best.pt", "dense"), "write {seed}"),
        (put([["class-blind"]], "points", 0, "schemes"), "is unknown"),
        (put([None], "points", 0, "schemes"), "scheme None is unknown"),
        (put("--rounds 2 --sparsity 0.5", "iterate"), "iterate: --sparsity is set for you"),
        (put("--prune-exclude x", "train", "retrained"), "--prune-exclude is set for you"),
        (put("(", "exclude"), "is no regular expression"),
        (put("--user-dir nowhere", "train", "all"), "--user-dir nowhere does not exist"),
    ],
)
def test_mistakes_name_the_key(tmp_path, change, said):
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    change(content)
    path = write(tmp_path, content)
    with pytest.raises(PruneError, match=re.escape(said)) as error:
        read_grid(path)
    assert str(error.value).startswith(path)


@pytest.mark.parametrize("content", ["a: [", "- just\n- a list", "text", ""])
def test_files_that_are_no_grid(tmp_path, content):
    with pytest.raises(PruneError, match="grid.yaml"):
        read_grid(write(tmp_path, content))


def test_a_key_with_nothing_after_it_is_left_out(tmp_path):
    evaluate = {"valid": None, "test": None, "generate": None, "references": None}
    grid = read_grid(write(tmp_path, {**GOOD, "dense": None, "evaluate": evaluate}))
    assert grid.dense is None and grid.evaluate == {**evaluate, "valid": "valid", "test": "test"}


def test_a_dense_checkpoint_that_is_given_needs_no_training(tmp_path):
    content = {**GOOD, "dense": "runs/{seed}/best.pt"}
    content["train"] = {k: v for k, v in GOOD["train"].items() if k != "dense"}
    assert read_grid(write(tmp_path, content)).dense == "runs/{seed}/best.pt"


@pytest.mark.parametrize(
    "iterate, score, data",
    [
        ("--rewind weights --rewind-to early.pt", "fisher", "data-bin"),
        ("--rewind none --rewind=weights --rewind-to early.pt", "kron", "data-bin"),
        ("--rewind weights --rewind-to early.pt", "lamp", None),
        ("--rewind learning-rate", "fisher", None),
        ("", "fisher", None),
    ],
)
def test_rounds_are_given_data_where_no_training_of_theirs_looks(tmp_path, iterate, score, data):
    """Of weights that are rewound, the mask is made between the trainings."""
    points = [
        {"kinds": ["iterative"], "schemes": ["class-blind"], "sparsities": [0.5], "scores": [score]}
    ]
    content = {**GOOD, "seeds": [1], "points": points, "iterate": f"--rounds 2 {iterate}"}
    content["train"] = {**GOOD["train"], "iterative": "--lr 4"}
    grid = read_grid(write(tmp_path, content))
    words = training_command(grid, grid.points[-1], "out")[1:]
    args = build_parser(words).parse_args(words)
    assert (args.score, args.data) == (score, data)
    assert args.command[1:3] == ["fairseq-train", "data-bin"]


def stem(path):
    return path.stem


@pytest.mark.parametrize("path", sorted((REPO / "configs/experiments").glob("*.yaml")), ids=stem)
def test_the_files_that_the_docs_name(path):
    """They are grids, whose trainings fairseq-train takes."""
    grid = read_grid(str(path))
    kinds = {point.kind: point for point in grid.points if point.kind != "pruned"}
    assert "dense" in kinds and len(grid.points) > len(kinds)
    for kind, point in kinds.items():
        if kind != "iterative":
            command = training_command(grid, point, "runs/out")
            assert command.pop(0) == "fairseq-train"
            assert ("--finetune-from-model" in command) == (kind == "retrained")
            if kind == "retrained":  # the dense model is not there yet
                at = command.index("--finetune-from-model")
                assert command[at + 1].endswith(f"seed{point.seed}/dense/checkpoint_best.pt")
                del command[at : at + 2]
            parse_training(command)


@pytest.mark.parametrize("path", sorted((REPO / "configs/methods").glob("*.yaml")), ids=stem)
def test_the_files_of_methods_that_the_docs_name(path):
    assert len(read_plan(str(path), check).methods) > 2
