"""The notebook of the documentation shows what comes out now. ``--update-golden`` stores that in it."""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
MIME_METHODS = {"text/html": "_repr_html_", "text/markdown": "_repr_markdown_", "text/plain": "__repr__"}


def outputs_of(source, number, namespace):
    """What Jupyter stores below a cell: what it printed, and its last expression in every form that it has."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), namespace)  # noqa: S102 - our own documentation
        result = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace) if last else None  # noqa: S307
    outputs = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())})
    if result is not None:
        data = {mime: lines(getattr(result, name)()) for mime, name in MIME_METHODS.items() if hasattr(result, name)}
        outputs.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return outputs


def lines(text):
    return text.splitlines(keepends=True)


def test_the_notebook_shows_what_comes_out(request):
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    namespace = {"__name__": "__main__"}
    found = [outputs_of("".join(cell["source"]), number, namespace) for number, cell in enumerate(cells, start=1)]
    if request.config.getoption("--update-golden"):
        for number, (cell, outputs) in enumerate(zip(cells, found, strict=True), start=1):
            cell.update(execution_count=number, outputs=outputs)
        text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
        NOTEBOOK.write_text(text, encoding="utf-8")
    for cell, outputs in zip(cells, found, strict=True):
        assert cell["outputs"] == outputs, "".join(cell["source"])


def test_the_notebook_is_one():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    assert NOTEBOOK.stat().st_size < 200_000


@pytest.mark.parametrize(
    ("source", "printed", "shown"),
    [("print(1)\n2", ["1\n"], ["2"]), ("x = 1", None, None), ("print(1)", ["1\n"], None), ("None", None, None)],
)
def test_a_cell_is_run_as_jupyter_runs_it(source, printed, shown):
    outputs = outputs_of(source, 1, {})
    assert [output["text"] for output in outputs if output["output_type"] == "stream"] == ([printed] if printed else [])
    results = [output["data"]["text/plain"] for output in outputs if output["output_type"] == "execute_result"]
    assert results == ([shown] if shown else [])
