"""Analysis against plain loops over small models."""

import pytest
import torch

from fairseq_prune.analysis.diagonal import diagonals
from fairseq_prune.analysis.distributions import distributions
from fairseq_prune.analysis.figure_remaining import density_map
from fairseq_prune.analysis.matrices import matrices
from fairseq_prune.analysis.redundancy import redundancy
from fairseq_prune.cli.main import main
from fairseq_prune.pruning import apply_, make_record, prune

N = 6


@pytest.fixture
def state():
    g = torch.Generator().manual_seed(0)
    shapes = {
        "encoder.embed_tokens.weight": (11, N),
        "encoder.lstm.weight_ih_l0": (4 * N, N),
        "encoder.lstm.weight_hh_l0": (4 * N, N),
        "decoder.embed_tokens.weight": (9, N),
        "decoder.lstm.weight_ih_l0": (4 * N, 2 * N),
        "decoder.lstm.weight_hh_l0": (4 * N, N),
        "decoder.fc_out.weight": (9, N),
    }
    model = {name: torch.randn(shape, generator=g) for name, shape in shapes.items()}
    model["encoder.embed_tokens.weight"][[2, 7]] *= 1e-3  # words nobody needs
    model["decoder.fc_out.weight"][4] *= 1e-3
    model["encoder.lstm.weight_hh_l0"][:N].fill_diagonal_(5.0)
    return {"model": model}


def by_hand(state, sparsity):
    """name -> mask, from one sort of everything."""
    model = state["model"]
    flat = torch.cat([w.abs().flatten() for w in model.values()])
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[torch.sort(flat, stable=True)[1][: round(sparsity * len(flat))]] = False
    parts = keep.split([w.numel() for w in model.values()])
    return {n: k.view(w.shape) for (n, w), k in zip(model.items(), parts)}


def test_a_dense_checkpoint_is_seen_as_pruned_to_the_sparsity(state):
    masks = by_hand(state, 0.7)
    found = matrices(state, {}, 0.7)
    assert [m.name for m in found] == list(state["model"])
    assert all(torch.equal(m.keep, masks[m.name]) for m in found)
    assert [m.words for m in found] == ["source", None, None, "target", None, None, "target"]


def test_a_pruned_checkpoint_is_seen_under_its_own_mask(state):
    weights, classes = state["model"], {name: name for name in state["model"]}
    result = prune(weights, classes, "class-uniform", 0.5)
    for name, weight in weights.items():
        apply_(weight, result.masks[name])
    state["prune"] = make_record(result, 0.5)
    found = matrices(state, {}, 0.9)
    assert all(torch.equal(m.keep, result.masks[m.name]) for m in found)


def test_redundancy_adds_up_by_hand(state):
    masks = by_hand(state, 0.7)
    found = redundancy(matrices(state, {}, 0.7))
    densities = {row["class"]: row["density"] for row in found["classes"]}
    softmax = masks["decoder.fc_out.weight"]
    assert densities["softmax"] == int(softmax.sum()) / softmax.numel()
    layer = torch.cat([masks["encoder.lstm.weight_ih_l0"], masks["encoder.lstm.weight_hh_l0"]], 1)
    assert densities["source layer 1"] == pytest.approx(float(layer.float().mean()))
    # torch's gates in the order i, f, g, o
    lstm = [n for n in masks if "lstm" in n]
    for k, gate in enumerate("ifgo"):
        kept = torch.cat([masks[n][k * N : (k + 1) * N].flatten() for n in lstm])
        (row,) = [r for r in found["gates"] if r["gate"] == gate]
        assert row["weights"] == kept.numel() and row["kept"] == int(kept.sum())
    for kind, label in (("ih", "feed-forward"), ("hh", "recurrent")):
        kept = torch.cat([masks[n].flatten() for n in lstm if kind in n])
        (row,) = [r for r in found["inputs"] if r["input"] == label]
        assert row["density"] == pytest.approx(float(kept.float().mean()))
    assert len(found["blocks"]) == 2 * 4 * 2 and len(found["layers"]) == 2 * 2
    (row,) = [
        r for r in found["layers"] if r["class"] == "target layer 1" and r["input"] == "recurrent"
    ]
    assert row["kept"] == int(masks["decoder.lstm.weight_hh_l0"].sum())
    order = sorted(found["gates"], key=lambda r: -r["density"])
    assert found["gate_order"] == [r["gate"] for r in order]


