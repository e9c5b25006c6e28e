"""What fairseq stores beside tensors is read; nothing that a file says is run."""

import io
import pickle
import pickletools
import random
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import torch
from commands import equal
from fairseq import checkpoint_utils
from fairseq.data import Dictionary
from fairseq.logging import metrics

import fairseq_prune  # noqa: F401  (fixes fairseq)
from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint, unpack_file
from fairseq_prune.checkpoints.reading import read_checkpoint
from fairseq_prune.checkpoints.restricted_pickle import RestrictedPickle
from fairseq_prune.pruning import PruneError

NUMPY = {
    "integers": np.array([[3, -1], [0, 2**62]]), "none": np.array([]), "alone": np.array(2.5),
    "big-endian": np.arange(3, dtype=">f4"), "columns": np.asfortranarray(np.ones((2, 3), "f2")),
    "yes": np.bool_(True), "double": np.float64(0.1), "single": np.float32(0.1), "nan": np.array(
        [np.nan, -0.0, np.inf]), "count": np.int64(7), "byte": np.uint8(255), "i": np.complex64(1j),
}  # fmt: skip


def words():
    dictionary = Dictionary()
    for word in ("ü", "a", "b", "a"):
        dictionary.add_symbol(word)
    return dictionary


def state_with(**more):
    return {"model": OrderedDict(w=torch.ones(2, 2)), "extra_state": more}


def read(path, state, new_format=True):
    torch.save(state, str(path), _use_new_zipfile_serialization=new_format)
    return read_checkpoint(str(path))


def by_other_numpy(pickled):
    """What the other of numpy 1 and 2 would have written."""
    old, new = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    here, there = (old, new) if old in pickled else (new, old)
    assert here in pickled
    return pickled.replace(here, there)


def assert_same_numbers(found, expected):
    assert found.keys() == expected.keys()
    # numpy's own unpickling makes the byte order this machine's
    for name, value in pickle.loads(pickle.dumps(expected, 2)).items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes(), name
        assert isinstance(found[name], type(value)), name


@pytest.mark.parametrize("new_format", [True, False])
def test_numbers_of_numpy(tmp_path, new_format):
    found = read(tmp_path / "a.pt", state_with(**NUMPY), new_format)["extra_state"]
    assert_same_numbers(found, NUMPY)
    # and are numpy's again in what is written next
    assert_same_numbers(pickle.loads(pickle.dumps(found, 2)), NUMPY)
    text = pickle.dumps(found, 2)
    assert b"fairseq_prune" not in text and text.count(b"cnumpy\nndarray") == 1


def test_files_of_another_numpy(tmp_path):
    """In torch's older format, whose pickles can be changed as they lie there."""
    path = tmp_path / "a.pt"
    torch.save(state_with(**NUMPY), str(path), _use_new_zipfile_serialization=False)
    path.write_bytes(by_other_numpy(path.read_bytes()))
    assert_same_numbers(read_checkpoint(str(path))["extra_state"], NUMPY)
    # as fairseq reads it in this process
    with open(str(path), "rb") as file:
        found = checkpoint_utils.torch.load(file, map_location="cpu")["extra_state"]
    assert_same_numbers({name: found[name] for name in NUMPY}, NUMPY)


def test_the_meters_of_a_run(tmp_path):
    metrics.reset()
    metrics.log_scalar("_counts", np.array([3, 1]))
    metrics.log_scalar("accuracy", np.float32(0.5), np.int64(4))
    metrics.log_speed("speed", np.int64(3))
    state = metrics.state_dict()
    metrics.reset()
    found = read(tmp_path / "a.pt", state_with(metrics=state))["extra_state"]["metrics"]
    assert type(found) is OrderedDict and equal(found, state)
    metrics.load_state_dict(found)
    meter = metrics.get_meter("default", "_counts")
    meter.update(np.array([1, 1]))
    assert meter.sum.tolist() == [4, 2]
    metrics.reset()


