"""Files whose checksum is right and whose description cannot be: refused, no memory claimed."""

import pytest
from forged import content_of, forge, memory_limit, taken_apart, with_content

from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.pruning import PruneError

LONG = 2**60


def open_all(path):
    """Opened, every tensor decoded, the state made."""
    packed = PackedModel(str(path))
    packed.state(packed.decode())


def refused(path, change):
    """What is said once ``change(content, header)`` was made."""
    header, data = taken_apart(path)
    content = content_of(header)
    change(content, header)
    forge(path, with_content(header, content), data)
    with memory_limit(24 << 20), pytest.raises(PruneError) as error:
        open_all(path)
    return str(error.value)


SHAPES = (
    [LONG], [LONG, LONG], [2**62, 2**62, 0], [-1], [-30, -20], [30, 20, 1.0], [True], [None],
    ["30"], "30", None, 600, [[30, 20]], [2**64],
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["pruned", "dense", "none", "number", "zeros"])
def test_shapes_of_the_model(packed, name, shape):
    def change(content, header):
        content["tensors"][name]["shape"] = shape

    refused(packed[0], change)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_what_is_beside_the_model(packed, shape):
    def change(content, header):
        content["loose"][0]["shape"] = shape

    refused(packed[0], change)


@pytest.mark.parametrize("shape", [[LONG], [LONG, LONG], [2**62, 2**62, 0], [-1], [-7, -3]])
def test_shapes_in_both_places(packed, shape):
    def change(content, header):
        content["tensors"]["dense"]["shape"] = header["dense"]["shape"] = shape

    refused(packed[0], change)


@pytest.mark.parametrize("where", ["tensors", "loose"])
def test_a_model_ten_thousand_times_its_file(packed, tmp_path, where):
    """Blocks of which nothing is kept take nine bytes: a hundred of them claim 50 MB."""
    blocks = 100
    header, data = taken_apart(packed[0])
    content = content_of(header)
    begin = len(data)
    data += bytes(9 * blocks)
    name = {"tensors": "vast", "loose": "state:1"}[where]
    place = [begin, begin + 9 * blocks]
    header[f"{name}:mask"] = {"dtype": "U8", "shape": [9 * blocks], "data_offsets": place}
    header[f"{name}:values"] = {"dtype": "F32", "shape": [0], "data_offsets": place[1:] * 2}
    said = {"shape": [blocks << 17], "dtype": "F32"}
    if where == "tensors":
        content["tensors"][name] = said
    else:
        content["loose"].append(said)
    path = tmp_path / "vast.packed"
    forge(path, with_content(header, content), data)
    assert 10_000 * path.stat().st_size < 4 * blocks << 17
    with memory_limit(24 << 20), pytest.raises(PruneError, match="more than 10,000 times"):
        open_all(path)


def test_a_negative_claim_does_not_pay_for_another(packed):
    def change(content, header):
        content["tensors"]["pruned"]["shape"] = [LONG]
        content["tensors"]["zeros"]["shape"] = [-LONG]

    refused(packed[0], change)


def test_a_mask_of_another_type(packed):
    """Eight positions of which a bitmap keeps three, in the first bytes of int32."""
    path, _ = packed
    header, data = taken_apart(path)
    content, begin = content_of(header), len(data)
    code = bytes([3, *[0] * 7, 255, *[0] * 27]) + bytes([7, 0, 0, 0])
    values = [begin + len(code), begin + len(code) + 12]
    header["odd:mask"] = {"dtype": "I32", "shape": [10], "data_offsets": [begin, values[0]]}
    header["odd:values"] = {"dtype": "F32", "shape": [3], "data_offsets": values}
    content["tensors"]["odd"] = {"shape": [8], "dtype": "F32"}
    forge(path, with_content(header, content), data + code + bytes(12))
    with pytest.raises(PruneError, match="odd:mask is not as described"):
        open_all(path)


def test_fewer_values_than_the_mask_keeps(packed):
    """The last one would be taken from the tensor behind."""

    def change(content, header):
        said = header["pruned:values"]
        begin, end = said["data_offsets"]
        said.update(shape=[said["shape"][0] - 1], data_offsets=[begin, end - 4])
        header["other"] = {"dtype": "F32", "shape": [1], "data_offsets": [end - 4, end]}

    assert "pruned:values is not as described" in refused(packed[0], change)


def test_a_scale_for_a_number_that_has_no_rows(packed):
    def change(content, header):
        content["tensors"]["number"]["values"] = "int8"
        flags = header["flags"]["data_offsets"]  # two bytes at the end of the data
        assert flags[1] - flags[0] == 2
        header["number:scales"] = {"dtype": "F16", "shape": [], "data_offsets": flags}
        del header["flags"], content["tensors"]["flags"]
        begin = header["number"]["data_offsets"][0]
        header["number"].update(dtype="I8", data_offsets=[begin, begin + 1])
        header["rest"] = {"dtype": "I8", "shape": [3], "data_offsets": [begin + 1, begin + 4]}

    refused(packed[0], change)


@pytest.mark.parametrize("key", ["tensors", "loose", "state", "record", "dictionaries"])
@pytest.mark.parametrize("value", [7, "text", [7], [[]], {"!": "tensor", "is": 9}, {"!": 1}])
def test_other_parts(packed, key, value):
    if key == "dictionaries" and isinstance(value, dict):
        value = 7  # a dictionary is what it is to be

    refused(packed[0], lambda content, header: content.update({key: value}))


@pytest.mark.parametrize("key", ["tensors", "loose", "state", "record", "dictionaries"])
def test_missing_parts(packed, key):
    refused(packed[0], lambda content, header: content.pop(key) and None)


@pytest.mark.parametrize("said", [7, "same_as", None, [], {"same_as": "later"}, {"same_as": []}])
def test_other_descriptions_of_a_tensor(packed, said):
    refused(packed[0], lambda content, header: content["tensors"].update({"dense": said}))


@pytest.mark.parametrize("kind", ["tuple", "set", "pairs", "ordered", "namespace"])
def test_no_container_is_made_of_a_tensor(packed, kind):
    """Its elements would each be an object of their own."""
    tensor = {"!": "tensor", "is": 0}
    refused(packed[0], lambda content, header: content["state"].update(x={"!": kind, "is": tensor}))


def test_the_fixture_is_not_refused(packed):
    header, data = taken_apart(packed[0])
    forge(packed[0], with_content(header, content_of(header)), data)
    open_all(packed[0])
