"""``fairseq-prune report`` on dense and pruned checkpoints: its numbers, words and files."""

import json
import re

import pytest
import torch
from commands import PLUGIN, run, state_of

from fairseq_prune.parameters.weight_classes import fairseq_classes
from fairseq_prune.pruning import unpack

pytest.importorskip("matplotlib")


def report(*args, ok=True):
    return run("fairseq-prune", "report", *args, ok=ok)


def test_numbers_of_a_dense_model(data, dense, tmp_path):
    said = report(dense, data, "--out", tmp_path / "out", "--sparsity", "0.9")
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert not found["pruned"] and found["sparsity"] == 0.9
    model = {n: w for n, w in state_of(dense)["model"].items() if w.dim() == 2}
    # brute force: one sort of everything
    flat = torch.cat([w.abs().flatten() for w in model.values()])
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[torch.sort(flat, stable=True)[1][: round(0.9 * len(flat))]] = False
    parts = keep.split([w.numel() for w in model.values()])
    masks = {n: k.view(w.shape) for (n, w), k in zip(model.items(), parts)}
    rows = {row["class"]: row for row in found["redundancy"]["classes"]}
    assert rows["softmax"]["kept"] == int(masks["decoder.fc_out.weight"].sum())
    # words whose rows are gone, by the dictionary's own file (after its four symbols)
    lines = (data / "dict.de.txt").read_text().split("\n")
    words = ["<s>", "<pad>", "</s>", "<unk>"] + [line.rsplit(" ", 1)[0] for line in lines if line]
    (softmax,) = [r for r in found["redundancy"]["words"] if r["class"] == "softmax"]
    gone = [k for k, row in enumerate(masks["decoder.fc_out.weight"]) if not row.any()]
    assert softmax["pruned_rows"] == gone
    assert softmax["pruned_words"] == [words[k] for k in gone]
    assert f"softmax: {len(gone)} of {len(words)} words pruned whole" in said


def validated(data, checkpoint):
    """What fairseq-validate says of the perplexity."""
    output = run(
        "fairseq-validate", data, "--user-dir", PLUGIN, "--task", "translation", "--path",
        checkpoint, "--valid-subset", "valid", "--max-tokens", "400", "--cpu", "--num-workers", "0",
        "--required-batch-size-multiple", "1",
    )  # fmt: skip
    return float(re.findall(r"ppl ([\d.]+)", output)[-1])


def test_a_class_pruned_alone_costs_what_fairseq_validate_says(data, dense, tmp_path):
    report(dense, data, "--out", tmp_path / "out", "--breakdown-sparsity", "0.7")
    found = json.loads((tmp_path / "out" / "report.json").read_text())["sensitivity"]
    assert found["perplexity"] == pytest.approx(validated(data, dense), abs=0.006)
    for scheme, name, key in (
        ("class-uniform", "softmax", "decoder.fc_out.weight"),
        ("class-blind", "source embedding", "encoder.embed_tokens.weight"),
    ):
        state = state_of(dense)
        model = state["model"]
        ranked = [model[key]]
        if scheme == "class-blind":
            ranked = [w for w in model.values() if w.dim() == 2]
        sizes = torch.cat([w.abs().flatten() for w in ranked]).sort()[0]
        cut = float(sizes[round(0.7 * len(sizes)) - 1])
        model[key] = torch.where(model[key].abs() <= cut, torch.zeros(()), model[key])
        torch.save(state, str(tmp_path / "one.pt"))
        (row,) = [r for r in found["rows"] if r["scheme"] == scheme and r["class"] == name]
        assert row["pruned"] == int((model[key] == 0).sum())
        assert row["perplexity"] == pytest.approx(validated(data, tmp_path / "one.pt"), abs=0.006)
        assert row["increase"] == pytest.approx(row["perplexity"] - found["perplexity"])
    # 8 classes under 3 schemes, each put back: the last evaluation is not of a ruin
    assert len(found["rows"]) == 24


def test_another_score_is_what_all_of_it_is_by(data, dense, tmp_path):
    """As ``prune`` has it, which says where it cut and how much it took of each class."""
    score = ("--score", "fisher:damping=0.2", "--samples", "64")
    report(dense, data, "--out", tmp_path / "out", *score, "--sparsity", "0.7",
           "--breakdown-sparsity", "0.7")  # fmt: skip
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert "magnitudes" not in found and found["scores"]["score"] == score[1]
    kept = {row["class"]: row["kept"] for row in found["redundancy"]["classes"]}
    for scheme in ("class-blind", "class-uniform"):
        path = tmp_path / f"{scheme}.pt"
        run("fairseq-prune", "prune", dense, path, "--scheme", scheme, "--sparsity", "0.7", *score,
            "--data", data)  # fmt: skip
        record = state_of(path)["prune"]
        cuts, of = record["threshold"], found["scores"]["thresholds"][scheme]
        assert of == {name: cuts[name if scheme == "class-uniform" else ""] for name in of}
        masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
        gone = {}
        for name, weight_class in fairseq_classes(masks).items():
            gone[weight_class] = gone.get(weight_class, 0) + int((~masks[name]).sum())
        rows = [row for row in found["sensitivity"]["rows"] if row["scheme"] == scheme]
        assert {row["class"]: row["pruned"] for row in rows} == gone
        if scheme == "class-blind":
            assert kept == {row["class"]: row["weights"] - row["pruned"] for row in rows}
    for row in found["scores"]["classes"]:  # the histogram and the cut are of one scale
        edges, cut = found["scores"]["edges"], found["scores"]["thresholds"]["class-uniform"]
        below = sum(c for c, edge in zip(row["counts"], edges[1:]) if edge <= cut[row["class"]])
        assert 0.6 < (below + row["zeros"]) / row["weights"] <= 0.7
    assert "class-distribution" not in found["scores"]["thresholds"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"by {score[1]}, and where" in page and f"as at 70% by {score[1]}" in page


def test_a_pruned_model_is_shown_as_it_is(retrained, tmp_path):
    path = retrained[0] / "checkpoint_best.pt"
    report(path, "--out", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    record = state_of(path)["last_optimizer_state"]["prune"]
    kept = sum(int(unpack(m, record["shapes"][n]).sum()) for n, m in record["masks"].items())
    assert found["pruned"] and found["magnitudes"]["thresholds"] == {}
    assert sum(row["kept"] for row in found["redundancy"]["classes"]) == kept


def test_the_page_stands_alone(data, dense, tmp_path):
    report(dense, data, "--out", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert not re.search(r"(src|href)='(?!data:)", page)
    assert page.count("<img ") == 7
    for name in (
        "remaining",
        "densities",
        "distributions",
        "frequency",
        "diagonals",
        "breakdown",
        "largest_deleted",
    ):
        assert (tmp_path / "out" / f"{name}.svg").exists()
        assert (tmp_path / "out" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_mistakes(dense, tmp_path):
    (tmp_path / "file").write_text("")
    for args, said in (
        ((tmp_path / "no.pt", "--out", tmp_path / "a"), "no.pt does not exist"),
        ((dense, "--out", tmp_path / "file"), "--out"),
        ((dense, "--out", tmp_path / "a", "--sparsity", "1"), "--sparsity 1"),
    ):
        output = report(*args, ok=False)
        assert said in output and "Traceback" not in output
    assert not (tmp_path / "a").exists()