def test_a_task_that_keeps_its_dictionary(tmp_path):
    """audio_finetuning, hubert_pretraining, nlu_finetuning, ..."""
    state = {**state_with(), "task_state": {"target_dictionary": words()}}
    found = read(tmp_path / "a.pt", state)["task_state"]["target_dictionary"]
    assert type(found) is Dictionary and found == words() and found.count == words().count
    assert found.index("ü") == 4 and found.string(torch.tensor([5, 6])) == "a b"


def test_through_a_packed_file(tmp_path):
    state = {**state_with(**NUMPY), "task_state": {"d": [words()]}, "args": Namespace(lr=[0.5])}
    torch.save(state, str(tmp_path / "a.pt"))
    pack_checkpoint(str(tmp_path / "a.pt"), str(tmp_path / "a.packed"))
    unpack_file(str(tmp_path / "a.packed"), str(tmp_path / "b.pt"))
    found = read_checkpoint(str(tmp_path / "b.pt"))
    assert_same_numbers(found["extra_state"], NUMPY)
    assert found["task_state"]["d"][0] == words() and found["args"] == state["args"]


class Calls:
    """Unpickling one calls ``function``."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def trap(path):
    return Calls(open, str(path), "w")


def addresses():
    """An array that takes eight bytes for the address of an object: a type of objects, told that
    it is not, then an array of it."""
    kind = Calls(np.dtype, "O8", False, True, state=(3, "|", None, None, None, -1, -1, 0))
    return array_like(kind, b"\x41" * 8)


def array_like(kind, raw, shape=(1,), fortran=False):
    make = np.array(0).__reduce__()[0]
    return Calls(make, np.ndarray, (0,), b"b", state=(1, shape, kind, fortran, raw))


def scalar_like(kind, content):
    return Calls(np.float64(0).__reduce__()[0], kind, content)


OUTSIDE = [
    lambda at: addresses(),
    lambda at: np.array([trap(at)], dtype=object),
    lambda at: scalar_like(np.dtype("O"), trap(at)),
    lambda at: scalar_like(np.dtype("O"), b"\x41" * 8),
    lambda at: scalar_like(np.dtype("f8"), b"short"),
    lambda at: np.zeros(2, [("field", "i4")]),
    lambda at: np.array("text"),
    lambda at: np.datetime64("2020"),
    lambda at: np.dtype("f8"),
    lambda at: np.random.RandomState(0),
    lambda at: array_like(np.dtype("f8"), b"", shape=(2**62, 4)),
    lambda at: array_like(np.dtype("f8"), b"", shape=(-1, 0)),
    lambda at: array_like(np.dtype("f8"), b"\0" * 8, shape=(1.0,)),
    lambda at: array_like(np.dtype("f8"), [trap(at)]),
    lambda at: array_like("f8", b"\0" * 8),
    lambda at: Calls(np.load, str(at)),
    lambda at: Calls(getattr, "", "join"),
    lambda at: Calls(eval, "1"),
    lambda at: Calls(bytes, 2**40),
    lambda at: Calls(Dictionary.load, str(at)),
    lambda at: Calls(Dictionary, state={"count": [trap(at)]}),
    lambda at: Calls(Namespace, state={"lr": trap(at)}),
]


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("k", range(len(OUTSIDE)))
def test_what_could_do_more_is_refused(tmp_path, k, new_format):
    evil = OUTSIDE[k](tmp_path / "sprung")
    if isinstance(evil, np.dtype):
        # a type by itself is no number; it is read, as what stands for it, and does nothing
        assert read(tmp_path / "a.pt", state_with(x=evil), new_format)
        return
    with pytest.raises(PruneError, match="a.pt") as told:
        read(tmp_path / "a.pt", state_with(x=evil), new_format)
    assert "weights_only" not in str(told.value) and "\n" not in str(told.value)
    assert not (tmp_path / "sprung").exists()


def pickled(steps):
    return RestrictedPickle.load(io.BytesIO(b"\x80\x02" + steps + b"."))


@pytest.mark.parametrize(
    "steps",
    [
        # a class, and a function, changed for this process by BUILD
        b"cargparse\nNamespace\nN}X\x01\x00\x00\x00xK\x01s\x86b",
        b"cfairseq.data.dictionary\nDictionary\n}X\x01\x00\x00\x00xK\x01sb",
        b"ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00xK\x01sb",
        b"cnumpy\ndtype\nN}X\x01\x00\x00\x00xK\x01s\x86b",
        # names with a way in
        b"cargparse\nNamespace.__init__\n",
        b"c_codecs\ndecode\n",
        b"ctorch\nload\n",
        b"ctorch\nhub\n",
        b"c__builtin__\neval\n",
        b"ccopy_reg\n_reconstructor\n",
        # another codec than bytes are written in
        b"c_codecs\nencode\nX\x01\x00\x00\x00xX\x05\x00\x00\x00rot13\x86R",
    ],
)
def test_the_pickle_of_older_torch_is_as_strict(steps):
    with pytest.raises((pickle.UnpicklingError, ValueError, TypeError)):
        pickled(steps)
    assert not hasattr(Namespace, "x") and not hasattr(Dictionary, "x")


def test_both_ways_of_reading_agree():
    """The one of torch < 2.4 can be tried on any."""
    found = RestrictedPickle.load(io.BytesIO(pickle.dumps({**NUMPY, "d": {1}}, 2)))
    assert found.pop("d") == {1}
    assert_same_numbers(found, NUMPY)


def test_damaged_pickles_raise_and_do_nothing():
    whole = pickle.dumps({**NUMPY, "d": words(), "n": Namespace(a=1)}, 2)
    assert {"GLOBAL", "BUILD", "REDUCE"} <= {op.name for op, _, _ in pickletools.genops(whole)}
    rng, read_anyway = random.Random(0), 0
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            RestrictedPickle.load(io.BytesIO(bytes(damaged)))
            read_anyway += 1
        except MemoryError:
            raise
        except Exception:
            continue
    assert 0 < read_anyway < 1500


def test_a_refused_type_is_named_with_a_way_out(tmp_path):
    """And the way works."""
    state = {**state_with(x=Calls(OrderedDict.fromkeys, [])), "cfg": {"task": None}}
    with pytest.raises(PruneError, match=r"a\.pt holds .*could run code.*model.*cfg"):
        read(tmp_path / "a.pt", state)
    kept = {key: state[key] for key in ("model", "cfg")}
    assert read(tmp_path / "a.pt", kept)["cfg"] == {"task": None}


def test_what_a_user_has_allowed_himself(tmp_path):
    """numpy's own types among it: they do not fit to what stands for the others."""
    if not hasattr(torch.serialization, "add_safe_globals"):
        pytest.skip("torch < 2.4 allows nothing")
    before = torch.serialization.get_safe_globals()
    scalar = np.float64(0).__reduce__()[0]
    try:
        torch.serialization.add_safe_globals([np.dtype, np.ndarray, scalar, random.Random])
        found = read(tmp_path / "a.pt", state_with(**NUMPY))["extra_state"]
        assert_same_numbers(found, NUMPY)
        assert random.Random in torch.serialization.get_safe_globals()
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


@pytest.mark.parametrize("content", [b"", b"no checkpoint\n" * 99, b"PK\x03\x04 and no more"])
def test_other_files(tmp_path, content):
    """torch advises to load them without its protection; nobody else may."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(PruneError) as told:
        read_checkpoint(str(path))
    said = str(told.value)
    assert str(path) in said and "written by fairseq" in said
    assert not any(word in said for word in ("weights_only", "pickle", "\n"))


def test_missing(tmp_path):
    with pytest.raises(PruneError, match="nowhere.pt does not exist"):
        read_checkpoint(str(tmp_path / "nowhere.pt"))
