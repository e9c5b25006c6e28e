"""``examples/rnn_digits``: the real command, and its parts against plain calculations."""

import ast
import contextlib
import gzip
import importlib
import importlib.util
import io
import json
import struct
import sys

import numpy as np
import pytest
import torch
from commands import REPO, equal, python

EXAMPLE = REPO / "examples" / "rnn_digits"
NAMES = (
    "accuracy_claims",
    "cells",
    "data",
    "experiment",
    "mnist",
    "prune_digits",
    "summary",
    "train",
)

sys.path.insert(0, str(EXAMPLE))
try:
    (accuracy_claims, cells, data, experiment, mnist, prune_digits, summary, train) = map(
        importlib.import_module, NAMES
    )
finally:
    sys.path.remove(str(EXAMPLE))

ROWS, COLUMNS = 4, 6
#: prunable weights: rows of the matrices (gates x 128) x (inputs + 128), and the output layer
WEIGHTS = {cell: gates * 128 * (COLUMNS + 128) + 1280 for cell, gates in (("rnn", 1), ("gru", 3))}


def idx(array):
    """The bytes of an idx file."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def images(count, seed=0):
    """Images of stripes of which the number tells the label, and noise; labels in turn."""
    noise = np.random.RandomState(seed).randint(0, 120, (count, ROWS, COLUMNS))
    labels = np.arange(count) % 10
    noise.reshape(count, -1)[np.arange(count), labels] = 255
    return noise, labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """MNIST's four files with smaller and fewer images: training plain, test gzipped."""
    folder = tmp_path_factory.mktemp("mnist")
    for part, count in (("train", 120), ("t10k", 40)):
        pictures, labels = images(count, seed=count)
        for kind, array in (("images-idx3", pictures), ("labels-idx1", labels)):
            if part == "train":
                (folder / f"{part}-{kind}-ubyte").write_bytes(idx(array))
            else:
                (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return folder


def task(folder, cell="rnn", **changes):
    small = dict(
        cell=cell, layers=1, seed=3, epochs=1, retrain_epochs=1, batch=16, sparsities=(0.333, 0.95),
        retrain_sparsities=(0.6, 0.95), mnist=folder and str(folder),
    )  # fmt: skip
    return experiment.Task(**{**small, **changes})


@pytest.fixture(scope="module")
def ran(folder, tmp_path_factory):
    """The command's results by cell, all of results.json, the folder it wrote, what it said."""
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("out") / "made" / "here"
    argv = f"""
        prune_digits.py --out {out} --mnist {folder} --cells gru rnn --layers 1 --seeds 3 --epochs 1
        --retrain-epochs 1 --batch 16 --sparsities 0.333 --retrain-sparsities 0.95 0.6 --jobs 1
    """
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(sys, "argv", argv.split())
        patch.syspath_prepend(str(EXAMPLE))
        prune_digits.main()
    torch.set_num_threads(threads)
    results = json.loads((out / "results.json").read_text())
    return {run["cell"]: run for run in results["runs"]}, results, out, said.getvalue()


def test_counts_are_exact(ran):
    runs, results, _, _ = ran
    assert list(runs) == ["rnn", "gru"] and results["options"]["sparsities"] == [0.333, 0.6, 0.95]
    for cell, run in runs.items():
        found = [(p["way"], p["sparsity"], p["pruned"]) for p in run["points"]]
        n = WEIGHTS[cell]
        assert found == [
            (way, x, round(x * n))
            for way, points in (("pruned", (0.333, 0.6, 0.95)), ("retrained", (0.6, 0.95)))
            for x in points
        ]
        for point in run["points"]:
            assert point["weights"] == n == sum(c["weights"] for c in point["classes"].values())
            assert list(point["classes"]) == ["layer 1", "output"]
            of_layer = sum(block["pruned"] for block in point["blocks"])
            assert of_layer == point["classes"]["layer 1"]["pruned"]


def test_the_same_numbers_again(ran, folder):
    runs, _, _, _ = ran
    for cell in runs:
        again = experiment.run(task(folder, cell, sparsities=(0.333, 0.6, 0.95)))
        assert json.loads(json.dumps(again)) == runs[cell]
    other = experiment.run(task(folder, "rnn", seed=4, sparsities=(0.333, 0.6, 0.95)))
    assert other["points"] != runs["rnn"]["points"]


def test_what_is_written_and_printed(ran):
    _, results, out, said = ran
    assert sorted(path.name for path in out.iterdir()) == [
        "blocks.png", "curves.png", "results.json", "results.md",
    ]  # fmt: skip
    tables = (out / "results.md").read_text(encoding="utf-8")
    assert said == tables + "\n"
    verdicts = {claim["number"]: claim["verdict"] for claim in results["claims"]}
    assert verdicts["4"] == verdicts["6b"] == "not tested"  # one layer; no LSTM
    assert set(verdicts) == {"1", "2", "3", "4", "5", "6a", "6b"}
    for run in results["runs"]:
        name = {"rnn": "RNN", "gru": "GRU"}[run["cell"]]
        accuracies = [100 * x["test"] for x in run["points"] if x["way"] == "pruned"]
        row = [f"{100 * run['dense']['test']:.1f}", *(f"{x:.1f}" for x in accuracies)]
        row = [f"{name}, 1 layer", f"{WEIGHTS[run['cell']]:,}", *row]
        assert f"| {' | '.join(row)} |" in tables


def test_the_command_in_processes(folder, tmp_path):
    """On the digits; on MNIST's files where there is no scikit-learn."""
    pytest.importorskip("matplotlib")
    digits = importlib.util.find_spec("sklearn") is not None
    said = python(
        EXAMPLE / "prune_digits.py", "--out", tmp_path, *(() if digits else ("--mnist", folder)),
        "--cells", "rnn", "--layers", 1, "--seeds", 1, 2, "--epochs", 2, "--retrain-epochs", 1,
        "--batch", 16, "--sparsities", 0.5, "--retrain-sparsities", 0.5, "--jobs", 2,
    )  # fmt: skip
    assert "2 of 2, " in said and "## Claims" in said and "DEBUG" not in said
    first, second = json.loads((tmp_path / "results.json").read_text())["runs"]
    for number, run in enumerate((first, second), start=1):
        n = 128 * ((8 if digits else COLUMNS) + 128) + 1280
        assert [point["pruned"] for point in run["points"]] == 2 * [n // 2]
        if digits:
            assert run["images"] == {"train": 1079, "validation": 359, "test": 359}
            assert run["dense"]["test"] > 0.5  # chance is 0.1
        again = task(None if digits else folder, seed=number, epochs=2, sparsities=(0.5,))
        assert run == json.loads(
            json.dumps(experiment.run(again._replace(retrain_sparsities=(0.5,))))
        )


@pytest.fixture
def split():
    """Random images and labels."""
    g = torch.Generator().manual_seed(0)

    def part(count):
        labels = torch.randint(0, 10, (count,), generator=g)
        return data.Part(torch.rand(count, ROWS, COLUMNS, generator=g), labels)

    return data.Split(part(96), part(40), part(40))


def reader(cell="lstm", layers=2):
    torch.manual_seed(5)
    return cells.Reader(cell, layers, COLUMNS)


def positive_zeros(tensor):
    """Where ``tensor`` is +0.0, not -0.0."""
    return (tensor == 0) & ~torch.signbit(tensor)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_pruned_weights_stay_positive_zeros(split, cell):
    model = reader(cell)
    masks = experiment.prune_(model, "class-uniform", 0.7).masks
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    train.train(model, split, epochs=2, batch=16, seed=1, masks=masks)
    for name, weight in model.named_parameters():
        if name in masks:
            assert equal(positive_zeros(weight), ~masks[name])
        assert not torch.equal(weight, before[name])
    # so they are held: without masks they come back
    train.train(model, split, epochs=1, batch=16, seed=1)
    assert float(model.rnn.weight_hh_l0.detach().ne(0).float().mean()) > 0.9


def test_the_optimizer_remembers_nothing_of_pruned_weights(split):
    model = reader()
    masks = experiment.prune_(model, "class-blind", 0.5).masks
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.1, momentum=0.9, centered=True)
    model(split.train.images).square().sum().backward()
    optimizer.step()
    parameters = dict(model.named_parameters())
    held = {parameters[name]: train.keep_bits(mask) for name, mask in masks.items()}
    train.zero_pruned_weights_(held, optimizer)
    for name, mask in masks.items():
        state = optimizer.state[parameters[name]]
        for key in ("square_avg", "momentum_buffer", "grad_avg"):
            assert positive_zeros(state[key][~mask]).all() and state[key][mask].any()
        assert int(state["step"]) == 1


def test_the_epoch_that_is_best_on_validation_images_stays(split):
    model, again = reader("rnn"), reader("rnn")
    best = train.train(model, split, epochs=8, batch=16, seed=1)
    right = []
    for epochs in range(1, 9):
        trial = reader("rnn")
        train.train(trial, split._replace(validation=split.train), epochs, 16, 1)
        right.append(train.evaluate(trial, split.train)[0])
    assert best < 8  # random labels: what is learned last does not generalise
    assert train.train(again, split, best, 16, seed=1) == best
    assert equal(again.state_dict(), model.state_dict())
    assert right[7] > right[0]  # so there was something to learn


def test_evaluation_counts_images(split):
    model = reader("gru")
    with torch.no_grad():
        scores = [model(image[None])[0] for image in split.test.images]
    right = sum(int(s.argmax()) == int(y) for s, y in zip(scores, split.test.labels))
    log = [float(s[y] - s.exp().sum().log()) for s, y in zip(scores, split.test.labels)]
    assert train.evaluate(model, split.test) == (right, pytest.approx(-sum(log) / 40, rel=1e-5))


def spied_masks(monkeypatch, task_):
    """For each training: the masks (or None) and the first weights."""
    seen, real = [], experiment.train

    def spy(model, split, epochs, batch, seed, masks=None):
        seen.append((masks, model.output.bias.detach().clone(), epochs))
        return real(model, split, epochs, batch, seed, masks)

    monkeypatch.setattr(experiment, "train", spy)
    run = experiment.run(task_)
    return seen, run


def test_iterative_prunes_what_it_retrained(monkeypatch, folder):
    asked = task(folder, retrain_sparsities=(0.0, 0.6, 0.95))
    (_, whole, first, second), _ = spied_masks(monkeypatch, asked)
    assert all(mask.all() for mask in whole[0].values())
    assert [x[2] for x in (whole, first, second)] == [2, 1, 1]  # as long as both rounds
    assert equal(whole[1], first[1]) and not equal(first[1], second[1])
    for name, mask in second[0].items():
        assert not (mask & ~first[0][name]).any() and not equal(mask, first[0][name])


def test_one_shot_prunes_the_dense_network(monkeypatch, folder):
    asked = task(folder, retrain_sparsities=(0.0, 0.6, 0.95), schedule="one-shot")
    (_, whole, first, second), run = spied_masks(monkeypatch, asked)
    assert equal(first[1], second[1]) and equal(whole[1], second[1])
    assert [x[2] for x in (whole, first, second)] == [1, 1, 1]
    alone, retrained = (
        next(p for p in run["points"] if (p["way"], p["sparsity"]) == (way, 0.95))
        for way in ("pruned", "retrained")
    )
    assert alone["blocks"] == retrained["blocks"]


def by_hand(cell, layer, weight, rows_of):
    """The output after one more step, from the equations and rows ``rows_of(gate, input)``."""
    x, h, c = torch.randn(3, 1, 128)
    x = x[:, :COLUMNS]
    bias_i, bias_h = layer.bias_ih_l0.detach(), layer.bias_hh_l0.detach()

    def z(gate, side):
        rows, value = rows_of(gate, side), x if side == "input" else h
        name, bias = ("ih", bias_i) if side == "input" else ("hh", bias_h)
        return value @ weight[f"rnn.weight_{name}_l0"][rows].T + bias[rows]

    both = {gate: z(gate, "input") + z(gate, "hidden") for gate in cells.GATES[cell]}
    if cell == "rnn":
        return torch.tanh(both["h"]), (x, h)
    if cell == "lstm":
        i, f, o = (torch.sigmoid(both[gate]) for gate in "ifo")
        c_next = f * c + i * torch.tanh(both["g"])
        return o * torch.tanh(c_next), (x, (h, c))
    r, update = torch.sigmoid(both["r"]), torch.sigmoid(both["z"])
    n = torch.tanh(z("n", "input") + r * z("n", "hidden"))
    return (1 - update) * n + update * h, (x, h)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_gates_are_where_torch_has_them(cell):
    model = reader(cell, 1)
    weight = {name: w.detach() for name, w in model.named_parameters() if "weight" in name}
    number = {name: torch.arange(len(w))[:, None].expand_as(w) for name, w in weight.items()}
    rows = {(b.gate, b.input): found[:, 0] for b, found in cells.blocks(cell, number).items()}
    wanted, (x, state) = by_hand(cell, model.rnn, weight, lambda *key: rows[key])
    state = tuple(s[None] for s in state) if cell == "lstm" else state[None]
    with torch.no_grad():
        assert torch.allclose(model.rnn(x[None], state)[0][0], wanted, atol=1e-6)


@pytest.mark.parametrize("cell, gates", [("rnn", "h"), ("lstm", "ifgo"), ("gru", "rzn")])
def test_blocks_by_counting_one_weight_at_a_time(folder, cell, gates):
    asked = task(folder, cell, layers=2, sparsities=(0.8,), retrain_sparsities=())
    point = experiment.run(asked)["points"][0]
    # the same network: prune it by one sort of everything
    torch.manual_seed(asked.seed)
    model = cells.Reader(cell, 2, COLUMNS)
    train.train(model, data.load(asked.mnist, 3), 1, 16, 3)
    matrices = [(n, w.detach().numpy()) for n, w in model.named_parameters() if w.dim() == 2]
    sizes = np.abs(np.concatenate([w.ravel() for _, w in matrices]))
    gone = set(np.argsort(sizes, kind="stable")[: round(0.8 * len(sizes))].tolist())
    counts, place = {}, 0
    for name, matrix in matrices:
        for row in range(matrix.shape[0]):
            for _ in range(matrix.shape[1]):
                if "rnn" in name:
                    side = "input" if "_ih_" in name else "hidden"
                    key = (int(name[-1]) + 1, gates[row // 128], side)
                    counts.setdefault(key, [0, 0])[place in gone] += 1
                place += 1
    found = {
        (b["layer"], b["gate"], b["input"]): [b["weights"] - b["pruned"], b["pruned"]]
        for b in point["blocks"]
    }
    assert found == counts and len(found) == 4 * len(gates)


def test_splits_are_stratified():
    labels = np.repeat([3, 1, 7], [50, 20, 31])
    chosen = data.stratified(labels, 0.2, np.random.RandomState(0))
    assert np.bincount(labels[chosen], minlength=8).tolist() == [0, 4, 0, 10, 0, 0, 0, 6]
    assert len(set(chosen.tolist())) == 20
    other = data.stratified(labels, 0.2, np.random.RandomState(1))
    assert chosen.tolist() != other.tolist()


def test_digits_are_split_and_each_image_is_in_one_part(monkeypatch):
    pictures = np.arange(200)[:, None, None] * np.ones((1, 2, 2))
    monkeypatch.setattr(data, "digits", lambda: (pictures, np.arange(200) % 10))
    parts = data.load(None, seed=1)
    assert [len(part.labels) for part in parts] == [120, 40, 40]
    seen = torch.cat([part.images[:, 0, 0] for part in parts])
    assert sorted(seen.tolist()) == list(range(200))
    assert all(torch.equal(part.labels, part.images[:, 0, 0].long() % 10) for part in parts)


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read(tmp_path, zipped):
    wanted = {part: images(count, seed=count) for part, count in (("train", 30), ("t10k", 20))}
    for part, arrays in wanted.items():
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays):
            path = tmp_path / (f"{part}-{kind}-ubyte" + ".gz" * zipped)
            path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    for (pictures, labels), part in zip(mnist.load(str(tmp_path)), ("train", "t10k")):
        assert pictures.dtype == np.float32 and labels.tolist() == wanted[part][1].tolist()
        assert np.array_equal(np.rint(pictures * 255), wanted[part][0])
        assert pictures.max() == 1


def said_by(monkeypatch, *args):
    """The one sentence the command ends with."""
    monkeypatch.setattr(sys, "argv", ["prune_digits.py", *map(str, args)])
    monkeypatch.setattr(prune_digits, "find_spec", lambda name: name)  # all packages are there
    with pytest.raises(SystemExit) as error:
        prune_digits.main()
    sentence = error.value.code
    assert sentence.startswith("prune_digits: error: ") and "\n" not in sentence  # exit status 1
    return sentence


def damaged(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


PICTURES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda folder: (folder / LABELS).unlink(), ("--mnist", LABELS)),
        (damaged(PICTURES, lambda b: b[:-1]), (PICTURES, "2879 bytes", "2880")),
        (damaged(PICTURES, lambda b: b + b"x"), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: b[:4] + b"\xff" * 12 + b[16:]), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: b[:7]), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: b""), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: gzip.compress(b)), (PICTURES, "no idx file of images")),
        (damaged(LABELS, lambda b: idx(np.arange(119) % 10)), (LABELS, "119 labels for 120")),
        (damaged(LABELS, lambda b: b[:-1] + b"\x0a"), (LABELS, "10 is no digit")),
        (damaged(TEST_LABELS, lambda b: b[:-9]), (TEST_LABELS, "cannot be read")),
        (damaged(TEST_LABELS, lambda b: b[:12] + b"\x00" * 9 + b[21:]), (TEST_LABELS,)),
        (damaged(TEST_LABELS, gzip.decompress), (TEST_LABELS, "cannot be read")),
    ],
)
def test_damaged_mnist_ends_in_a_sentence(monkeypatch, folder, tmp_path, damage, words):
    copy = tmp_path / "mnist"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    damage(copy)
    out = tmp_path / "out"
    sentence = said_by(monkeypatch, "--out", out, "--mnist", copy)
    assert all(word in sentence for word in words)
    assert not out.exists()