def test_words_pruned_whole_are_listed(state):
    found = {row["parameter"]: row for row in redundancy(matrices(state, {}, 0.5))["words"]}
    assert found["encoder.embed_tokens.weight"]["pruned_rows"] == [2, 7]
    assert found["decoder.fc_out.weight"]["pruned_rows"] == [4]
    assert found["decoder.embed_tokens.weight"]["pruned_rows"] == []
    assert found["encoder.embed_tokens.weight"]["words"] == 11
    # 11 words in 10 parts: the first has two
    keep = by_hand(state, 0.5)["encoder.embed_tokens.weight"].float()
    expected = [float(keep[:2].mean()), *(float(row.mean()) for row in keep[2:])]
    assert found["encoder.embed_tokens.weight"]["by_frequency"] == pytest.approx(expected)


def test_diagonals(state):
    rows = diagonals(matrices(state, {}, 0.5))
    (row,) = [r for r in rows if r["parameter"] == "encoder.lstm.weight_hh_l0" and r["gate"] == "i"]
    block = state["model"]["encoder.lstm.weight_hh_l0"][:N].abs()
    off = [float(block[i, j]) for i in range(N) for j in range(N) if i != j]
    assert row["on"] == pytest.approx(5.0)
    assert row["off"] == pytest.approx(sum(off) / len(off))
    assert row["ratio"] == pytest.approx(5.0 / (sum(off) / len(off)))
    assert row["on_density"] == 1.0
    # 2N columns into N rows is no square
    assert not any(r["parameter"] == "decoder.lstm.weight_ih_l0" for r in rows)


def test_magnitudes(state):
    weights = state["model"]
    classes = {name: name.split(".")[1] for name in weights}
    weights["decoder.fc_out.weight"][0] = 0.0
    found = distributions(weights, classes, 0.6)
    assert len(found["edges"]) == len(found["classes"][0]["counts"]) + 1
    for row in found["classes"]:
        flat = torch.cat([w.flatten() for n, w in weights.items() if classes[n] == row["class"]])
        assert sum(row["counts"]) + row["zeros"] == row["weights"] == len(flat)
        assert row["zeros"] == int((flat == 0).sum())
        assert row["sigma"] == pytest.approx(float(flat.double().std(unbiased=False)))
        assert row["mean"] == pytest.approx(float(flat.abs().double().mean()))
        middle = found["edges"][60]
        assert abs(sum(row["counts"][:60]) - int(((flat != 0) & (flat.abs() < middle)).sum())) <= 1
    blind = set(found["thresholds"]["class-blind"].values())
    flat = torch.cat([w.abs().flatten() for w in weights.values()]).sort()[0]
    assert max(blind) == float(flat[round(0.6 * len(flat)) - 1])
    for row in found["classes"]:
        mine = [w.abs().flatten() for n, w in weights.items() if classes[n] == row["class"]]
        mine = torch.cat(mine).sort()[0]
        expected = float(mine[round(0.6 * len(mine)) - 1])
        assert found["thresholds"]["class-uniform"][row["class"]] == expected


@pytest.mark.parametrize("shape, grid", [((7, 5), (3, 2)), ((4, 4), (8, 8)), ((50, 3), (7, 3))])
def test_density_map(shape, grid):
    keep = torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.4
    cells = density_map(keep, *grid)
    rows, columns = min(grid[0], shape[0]), min(grid[1], shape[1])
    assert cells.shape == (rows, columns)
    for r in range(rows):
        for c in range(columns):
            part = keep[
                r * shape[0] // rows : (r + 1) * shape[0] // rows,
                c * shape[1] // columns : (c + 1) * shape[1] // columns,
            ]
            assert float(cells[r, c]) == pytest.approx(float(part.float().mean()))


@pytest.mark.parametrize("score, by", [("magnitude", ""), ("lamp", " by lamp")])
def test_a_page_names_the_score_that_is_not_usual(state, tmp_path, score, by):
    pytest.importorskip("matplotlib")
    source, out = str(tmp_path / "p.pt"), str(tmp_path / "out")
    torch.save(state, source)
    main(["prune", source, source, "--sparsity", "0.9", "--score", score])
    main(["report", source, "--out", out])
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"p.pt: pruned class-blind{by} to 90%." in page


def test_a_report_by_data_asks_for_them_as_it_takes_them():
    said = "^fairseq-prune: error: --score fisher looks at data; give DATA, .* after dense.pt$"
    with pytest.raises(SystemExit, match=said):
        main(["report", "dense.pt", "--out", "o", "--score", "fisher"])
