"""What commands beside this process see of it."""

import os
import platform
import subprocess
import sys
import tempfile

import pytest

from fairseq_prune.experiments.jobs import Job


def said_by(command, env=None):
    """What ``command`` prints, run as a job."""
    with tempfile.TemporaryFile() as lock, tempfile.TemporaryFile("w+") as out:
        with Job(command, lock.fileno(), stdout=out, env=env) as job:
            assert job.wait() == 0
        out.seek(0)
        return out.read()


def gpus_seen(*words, env=None):
    """CUDA_VISIBLE_DEVICES of a command with ``words``."""
    say = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('OTHER'))"
    return said_by([sys.executable, "-c", say, *words], env).split()


def test_a_command_that_is_to_stay_on_the_cpu_sees_no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert gpus_seen() == ["3", "None"]
    assert gpus_seen("--cpu")[:1] != ["3"]
    given = {**os.environ, "OTHER": "x"}
    assert gpus_seen("--cpu", env=given) == ["x"]  # an empty word and x
    assert given["CUDA_VISIBLE_DEVICES"] == "3"


ALLOCATE = """
import resource, threading, torch
def batches():
    for _ in range(20):
        a = torch.ones(4 << 20)  # 16 MiB, as large as logits are
        b = a * 2
        del a, b
batches()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=batches)  # as autograd's
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc's malloc")
def test_a_command_on_the_cpu_keeps_the_memory_that_it_frees(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    pages = 2 * 20 * (16 << 20) // os.sysconf("SC_PAGE_SIZE")
    words = [sys.executable, "-c", ALLOCATE, "--cpu"]
    usual = int(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    assert usual > pages // 4  # each block anew from the system
    assert int(said_by(words)) < pages // 20


def test_a_users_own_settings_of_malloc_stay(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=1")
    say = "import os; print(os.environ['GLIBC_TUNABLES'])"
    assert said_by([sys.executable, "-c", say, "--cpu"]).strip() == "glibc.malloc.perturb=1"
