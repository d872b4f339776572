"""`docs/pictures/append.svg`: a dataset's folder, and how an append lengthens the last file of a split."""

from pathlib import Path

import drawing
from drawing import arrow, box, labelled, line, lines, text

PICTURE = Path(__file__).resolve().parents[1] / "pictures/append.svg"
WIDTH, HEIGHT = 880, 286
TITLE = "An append lengthens the last file of a split and leaves its bytes in place"
BESIDE = ["A reader that still goes by the old", "length finds the old file, whole;", "inlaid rollback cuts it there."]
BELOW = [
    "No row moves, and only new images are decoded. A file that has grown long is left",
    "alone, and the next append starts a new one.",
]
FOLDER = [
    ("dataset/", "mono bold ink"),
    ("  README.md", "mono ink"),
    ("  inlaid.json", "mono ink"),
    ("  rejects.jsonl", "mono ink"),
    ("  train/", "mono ink"),
    ("    train-00000.parquet", "mono ink"),
    ("  validation/", "mono ink"),
    ("  test/", "mono ink"),
    ("  .inlaid/", "mono soft"),
]


def svg():
    parts = [text(20, 34, "inlaid append more-photos --out dataset", "ink title")]
    parts.append(box(20, 52, 210, 214, "card edge"))
    for row, (name, classes) in enumerate(FOLDER):
        indent = len(name) - len(name.lstrip())
        parts.append(text(34 + 8 * indent, 78 + 21.5 * row, name.strip(), classes))
    left, y, tall = 274, 74, 40
    parts.append(text(left, 64, "before: snapshot 1", "ink bold"))
    x = left
    for number in range(3):
        parts.append(labelled(x, y, 92, tall, "c", f"row group {number}", "ink small middle"))
        x += 92
    parts.append(labelled(x, y, 62, tall, "d", "footer", "ink small middle"))
    end = x + 62
    after = 178
    parts.append(text(left, after - 10, "after: snapshot 2, renamed over the old file", "ink bold"))
    x = left
    for number in range(3):
        parts.append(labelled(x, after, 92, tall, "c", f"row group {number}", "ink small middle"))
        x += 92
    parts.append(labelled(x, after, 62, tall, "b", "footer", "ink small middle"))
    x += 62
    parts.append(labelled(x, after, 92, tall, "e", "row group 3", "ink small middle"))
    x += 92
    parts.append(labelled(x, after, 62, tall, "d", "footer", "ink small middle"))
    parts += [line((left, y + tall), (left, after), dashed=True), line((end, y + tall), (end, after), dashed=True)]
    parts.append(text((left + end) / 2, 139, "the same bytes, in the same place", "soft small middle"))
    parts += lines(end + 12, 92, 16, BESIDE, "soft small") + lines(left, 244, 16, BELOW, "soft small")
    parts.append(arrow((212, 185), (left - 6, 197)))
    return drawing.figure(WIDTH, HEIGHT, TITLE, parts)


if __name__ == "__main__":
    PICTURE.write_text(svg())
