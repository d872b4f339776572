"""The files of the Python package import one way: each only files that come before it in these orders."""

import ast
import re

import pytest

from conftest import REPOSITORY

# From the bottom to the top. A name ends in a slash if it stands for all files of a folder.
PYTHON = [
    "_inlaid",
    "_errors",
    "_credentials",
    "_settings",
    "_progress",
    "_pixels",
    "_reading",
    "_ranks",
    "_draws",
    "_batches",
    "_frameworks/torch_passes",
    "_frameworks/torch_devices",
    "_frameworks/",
    "_loading",
    "_matching",
    "_image",
    "_look",
    "_table",
    "_views",
    "_frames",
    "_rejects",
    "_statistics",
    "_image_files",
    "_rows",
    "_plan",
    "_write",
    "_maintain",
    "_dataset",
    "_open",
    "ray",
    "spark",
    "_cli",
    "__init__",
    "__main__",
]
RUST = [
    "wording",
    "errors",
    "run",
    "ndarray",
    "column",
    "arrow",
    "keys",
    "keywords",
    "settings",
    "reading",
    "casting",
    "pixels",
    "batches",
    "loader",
    "rejects",
    "table",
    "look",
    "write",
    "plan",
    "maintain",
    "lib",
]


def files(folder, ending):
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(folder.rglob(f"*{ending}"))}


def imports_of_python(name, text):
    """The files that a file imports when it or one of its functions runs."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []  # for annotations, which are not evaluated
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = name.split("/")[: -node.level]
            modules = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ("/".join([*folder, *module.split(".")]) for module in modules)


def imports_of_rust(_, text):
    """The modules of the crate that a file names."""
    yield from re.findall(r"\bcrate::(\w+)", text)
    for group in re.findall(r"\buse crate::\{(.*?)\};", text, re.DOTALL):
        yield from re.findall(r"(?:^|,)\s*(\w+)", re.sub(r"\{.*?\}", "", group))


@pytest.mark.parametrize(
    ("folder", "ending", "order", "imports"),
    [("python/inlaid", ".py", PYTHON, imports_of_python), ("python/src", ".rs", RUST, imports_of_rust)],
)
def test_imports_point_down(folder, ending, order, imports):
    def place(name):
        fitting = (entry for entry in order if name == entry or entry.endswith("/") and name.startswith(entry))
        return order.index(max(fitting, key=len))

    found = files(REPOSITORY / folder, ending)
    assert {order[place(name)] for name in found} == set(order) - {"_inlaid"}
    upward = [
        f"{name} imports {other}"
        for name, file in found.items()
        for other in imports(name, file.read_text())
        if place(other) >= place(name)
    ]
    assert not upward
