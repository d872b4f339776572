"""The package in notebooks, and in a shell that completes names."""

import base64
import io
import re

import inlaid
import numpy as np
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


def picture_of(html):
    """The picture in a text of HTML."""
    image = pytest.importorskip("PIL.Image")
    (encoded,) = re.findall(r'<img alt="some rows" style="max-width: 100%" src="data:image/jpeg;base64,([^"]+)">', html)
    return image.open(io.BytesIO(base64.b64decode(encoded)))


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """A dataset of red, green and blue images, 20 of each."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("colors")
    for name, color in {"red": (200, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 200)}.items():
        (folder / "src" / name).mkdir(parents=True)
        for number in range(20):
            image.new("RGB", (20 + number, 16), color).save(folder / "src" / name / f"{number:02}.png")
    inlaid.convert(folder / "src", folder / "d", 16, row_group_bytes="4KiB", shard_bytes="16KiB", progress=False)
    return inlaid.open(folder / "d")


def tiles(sheet):
    """The colors in the middle of the pictures of a sheet."""
    pixels = np.asarray(sheet)
    lines, columns = pixels.shape[0] // 172, pixels.shape[1] // 136
    middles = [pixels[72 + line * 172, 72 + column * 136] for line in range(lines) for column in range(columns)]
    return [tuple(int(level) for level in color) for color in middles if tuple(color) != (255, 255, 255)]


def test_rows_are_shown_as_a_contact_sheet(colors):
    train = colors["train"]
    shown = train.show([0, 17, 40])
    expected = [tuple(int(level) for level in train[row][8, 8]) for row in (0, 17, 40)]
    assert tiles(shown.image()) == expected
    assert shown._repr_png_().startswith(b"\x89PNG")
    reds = tiles(train.show(5, class_name="red").image())
    assert reds == [(200, 10, 10)] * 5
    every = colors.show(12)
    assert sorted(tiles(every.image())) == sorted([(200, 10, 10), (10, 200, 10), (10, 10, 200)] * 4)
    # Rows of all splits follow each other.
    last = len(colors["train"]) + len(colors["validation"])
    assert tiles(colors.show([last]).image()) == [tuple(int(level) for level in colors["test"][0][8, 8])]
    # A view has rows of its own.
    assert tiles(train.select([40]).show([0]).image()) == [expected[2]]


def test_contact_sheets_are_saved(colors, tmp_path):
    colors["train"].show(3, columns=2).save(tmp_path / "sheet.png")
    image = pytest.importorskip("PIL.Image").open(tmp_path / "sheet.png")
    assert image.format == "PNG" and image.size == (8 + 2 * 136, 8 + 2 * 172)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"rows": [48]}, inlaid.RowError, "row 48 is out of range for a table of length 48"),
        ({"rows": -1}, inlaid.SettingError, "rows is at least 1, not -1"),
        (
            {"class_name": "pink"},
            inlaid.SettingError,
            "the dataset has no class `pink`: its classes are `blue`, `green`, `red`",
        ),
        (
            {"rows": [1], "class_name": "red"},
            inlaid.SettingError,
            "rows are numbers of rows, so class_name has no effect: give one of both",
        ),
    ],
)
def test_rows_that_are_not_there_are_said(colors, arguments, error, text):
    with pytest.raises(error) as raised:
        colors["train"].show(**arguments)
    assert str(raised.value).split("\n")[0] == text


def test_tables_and_datasets_are_pictures_and_counts_in_html(colors):
    html = colors["train"]._repr_html_()
    assert "48 rows of 16x16x3 uint8" in html
    for name in ("blue", "green", "red"):
        assert f"<tr><td>{name}</td><td>16</td></tr>" in html
    shown = np.asarray(picture_of(html).convert("RGB"))
    near = [
        np.abs(shown.astype(int) - color).max(axis=-1).min() for color in ((200, 10, 10), (10, 200, 10), (10, 10, 200))
    ]
    assert max(near) < 12
    assert picture_of(colors._repr_html_()).size == picture_of(html).size


def test_classes_are_plotted(colors):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    axes = colors.plot()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["blue", "green", "red"]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [16] * 3 + [2] * 6
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "validation", "test"]
    given = matplotlib.pyplot.subplots()[1]
    assert colors["test"].plot(given) is given and len(given.patches) == 3


def test_passes_are_shown_by_tqdm(colors, capsys):
    pytest.importorskip("tqdm")
    batches = colors["train"].batches(10, progress=True)
    assert len(list(batches)) == 5
    assert "epoch 0: 100%" in capsys.readouterr().err
    batches.load_state_dict({**batches.state_dict(), "epoch": 3, "batches": 2})
    assert len(list(batches)) == 3
    assert "epoch 3: 100%" in (told := capsys.readouterr().err) and "5/5" in told
    assert list(colors["train"].batches(48)) and capsys.readouterr().err == ""
    with pytest.raises(inlaid.SettingError, match="progress is True or False, not 1"):
        colors["train"].batches(10, progress=1)


def test_notebooks_show_them(colors):
    code = f"import inlaid; d = inlaid.open({str(colors.path)!r}); d['train'].show(4)"
    (sheet,), (table,), (image,) = outputs(code, "d['train']", "d['train'].image(0)")
    png = base64.b64decode(sheet["data"]["image/png"])
    image_module = pytest.importorskip("PIL.Image")
    assert len(tiles(image_module.open(io.BytesIO(png)))) == 4
    assert picture_of(table["data"]["text/html"]).size[0] > 500
    assert "image/png" in image["data"]


def test_reports_are_written(colors, tmp_path):
    page = inlaid.report(colors.path, tmp_path / "page.html")
    assert page == tmp_path / "page.html" and page.read_text().startswith("<!DOCTYPE html>")
    assert colors.report(page, rows=6, seed=3) == page
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(inlaid.ExistsError) as raised:
        inlaid.report(colors.path, tmp_path / "mine.html")
    assert str(raised.value).endswith("exists, and was not made by this command\nhint: name another file, or move that one away")
    with pytest.raises(inlaid.NotFoundError):
        inlaid.report(tmp_path / "nothing", tmp_path / "page.html")
    with pytest.raises(inlaid.SettingError, match="rows is at least 1, not 0"):
        inlaid.report(colors.path, page, rows=0)


def test_labels_that_are_no_classes_are_left_out(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((6, 4, 4, 3), np.uint8))
    features = '{"info": {"features": {"label": {"names": ["a$x_{", "b"], "_type": "ClassLabel"}}}}'
    labels = pa.array([0, 1, 1, 7, -1, None], pa.int64())
    table = pa.table({"image": images, "label": labels}).replace_schema_metadata({"huggingface": features})
    pq.write_table(table, tmp_path / "x.parquet")
    rows = inlaid.open_table(tmp_path / "x.parquet")
    assert "<tr><td>b</td><td>2</td></tr><tr><td>a$x_{</td><td>1</td></tr>" in rows._repr_html_()
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    figure = rows.plot().figure
    figure.savefig(tmp_path / "plot.png")
    with pytest.raises(inlaid.SettingError, match="there are none"):
        rows.show([])
