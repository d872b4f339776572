"""What plan, work and commit cost beside the work itself.

    python benches/scale.py items --items 100000     # plan and commit of many items of one small image each
    python benches/scale.py overhead PHOTOS          # four items on two processes, and one process of two threads
    python benches/scale.py plan --images 1000000    # what a plan takes, by the number of inputs
    python benches/scale.py requests --items 300     # requests to an object store, of source and dataset

Needs the package and Pillow; `requests` also needs moto and boto3. Folders are made below --scratch (default: the
folder of temporary files). On a file system in memory, the times are those of inlaid without a disk.
"""

import argparse
import collections
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import inlaid
from PIL import Image


def small_images(folder, count):
    """Images of 4 x 4 pixels, a thousand in every folder."""
    image = folder / "image.png"
    Image.new("L", (4, 4), 100).save(image)
    content = image.read_bytes()
    image.unlink()
    for number in range(count):
        if number % 1000 == 0:
            below = folder / f"class{number // 1000:05}"
            below.mkdir()
        (below / f"{number:08}.png").write_bytes(content)


def work_on(arguments):
    run, first, step, items = arguments
    begin = time.perf_counter()
    for item in range(first, items, step):
        inlaid.work(run, item)
    return time.perf_counter() - begin


def many_items(scratch, count, processes):
    source, out = scratch / "photos", scratch / "out"
    source.mkdir()
    small_images(source, count)
    settings = {"storage": "encoded", "row_group_bytes": 16, "shard_bytes": 16, "split": {"train": 1.0}}
    begin = time.perf_counter()
    plan = inlaid.plan(source, out, **settings)
    planned = time.perf_counter() - begin
    assert plan.items == count, plan
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = [(plan.run, first, processes, count) for first in range(processes)]
        worked = max(pool.map(work_on, parts))
    begin = time.perf_counter()
    summary = plan.commit()
    committed = time.perf_counter() - begin
    assert summary["rows"] == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{count} items: planned in {planned:.1f} s, worked on in {worked:.1f} s by {processes} processes")
    print(f"committed in {committed:.1f} s, peak memory {peak} MiB")


def overhead(scratch, photos, repetitions):
    """A run of one process with two threads, and four items on two processes that are there already."""
    rows = sum(1 for path in Path(photos).rglob("*") if path.is_file())
    settings = {"size": 224, "split": {"train": 1.0}, "shard_bytes": -(-rows // 4) * 224 * 224 * 3}
    ratios = []
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(abs, range(8))
        for _ in range(repetitions + 1):
            times = []
            for name, keywords in (("one", {"threads": 2}), ("engine", {"engine": pool.imap_unordered})):
                shutil.rmtree(scratch / name, ignore_errors=True)
                begin = time.perf_counter()
                inlaid.convert(photos, scratch / name, progress=False, **settings, **keywords)
                times.append(time.perf_counter() - begin)
            ratios.append(times[1] / times[0])
            print(f"one process {times[0]:.2f} s, four items on two processes {times[1]:.2f} s")
    same = subprocess.run(["diff", "-rq", "-x", ".inlaid", scratch / "one", scratch / "engine"], capture_output=True)
    assert same.returncode == 0, same.stdout
    # The first is not counted.
    print(f"ratio {statistics.median(ratios[1:]):.3f}, from {min(ratios[1:]):.3f} to {max(ratios[1:]):.3f}")


def plans(scratch, images):
    """Plans a list of files that do not exist, since a plan reads none."""
    listed = scratch / "list.txt"
    with listed.open("w") as file:
        for number in range(images):
            label = f"class{number * 1000 // images:04}"
            file.write(f"{label}/{number:09}.JPEG\t{label}\n")
    code = "import inlaid, sys; print(inlaid.plan(*sys.argv[1:3], 224, files_from=sys.argv[3], threads=1).items)"
    # The output may not be within the source.
    paths = [scratch / "photos", scratch / "out", listed]
    arguments = [sys.executable, "-c", code, *map(str, paths)]
    begin = time.perf_counter()
    items = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / images
    on_disk = sum(path.stat().st_size for path in (scratch / "out").rglob("*") if path.is_file()) / images
    print(f"{images} inputs, {items} items: {seconds:.1f} s")
    print(f"{peak:.0f} bytes of memory and {on_disk:.0f} on the disk for each input")


def requests(scratch, items):
    """Requests to a stub of S3, by their kind, of items of one image and one part each."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/interop"))
    import stores

    source = scratch / "photos"
    source.mkdir()
    small_images(source, items)
    with stores.moto() as (server, endpoint):
        os.environ |= stores.settings(endpoint)
        stores.client(endpoint).create_bucket(Bucket="bucket")
        stores.upload(endpoint, "bucket", source, "photos")
        counted = collections.Counter()
        answered = server.fault

        def count(before, environ, start):
            counted[environ["REQUEST_METHOD"]] += 1
            return answered(before, environ, start) if answered else None

        server.fault = count

        def told(step):
            kinds = ", ".join(f"{kind} {number / items:.3f}" for kind, number in sorted(counted.items()))
            print(f"{step}: for each of {items} items {kinds}")
            counted.clear()

        settings = {"storage": "encoded", "row_group_bytes": 16, "shard_bytes": 16, "split": {"train": 1.0}}
        plan = inlaid.plan("s3://bucket/photos", "s3://bucket/dataset", **settings)
        assert plan.items == items
        told("plan")
        for item in range(items):
            inlaid.work(plan.run, item)
        told("work")
        assert plan.commit()["rows"] == items
        told("commit")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["items", "overhead", "plan", "requests"])
    parser.add_argument("photos", nargs="?")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--scratch", default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        if arguments.what == "items":
            many_items(Path(scratch), arguments.items, arguments.processes)
        elif arguments.what == "overhead":
            overhead(Path(scratch), arguments.photos, arguments.repetitions)
        elif arguments.what == "plan":
            plans(Path(scratch), arguments.images)
        else:
            requests(Path(scratch), arguments.items)


if __name__ == "__main__":
    main()
