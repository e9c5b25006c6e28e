"""Training and retraining digits, beside plain calculations."""

import pytest
import torch
from commands import equal
from digits import experiment, positive_zeros, reader, task, train


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
