"""What commands beside this process see of it."""

import os
import sys
import tempfile

from fairseq_prune.experiments.jobs import Job


def gpus_seen(*words, env=None):
    """CUDA_VISIBLE_DEVICES of a command with ``words``."""
    say = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('OTHER'))"
    with tempfile.TemporaryFile() as lock, tempfile.TemporaryFile("w+") as out:
        with Job([sys.executable, "-c", say, *words], lock.fileno(), stdout=out, env=env) as job:
            assert job.wait() == 0
        out.seek(0)
        return out.read().split()


def test_a_command_that_is_to_stay_on_the_cpu_sees_no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert gpus_seen() == ["3", "None"]
    assert gpus_seen("--cpu")[:1] != ["3"]
    given = {**os.environ, "OTHER": "x"}
    assert gpus_seen("--cpu", env=given) == ["x"]  # an empty word and x
    assert given["CUDA_VISIBLE_DEVICES"] == "3"
