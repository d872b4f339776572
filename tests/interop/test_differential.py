"""Random tables of random writers: inlaid reads what pyarrow reads, from the file and from the file repacked. The seed
of a case is its number, so that a case that fails can be run alone."""

import inlaid
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CASES = 300
DTYPES = ["uint8"] * 6 + ["int8", "uint16", "int16", "int32", "int64", "float32", "float64"]


class Case:
    """A table with a column `t` of tensors, and how it is stored."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.rows = int(self.random.integers(1, 70))
        self.shape = tuple(self.random.integers(1, 6, size=self.random.integers(1, 4)).tolist())
        self.dtype = str(self.random.choice(DTYPES))
        # Few values make other encodings than many.
        values = self.random.integers(0, self.random.choice([2, 128]), size=(self.rows, *self.shape))
        self.tensors = values.astype(self.dtype)
        self.storage = str(self.random.choice(["tensor", "fixed", "nested", "list", "lists"]))
        if len(self.shape) == 1 and self.storage in ("nested", "lists"):
            self.storage = "fixed"

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def column(self):
        flat, length = pa.array(self.tensors.ravel()), int(np.prod(self.shape))
        if self.storage == "tensor":
            return pa.FixedShapeTensorArray.from_numpy_ndarray(self.tensors)
        if self.storage == "list":
            offsets = np.arange(0, len(flat) + 1, length, dtype=np.int32)
            return pa.ListArray.from_arrays(offsets, flat)
        sizes = [length] if self.storage == "fixed" else self.shape[::-1]
        column = flat
        for size in sizes:
            if self.storage == "lists":
                offsets = np.arange(0, len(column) + 1, size, dtype=np.int32)
                column = pa.ListArray.from_arrays(offsets, column)
            else:
                column = pa.FixedSizeListArray.from_arrays(column, size)
        return column

    def table(self):
        """The tensors somewhere between other columns, each with nulls or without."""
        holes = self.random.random((4, self.rows)) < self.pick(0, 0.3)
        numbers = self.random.integers(-5, 5, self.rows)
        columns = {
            "number": pa.array(numbers, pa.int16(), mask=holes[0]),
            "text": pa.array([f"{n}" * abs(n) for n in numbers], mask=holes[1]),
            "flag": pa.array(numbers > 0, mask=holes[2]),
            "list": pa.array([[n] * (n % 3) for n in numbers.tolist()], pa.list_(pa.float64()), mask=holes[3]),
        }
        names = [name for name in columns if self.random.random() < 0.6]
        names.insert(self.random.integers(len(names) + 1), "t")
        columns["t"] = self.column()
        fields = [pa.field(name, columns[name].type, nullable=self.is_nullable(columns[name])) for name in names]
        return pa.table([columns[name] for name in names], schema=pa.schema(fields))

    def is_nullable(self, column):
        return column.null_count > 0 or bool(self.random.random() < 0.7)

    def write(self, folder):
        """The file, and what pyarrow or polars was given."""
        table, writer = self.table(), self.pick("parquet", "parquet", "parquet", "arrow", "stream", "polars")
        path = folder / f"file.{'parquet' if writer == 'polars' else writer.replace('stream', 'arrows')}"
        if writer == "parquet":
            pq.write_table(
                table,
                path,
                compression=self.pick("none", "snappy", "zstd", "lz4"),
                data_page_version=self.pick("1.0", "2.0"),
                use_dictionary=self.pick(True, False),
                row_group_size=self.pick(1, 5, 8, 1000),
                data_page_size=self.pick(1, 60, 1 << 20),
                write_batch_size=self.pick(1, 7, 1024),
                write_page_index=self.pick(True, False),
                write_page_checksum=self.pick(True, False),
            )
        elif writer == "polars":
            if self.storage == "tensor":
                table = table.set_column(table.column_names.index("t"), "t", table["t"].combine_chunks().storage)
            pl.from_arrow(table).write_parquet(
                path,
                compression=self.pick("uncompressed", "snappy", "zstd", "lz4"),
                row_group_size=self.pick(1, 5, 1000),
                data_page_size=self.pick(60, 1 << 20),
            )
            table = pq.read_table(path)
        else:
            options = pa.ipc.IpcWriteOptions(compression=self.pick(None, "lz4", "zstd"))
            new = pa.ipc.new_file if writer == "arrow" else pa.ipc.new_stream
            with new(str(path), table.schema, options=options) as out:
                out.write_table(table, max_chunksize=self.pick(1, 9, 1000))
        return path, table


def agrees(opened, case, table, shape):
    """Asserts that an open table holds what was written."""
    tensors = case.tensors.reshape(case.rows, *shape)
    assert (len(opened), opened.shape, opened.dtype) == (case.rows, shape, np.dtype(case.dtype))
    assert np.array_equal(opened[:], tensors)
    rows = case.random.integers(0, case.rows, 10)
    assert np.array_equal(opened[rows], tensors[rows])
    assert np.array_equal(opened[int(rows[0])], tensors[rows[0]])
    size = case.pick(1, 4, 100)
    for start, batch in zip(range(0, case.rows, size), opened.batches(size, prefetch=case.pick(0, 2)), strict=True):
        assert np.array_equal(batch["t"], tensors[start : start + size])
    found = pa.table(opened)
    assert found.column_names == table.column_names
    for name in table.column_names:
        if name != "t":
            assert found[name].to_pylist() == table[name].to_pylist(), name


@pytest.mark.parametrize("seed", range(CASES))
def test_inlaid_reads_what_pyarrow_reads(tmp_path, seed):
    case = Case(seed)
    path, table = case.write(tmp_path)
    flat, told = (int(np.prod(case.shape)),), isinstance(table.schema.field("t").type, pa.FixedShapeTensorType)
    if told or case.storage in ("tensor", "fixed"):
        agrees(inlaid.open(path), case, table, case.shape if told else flat)
    out, options = tmp_path / "out", {"column": "t", "compression": case.pick(None, "lz4", "zstd"), "progress": False}
    options["row_group_bytes"] = case.pick(1, 300, None)
    # Left out: the default.
    options = {name: value for name, value in options.items() if value is not None}
    if case.dtype not in ("uint8", "uint16", "float16", "float32"):
        with pytest.raises(inlaid.InlaidError, match=f"elements of type {case.dtype}, but only uint8"):
            inlaid.repack(path, out, **options)
        return
    shaped = bool(case.pick(True, False))
    inlaid.repack(path, out, shape=case.shape if shaped else None, **options)
    shape = case.shape if shaped or told or case.storage in ("nested", "lists") else flat
    agrees(inlaid.open(out), case, table, shape)
    repacked = pq.read_table(out / "file.parquet")
    column = repacked["t"].combine_chunks()
    column = column.storage if isinstance(column, pa.ExtensionArray) else column
    assert np.array_equal(column.flatten().to_numpy(), case.tensors.ravel())
    for name in table.column_names:
        if name != "t":
            assert repacked[name].equals(table[name].cast(repacked[name].type)), name
