"""`docs/pictures/reading.svg`: shuffled images/s of every reader, from `benches/results/reading.json`."""

import json
from pathlib import Path

import drawing

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURE = REPOSITORY / "docs/pictures/reading.svg"

# What a bar is called, where the table's name is long or needs its table; readers without a name here are not drawn.
NAMES = {
    "inlaid, `batches`": "inlaid, batches (NumPy)",
    "inlaid, `to_torch`": "inlaid, to_torch",
    "inlaid, `to_tf`": "inlaid, to_tf",
    "NumPy memory map, copied": "NumPy memory map, copied",
    "polars, the same file": "polars, the same Parquet file",
    "Hugging Face `datasets`": "Hugging Face datasets",
    "Lance": "Lance",
    "array_record, grain": "array_record, grain",
    "FFCV": "FFCV",
    "webdataset": "webdataset",
    "MosaicML streaming": "MosaicML streaming",
    "TFRecords of raw pixels, parsed in batches": "TFRecord, raw pixels",
}
LEFT, TOP, STEP, BAR, WIDTH = 220, 76, 25, 17, 760


def svg():
    results = json.loads((REPOSITORY / "benches/results/reading.json").read_text())
    column = results["columns"].index("images/s shuffled")
    bars = [(row[column], NAMES[row[0]]) for row in results["rows"] if row[0] in NAMES and row[column]]
    bars.sort(reverse=True)
    scale = (WIDTH - LEFT - 90) / bars[0][0]
    parts = [
        drawing.text(20, 30, "Shuffled batches of 64 images, 224x224x3, one process: images/s", "ink title"),
        drawing.text(20, 51, f"{results['machine']}; {results['date']}, {results['commit']}", "soft small"),
    ]
    for number, (rate, name) in enumerate(bars):
        y = TOP + number * STEP
        ours = name.startswith("inlaid")
        parts += [
            drawing.text(LEFT - 10, y + 13, name, "ink end" + (" bold" if ours else "")),
            drawing.box(LEFT, y, max(rate * scale, 2), BAR, "a" if ours else "b", 2),
            drawing.text(LEFT + rate * scale + 7, y + 13, f"{rate:,}", "ink small" if ours else "soft small"),
        ]
    height = TOP + len(bars) * STEP + 14
    return drawing.figure(WIDTH, height, "Bar plot of reading: shuffled images per second of every reader", parts)


if __name__ == "__main__":
    PICTURE.write_text(svg())