@pytest.mark.parametrize(
    "options, words",
    [
        ("", "--out"),
        ("--out FILE", "--out FILE cannot be made a folder"),
        ("--out NEW --mnist NONE", "--mnist NONE has no file train-images-idx3-ubyte"),
        ("--out NEW --layers 0", "--layers: 0 is out of range"),
        ("--out NEW --seeds -1", "--seeds: -1 is out of range"),
        ("--out NEW --epochs 0", "--epochs: 0"),
        ("--out NEW --retrain-epochs none", "--retrain-epochs: none is no whole number"),
        ("--out NEW --jobs 0", "--jobs: 0"),
        ("--out NEW --cells rnn cnn", "--cells: invalid choice: 'cnn'"),
        ("--out NEW --sparsities 0.5 1", "--sparsities: 1 is outside [0, 1)"),
        ("--out NEW --sparsities nan", "--sparsities: nan is outside [0, 1)"),
        ("--out NEW --retrain-sparsities -0.1", "--retrain-sparsities"),
        ("--out NEW --scheme class-bind", "--scheme class-bind is unknown"),
        ("--out NEW --scheme 2:4", "--scheme 2:4 prunes to 0.5 alone; give --sparsities 0.5"),
        ("--out NEW --schedule twice", "--schedule: invalid choice: 'twice'"),
        ("--out NEW --sparsity 0.5", "unrecognized arguments: --sparsity 0.5"),
    ],
)
def test_mistakes_end_in_a_sentence(monkeypatch, tmp_path, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("here")
    assert words in said_by(monkeypatch, *options.split())
    assert not (tmp_path / "NEW").exists()


def test_missing_packages_end_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(prune_digits, "find_spec", lambda name: None if name == "sklearn" else name)
    with pytest.raises(mnist.UserError, match="scikit-learn is missing"):
        prune_digits.check_packages(digits=True)
    prune_digits.check_packages(digits=False)  # which does not need it
    monkeypatch.setattr(prune_digits, "find_spec", lambda name: None)
    with pytest.raises(mnist.UserError, match="matplotlib is missing"):
        prune_digits.check_packages(digits=False)


def runs_of(dense, losses, cell="rnn", layers=1):
    """Runs, one a seed, with (way, sparsity) -> points lost by seed."""
    return [
        {
            "cell": cell, "layers": layers, "dense": {"test": dense},
            "points": [
                {"way": way, "sparsity": x, "test": dense - lost[seed] / 100, "blocks": []}
                for (way, x), lost in losses.items()
            ],
        }
        for seed in range(2)
    ]  # fmt: skip


def test_claims_of_accuracy():
    before, after = ("pruned", 0.95), ("retrained", 0.95)

    def verdicts(*runs):
        return [c.verdict for c in accuracy_claims.judge(summary.Summary(sum(runs, [])))]

    good = {before: (40, 60), after: (0.5, 1.3)}  # 0.9 on average
    bad = {before: (40, 60), after: (0.5, 1.7)}
    assert verdicts(runs_of(0.9, good))[:2] == ["reproduced"] * 2
    assert verdicts(runs_of(0.9, bad))[:2] == ["not reproduced"] * 2
    assert verdicts(runs_of(0.9, good), runs_of(0.9, bad, "gru"))[:2] == ["in part"] * 2
    assert verdicts(runs_of(0.9, {before: (0.9, 1.0), after: (2, 2)}))[0] == "not tested"  # no gap
    # resilience: by more than two standard errors, for both ways
    more, less = {before: (50, 52), after: (3, 4)}, {before: (30, 31), after: (1, 2)}
    assert verdicts(runs_of(0.9, more), runs_of(0.9, less, "lstm"))[2] == "reproduced"
    assert verdicts(runs_of(0.9, less), runs_of(0.9, more, "lstm"))[2] == "not reproduced"
    noisy = {before: (10, 60), after: (1, 2)}  # less on average, by less than its error
    assert verdicts(runs_of(0.9, more), runs_of(0.9, noisy, "lstm"))[2] == "in part"
    # layers: how far it can be pruned, up to the first sparsity at which a point is lost
    shallow = {("retrained", x): (lost, lost) for x, lost in ((0.5, 0.1), (0.8, 1.2), (0.9, 0.1))}
    deep = {("retrained", x): (lost, lost) for x, lost in ((0.5, 0.1), (0.8, 0.9), (0.9, 3.0))}
    for cell, wanted in (("lstm", "reproduced"), ("rnn", "not tested")):
        s = summary.Summary(runs_of(0.9, shallow, cell) + runs_of(0.9, deep, cell, layers=2))
        claim = accuracy_claims.more_layers(s)
        assert claim.verdict == wanted and claim.found.endswith(f"{cell.upper()} 50%, 80%")
    s = summary.Summary(runs_of(0.9, deep, "gru") + runs_of(0.9, shallow, "gru", layers=2))
    assert accuracy_claims.more_layers(s).verdict == "not reproduced"
    whole = {("retrained", x): (0.0, 0.1) for x in (0.5, 0.8, 0.9)}
    s = summary.Summary(runs_of(0.9, whole, "gru") + runs_of(0.9, deep, "gru", layers=2))
    assert accuracy_claims.more_layers(s).verdict == "not tested"


def test_of_this_project_it_imports_the_method_alone():
    siblings = {path.stem for path in EXAMPLE.glob("*.py")}
    found = set()
    for path in EXAMPLE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                found.add(node.module)
    standard = getattr(sys, "stdlib_module_names", None)  # from Python 3.10 on
    others = {name for name in found if name.split(".")[0] not in siblings}
    if standard:
        others = {name for name in others if name.split(".")[0] not in standard}
    ours = {name for name in others if name.startswith("fairseq")}
    assert ours == {"fairseq_prune.pruning"}
    if standard:
        roots = {name.split(".")[0] for name in others - ours}
        assert roots == {"torch", "numpy", "sklearn", "matplotlib"}


def test_the_readme_shows_code_that_runs(split):
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (code,) = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    model = reader("gru", 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001)

    def updates():
        for _ in range(3):
            optimizer.zero_grad()
            model(split.train.images).square().sum().backward()
            yield

    names = {"model": model, "optimizer": optimizer, "gradients": updates()}
    exec(code, names)
    total = 3 * 128 * (COLUMNS + 128) + 1280
    zeros = sum(int(positive_zeros(w).sum()) for w in model.parameters() if w.dim() == 2)
    assert zeros == round(0.95 * total)
