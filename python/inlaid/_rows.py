"""Rows in memory as a source: data frames, Arrow streams, datasets of Hugging Face, and dictionaries. They are written
to a folder beside the dataset, batch by batch, which is deleted when the run ends."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ._errors import InlaidError, SettingError
from ._image_files import image_file, is_image
from ._progress import Progress, counted
from ._settings import in_short, is_url, path_of, place_of

# Rows written at once: those of dictionaries hold images.
BATCH = 256

Worded = Callable[[dict[str, Any]], dict[str, Any]]
NAME = re.compile(r"[^\W\d_][\w.-]{0,99}")
# An index of pandas without a name.
UNNAMED = re.compile(r"__index_level_\d+__")
# Names that say a split, and what is between the words of a name.
SPLITS = {"train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"}
WORDS = re.compile(r"[-._ \d]+")

# Columns of paths, unless another one is named.
PATHS = ("file_name", "path", "image")

AS_ROWS = (
    'give a dictionary for each image, as in `{"image": image, "label": "cat"}`, or save an array of them as `.npy`'
)


@contextmanager
def on_disk(sources: Any, out: Any, keywords: dict[str, Any]) -> Iterator[tuple[Any, Worded]]:
    """The sources as paths, rows in memory as files that are there for as long as the context is; and what words a
    summary as if they had been none. Takes the keywords that are about such rows, and changes those that say how these
    files are read."""
    root, name = keywords.pop("root"), keywords.pop("name")
    if type(sources).__name__ == "LazyFrame":
        raise SettingError("a LazyFrame has no rows yet: give what its `collect()` returns")
    sources, are_paths = _peeked(sources)
    if are_paths:
        for keyword, value, default in [("root", root, None), ("name", name, "rows")]:
            if value != default:
                raise SettingError(f"{keyword} is for rows in memory, not for paths")
        yield sources, lambda summary: summary
        return
    for keyword in ("metadata", "files_from"):
        if keywords.get(keyword) is not None:
            raise SettingError(f"{keyword} describes files: leave it out, rows in memory have columns")
    place = place_of("out", out)
    above = Path(tempfile.gettempdir()) if is_url(place) else Path(os.path.abspath(place)).parent
    with _folder(above) as folder:
        rows = Rows(folder, keywords, root)
        try:
            paths = rows.write(sources, name)
        except rows.pa.ArrowException as error:
            raise SettingError(f"the rows can't be written: {error}") from None

        def worded(text: str) -> str:
            # The folder is gone when anybody reads of it.
            return text.replace(f"{folder}/", "").replace(str(folder), "sources")

        try:
            yield paths, lambda summary: {**summary, "notices": [worded(notice) for notice in summary["notices"]]}
        except InlaidError as error:
            error.args = (worded(str(error)), *error.args[1:])
            raise


@contextmanager
def _folder(above: Path) -> Iterator[Path]:
    """A new folder in another one, which is made if need be. Neither is left, unless something else is in it."""
    missing = [parent for parent in (above, *above.parents) if not parent.exists()]
    try:
        above.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(dir=above, prefix=".inlaid-rows-")
    except OSError as error:
        raise InlaidError(f"can't write rows into `{above}`: {error.strerror}") from None
    try:
        with made as folder:
            yield Path(folder)
    finally:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()


def _peeked(sources: Any) -> tuple[Any, bool]:
    """The sources, and whether they are paths."""
    if _is_table(sources) or isinstance(sources, Mapping):
        return sources, False
    if isinstance(sources, str | bytes | os.PathLike) or not isinstance(sources, Iterable):
        if is_image(sources):
            raise SettingError(f"sources is a path, several, or rows, not {in_short(sources)}: {AS_ROWS}")
        return sources, True
    rows = iter(sources)
    first = list(islice(rows, 1))
    if first and is_image(first[0]):
        one = f"{in_short(sources)} of images" if isinstance(sources, list | tuple) else in_short(sources)
        raise SettingError(f"sources is a path, several, or rows, not {one}: {AS_ROWS}")
    # An iterator has lost its first one; others begin anew.
    return chain(first, rows) if rows is sources else sources, not any(isinstance(row, Mapping) for row in first)


def _is_table(rows: Any) -> bool:
    return hasattr(rows, "__arrow_c_stream__") or _is_dataset(rows)


def _is_dataset(rows: Any) -> bool:
    """Whether it is a dataset of Hugging Face, streamed or not."""
    return type(rows).__module__.split(".")[0] == "datasets" and hasattr(rows, "with_format")


def _length(rows: Any) -> int | None:
    """The number of rows, where it is known without computing them: a relation of DuckDB is a query."""
    if not hasattr(rows, "__len__") or type(rows).__module__.split(".")[0].strip("_") in ("dask", "duckdb"):
        return None
    try:
        return len(rows)
    except (TypeError, NotImplementedError):
        return None


def _arrow() -> Any:
    try:
        import pyarrow

        return pyarrow
    except ImportError:
        raise SettingError("rows in memory need pyarrow: `pip install pyarrow`") from None


class Rows:
    """Rows in memory, and the folder that they are written to."""

    def __init__(self, folder: Path, keywords: dict[str, Any], root: Any) -> None:
        self.folder = folder
        self.keywords = keywords
        self.progress: Progress = keywords["progress"]
        self.root = root
        self.pa = _arrow()

    def write(self, rows: Any, name: str) -> list[str]:
        """Writes rows, or those of several splits; returns the sources."""
        _check_name("name", name)
        if isinstance(rows, Mapping):
            return self.write_splits(rows, name)
        if SPLITS.intersection(WORDS.split(name.lower())):
            raise SettingError(f"name says a split: give a mapping, such as {{{name!r}: rows}}")
        return self.write_table(rows, name)

    def write_splits(self, rows: Mapping[Any, Any], name: str) -> list[str]:
        """Writes the rows of several splits."""
        if not all(_is_table(part) for part in rows.values()):
            raise SettingError("a mapping is one of frames, tables or datasets by the names of their splits")
        for split in rows:
            _check_name("a split", split)
        parts = {split: self.batches(part) for split, part in rows.items()}
        kinds = {split: self.column_of(schema) for split, (schema, _) in parts.items()}
        if all(kind != "paths" for kind, _ in kinds.values()):
            for split, part in parts.items():
                # Further rows of a split have another name.
                if name != "rows":
                    (self.folder / split).mkdir()
                self.write_batches(*part, *kinds[split], split if name == "rows" else f"{split}/{name}")
            return [str(self.folder)]
        # One list of files, of which a column says the split.
        if len(set(kinds.values())) > 1 or not SPLITS.issuperset(split.lower() for split in parts):
            raise SettingError(
                "frames of paths by split have one column of paths, and are named train, validation or test"
            )
        tables = []
        for split, (schema, batches) in parts.items():
            table = self.pa.Table.from_batches(batches, schema)
            if "split" in table.column_names:
                raise SettingError("a mapping is one of splits, so its frames have no column `split`")
            tables.append(table.append_column("split", self.pa.array([split] * len(table), self.pa.string())))
        table = self.pa.concat_tables(tables, promote_options="permissive")
        return self.write_paths(table, next(iter(kinds.values()))[1])

    def write_table(self, rows: Any, name: str) -> list[str]:
        schema, batches = self.batches(rows)
        return self.write_batches(schema, batches, *self.column_of(schema), name)

    def write_batches(self, schema: Any, batches: Any, kind: str, column: str | None, name: str) -> list[str]:
        if kind == "paths":
            return self.write_paths(self.pa.Table.from_batches(batches, schema), column)
        if kind == "tensors":
            batches, schema = self.encoded(batches, schema, column)
        path, rows = self.folder / f"{name}.arrow", 0
        with self.pa.OSFile(str(path), "wb") as file, self.pa.ipc.new_file(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += len(batch)
        if rows == 0:
            raise SettingError("sources has no rows")
        if self.keywords.get("image_column") is None and column is not None:
            self.keywords["image_column"] = column
        return [str(path)]

    def batches(self, rows: Any) -> tuple[Any, Iterable[Any]]:
        """The schema and the batches of rows."""
        if _is_dataset(rows):
            return self.of_dataset(rows)
        if hasattr(rows, "__arrow_c_stream__"):
            reader = self.pa.RecordBatchReader.from_stream(rows)
            # What pandas calls an index without a name says nothing.
            kept = [name for name in reader.schema.names if not UNNAMED.fullmatch(name)]
            batches = counted(reader, _length(rows), self.progress)
            if kept == reader.schema.names:
                return reader.schema, batches
            schema = self.pa.schema([reader.schema.field(name) for name in kept])
            return schema, (batch.select(kept) for batch in batches)
        if not isinstance(rows, Iterable):
            raise SettingError(f"sources is a path, several, or rows, not {in_short(rows)}")
        return self.of_dictionaries(rows)

    def of_dataset(self, rows: Any) -> tuple[Any, Iterable[Any]]:
        from datasets import Image  # type: ignore[import-untyped, unused-ignore]
        from datasets.table import embed_table_storage  # type: ignore[import-untyped, unused-ignore]

        if rows.features is None:
            return self.of_dictionaries(rows)
        for name, feature in rows.features.items():
            if isinstance(feature, Image):
                rows = rows.cast_column(name, Image(decode=False))
        features = rows.features
        for name, feature in features.items():
            if isinstance(feature, Image):
                features[name] = Image()
        schema = features.arrow_schema

        def embedded(row: Any) -> Any:
            try:
                return embed_table_storage(row)
            except OSError:
                # Without its bytes, the row is a reject that names the file.
                return row

        def batches() -> Iterator[Any]:
            for table in rows.with_format("arrow").iter(BATCH):
                table = table.replace_schema_metadata(schema.metadata)
                try:
                    parts = [embed_table_storage(table)]
                except OSError:
                    parts = [embedded(table.slice(row, 1)) for row in range(len(table))]
                for part in parts:
                    yield from part.cast(schema).combine_chunks().to_batches()

        return schema, counted(batches(), _length(rows), self.progress)

    def of_dictionaries(self, rows: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
        """Batches of dictionaries. The type of a column is that of all its values, so all are written once before."""
        total, rows, spool, schemas = _length(rows), iter(rows), self.folder / ".rows", []
        with self.pa.OSFile(str(spool), "wb") as file:
            parts = iter(lambda: list(islice(rows, BATCH)), [])
            for part in counted(parts, total, self.progress):
                batch = self.batch_of(part)
                schemas.append(batch.schema)
                with self.pa.ipc.new_stream(file, batch.schema) as writer:
                    writer.write_batch(batch)
        if not schemas:
            raise SettingError("sources has no rows")
        try:
            schema = self.pa.unify_schemas(schemas, promote_options="permissive")
        except (self.pa.ArrowInvalid, self.pa.ArrowTypeError) as error:
            raise SettingError(f"values of one column are of different types: {error}") from None

        def batches() -> Iterator[Any]:
            with self.pa.OSFile(str(spool)) as file:
                for _ in schemas:
                    table = self.pa.ipc.open_stream(file).read_all()
                    columns = [
                        table[field.name].cast(field.type)
                        if field.name in table.column_names
                        else self.pa.nulls(len(table), field.type)
                        for field in schema
                    ]
                    yield from self.pa.table(columns, schema=schema).combine_chunks().to_batches()
            spool.unlink()

        return schema, batches()

    def batch_of(self, rows: list[Any]) -> Any:
        """A batch of dictionaries: images and arrays as files, all else as it is."""
        names: dict[str, None] = {}
        for row in rows:
            if not isinstance(row, Mapping):
                raise SettingError(f"a row is a dictionary, not {type(row).__name__}")
            names.update(dict.fromkeys(row))
        for name in names:
            if not isinstance(name, str):
                raise SettingError(f"a row has texts as keys, not {name!r}")
        columns = {name: [image_file(row.get(name)) for row in rows] for name in names}
        for name, values in columns.items():
            if {bytes, str} <= set(map(type, values)):
                raise SettingError(f"the column `{name}` mixes paths and images")
        try:
            return self.pa.RecordBatch.from_pydict(columns)
        except (self.pa.ArrowInvalid, self.pa.ArrowTypeError, self.pa.ArrowNotImplementedError) as error:
            raise SettingError(f"rows can't become columns: {error}") from None

    def column_of(self, schema: Any) -> tuple[str, str | None]:
        """What holds the images: files, tensors, or paths of files; and in which column, if that is known."""
        types = self.pa.types
        named = self.keywords.get("image_column") or self.keywords.get("file_column")
        for keyword in ("image_column", "file_column"):
            name = self.keywords.get(keyword)
            if name is not None and name not in schema.names:
                raise SettingError(f"{keyword}: there is no column `{name}`, only {_quoted(schema.names)}")
        fields = [schema.field(named)] if named is not None else list(schema)
        for field in fields:
            kind = field.type
            is_file = types.is_struct(kind) and {child.name for child in kind} >= {"bytes"}
            if is_file or types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
                return "files", named
            if types.is_list(kind) and (types.is_struct(kind.value_type) or types.is_binary(kind.value_type)):
                return "files", named
        tensors = [field.name for field in fields if isinstance(field.type, self.pa.FixedShapeTensorType)]
        if len(tensors) == 1:
            return "tensors", tensors[0]
        texts = [field.name for field in fields if self.is_text(field.type)]
        if named in texts:
            return "paths", named
        for name in PATHS:
            if name in texts:
                return "paths", name
        raise SettingError(
            "none of the columns holds images, or paths of them: name it with image_column or file_column; there are "
            + _quoted(schema.names)
        )

    def is_text(self, kind: Any) -> bool:
        types = self.pa.types
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))

    def encoded(self, batches: Iterable[Any], schema: Any, column: str | None) -> tuple[Iterable[Any], Any]:
        """Batches with the tensors of a column as image files."""
        place = schema.get_field_index(column)
        of_files = schema.set(place, self.pa.field(column, self.pa.binary()))

        def encode(batch: Any) -> Any:
            tensors = batch.column(place)
            images = zip(tensors.is_valid(), tensors.to_numpy_ndarray(), strict=True)
            files = [image_file(image) if is_valid else None for is_valid, image in images]
            files = self.pa.array(files, self.pa.binary())
            return batch.set_column(place, of_files.field(place), files)

        return (encode(batch) for batch in batches), of_files

    def write_paths(self, table: Any, column: str | None) -> list[str]:
        """Writes a list of files, and the table that describes them."""
        import pyarrow.compute as pc

        root = os.path.abspath(os.getcwd() if self.root is None else os.fsdecode(path_of("root", self.root)))
        prefix = root.rstrip("/") + "/"
        if len(table) == 0:
            raise SettingError("sources has no rows")
        paths = (
            table[column].cast(self.pa.string()) if self.pa.types.is_dictionary(table[column].type) else table[column]
        )
        paths = self.shortened(paths.cast(self.pa.large_string()).combine_chunks(), prefix)
        # The key of a file elsewhere is its path without the first sign.
        keys = pc.utf8_ltrim(paths, "/")
        table = table.set_column(table.schema.get_field_index(column), column, keys)
        path = str(self.folder / "table.arrow")
        with self.pa.OSFile(path, "wb") as file, self.pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        names = pc.unique(paths.drop_null()).to_pylist()
        text = "\0".join(name if name.startswith("/") else prefix + name for name in names)
        (self.folder / "files").write_text(text, errors="surrogateescape")
        self.keywords |= {
            "metadata": path,
            "files_from": str(self.folder / "files"),
            "file_column": column,
            "image_column": None,
        }
        return [root]

    def shortened(self, paths: Any, prefix: str) -> Any:
        """Paths below a folder as paths from there, others as absolute ones, without `.`, `..` and empty parts."""
        import pyarrow.compute as pc

        below = pc.starts_with(paths, prefix)
        paths = pc.if_else(below, pc.utf8_slice_codeunits(paths, len(prefix)), paths)
        odd = pc.fill_null(pc.match_substring_regex(paths, r"(^|/)\.{0,2}(/|$)|[\t\x00]"), False)
        # Few as a rule.
        shortened = [_shortened(path, prefix) for path in paths.filter(odd).to_pylist()]
        return pc.replace_with_mask(paths, odd, self.pa.array(shortened, self.pa.large_string()))


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise SettingError(
            f"{what} is named by up to 100 letters, digits, `-`, `_` and `.`, from a letter on, not {name!r}"
        )


def _shortened(path: str, prefix: str) -> str | None:
    if "\t" in path or "\0" in path:
        raise SettingError(f"the path {path!r} holds a control character")
    return os.path.normpath(os.path.join(prefix, path)).removeprefix(prefix) if path else None


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
