"""`docs/pictures/page.svg`: where the tensors are in a shard, from the file down to a page."""

from pathlib import Path

import drawing
from drawing import box, labelled, line, lines, text

PICTURE = Path(__file__).resolve().parents[1] / "pictures/page.svg"
WIDTH, HEIGHT, LEFT = 880, 470, 20
INNER = WIDTH - 2 * LEFT
PIXELS = [
    "1,204,224 bytes of pixels: one bit-packed run of dictionary",
    "indices. Index i has value i, so the run is the tensors, verbatim.",
]


def strip(y, height, cells):
    """Cells side by side: fill, label and width; the last one takes what is left. Returns the edges too."""
    x, parts, edges = LEFT, [], []
    for fill, label, width in cells:
        width = width or LEFT + INNER - x
        parts.append(labelled(x, y, width, height, fill, label, "ink middle small"))
        edges.append((x, x + width))
        x += width
    return parts, edges


def zoom(edges, y, below):
    """Lines from a cell to the strip below it, which shows what is inside."""
    left, right = edges
    return [line((left, y), (LEFT, below)), line((right, y), (LEFT + INNER, below))]


def svg():
    parts = [text(LEFT, 34, "A shard: an ordinary Parquet file", "ink title")]
    cells, edges = strip(
        48,
        40,
        [
            ("e", "PAR1", 60),
            ("c", "row group 0", 200),
            ("c", "row group 1", 200),
            ("card", "...", 60),
            ("e", "footer: schema, places, row group checksums", 0),
        ],
    )
    parts += cells + zoom(edges[1], 88, 142)
    parts.append(text(LEFT, 134, "A row group: about 16 MiB", "ink bold"))
    cells, edges = strip(
        142,
        40,
        [
            ("d", "dictionary 0..255", 130),
            ("c", "data page", 105),
            ("c", "data page", 105),
            ("c", "...", 50),
            ("e", "label", 70),
            ("e", "path", 70),
            ("e", "source_height, source_width", 190),
            ("e", "sha256", 0),
        ],
    )
    parts += cells + zoom(edges[1], 182, 244)
    parts.append(text(LEFT + 142, 199, "column image", "soft small"))
    parts.append(text(LEFT + INNER, 199, "the other columns: plain Parquet, Zstandard", "soft small end"))
    parts.append(text(LEFT, 236, "A data page: 8 rows of 224x224x3 uint8", "ink bold"))
    cells, edges = strip(
        244,
        56,
        [
            ("d", "page header", 100),
            ("d", "levels", 76),
            ("d", "run header", 84),
            ("c", "tensor of row 0", 180),
            ("c", "tensor of row 1", 180),
            ("c", "...", 60),
            ("c", "tensor of row 7", 0),
        ],
    )
    parts += cells
    notes = [
        (0, LEFT, 345, ["Thrift, with the", "CRC-32 of the body"]),
        (1, LEFT + 80, 385, ["52 + 9 bytes: where lists begin,", "and that nothing is null"]),
        (2, LEFT + 158, 345, ["1 + 3 bytes: 8 bits wide,", "150,528 groups of 8"]),
    ]
    for cell, x, y, words in notes:
        middle = sum(edges[cell]) / 2
        parts.append(line((middle, 300), (middle, y - 14)))
        parts += lines(x, y, 15, words, "soft small")
    first, last = edges[3][0], edges[-1][1]
    parts.append(line((first, 306), (first, 314), (last, 314), (last, 306)))
    parts += lines((first + last) / 2 + 40, 345, 16, PIXELS, "ink small middle")
    parts += [
        box(LEFT, 418, 14, 14, "c edge"),
        text(LEFT + 22, 429.5, "pixels, which inlaid memory-maps", "ink small"),
        box(LEFT + 250, 418, 14, 14, "d edge"),
        text(LEFT + 272, 429.5, "depends only on the number of rows, except the checksum", "ink small"),
        box(LEFT + 650, 418, 14, 14, "e edge"),
        text(LEFT + 672, 429.5, "plain Parquet", "ink small"),
    ]
    return drawing.figure(WIDTH, HEIGHT - 16, "Layout of a shard, a row group and a data page", parts)


if __name__ == "__main__":
    PICTURE.write_text(svg())
