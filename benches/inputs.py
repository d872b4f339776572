"""What an input costs: the same photos out of folders, archives and tables, arrays, and listings of many records.

    python benches/inputs.py PHOTOS [--images 1000] [--repeat 3] [--inlaid target/release/inlaid] [--rows a,b,...]
                                    [--idx-rows 500000] [--cifar-rows 300000] [--members 1000000] [--table-rows 1000000]

Every run is a whole program with its imports, with two threads or two worker processes, from files in the page cache
to a new folder in --scratch, which is deleted afterwards. The rows take turns in each repetition. A ratio compares two
runs of one repetition; median (least to greatest). A ratio of processor seconds, user and system of all processes, is
beside it: it says what a route costs even where other programs use the cores. inlaid syncs its output to disk before
it ends, and that time counts; it also hashes, splits and shuffles. The others leave their output in the page cache.

Photos, hard-linked up to --images in 10 class folders, to 224x224; the ratio is the row's images/s over the folder's:

  folder        inlaid convert --threads 2, class folders
  metadata      the same folder with a metadata.csv: file_name, label, caption, number
  tar, zip, tar.gz    archives of the folder by tarfile and zipfile; the zip is stored, not deflated
  webdataset    shards of 250 by webdataset.ShardWriter: jpg, cls, json
  parquet       datasets: load_dataset("imagefolder"), the images embedded as push_to_hub does, and to_parquet

What people do instead; here the second ratio is inlaid's images/s from the same source over the row's:

  imagefolder-png     datasets: load_dataset("imagefolder"), map (PIL, bilinear, num_proc=2), to_parquet; the images are
                      PIL's, so they are stored as PNG
  imagefolder-array   the same with NumPy arrays in an Array3D column of uint8
  webdataset-png, webdataset-array    both with load_dataset("webdataset") on the shards
  tar-script          tarfile reads, two processes decode and resize with PIL, pyarrow writes fixed-shape tensors

Arrays of random samples at their own size, in rows/s: `idx` is as MNIST (28x28, --channels gray), `cifar` as CIFAR-10
(32x32, five files). Beside it rows for each second of a processor.

Listings, which decode nothing: seconds, and bytes of peak memory for each record by which many take more than 1,000.

  members            inlaid convert --dry-run of a plain tar of --members members of 512 bytes in class folders: lists
                     the tar, and plans splits and order
  members-tarfile    Python: tarfile.open and getmembers
  table              inlaid convert --dry-run --metadata of a table of --table-rows rows (file_name, label, number; csv)
                     and a tar that holds a member for each row: lists the tar, reads the table, finds the member of
                     each row, numbers the classes, plans splits and order

Needs a release build of inlaid, numpy, pillow, pyarrow, datasets and webdataset.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from statistics import median

import measure

WORKERS = 2
SHARD = 250
FEW = 1000
BATCH = 256
PHOTO_SOURCES = ["folder", "metadata", "tar", "zip", "tar.gz", "webdataset", "parquet"]
OTHERS = {
    "imagefolder-png": "folder",
    "imagefolder-array": "folder",
    "webdataset-png": "webdataset",
    "webdataset-array": "webdataset",
    "tar-script": "tar",
}
ARRAYS = {"idx": ["--size", 28, "--channels", "gray"], "cifar": ["--size", 32]}
LISTINGS = ["members", "members-tarfile", "table"]
ROWS = [*PHOTO_SOURCES, *OTHERS, *ARRAYS, *LISTINGS]


def metadata_folder(folder, path):
    """Hard links to all photos, and a table of them."""
    shutil.copytree(folder, path, copy_function=os.link)
    with (path / "metadata.csv").open("w") as table:
        table.write("file_name,label,caption,number\n")
        for number, (file, label) in enumerate(measure.labelled_files(folder)):
            name = Path(file).relative_to(folder)
            table.write(f"{name},class-{label},A photo of {name.stem},{number}\n")


def tar_of(folder, path, mode):
    """Every photo as a file, even those that are links to one."""
    with tarfile.open(path, mode, dereference=True) as archive:
        archive.add(folder, arcname="")


def zip_of(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file, _ in measure.labelled_files(folder):
            archive.write(file, Path(file).relative_to(folder))


def shards_of(folder, path):
    import webdataset

    path.mkdir()
    with webdataset.ShardWriter(str(path / "shard-%05d.tar"), maxcount=SHARD, verbose=0) as writer:
        for number, (file, label) in enumerate(measure.labelled_files(folder)):
            sample = {"jpg": Path(file).read_bytes(), "cls": label, "json": {"number": number, "file": file}}
            writer.write({"__key__": f"{number:07}", **sample})


def parquet_of(folder, path):
    """As push_to_hub writes it: to_parquet alone would leave the images in their files, and write their paths."""
    from datasets import load_dataset
    from datasets.table import embed_table_storage

    path.mkdir()
    table = load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(path.parent / "cache"))
    table = table.with_format("arrow").map(embed_table_storage, batched=True, batch_size=100)
    table.with_format(None).to_parquet(path / "train.parquet")


def source_of(row, folder):
    """Where the photos of a row are: `folder` itself, or beside it."""
    return folder if row == "folder" else folder.parent / f"photos-{row}{'' if 'tar' in row or row == 'zip' else '.d'}"


def make_photos(row, folder):
    path = source_of(row, folder)
    if row == "metadata":
        metadata_folder(folder, path)
    elif row == "tar":
        tar_of(folder, path, "w")
    elif row == "tar.gz":
        tar_of(folder, path, "w:gz")
    elif row == "zip":
        zip_of(folder, path)
    elif row == "webdataset":
        shards_of(folder, path)
    elif row == "parquet":
        parquet_of(folder, path)


def make_idx(rows, path):
    """As MNIST: a file of images and one of labels, big-endian headers."""
    import numpy as np

    random = np.random.default_rng(0)
    path.mkdir()
    images = np.array([0x803, rows, 28, 28], ">u4").tobytes()
    (path / "train-images-idx3-ubyte").write_bytes(images + random.bytes(rows * 28 * 28))
    labels = random.integers(0, 10, rows, np.uint8).tobytes()
    (path / "train-labels-idx1-ubyte").write_bytes(np.array([0x801, rows], ">u4").tobytes() + labels)


def make_cifar(rows, path):
    """As CIFAR-10: a byte of label and 3,072 of pixels, in five files."""
    import numpy as np

    random = np.random.default_rng(0)
    path.mkdir()
    for number, part in enumerate(np.array_split(np.arange(rows), 5), 1):
        records = np.frombuffer(random.bytes(len(part) * 3073), np.uint8).reshape(-1, 3073).copy()
        records[:, 0] %= 10
        (path / f"data_batch_{number}.bin").write_bytes(records)


def member_name(number):
    return f"class-{number % measure.CLASSES}/{number:08}.jpg"


def make_members(members, path):
    """A ustar archive of tiny files, as tarfile writes it but made in an array: tarfile takes minutes for millions."""
    import numpy as np

    info = tarfile.TarInfo(member_name(0))
    info.size = 512
    header = np.frombuffer(info.tobuf(tarfile.USTAR_FORMAT), np.uint8)
    with path.open("wb") as file:
        for first in range(0, members, 100_000):
            numbers = range(first, min(first + 100_000, members))
            blocks = np.zeros((len(numbers), 1024), np.uint8)
            blocks[:, :512] = header
            names = np.frombuffer("".join(map(member_name, numbers)).encode(), np.uint8)
            blocks[:, : len(member_name(0))] = names.reshape(len(numbers), -1)
            blocks[:, 512:520] = names.reshape(len(numbers), -1)[:, -12:-4]
            blocks[:, 148:156] = ord(" ")
            sums = blocks[:, :512].sum(axis=1, dtype=np.int64)
            digits = "".join(f"{one:06o}\0 " for one in sums.tolist())
            blocks[:, 148:156] = np.frombuffer(digits.encode(), np.uint8).reshape(-1, 8)
            file.write(blocks)
        file.write(bytes(10240))


def make_table(rows, path):
    with path.open("w") as table:
        table.write("file_name,label,number\n")
        table.writelines(f"{member_name(row)},class-{row % measure.CLASSES},{row}\n" for row in range(rows))


def resized(image):
    from PIL import Image

    return image.convert("RGB").resize((measure.SIZE, measure.SIZE), Image.Resampling.BILINEAR)


def map_with_datasets(row, source, out):
    """load_dataset, map and to_parquet; the cache lies in the output, so that every run begins without one."""
    import numpy as np
    from datasets import Array3D, load_dataset

    kind, stored = row.split("-")
    files = {"data_dir": str(source)} if kind == "imagefolder" else {"data_files": str(source / "*.tar")}
    table = load_dataset(kind, **files, split="train", cache_dir=str(out / "cache"))
    image = "image" if kind == "imagefolder" else "jpg"
    if stored == "png":
        table = table.map(lambda one: {image: resized(one[image])}, num_proc=WORKERS)
    else:
        features = table.features.copy()
        features[image] = Array3D((measure.SIZE, measure.SIZE, 3), "uint8")
        table = table.map(lambda one: {image: np.asarray(resized(one[image]))}, features=features, num_proc=WORKERS)
    table.to_parquet(out / "train.parquet")


def pixels_of(data):
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        return resized(image).tobytes()


def members_of(archive, names):
    """Bytes of each photo in an archive; their names are left in `names`."""
    for member in archive:
        if member.isfile():
            names.append(member.name)
            yield archive.extractfile(member).read()


def tar_script(source, out):
    """The script that one would write over an archive: this process reads and writes, two decode and resize."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from peers import tensors

    tensor = pa.fixed_shape_tensor(pa.uint8(), [measure.SIZE, measure.SIZE, 3])
    schema = pa.schema({"image": tensor, "label": pa.string(), "path": pa.string()})
    names = []
    with (
        tarfile.open(source) as archive,
        multiprocessing.Pool(WORKERS) as pool,
        pq.ParquetWriter(out / "train.parquet", schema) as writer,
    ):
        pixels = pool.imap(pixels_of, members_of(archive, names), chunksize=8)
        done = 0
        while rows := [one for one, _ in zip(pixels, range(BATCH))]:
            paths = names[done : done + len(rows)]
            labels = [path.split("/")[0] for path in paths]
            writer.write_table(pa.table([tensors(rows), pa.array(labels), pa.array(paths)], schema=schema))
            done += len(rows)


