"""When a claim of the study counts as reproduced."""

from digits import accuracy_claims, summary


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
