"""The package in notebooks, and in a shell that completes names."""

import inlaid
import pytest

from conftest import SAMPLE
from package import dataset  # noqa: F401


def outputs(*cells):
    """The outputs of cells that a kernel of Jupyter runs."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def test_progress_is_one_output_of_the_cell(tmp_path):
    source = tmp_path / "src"
    (source / "a").mkdir(parents=True)
    for path in SAMPLE.glob("*/*"):
        (source / "a" / path.name).symlink_to(path)
    (source / "a/bad.png").write_bytes(b"no image")
    count = len(list(source.glob("a/*")))
    convert = f"inlaid.convert({str(source)!r}, {str(tmp_path / 'd')!r}, 8, split={{'train': 1}})"
    (bar, result), silent = outputs(f"import inlaid\n{convert}['rows']", f"{convert[:-1]}, progress=False); None")
    assert bar["output_type"] == "display_data"
    text, html = bar["data"]["text/plain"], bar["data"]["text/html"]
    assert text.startswith(f"{count}/{count} images, 1 rejected, ") and text.endswith("/s")
    assert html == f'<progress value="{count}" max="{count}"></progress> {text}'
    assert result["data"]["text/plain"] == str(count - 1) and silent == []


def test_a_dataset_is_a_table_in_html(dataset):
    shown = inlaid.open(dataset)._repr_html_()
    assert f"<code>{dataset}</code>" in shown
    assert "<th>split</th><th>rows</th><th>classes</th><th>tensors</th>" in shown
    for name, table in inlaid.open(dataset).items():
        assert f"<tr><td>{name}</td><td>{len(table)}</td><td>3 of 3</td><td>64x64x3 uint8</td></tr>" in shown


def test_paths_are_escaped_in_html(tmp_path):
    inlaid.convert(SAMPLE, tmp_path / "a<b>", 8, progress=False)
    assert "a&lt;b&gt;</code>" in inlaid.open(tmp_path / "a<b>")._repr_html_()


def test_splits_are_completed(dataset):
    assert inlaid.open(dataset)._ipython_key_completions_() == ["train", "validation", "test"]