def list_with_tarfile(source):
    with tarfile.open(source) as archive:
        if not archive.getmembers():
            sys.exit("error: no members")


def worker(row, source, out):
    """A row that is a Python program."""
    if row == "members-tarfile":
        list_with_tarfile(source)
    elif row == "tar-script":
        tar_script(source, out)
    else:
        map_with_datasets(row, source, out)


def inlaid_command(options, source, out, *more):
    return [options.inlaid, "convert", source, "--out", out, "--threads", WORKERS, "--quiet", *more]


def processor_seconds():
    """Of all programs that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def converted(row, options, folder, out):
    """(seconds, processor seconds) of one conversion, its output deleted."""
    if row in OTHERS:
        out.mkdir()
        command = [sys.executable, __file__, "--worker", row, source_of(OTHERS[row], folder), out]
    elif row in ARRAYS:
        command = inlaid_command(options, folder.parent / row, out, *ARRAYS[row])
    else:
        command = inlaid_command(options, source_of(row, folder), out, "--size", measure.SIZE)
    before = processor_seconds()
    seconds = measure.timed(command)
    used = processor_seconds() - before
    shutil.rmtree(out)
    return seconds, used


def listed(row, records, options, scratch):
    """(seconds, peak bytes) of one listing of a tar of so many records."""
    source = scratch / f"members-{records}.tar"
    if row == "members-tarfile":
        command = [sys.executable, __file__, "--worker", row, source, scratch]
    else:
        table = ["--metadata", scratch / f"table-{records}.csv"] if row == "table" else []
        command = inlaid_command(options, source, scratch / "dataset", "--size", measure.SIZE, "--dry-run", *table)
    return measure.timed_with_peak(command)


def both(results):
    """The seconds and the processor seconds of several conversions."""
    return {row: [list(kind) for kind in zip(*runs, strict=True)] for row, runs in results.items()}


def print_photos(rows, options, results):
    kinds, table = both(results), []
    for row in rows:
        of_folder = [measure.ratios(*pair) for pair in zip(kinds["folder"], kinds[row], strict=True)]
        cells = [measure.spread(each, ".3f") for each in of_folder]
        if row in OTHERS:
            ours = [measure.ratios(*pair) for pair in zip(kinds[row], kinds[OTHERS[row]], strict=True)]
            cells += [measure.spread(each, ".1f") for each in ours]
        else:
            cells += ["", ""]
        table.append([row, f"{options.images / median(kinds[row][0]):.0f}", *cells])
    header = [f"{options.images} photos", "images/s", "of the folder's", "processor"]
    measure.print_table([*header, "inlaid, same source / this", "processor"], table)


def print_arrays(counts, results):
    table = []
    for row, kinds in both(results).items():
        cells = [measure.spread([counts[row] / one for one in kind], ".0f") for kind in kinds]
        table.append([row, f"{counts[row]}", *cells])
    measure.print_table(["arrays", "rows", "rows/s", "rows/s of a processor"], table)


def print_listings(rows, counts, results):
    table = []
    for row in rows:
        runs = list(zip(results[row, FEW], results[row, counts[row]], strict=True))
        seconds = [many for _, (many, _) in runs]
        costs = [(peak - less) / (counts[row] - FEW) for (_, less), (_, peak) in runs]
        ours = ""
        if row == "members-tarfile":
            ours = measure.spread(measure.ratios(seconds, [one for one, _ in results["members", counts[row]]]), ".1f")
        cells = [f"{counts[row]}", measure.spread(seconds), measure.spread(costs, ".0f"), ours]
        table.append([row, *cells])
    measure.print_table(["listing", "records", "seconds", "peak bytes a record", "inlaid / this"], table)


def photos(rows, options, scratch):
    folder = measure.class_folders(options.photos, options.images, scratch / "photos")
    for row in PHOTO_SOURCES:
        if row in rows:
            make_photos(row, folder)
    run = lambda row: converted(row, options, folder, scratch / "dataset")  # noqa: E731
    print_photos(rows, options, measure.repeated(options.repeat, rows, run))


def arrays(rows, options, scratch):
    counts = {"idx": options.idx_rows, "cifar": options.cifar_rows}
    makers = {"idx": make_idx, "cifar": make_cifar}
    for row in rows:
        makers[row](counts[row], scratch / row)
    run = lambda row: converted(row, options, scratch / "photos", scratch / "dataset")  # noqa: E731
    print_arrays(counts, measure.repeated(options.repeat, rows, run))


def listings(rows, options, scratch):
    counts = {row: options.table_rows if row == "table" else options.members for row in rows}
    for records in {FEW, *counts.values()}:
        make_members(records, scratch / f"members-{records}.tar")
    if "table" in rows:
        for records in (FEW, counts["table"]):
            make_table(records, scratch / f"table-{records}.csv")
    pairs = [(row, records) for row in rows for records in (FEW, counts[row])]
    run = lambda pair: listed(*pair, options, scratch)  # noqa: E731
    print_listings(rows, counts, measure.repeated(options.repeat, pairs, run))


def with_bases(rows):
    """The rows, and those that they are compared with, in the order of the table."""
    rows = {*rows, *(OTHERS[row] for row in rows if row in OTHERS)}
    if rows & {*PHOTO_SOURCES, *OTHERS}:
        rows.add("folder")
    if "members-tarfile" in rows:
        rows.add("members")
    return [row for row in ROWS if row in rows]


def row_names(text):
    """An argument of names of rows, separated by commas."""
    names = text.split(",")
    for name in names:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"`{name}` is none of {', '.join(ROWS)}")
    return names


def main():
    parser = measure.arguments(__doc__, images=1000, repeat=3)
    parser.add_argument("--rows", type=row_names, default=ROWS, help="rows to run, separated by commas; default: all")
    for name, default in (("idx", 500_000), ("cifar", 300_000), ("table", 1_000_000)):
        parser.add_argument(f"--{name}-rows", type=measure.positive, default=default, help="default: %(default)s")
    parser.add_argument("--members", type=measure.positive, default=1_000_000, help="default: %(default)s")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    if min(options.members, options.table_rows) <= FEW:
        sys.exit(f"error: --members and --table-rows must be more than {FEW}")
    rows = with_bases(options.rows)
    parts = [(photos, [*PHOTO_SOURCES, *OTHERS]), (arrays, ARRAYS), (listings, LISTINGS)]
    for part, names in parts:
        chosen = [row for row in rows if row in names]
        if chosen:
            with measure.scratch_folder(options.scratch) as scratch:
                part(chosen, options, scratch)
            print(flush=True)


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
