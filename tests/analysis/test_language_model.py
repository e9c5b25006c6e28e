"""Reading a text word by word, for its speed: what the model is given, not how fast it is."""

import torch

from fairseq_prune.analysis.language_model import STEPS, words_per_second


class Listener:
    """A model that keeps what it is asked."""

    def __init__(self):
        self.read, self.scored = [], 0

    def __call__(self, words, incremental_state):
        assert words.shape[1] == 1 and not torch.is_grad_enabled()
        incremental_state["steps"] = incremental_state.get("steps", 0) + 1
        self.steps = incremental_state["steps"]
        self.read.append(words[:, 0].tolist())
        return words

    def get_normalized_probs(self, output, log_probs):
        assert log_probs
        self.scored += 1


def test_texts_side_by_side_in_order():
    model = Listener()
    rate = words_per_second(model, torch.arange(10), batch=3, seconds=0.001)
    assert rate > 0
    # 3 texts of 3 words, the tenth left over; from their beginning again
    rows = [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert model.read == [rows[step % 3] for step in range(len(model.read))]
    assert len(model.read) >= 4 * STEPS  # one piece to warm up, three that count
    assert model.steps == model.scored == len(model.read)


def test_rate_counts_all_texts(monkeypatch):
    """A clock that goes on a second a look: 25 steps of 4 texts between two looks."""
    looks = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(looks))
    assert words_per_second(Listener(), torch.arange(40), batch=4, seconds=10) == 4 * STEPS
