"""Arrays of images: NumPy's files, and MNIST and CIFAR as torchvision reads them."""

import gzip
import hashlib
import json
import pickle
import struct
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import many_files, read_rows

HEIGHT, WIDTH = 6, 5


def rows_of(out, *columns):
    """The given columns of all rows, by path."""
    rows = {}
    for shard in sorted(out.glob("*/*.parquet")):
        table = pq.read_table(shard, columns=["path", *columns])
        for row in table.to_pylist():
            path = row.pop("path")
            rows[path] = {"split": shard.parent.name, **row}
    return rows


@pytest.fixture
def convert(inlaid, tmp_path_factory):
    """A function that converts arrays at their own size, and returns the dataset."""
    count = iter(range(1000))

    def run(source, *options, size=f"{HEIGHT}x{WIDTH}", exit_code=0):
        out = tmp_path_factory.mktemp("out") / f"dataset-{next(count)}"
        done = inlaid("convert", source, "--out", out, "--size", size, *options, exit_code=exit_code)
        return done.stderr if exit_code == 1 else out

    return run


def pixels(count, *shape, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def in_order(out):
    rows = read_rows(out)
    return np.stack([rows[key] for key in sorted(rows)])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("layout", ["hw", "hwc", "chw", "hw1", "1hw", "rgba"])
def test_orders_and_layouts(convert, tmp_path, order, layout):
    channels = {"hwc": 3, "chw": 3, "rgba": 4}.get(layout, 1)
    images = pixels(50, HEIGHT, WIDTH, channels)
    stored = {
        "hw": images[..., 0],
        "hwc": images,
        "chw": images.transpose(0, 3, 1, 2),
        "hw1": images,
        "1hw": images.transpose(0, 3, 1, 2),
        "rgba": images,
    }[layout]
    np.save(tmp_path / "images.npy", np.asarray(stored, order=order))
    name = {1: "gray", 3: "rgb", 4: "rgba"}[channels]
    out = convert(tmp_path / "images.npy", "--channels", name, *many_files(HEIGHT * WIDTH * channels))
    assert len(list(out.glob("train/*"))) > 1
    np.testing.assert_array_equal(in_order(out), images)
    hashes = rows_of(out, "sha256", "source_height", "source_width")
    first = hashes["images/000000007"]
    assert first["sha256"] == hashlib.sha256(np.ascontiguousarray(stored[7]).tobytes()).hexdigest()
    assert (first["source_height"], first["source_width"]) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("dtype", "|u1 <i2 >i2 <i4 >i4 <i8 >i8 <u4 >u8 |i1".split())
def test_integers_of_any_width(convert, tmp_path, dtype):
    images = pixels(12, HEIGHT, WIDTH, 3) // (2 if dtype == "|i1" else 1)
    np.save(tmp_path / "x.npy", images.astype(dtype))
    np.testing.assert_array_equal(in_order(convert(tmp_path / "x.npy")), images)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_sixteen_bits(convert, tmp_path, dtype):
    images = np.random.default_rng(2).integers(0, 65536, (12, HEIGHT, WIDTH, 3), dtype=np.uint16)
    np.save(tmp_path / "x.npy", images.astype(dtype))
    np.testing.assert_array_equal(in_order(convert(tmp_path / "x.npy", "--dtype", "u16")), images)
    eight = np.round(images / 257).astype(np.uint8)
    np.testing.assert_array_equal(in_order(convert(tmp_path / "x.npy")), eight)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("channels", ["gray", "rgb"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
def test_floats(convert, tmp_path, dtype, channels, order):
    shape = (12, HEIGHT, WIDTH) + ((3,) if channels == "rgb" else ())
    images = np.asarray(np.random.default_rng(3).random(shape).astype(dtype), order=order)
    np.save(tmp_path / "x.npy", images)
    options = ("--channels", channels)
    wanted = images.astype(np.float32).reshape(12, HEIGHT, WIDTH, -1)
    floats = in_order(convert(tmp_path / "x.npy", "--dtype", "f32", *options))
    np.testing.assert_array_equal(floats, wanted)
    np.testing.assert_array_equal(in_order(convert(tmp_path / "x.npy", *options)), np.floor(wanted * 255 + 0.5))


def test_bools_are_black_and_white(convert, tmp_path):
    images = pixels(12, HEIGHT, WIDTH) > 128
    np.save(tmp_path / "x.npy", images)
    np.testing.assert_array_equal(in_order(convert(tmp_path / "x.npy", "--channels", "gray"))[..., 0], images * 255)


def test_values_off_the_scale_are_rejected(convert, tmp_path):
    floats = np.random.default_rng(4).random((12, HEIGHT, WIDTH)).astype(np.float32)
    floats[3] *= 255
    floats[4, 0, 0] = np.nan
    floats[5, 0, 0] = -0.5
    floats[6, 0, 0] = np.inf
    np.save(tmp_path / "x.npy", floats)
    out = convert(tmp_path / "x.npy", exit_code=3)
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [(reject["path"], reject["reason"]) for reject in rejects] == [
        ("x/000000003", "range"),
        ("x/000000004", "not-numbers"),
        ("x/000000005", "range"),
        ("x/000000006", "range"),
    ]
    assert rejects[2]["detail"].startswith("values reach from -0.5 to ")
    assert rejects[0]["detail"].endswith(", not from 0 to 1: convert them to that range, or to uint8")

    integers = pixels(12, HEIGHT, WIDTH).astype(np.int64)
    integers[2, 1, 1], integers[9, 0, 0] = 256, -1
    np.save(tmp_path / "integers.npy", integers)
    out = convert(tmp_path / "integers.npy", exit_code=3)
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [reject["reason"] for reject in rejects] == ["range", "range"]


def test_pixels_are_resized_as_images_are(convert, tmp_path, pixels_of):
    from PIL import Image

    images = pixels(12, 40, 50, 3)
    np.save(tmp_path / "x.npy", images)
    (tmp_path / "files").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"files/{number:09}.png")
    for options in [(), ("--fit", "pad", "--resize-like", "pillow"), ("--dtype", "f32", "--layout", "chw")]:
        files = pixels_of(tmp_path / "files", 16, *options)
        arrays = in_order(convert(tmp_path / "x.npy", *options, size=16))
        np.testing.assert_array_equal(arrays, np.stack([files[key] for key in sorted(files)]))


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_encoded_images_need_a_size(convert, inlaid, tmp_path, encoding):
    from io import BytesIO

    from PIL import Image

    images = pixels(12, HEIGHT, WIDTH, 3)
    np.save(tmp_path / "x.npy", images)
    out = convert(tmp_path / "x.npy", "--storage", "encoded", "--encoding", encoding)
    table = pq.read_table(out / "train").to_pylist()
    for row in table:
        image = np.asarray(Image.open(BytesIO(row["image"]["bytes"])))
        if encoding == "png":
            np.testing.assert_array_equal(image, images[int(row["path"][-9:])])
    done = inlaid("convert", tmp_path / "x.npy", "--out", tmp_path / "o", "--storage", "encoded", exit_code=1)
    assert "it holds pixels, not files that could be stored unchanged" in done.stderr
    assert "--size" in done.stderr


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_splits(convert, tmp_path, save):
    parts = {}
    for split, count in [("train", 30), ("val", 5), ("test", 7)]:
        parts[f"{split}_images"] = pixels(count, HEIGHT, WIDTH, 3, seed=count)
        parts[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % 4)[:, None]
    save(tmp_path / "medmnist.npz", **parts)
    out = convert(tmp_path / "medmnist.npz")
    labels = rows_of(out, "label")
    images = read_rows(out)
    assert len(images) == 42
    for split, name in [("train", "train"), ("val", "validation"), ("test", "test")]:
        for number, image in enumerate(parts[f"{split}_images"]):
            key = f"medmnist/{split}_images/{number:09}"
            np.testing.assert_array_equal(images[key], image)
            assert labels[key] == {"split": name, "label": number % 4}
    assert json.loads((out / "inlaid.json").read_text())["classes"] == ["0", "1", "2", "3"]


def test_keras_and_columns(convert, tmp_path):
    x, y = pixels(30, HEIGHT, WIDTH), np.arange(30) % 3
    names = np.array([f"n{number}" for number in range(30)])
    weights = np.arange(30) / 4
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.eye(3)[y], train_name=names, weight_train=weights, other=x[:3, 0])
    out = convert(tmp_path / "a.npz", "--channels", "gray")
    rows = rows_of(out, "label", "name", "weight")
    for number in range(30):
        row = {"split": "train", "label": number % 3, "name": f"n{number}", "weight": number / 4}
        assert rows[f"a/x_train/{number:09}"] == row


def test_unnamed_arrays_are_images_and_labels(convert, tmp_path):
    x, y = pixels(30, HEIGHT, WIDTH), np.array(["bee", "ant"])[np.arange(30) % 2]
    np.savez(tmp_path / "a.npz", x, y)
    out = convert(tmp_path / "a.npz")
    assert rows_of(out, "label")["a/arr_0/000000004"]["label"] == 1
    np.savez(tmp_path / "b.npz", x)
    assert set(row["label"] for row in rows_of(convert(tmp_path / "b.npz"), "label").values()) == {None}


def test_labels_beside_images(convert, tmp_path):
    for name in ["labels", "y", "photos_labels"]:
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "photos.npy", pixels(30, HEIGHT, WIDTH, 3))
        np.save(folder / f"{name}.npy", np.arange(30) // 10)
        for source in [folder, folder / "photos.npy"]:
            rows = rows_of(convert(source), "label")
            assert [rows[f"photos/{number:09}"]["label"] for number in range(30)] == [n // 10 for n in range(30)]
    pair = tmp_path / "pair"
    pair.mkdir()
    for split, count in [("train", 20), ("test", 10)]:
        np.save(pair / f"x_{split}.npy", pixels(count, HEIGHT, WIDTH))
        np.save(pair / f"y_{split}.npy", np.arange(count) % 2)
    rows = rows_of(convert(pair), "label")
    assert rows["x_test/000000003"] == {"split": "test", "label": 1}
    assert len(rows) == 30
    switched_off = rows_of(convert(pair, "--folders", "classes"), "label")
    assert {row["split"] for row in switched_off.values()} == {"train", "validation", "test"}
    np.save(pair / "y_test.npy", np.arange(9))
    error = convert(pair, exit_code=1)
    assert "array `y_test` has 9 labels for the 10 images of `x_test`" in error


def write_idx(path, array):
    data = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_is_what_torchvision_reads(convert, tmp_path, ending):
    datasets = pytest.importorskip("torchvision.datasets")
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for split, count in [("train", 60), ("t10k", 20)]:
        images, labels = pixels(count, 28, 28, seed=count), (np.arange(count) % 10).astype(np.uint8)
        write_idx(raw / f"{split}-images-idx3-ubyte", images)
        write_idx(raw / f"{split}-labels-idx1-ubyte", labels)
        if ending:
            write_idx(raw / f"{split}-images-idx3-ubyte.gz", images)
            write_idx(raw / f"{split}-labels-idx1-ubyte.gz", labels)
    sets = {is_train: datasets.MNIST(tmp_path, train=is_train) for is_train in (True, False)}
    if ending:
        for path in raw.glob("*-ubyte"):
            path.unlink()
    out = convert(tmp_path / "MNIST", "--channels", "gray", *many_files(28 * 28), size=28)
    images, labels = read_rows(out), rows_of(out, "label")
    assert len(images) == 80
    for is_train, name in [(True, "train"), (False, "t10k")]:
        for number, (image, label) in enumerate(sets[is_train]):
            key = f"raw/{name}-images-idx3-ubyte/{number:09}"
            np.testing.assert_array_equal(images[key][..., 0], np.asarray(image))
            assert labels[key] == {"split": "train" if is_train else "test", "label": label}


def test_a_file_both_compressed_and_not_is_read_once(convert, tmp_path):
    images, labels = pixels(30, HEIGHT, WIDTH), (np.arange(30) % 10).astype(np.uint8)
    for ending in ["", ".gz"]:
        write_idx(tmp_path / f"train-images.idx3-ubyte{ending}", images)
        write_idx(tmp_path / f"train-labels.idx1-ubyte{ending}", labels)
    rows = rows_of(convert(tmp_path), "label")
    assert len(rows) == 30 and rows["train-images.idx3-ubyte/000000012"]["label"] == 2


def test_cifar_is_what_torchvision_reads(convert, inlaid, tmp_path, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")
    # Its checksums are those of the real files.
    monkeypatch.setattr(datasets.cifar, "check_integrity", lambda *_: True)
    python, binary = tmp_path / "cifar-10-batches-py", tmp_path / "cifar-10-batches-bin"
    python.mkdir()
    binary.mkdir()
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    for number, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        data, labels = pixels(10, 3072, seed=number), [(number + row) % 10 for row in range(10)]
        (python / name).write_bytes(pickle.dumps({"data": data, "labels": labels}, protocol=2))
        record = np.concatenate([np.array(labels, dtype=np.uint8)[:, None], data], axis=1)
        (binary / f"{name}.bin").write_bytes(record.tobytes())
    (python / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))
    (binary / "batches.meta.txt").write_text("\n".join([*names, ""]))
    out = convert(binary, size=32)
    images, labels = read_rows(out), rows_of(out, "label")
    for is_train, prefix in [(True, "data_batch_{}"), (False, "test_batch")]:
        for number, (image, label) in enumerate(datasets.CIFAR10(tmp_path, train=is_train)):
            key = f"{prefix.format(number // 10 + 1)}/{number % 10:09}"
            np.testing.assert_array_equal(images[key], np.asarray(image))
            assert labels[key] == {"split": "train" if is_train else "test", "label": label}
    assert len(images) == 60
    assert json.loads((out / "inlaid.json").read_text())["classes"] == names
    for source in [python, python / "data_batch_1"]:
        error = convert(source, exit_code=1)
        assert "pickled" in error and "cifar-10-binary.tar.gz" in error


def test_cifar_100_has_two_labels(convert, tmp_path):
    names = [f"name{number:02}" for number in range(100)]
    (tmp_path / "fine_label_names.txt").write_text("\n".join(names))
    (tmp_path / "coarse_label_names.txt").write_text("\n".join(names[:20]))
    for name, count in [("train", 30), ("test", 10)]:
        records = pixels(count, 3074)
        records[:, 0], records[:, 1] = np.arange(count) % 20, 99 - np.arange(count)
        (tmp_path / f"{name}.bin").write_bytes(records.tobytes())
        last = records[-1, 2:].reshape(3, 32, 32).transpose(1, 2, 0)
    out = convert(tmp_path, size=32)
    rows = rows_of(out, "label", "coarse_label")
    assert rows["train/000000025"] == {"split": "train", "label": 74, "coarse_label": 5}
    np.testing.assert_array_equal(read_rows(out)["test/000000009"], last)
    assert json.loads((out / "inlaid.json").read_text())["classes"] == names


def test_appends_add_the_rows_of_new_files(convert, inlaid, tmp_path):
    first = pixels(30, HEIGHT, WIDTH, 3)
    np.savez(tmp_path / "a.npz", images=first, labels=np.arange(30) % 2, age=np.arange(30))
    out = convert(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", images=255 - first, labels=np.arange(30) % 3, age=np.arange(30))
    done = json.loads(inlaid("append", tmp_path / "a.npz", tmp_path / "b.npz", "--out", out, "--json").stdout)
    assert (done["rows"], done["unchanged"]) == (30, 30)
    rows = rows_of(out, "label", "age")
    assert rows["b/images/000000005"]["label"] == 2 and rows["b/images/000000005"]["age"] == 5
    np.testing.assert_array_equal(read_rows(out)["b/images/000000005"], 255 - first[5])
    np.savez(tmp_path / "c.npz", images=first, labels=np.arange(30) % 2)
    done = inlaid("append", tmp_path / "c.npz", "--out", out, exit_code=1)
    assert "it has no column `age`" in done.stderr


def test_what_is_damaged_is_an_error(convert, tmp_path):
    np.save(tmp_path / "good.npy", pixels(9, HEIGHT, WIDTH))
    good = (tmp_path / "good.npy").read_bytes()
    compressed = tmp_path / "c.npz"
    np.savez_compressed(compressed, x=pixels(9, HEIGHT, WIDTH))
    deflated = bytearray(compressed.read_bytes())
    deflated[100] ^= 0x55
    huge = good[:10] + good[10:128].replace(b"(9, 6, 5)", b"(%d, %d, %d)" % (2**40, 2**40, 2**40))
    empty = good[:10] + good[10:128].replace(b"(9, 6, 5)", b"(4294967295, 0, 5)")

    def fixed(header):
        # The shape is longer; numpy pads headers with spaces.
        text = header[10:].rstrip(b" \n")
        return header[:8] + struct.pack("<H", len(text) + 1) + text + b"\n"

    cases = {
        "cut.npy": good[:-1],
        "long.npy": good + b"\0",
        "head.npy": good[:50],
        "magic.npy": good[:6],
        "version.npy": good[:6] + b"\7" + good[7:],
        "huge.npy": fixed(huge),
        "empty.npy": fixed(empty),
        "flat.npy": fixed(good[:10] + good[10:128].replace(b"(9, 6, 5)", b"(270,)")) + good[128:],
        "c.npz": bytes(deflated),
        "d.npz": compressed.read_bytes()[:-10],
        "e.npz": b"PK\3\4" + b"\0" * 60,
        "idx3-ubyte": bytes([0, 0, 8, 3]) + struct.pack(">3I", 9, HEIGHT, WIDTH) + bytes(9 * HEIGHT * WIDTH - 1),
        "big-idx3-ubyte": bytes([0, 0, 8, 3]) + b"\xff" * 12,
        "cut-idx3-ubyte": bytes([0, 0, 8, 3, 0]),
        "a-idx3-ubyte.gz": gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 9, 6, 5) + bytes(9 * 30))[:-12],
        "b-idx3-ubyte.gz": gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 9, 6, 5) + bytes(9 * 30 + 1)),
        "data_batch_1.bin": bytes(3072),
    }
    for name, data in cases.items():
        folder = tmp_path / f"of-{name}"
        folder.mkdir()
        (folder / name).write_bytes(data)
        for source in [folder / name, folder]:
            error = convert(source, exit_code=1)
            assert name in error, (name, error)
    np.save(tmp_path / "object.npy", np.array([None] * 9), allow_pickle=True)
    assert "array `object` holds pickled" in convert(tmp_path / "object.npy", exit_code=1)
    np.save(tmp_path / "y.npy", pixels(20, HEIGHT, WIDTH))
    assert len(read_rows(convert(tmp_path / "y.npy"))) == 20
    np.save(tmp_path / "photo.npy", pixels(32, 32, 3))
    assert "has the shape (32, 32, 3)" in convert(tmp_path / "photo.npy", exit_code=1)
    np.savez(tmp_path / "several.npz", a=pixels(9, 4, 4), b=pixels(9, 4, 4))
    assert "several arrays could be the images: `a`, `b`" in convert(tmp_path / "several.npz", exit_code=1)


def test_damaged_bytes_never_panic(inlaid_path, tmp_path):
    """Every byte of small files is changed in turn, in two ways."""
    np.save(tmp_path / "x.npy", pixels(3, 2, 2))
    np.savez_compressed(tmp_path / "x.npz", x=pixels(3, 2, 2), y=np.arange(3))
    write_idx(tmp_path / "train-images-idx3-ubyte", pixels(3, 2, 2))
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", pixels(3, 2, 2))
    sources = []
    for file in ["x.npy", "x.npz", "train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"]:
        data = (tmp_path / file).read_bytes()
        step = max(1, len(data) // 40)
        for at in range(0, len(data), step):
            folder = tmp_path / f"{file}-{at}"
            folder.mkdir()
            (folder / file).write_bytes(data[:at] + bytes([data[at] ^ (0xFF if at % 2 else 0x08)]) + data[at + 1 :])
            sources.append(folder / file)
    for number, source in enumerate(sources):
        command = [inlaid_path, "convert", source, "--out", tmp_path / f"o{number}", "--size", "2"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1, 3), (source, done.stderr)
        assert "panicked" not in done.stderr, (source, done.stderr)
