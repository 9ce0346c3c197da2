"""Folding: only identical siblings are folded, and their values are summed."""

from netscope.render.tree import build_tree, fold_runs, limit_depth

from .conftest import layer, linear


def folding_key(row):
    return (row.type_name, row.total.params, row.total.flops, row.output_shapes)


def labels(node):
    return [(child.label, child.copies) for child in node.children]


def test_two_identical_siblings_are_not_folded():
    rows = [layer("", "Net", 0), linear("0", 1), linear("1", 1)]
    assert labels(fold_runs(build_tree(rows), folding_key)) == [("0", 1), ("1", 1)]


def test_three_are_folded_and_summed():
    rows = [layer("", "Net", 0), *(linear(str(number), 1) for number in range(3))]
    folded = fold_runs(build_tree(rows), folding_key)
    assert labels(folded) == [("0 … 2", 3)]
    assert (folded.children[0].row.total.params, folded.children[0].row.total.flops) == (60, 96)


def test_siblings_with_meaningful_names_are_not_folded():
    rows = [layer("", "Attention", 0), *(linear(name, 1) for name in ("q_proj", "k_proj", "v_proj", "fc1", "head2"))]
    assert [label for label, _ in labels(fold_runs(build_tree(rows), folding_key))] == [
        "q_proj",
        "k_proj",
        "v_proj",
        "fc1",
        "head2",
    ]


def test_a_sibling_that_differs_ends_the_run():
    rows = [layer("", "Net", 0), *(linear(str(number), 1, params=20 + (number == 3)) for number in range(7))]
    assert labels(fold_runs(build_tree(rows), folding_key)) == [("0 … 2", 3), ("3", 1), ("4 … 6", 3)]


def test_siblings_that_differ_below_are_not_folded():
    rows = [layer("", "Net", 0)]
    for number in range(3):
        rows += [layer(str(number), "Block", 1), linear(f"{number}.fc", 2, params=20 + number)]
    assert labels(fold_runs(build_tree(rows), folding_key)) == [("0", 1), ("1", 1), ("2", 1)]


def test_runs_are_folded_on_every_level():
    rows = [layer("", "Net", 0)]
    for block in range(4):
        rows.append(layer(f"b{block}", "Block", 1))
        rows += [linear(f"b{block}.{number}", 2) for number in range(3)]
    folded = fold_runs(build_tree(rows), folding_key)
    assert labels(folded) == [("b0 … 3", 4)]
    assert labels(folded.children[0]) == [("0 … 2", 3)]


def test_nodes_below_the_maximum_depth_are_hidden():
    rows = [layer("", "Net", 0), layer("a", "Block", 1), linear("a.fc", 2)]
    shallow = limit_depth(build_tree(rows), 1)
    assert labels(shallow) == [("a", 1)]
    assert shallow.children[0].has_hidden_children
