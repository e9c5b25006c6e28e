from fairseq_prune.pruning import classify, members

RULES = (
    (r"enc\.embed", "embedding"),
    (r"(?P<side>enc|dec)\.layer\.(?P<k>\d+)\.", "{side} layer {k}"),
    (r"enc\.", "rest"),
)


def test_the_first_rule_that_matches_decides():
    names = ["enc.other.weight", "enc.embed.weight", "enc.layer.0.w"]
    assert classify(names, RULES) == {
        "enc.other.weight": "rest",
        "enc.embed.weight": "embedding",
        "enc.layer.0.w": "enc layer 1",
    }


def test_k_counts_from_one_and_other_groups_go_in_as_they_are():
    assert classify(["dec.layer.9.w", "enc.layer.10.w"], RULES) == {
        "dec.layer.9.w": "dec layer 10",
        "enc.layer.10.w": "enc layer 11",
    }


def test_rules_match_from_the_start_of_a_name_only():
    assert classify(["my.enc.embed.weight"], RULES) == {"my.enc.embed.weight": "my.enc.embed"}


def test_what_no_rule_knows_is_named_by_its_module():
    assert classify(["a.b.weight", "a.b.bias", "scale"], ()) == {
        "a.b.weight": "a.b",
        "a.b.bias": "a.b",
        "scale": "scale",
    }


def test_a_group_that_did_not_take_part_is_no_error():
    rules = ((r"(?:x(?P<k>\d))?y", "why"),)
    assert classify(["y", "x1y"], rules) == {"y": "why", "x1y": "why"}


def test_members_are_the_classes_turned_round_in_order_of_appearance():
    classes = {"w3": "b", "w1": "a", "w2": "b"}
    assert members(classes) == {"b": ["w3", "w2"], "a": ["w1"]}
    assert list(members(classes)) == ["b", "a"]
