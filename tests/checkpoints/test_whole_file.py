"""Files are written whole, or not at all, where a user means them to be."""

import os
import signal
import threading

import pytest
import torch
from full_disk import limited

from fairseq_prune.checkpoints.whole_file import whole_file
from fairseq_prune.checkpoints.writing import check_writable, write_checkpoint
from fairseq_prune.pruning import PruneError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"before")
    return path


def killed_while_writing(path):
    process = os.fork()
    if process == 0:
        with whole_file(str(path)) as f:
            f.write(b"half")
            f.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)


def names(folder):
    return sorted(os.listdir(str(folder)))


def test_replaced_at_the_end(path):
    with whole_file(str(path)) as f:
        f.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after" and names(path.parent) == ["out"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_what_was(path, error):
    said = pytest.raises(PruneError, match=f"cannot write {path}: No space left on device$")
    with said if isinstance(error, OSError) else pytest.raises(KeyboardInterrupt):
        with whole_file(str(path)) as f:
            f.write(b"after")
            raise error
    assert path.read_bytes() == b"before" and names(path.parent) == ["out"]


def test_what_a_killed_process_left_goes_with_the_next_of_its_name(path):
    for name in ("out", "out_0123cdef"):
        killed_while_writing(path.with_name(name))
    assert path.read_bytes() == b"before" and len(names(path.parent)) == 3
    with whole_file(str(path)) as f:
        f.write(b"after")
    other, out = names(path.parent)
    assert out == "out" and other.startswith(".fairseq_prune_out_0123cdef_")


def test_what_is_being_written_stays(path):
    with whole_file(str(path)) as first:
        with whole_file(str(path)) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
        first.write(b"first")
    assert path.read_bytes() == b"first" and names(path.parent) == ["out"]


def test_a_long_name(tmp_path):
    path = tmp_path / ("ü" * 127)  # a byte less than a name may have
    with whole_file(str(path)) as f:
        f.write(b"after")
    assert path.read_bytes() == b"after"


@pytest.mark.parametrize("there", [True, False])
def test_through_links(path, tmp_path, there):
    (tmp_path / "links").mkdir()
    link, other = tmp_path / "links" / "link", tmp_path / "other"
    other.symlink_to("out")
    link.symlink_to("../other")
    if not there:
        path.unlink()
    with whole_file(str(link)) as f:
        f.write(b"after")
    assert link.is_symlink() and other.is_symlink() and path.read_bytes() == b"after"
    assert names(tmp_path / "links") == ["link"] and names(tmp_path) == ["links", "other", "out"]


def test_a_link_to_a_device(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    check_writable(str(link))
    write_checkpoint({"w": torch.ones(9)}, str(link))
    assert link.is_symlink() and os.readlink(str(link)) == os.devnull


def test_a_pipe(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(str(pipe))
    check_writable(str(pipe))
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with whole_file(str(pipe)) as f:
        f.write(b"-fter")
        f.seek(0)
        f.write(b"a")
    reader.join()
    assert found == [b"after"] and names(tmp_path) == ["pipe"]


def test_where_own_words_go(capfd):
    with pytest.raises(PruneError, match="/dev/stdout is where this command's own words go"):
        check_writable("/dev/stdout")


def test_a_folder_that_a_link_leads_to_in_vain(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "out")
    with pytest.raises(PruneError, match="nowhere does not exist"):
        check_writable(str(tmp_path / "link"))


def test_the_reason_that_torch_hides(path):
    for values in (300, 5_000_000):  # fails when all is written, and long before
        with limited(1000), pytest.raises(PruneError, match=f"^cannot write {path}: File too la"):
            write_checkpoint({"w": torch.rand(values), "more": [torch.rand(9)] * 9}, str(path))
    assert path.read_bytes() == b"before" and names(path.parent) == ["out"]
