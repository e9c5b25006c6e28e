"""The grid's figures: what is drawn where, read off the axes."""

import math

import pytest

pytest.importorskip("matplotlib")

from fairseq_prune.experiments import figures
from fairseq_prune.experiments.page import results_rows, storage_rows
from fairseq_prune.experiments.summary import summarise

NAMES = {"valid": "dev", "test": "newstest"}


def record(seed, kind, scheme, sparsity, bleu, perplexity, **more):
    return {
        "seed": seed, "kind": kind, "scheme": scheme, "sparsity": sparsity, "weights": 1000,
        "kept": round(1000 * (1 - sparsity)), "bleu": bleu, "perplexity": perplexity,
        "bytes": {"dense": 4e6, "csr": 8e6 * (1 - sparsity), "bound": 5e6 * (1 - sparsity)}, **more,
    }  # fmt: skip


def records():
    found = []
    for seed in (1, 2):
        history = [{"updates": 10, "loss": 5.0}, {"updates": 20, "loss": 3.0}]
        found.append(record(seed, "dense", None, 0.0, 30.0, 8.0, history=history))
        for scheme, loss in (("class-uniform", 4.0), ("class-blind", 2.0)):
            for x in (0.8, 0.4):
                found.append(record(seed, "pruned", scheme, x, 30 - loss * x * seed, 8 + loss))
        history = [{"updates": 10, "loss": 3.5}, {"updates": 20, "loss": 3.25}]
        found.append(
            record(seed, "retrained", "class-blind", 0.8, 29.0 + seed, 9.0, history=history,
                   pruned_perplexity=64.0)
        )  # fmt: skip
    found.append(record(1, "from-start", "class-blind", 0.8, 25.0, 11.0))
    return found


def lines(ax):
    """x and y of each curve, to nine places."""
    found = [container.lines[0].get_data() for container in ax.containers]
    return [tuple([round(float(v), 9) for v in values] for values in xy) for xy in found]


def test_schemes():
    figure = figures.schemes(summarise(records()), NAMES)
    bleu, perplexity = figure.axes
    assert bleu.get_xlabel() == perplexity.get_xlabel() == "weights pruned (%)"
    assert bleu.get_ylabel() == "BLEU on newstest"
    assert perplexity.get_ylabel() == "perplexity on dev" and perplexity.get_yscale() == "log"
    # class-blind first, whatever the order of the records; mean of the two seeds, sorted
    assert lines(bleu) == [([40, 80], [28.8, 27.6]), ([40, 80], [27.6, 25.2])]
    # deviation of 30 - 2 x and 30 - 4 x: 2 x / sqrt(2)
    (bars,) = bleu.containers[0].lines[2]
    for x, (low, high) in zip((0.4, 0.8), bars.get_segments()):
        assert high[1] - low[1] == pytest.approx(2 * 2 * x / math.sqrt(2))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "dense", "class-blind", "class-uniform",
    ]  # fmt: skip


def test_scores_have_a_colour_and_their_steps_a_dash():
    found = [record(1, "dense", None, 0.0, None, 8.0)]
    for scheme in ("class-blind", "class-uniform"):
        for score, steps in (("fisher", 4), ("magnitude", 1), ("kron", 1), ("fisher", 1)):
            for x in (0.8, 0.4):
                more = {"score": score, **({"steps": steps} if steps > 1 else {})}
                found.append(record(1, "pruned", scheme, x, None, 50 * x + steps, **more))
    figure = figures.schemes(summarise(found), NAMES)
    # one metric: side by side, on one scale
    blind, uniform = figure.axes
    assert blind.get_subplotspec().rowspan == uniform.get_subplotspec().rowspan
    assert blind.get_ylim() == uniform.get_ylim()
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["dense", "by fisher", "by fisher, in 4 steps", "by magnitude", "by kron"]
    in_steps, magnitude, kron, once = (container.lines[0] for container in blind.containers)
    assert list(in_steps.get_ydata()) == [24, 44] and list(once.get_ydata()) == [21, 41]
    assert once.get_color() == in_steps.get_color()
    assert once.get_linestyle() == magnitude.get_linestyle() != in_steps.get_linestyle()
    assert len({line.get_color() for line in (magnitude, kron, once)}) == 3


def test_panels_of_one_scale_show_all_of_each_and_no_decade_below():
    found = records()
    for r in records():
        if r["kind"] == "pruned":
            r["scheme"], r["bleu"], r["perplexity"] = "2:4", 80 - r["seed"], 4 * r["perplexity"]
            found += [r, {**r, "kind": "retrained"}]
    figure = figures.kinds(summarise(found), NAMES)
    assert len(figure.axes) == 4
    for ax in figure.axes:
        low, high = ax.get_ylim()
        bars = [bars for container in ax.containers for bars in container.lines[2]]
        ends = [y for b in bars for segment in b.get_segments() for _, y in segment if y == y]
        ends += [y for _, ys in lines(ax) for y in ys]
        assert low < min(ends) and max(ends) < high
        if ax.get_yscale() == "log":
            assert low > 8 / 2  # the dense model's is 8


def test_kinds():
    figure = figures.kinds(summarise(records()), NAMES)
    assert len(figure.axes) == 2 and figure.axes[0].get_title(loc="left") == "class-blind"
    assert lines(figure.axes[0]) == [([40, 80], [28.8, 27.6]), ([80], [30.5]), ([80], [25.0])]
    assert len(figure.legends) == 1


def test_patterns_come_after_the_listed_schemes():
    found = records()
    for kind in ("pruned", "retrained"):
        found += [{**r, "scheme": "2:4"} for r in found if r["kind"] == kind]
    bleu, _ = figures.schemes(summarise(found), NAMES).axes
    assert len(lines(bleu)) == 3
    titles = [ax.get_title(loc="left") for ax in figures.kinds(summarise(found), NAMES).axes]
    assert titles[::2] == ["class-blind", "2:4"]
    labels = [line.get_label() for line in figures.losses(found).axes[0].lines]
    assert labels[-2:] == ["retrained class-blind 80%", "retrained 2:4 80%"]


def test_losses():
    figure = figures.losses(records())
    (ax,) = figure.axes
    drawn = {line.get_label(): tuple(map(list, line.get_data())) for line in ax.lines}
    assert drawn["dense"] == ([10, 20], [5.0, 3.0])
    # from the pruned model's log2 of 64 on, after the dense model's updates
    assert drawn["retrained 80%"] == ([20, 30, 40], [6.0, 3.5, 3.25])
    assert drawn["best dense"][1] == [3.0, 3.0]
    assert "bits" in ax.get_ylabel() and ax.get_xlabel() == "updates"


def test_without_bleu_and_without_retraining():
    found = [{**r, "bleu": None} for r in records() if r["kind"] in ("dense", "pruned")]
    rows = summarise(found)
    assert len(figures.schemes(rows, NAMES).axes) == 1
    assert figures.kinds(rows, NAMES) is None and figures.losses(found) is None
    assert figures.schemes(summarise(found[:1]), NAMES) is None


def test_tables():
    rows = summarise(records())
    assert ("pruned and retrained", "class-blind", "80%", "2", "30.50 ± 0.71", "9.00 ± 0.00") in [
        tuple(row) for row in results_rows(rows)
    ]
    assert [tuple(row) for row in storage_rows(rows)] == [
        ("0%", "1,000", "4.00", "8.00", "-", "5.00", "125.0%"),
        ("40%", "600", "4.00", "4.80", "-", "3.00", "75.0%"),
        ("80%", "200", "4.00", "1.60", "-", "1.00", "25.0%"),
    ]
