"""`docs/format.md` is enough to write a column of tensors: what follows shares no code with inlaid, and makes the same
bytes of the same pixels, for every type of elements."""

import zlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import SAMPLE

HEIGHT, WIDTH, PAGE_ROWS = 33, 37, 8
MOST_CUT = 32
DICTIONARY_BITS = {"u8": 8, "u16": 16}


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def run(count, level):
    return varint(count << 1) + bytes([level])


def i32(*values):
    """Fields of a Thrift struct that follow each other, 32-bit numbers."""
    return b"".join(b"\x15" + varint((value << 1 ^ value >> 31) & 0xFFFFFFFF) for value in values)


def page(kind, nested, body):
    crc = (zlib.crc32(body) ^ 1 << 31) - (1 << 31)
    return i32(kind, len(body), len(body), crc) + nested + b"\0\0", body


def dictionary_page(bits):
    return page(2, b"\x3c" + i32(1 << bits, 0), np.arange(1 << bits, dtype="<i4").tobytes())


def definition_levels(count, cut):
    """One run of 2, cut so that it takes so many more bytes; None if that can't be."""
    long, short = cut % 2, (cut - 3 * (cut % 2)) // 2
    rest = count - 64 * long - short
    if short < 0 or rest <= 0 or len(run(rest, 2)) != len(run(count, 2)):
        return None
    return run(rest, 2) + run(64, 2) * long + run(1, 2) * short


def data_page(tensors, bits, cut):
    rows, elements = tensors.shape
    repetition, definition = (run(1, 0) + run(elements - 1, 1)) * rows, definition_levels(rows * elements, cut)
    if definition is None:
        return None
    before = b"".join(len(levels).to_bytes(4, "little") + levels for levels in (repetition, definition))
    padding = b""
    if bits:
        before += bytes([bits]) + varint(-(-rows * elements // 8) << 1 | 1)
        padding = bytes(-rows * elements % 8 * tensors.itemsize)
    encoding = 8 if bits else 0
    header, body = page(0, b"\x1c" + i32(rows * elements, encoding, 3, 3), before + tensors.tobytes() + padding)
    return header, body, len(header) + len(before)


def aligned_page(tensors, bits):
    """The page whose definition levels are cut least, of those whose pixels are aligned."""
    pages = [data_page(tensors, bits, cut) for cut in range(MOST_CUT + 1)]
    header, body, _ = next(made for made in pages if made and made[2] % tensors.itemsize == 0)
    return header + body


@pytest.mark.parametrize("dtype", ["u8", "u16", "f16", "f32"])
def test_the_specification_makes_the_same_bytes(inlaid, tmp_path, dtype):
    size = f"{HEIGHT}x{WIDTH}"
    inlaid("convert", SAMPLE, "--out", tmp_path / "out", "--size", size, "--dtype", dtype, "--row-group-bytes", "64KiB")
    shards = sorted(tmp_path.glob("out/*/*.parquet"))
    assert len(shards) == 3
    bits = DICTIONARY_BITS.get(dtype)
    for shard in shards:
        file, groups, first = shard.read_bytes(), pq.read_metadata(shard), 0
        images = pq.read_table(shard)["image"].combine_chunks().to_numpy_ndarray()
        tensors = images.reshape(len(images), -1)
        for number in range(groups.num_row_groups):
            group = groups.row_group(number)
            rows, first = tensors[first : first + group.num_rows], first + group.num_rows
            chunk = b"".join(dictionary_page(bits)) if bits else b""
            first_page = len(chunk)
            for at in range(0, len(rows), PAGE_ROWS):
                chunk += aligned_page(rows[at : at + PAGE_ROWS], bits)
            column = group.column(0)
            start = column.dictionary_page_offset if bits else column.data_page_offset
            assert file[start : start + column.total_compressed_size] == chunk
            assert (start + first_page) % tensors.itemsize == 0
