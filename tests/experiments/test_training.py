"""What a training that fails is told by."""

import sys

import pytest

from fairseq_prune.experiments.training import Training
from fairseq_prune.pruning import PruneError


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["| epoch 1", "fairseq_prune: error: no words", "synced to the tracker"],
         "fairseq_prune: error: no words"),
        (["Traceback", "KeyError: 'w'"], "KeyError: 'w'"),
        (["KeyError: 'w'", "killed"], "killed"),
        ([], "it said nothing"),
    ],
)  # fmt: skip
def test_its_error(said, told, tmp_path):
    says = f"import sys; print({chr(10).join(said)!r}); sys.exit(3)"
    training = Training(str(tmp_path), [sys.executable, "-c", says], "round 1")
    with open(tmp_path / "lock", "w") as lock:
        with pytest.raises(PruneError, match=r"failed \(exit status 3\)") as error:
            training.run(lambda said: None, lock.fileno())
    assert f": {told}; all it said" in str(error.value)
