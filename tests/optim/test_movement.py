"""Movement, summed by the optimizer, against minus the sum of w g written out."""

import copy

import torch

from fairseq_prune.pruning import Inputs, find_score, prune, scores_of


def moved(run):
    state = run.optimizer.optimizer.state
    return [state[param]["movement"] for param in run.params]


def test_it_is_minus_the_sum_of_w_g_and_changes_nothing_else(name, start):
    run, plain = start(f"pruned_{name}"), start(f"pruned_{name}")
    run.optimizer.sums_movement = True
    expected = [torch.zeros_like(param) for param in run.params]
    for seed in range(4):
        run.set_gradients(seed)
        run.optimizer.clip_grad_norm(0.5)
        for total, param in zip(expected, run.params):
            total -= param.data * param.grad
        run.optimizer.step()
        plain.step(seed)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(moved(run), expected))
    assert run.equals(plain)


def test_it_resumes_exactly_and_is_zero_where_pruned(name, start):
    run, resumed = start(f"pruned_{name}"), start(f"pruned_{name}")
    for one in (run, resumed):
        one.optimizer.sums_movement = True
    for seed in range(2):
        run.step(seed)
    run.hold()
    resumed.optimizer.load_state_dict(copy.deepcopy(run.optimizer.state_dict()))
    for param, other in zip(run.params, resumed.params):
        other.data.copy_(param.data)
    resumed.hold()
    for seed in range(2, 5):
        run.step(seed)
        resumed.step(seed)
    assert run.equals(resumed)
    assert all(torch.equal(a, b) for a, b in zip(moved(run), moved(resumed)))
    assert all(not value[gone].any() for value, gone in zip(moved(run), run.pruned))


def test_the_score_keeps_the_order_and_is_positive():
    sums = torch.cat([torch.randn(500) * 10.0 ** -torch.arange(500).remainder(5), torch.zeros(3)])
    given = Inputs({"w": torch.randn(503)}, {"w": "x"}, {}, {"w": sums})
    scorer = find_score("movement").scorers(given)["w"]
    found = scores_of(scorer, given.weights["w"])
    assert (found > 0).all()
    ordered = found[sums.argsort()]
    assert (ordered[1:] >= ordered[:-1]).all()
    assert len(found.unique()) > 490
    masks = prune(given.weights, given.classes, "class-blind", 0.3, score="movement",
                  statistics=given.statistics).masks  # fmt: skip
    assert sums[masks["w"]].min() >= sums[~masks["w"]].max()


def test_the_score_keeps_the_order_near_zero_and_far_from_it():
    """What shrank a little goes before what grew a little."""
    sums = torch.tensor([1e-12, -3e-12, 2e-8, -1e-8, 0.0, 1.0, -1.0, 1e3, -1e3])
    given = Inputs({"w": torch.randn(9)}, {"w": "x"}, {}, {"w": sums})
    found = scores_of(find_score("movement").scorers(given)["w"], given.weights["w"])
    assert torch.equal(found.argsort(), sums.argsort()) and len(found.unique()) == 9
