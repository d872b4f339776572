"""Datasets that are written to object stores: SeaweedFS and Azurite, and moto where answers are lost or held back."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import datasets
import duckdb
import fsspec
import inlaid as package
import polars as pl
import pyarrow.dataset as ds
import pyarrow.fs as fs
import pytest
from fsspec.implementations.arrow import ArrowFSWrapper

from conftest import many_files
from store_fixtures import BUCKET, SIZE, answer, converted, in_store, lose_answers, on_disk, open_uploads, png
from stores import (
    AZURE_ACCOUNT,
    AZURE_KEY,
    KEY,
    SECRET,
    Generations,
    azure_client,
    azurite,
    client,
    upload,
)

pytest_plugins = ["store_fixtures"]

HOLDER = "`s3://bucket/{}` is being written by process "


def appended(inlaid, source, out, *options, exit_code=3):
    return inlaid("append", source, "--out", out, "--quiet", *options, exit_code=exit_code)


@pytest.fixture(scope="session")
def expected(inlaid, few, tmp_path_factory):
    """The files after the conversion, and after the append."""
    out = tmp_path_factory.mktemp("writing") / "out"
    converted(inlaid, few[0], out)
    first = on_disk(out)
    appended(inlaid, few[1], out)
    return first, on_disk(out)


# The same bytes as on a disk


def test_objects_are_the_files_of_a_disk(inlaid, store, photos, tmp_path):
    """1,101 photos of the disk and of the store, to the store; then some more."""
    out, more = tmp_path / "out", tmp_path / "more"
    for number in range(30):
        (more / "ant").mkdir(parents=True, exist_ok=True)
        (more / "ant" / f"new{number}.png").write_bytes(png(5000 + number))
    options = ("--shard-bytes", "200KB", "--row-group-bytes", "20KB", "--quiet")
    inlaid("convert", photos, "--out", out, "--size", SIZE, *options, exit_code=3)
    for name, source in (("store", f"s3://{BUCKET}/some/photos"), ("disk", photos)):
        place = f"s3://{BUCKET}/out/of {name}"
        inlaid("convert", source, "--out", place, "--size", SIZE, *options, exit_code=3)
        found = in_store(store, f"out/of {name}")
        assert sorted(found) == sorted(on_disk(out)) and len(found) >= 9
        # Its manifest names the conversion by the places of its inputs, which are others.
        same = {file: text for file, text in on_disk(out).items() if file != "inlaid.json"}
        assert {file: found[file] for file in same} == same
        assert json.loads(found["inlaid.json"])["splits"] == json.loads((out / "inlaid.json").read_bytes())["splits"]
        assert inlaid("verify", place).stdout.startswith("intact: 1096 rows")
    assert found == on_disk(out)
    appended(inlaid, more, out, exit_code=0)
    done = appended(inlaid, more, place, "--json", exit_code=0)
    assert (json.loads(done.stdout)["rows"], in_store(store, "out/of disk")) == (30, on_disk(out))
    assert open_uploads(store, "out") == {}
    again = appended(inlaid, more, place, "--json", exit_code=0)
    assert (json.loads(again.stdout)["committed"], in_store(store, "out/of disk")) == (False, on_disk(out))
    told = inlaid("info", place).stdout
    assert told.startswith(f"`{place}`: snapshot 2, format 2") and "rollback" not in told


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "arrow"),
        ("--storage", "encoded", "--encoding", "png"),
        ("--dtype", "f32"),
        ("--compression", "zstd"),
    ],
)
def test_all_formats(inlaid, store, few, tmp_path, options):
    converted(inlaid, few[0], tmp_path / "out", *options)
    appended(inlaid, few[1], tmp_path / "out")
    place = f"s3://{BUCKET}/formats/{options[1]}"
    converted(inlaid, few[0], place, *options)
    appended(inlaid, few[1], place)
    assert in_store(store, f"formats/{options[1]}") == on_disk(tmp_path / "out")
    inlaid("verify", place)


def test_descriptions_are_those_of_a_disk(inlaid, store, few, tmp_path):
    out, place = tmp_path / "out", f"s3://{BUCKET}/described/out"
    for step, names in (
        (lambda where: converted(inlaid, few[0], where, "--croissant"), {"croissant.json"}),
        (
            lambda where: inlaid("card", where, "--title", "Birds", "--license", "mit"),
            {"croissant.json", "card-images.png", "card-classes.png"},
        ),
        (lambda where: appended(inlaid, few[1], where), {"croissant.json", "card-images.png", "card-classes.png"}),
        (lambda where: inlaid("card", where, "--no-pictures"), {"croissant.json"}),
    ):
        step(out)
        step(place)
        assert in_store(store, "described/out") == on_disk(out)
        assert {name for name in on_disk(out) if name.startswith(("card-", "croissant"))} == names
        assert inlaid("verify", place).stdout.startswith("intact: ")


def test_shards_of_many_parts(inlaid, store, tmp_path):
    """41 MB in one shard of three row groups, and more to it."""
    for number in range(70):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(number))
    more = tmp_path / "more" / "a.png"
    more.parent.mkdir()
    more.write_bytes(png(100))
    place, out = f"s3://{BUCKET}/large", tmp_path / "out"
    options = ("--size", 448, "--split", "train=1", "--quiet")
    for where in (place, out):
        inlaid("convert", tmp_path / "photos", "--out", where, *options)
        inlaid("append", more.parent, "--out", where, "--quiet")
    found = in_store(store, "large")
    assert len(found["train/train-00000.parquet"]) > 5 * 8 << 20
    assert found == on_disk(out)


@pytest.mark.skipif("INLAID_AZURITE" not in os.environ, reason="needs Azurite")
def test_blobs_are_the_files_of_a_disk(inlaid, use, few, expected, tmp_path):
    with azurite(tmp_path) as endpoint:
        container = azure_client(endpoint).create_container("sets")
        keys = {"AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY}
        use("", **keys, AZURE_STORAGE_ENDPOINT=endpoint, AZURE_ALLOW_HTTP="true")

        def blobs():
            names = [blob.name for blob in container.list_blobs()]
            return {name.removeprefix("a set/"): container.download_blob(name).readall() for name in names}

        converted(inlaid, few[0], "az://sets/a set")
        assert blobs() == expected[0]
        appended(inlaid, few[1], "az://sets/a set")
        assert blobs() == expected[1]
        inlaid("verify", "az://sets/a set")
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(attempt, inlaid, few[0], "az://sets/several") for _ in range(4)]
            codes = sorted(run.result().returncode for run in runs)
        assert codes[-1] == 3 and set(codes) <= {1, 3}
        found = {name.removeprefix("several/"): text for name, text in blobs().items() if name.startswith("several/")}
        assert found == expected[0]


def test_objects_of_google_are_the_files_of_a_disk(inlaid, faults, use, few, expected, tmp_path):
    """Its conditions are about generations, and its XML interface is that of S3 otherwise."""
    account = {"gcs_base_url": faults.endpoint, "disable_oauth": True}
    account |= {"client_email": "", "private_key": "", "private_key_id": ""}
    (tmp_path / "account.json").write_text(json.dumps(account))
    use("", GOOGLE_SERVICE_ACCOUNT=str(tmp_path / "account.json"), GOOGLE_ALLOW_HTTP="true")
    faults.fault = Generations(faults.app)
    converted(inlaid, few[0], f"gs://{BUCKET}/google")
    assert in_store(faults.endpoint, "google") == expected[0]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(attempt, inlaid, few[0], f"gs://{BUCKET}/several") for _ in range(4)]
        assert 3 in [run.result().returncode for run in runs]
    appended(inlaid, few[1], f"gs://{BUCKET}/google")
    appended(inlaid, few[1], f"gs://{BUCKET}/several")
    assert in_store(faults.endpoint, "google") == in_store(faults.endpoint, "several") == expected[1]


def test_the_package_writes_to_stores(store, few, expected):
    place, keys = f"s3://{BUCKET}/package", {"storage_options": {"aws_region": "us-east-1"}}
    options = {"progress": False, "row_group_bytes": 768 * 3, "shard_bytes": 768 * 10, **keys}
    summary = package.convert(few[0], place, SIZE, **options)
    assert summary["rows"] == 39 and package.info(place, **keys)["dataset_version"] == 1
    rows = pl.DataFrame({"image": [str(path) for path in sorted(few[1].rglob("*.png"))]})
    assert package.append(few[1], place, progress=False, **keys)["rows"] == 11
    assert package.verify(place, progress=False, **keys)["problems"] == []
    assert len(rows) == 12
    with pytest.raises(package.ExistsError, match="already holds a dataset"):
        package.convert(few[1], place, SIZE, **options)


# Whatever dies


def run(inlaid_path, *arguments, **others):
    return subprocess.run([inlaid_path, *map(str, arguments)], capture_output=True, text=True, env=os.environ | others)


def command(source, place):
    return ("convert", source, "--out", place, "--size", SIZE, *many_files(3 * SIZE**2), "--quiet")


@pytest.mark.parametrize("which", ["convert", "append"])
def test_killed_before_any_request(inlaid, inlaid_path, store, few, expected, which):
    """And then run once more: the same objects, and nothing left."""
    step, code = 0, None
    while code != 3:
        step += 1
        prefix = f"killed/{which}{step}"
        place = f"s3://{BUCKET}/{prefix}"
        if which == "append":
            converted(inlaid, few[0], place)
        arguments = command(few[0], place) if which == "convert" else ("append", few[1], "--out", place, "--quiet")
        code = run(inlaid_path, *arguments, INLAID_FAILPOINT=f"kill:{step}").returncode
        assert code in (3, -signal.SIGKILL)
        listed = sum(name.startswith(("train/", "validation/", "test/")) for name in in_store(store, prefix))
        assert listed <= len(expected[which == "append"])
        inlaid(*arguments, exit_code=3)
        assert in_store(store, prefix) == expected[which == "append"], step
        # The upload that had been opened, but could not be written down.
        assert set(open_uploads(store, prefix).values()) <= {0}, step
    assert step > 30


def test_commits_that_remove_a_file(inlaid, inlaid_path, store, few, tmp_path):
    """An append without rejects removes their list, whatever dies; whoever only looks in between removes nothing."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(few[0], photos)
    [broken] = [path for path in photos.rglob("*.png") if path.read_bytes() == b"no image"]

    def prepared(place):
        broken.write_bytes(b"no image")
        converted(inlaid, photos, place)
        broken.write_bytes(png(7))
        return ("append", photos, "--out", place, "--quiet")

    inlaid(*prepared(out))
    assert "rejects.jsonl" not in on_disk(out)
    step, code, lists = 0, None, 0
    while code != 0:
        step += 1
        place = f"s3://{BUCKET}/removed/{step}"
        arguments = prepared(place)
        code = run(inlaid_path, *arguments, INLAID_FAILPOINT=f"kill:{step}").returncode
        before = "rejects.jsonl" in in_store(store, f"removed/{step}")
        assert run(inlaid_path, "info", place).returncode in (0, 4)
        assert ("rejects.jsonl" in in_store(store, f"removed/{step}")) == before
        lists += before and code != 0
        inlaid(*arguments)
        assert in_store(store, f"removed/{step}") == on_disk(out), step
    assert lists > 10


def test_uploads_of_a_killed_commit_that_the_store_has_dropped(inlaid, inlaid_path, store, few, expected):
    """As a rule of the bucket does after some days: what was carried out of the commit is undone."""
    s3, step, code, dropped = client(store), 0, None, 0
    while code != 3:
        step += 1
        prefix = f"dropped/{step}"
        place = f"s3://{BUCKET}/{prefix}"
        converted(inlaid, few[0], place)
        arguments = ("append", few[1], "--out", place, "--quiet")
        code = run(inlaid_path, *arguments, INLAID_FAILPOINT=f"kill:{step}").returncode
        for entry in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            if entry["Key"].startswith(f"{prefix}/"):
                dropped += 1
                s3.abort_multipart_upload(Bucket=BUCKET, Key=entry["Key"], UploadId=entry["UploadId"])
        inlaid(*arguments, exit_code=3)
        assert in_store(store, prefix) == expected[1], step
    assert dropped > 20


def test_every_answer_is_lost_once(inlaid, faults, few, expected):
    lost = lose_answers(faults)
    place = f"s3://{BUCKET}/lost"
    converted(inlaid, few[0], place)
    assert in_store(faults.endpoint, "lost") == expected[0]
    lost.clear()
    appended(inlaid, few[1], place)
    assert in_store(faults.endpoint, "lost") == expected[1] and len(lost) > 20


def attempt(inlaid, source, place, **others):
    try:
        return converted(inlaid, source, place)
    except AssertionError as error:
        message = str(error)
        assert "is being written by process" in message or "has changed the dataset" in message, message
        return subprocess.CompletedProcess([], 1)


def test_of_eight_writers_one_writes(inlaid, store, few, expected):
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(attempt, inlaid, few[0], f"s3://{BUCKET}/eight") for _ in range(8)]
        codes = [run.result().returncode for run in runs]
    assert 3 in codes
    assert in_store(store, "eight") == expected[0]
    inlaid("verify", f"s3://{BUCKET}/eight")


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (("PUT", "partNumber=1"), "is not there any more"),
        (("POST", "uploadId="), "is not there any more"),
        (("PUT", "/inlaid.json"), "another process has changed the dataset in the meantime"),
        (("PUT", "/.inlaid/run-"), "another process has taken over"),
    ],
)
def test_a_process_that_was_taken_over_changes_nothing(
    inlaid, inlaid_path, faults, few, expected, monkeypatch, held, told
):
    """A request of the first process arrives late: it seems dead, another one takes over and ends its work."""
    method, part = held
    is_held, go_on = threading.Event(), threading.Event()

    def hold(before, environ, start):
        if "first-key" not in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        target = environ["PATH_INFO"] + "?" + environ.get("QUERY_STRING", "")
        if environ["REQUEST_METHOD"] == method and part in target and not is_held.is_set():
            is_held.set()
        if is_held.is_set():
            go_on.wait()
        return None

    # A server keeps what earlier tests have put.
    prefix = f"late/{uuid.uuid4().hex}"
    place = f"s3://{BUCKET}/{prefix}"
    converted(inlaid, few[0], place)
    faults.fault = hold
    first = os.environ | {"AWS_ACCESS_KEY_ID": "first-key"}
    arguments = [str(part) for part in (inlaid_path, "append", few[1], "--out", place, "--quiet")]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=first) as late:
        assert is_held.wait(30)
        elsewhere(faults.endpoint, prefix)
        monkeypatch.setenv("INLAID_LEASE_SECONDS", "2")
        appended(inlaid, few[1], place)
        assert in_store(faults.endpoint, prefix) == expected[1]
        go_on.set()
        _, errors = late.communicate(timeout=60)
    assert late.returncode == 1 and told in errors, errors
    found = in_store(faults.endpoint, prefix)
    assert {name: text for name, text in found.items() if not name.startswith(".inlaid/run-")} == expected[1]
    inlaid("verify", place)
    appended(inlaid, few[1], place)
    assert in_store(faults.endpoint, prefix) == expected[1]


def elsewhere(endpoint, prefix):
    """Makes a lease that of a process on another machine."""
    s3, key = client(endpoint), f"{prefix}/.inlaid/lock"
    lease = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    lease["machine"] = "another"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(lease).encode())


def test_a_lease_that_is_renewed_is_respected(inlaid, store, few, expected, monkeypatch):
    """By the clock of whoever waits: what the clocks of others show does not matter."""
    monkeypatch.setenv("INLAID_LEASE_SECONDS", "3")
    s3, key, done = client(store), "leased/.inlaid/lock", threading.Event()
    lease = {"holder": "process 1 on host far", "owner": "other", "machine": "x", "process": 1, "started": "1"}

    def renew():
        renewals = 0
        while not done.wait(0.3):
            renewals += 1
            s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(lease | {"renewals": renewals}).encode())

    with ThreadPoolExecutor(1) as pool:
        pool.submit(renew)
        time.sleep(1)
        failed = converted(inlaid, few[0], f"s3://{BUCKET}/leased", exit_code=1)
        done.set()
    assert (
        f"error: `s3://{BUCKET}/leased` is being written by process 1 on host far\nhint: wait for it" in failed.stderr
    )
    begin = time.monotonic()
    converted(inlaid, few[0], f"s3://{BUCKET}/leased")
    assert time.monotonic() - begin > 2.5
    assert in_store(store, "leased") == expected[0]
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"not a lease")
    appended(inlaid, few[1], f"s3://{BUCKET}/leased")
    assert in_store(store, "leased") == expected[1]


def test_credentials_that_expire_end_a_run_that_can_be_resumed(inlaid, faults, few, expected):
    writes = []

    def expire(before, environ, start):
        if environ["REQUEST_METHOD"] == "GET":
            return None
        writes.append(0)
        if len(writes) < 25:
            return None
        body = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
        return answer(start, "400 Bad Request", body)

    faults.fault = expire
    failed = converted(inlaid, few[0], f"s3://{BUCKET}/expired", exit_code=1)
    assert "the credentials have expired\nhint: get new credentials, and run the same command again" in failed.stderr
    faults.fault = None
    converted(inlaid, few[0], f"s3://{BUCKET}/expired")
    assert in_store(faults.endpoint, "expired") == expected[0] and open_uploads(faults.endpoint, "expired") == {}


# Readers


def filesystem(endpoint):
    host = endpoint.removeprefix("http://")
    return fs.S3FileSystem(access_key=KEY, secret_key=SECRET, endpoint_override=host, scheme="http", region="us-east-1")


def test_readers_never_see_fewer_rows_during_appends(inlaid, store, tmp_path):
    """They list the folder of a split and read all of it: no row is missing, torn or there twice."""
    folder, place = tmp_path / "photos", f"s3://{BUCKET}/growing"
    folder.mkdir()

    def add(numbers):
        for number in numbers:
            (folder / f"{number:03}.png").write_bytes(png(number))

    add(range(20))
    options = ("--split", "train=1", "--shard-bytes", "20KB", "--row-group-bytes", "4KB", "--quiet")
    inlaid("convert", folder, "--out", place, "--size", SIZE, *options)
    seen, done, failures = [], threading.Event(), []

    def read():
        while not done.is_set():
            try:
                table = ds.dataset(f"{BUCKET}/growing/train", filesystem=filesystem(store)).to_table(columns=["path"])
                seen.append(table["path"].to_pylist())
            except OSError as error:
                # A tail that was replaced between its listing and its read has another length.
                failures.append(error)

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for begin in range(20, 80, 6):
            add(range(begin, begin + 6))
            inlaid("append", folder, "--out", place, "--quiet")
        done.set()
        [reader.result() for reader in readers]
    assert len(seen) > 5
    for keys in seen:
        assert len(set(keys)) == len(keys) >= 20
        assert sorted(keys) == [f"{number:03}.png" for number in range(len(keys))]


def test_others_read_what_was_written(store, few, expected, monkeypatch, tmp_path):
    place = f"s3://{BUCKET}/others"
    package.convert(few[0], place, SIZE, progress=False, row_group_bytes=768 * 3, shard_bytes=768 * 10)
    rows = json.loads(in_store(store, "others")["inlaid.json"])["splits"]["train"]["rows"]
    assert ds.dataset(f"{BUCKET}/others/train", filesystem=filesystem(store)).count_rows() == rows
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_region": "us-east-1"}
    keys |= {"aws_endpoint_url": store, "aws_allow_http": "true"}
    assert len(pl.scan_parquet(f"{place}/train/*.parquet", storage_options=keys).collect()) == rows

    class Files(ArrowFSWrapper):
        """The same store by fsspec, whose URLs begin with a protocol of its own."""

        protocol = "store"

        def __init__(self, **_):
            super().__init__(filesystem(store))

        @classmethod
        def _strip_protocol(cls, path):
            return str(path).removeprefix("store://")

    fsspec.register_implementation("store", Files, clobber=True)
    duckdb.register_filesystem(Files())
    table = duckdb.sql(f"select path from read_parquet('store://{BUCKET}/others/train/*.parquet')")
    assert len(table.fetchall()) == rows
    files = {"train": f"store://{BUCKET}/others/train/*.parquet"}
    # What is on this machine counts as far away. Nothing is told to the Hub.
    monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=tmp_path / "cache")
    assert loaded["train"].num_rows == rows


# What is refused


def test_objects_of_others_are_not_touched(inlaid, store, few):
    s3 = client(store)
    s3.put_object(Bucket=BUCKET, Key="taken/notes.txt", Body=b"mine")
    failed = converted(inlaid, few[0], f"s3://{BUCKET}/taken", exit_code=1)
    assert f"error: output folder `s3://{BUCKET}/taken` is neither empty nor an inlaid dataset" in failed.stderr
    converted(inlaid, few[0], f"s3://{BUCKET}/foreign")
    s3.put_object(Bucket=BUCKET, Key="foreign/train/mine.parquet", Body=b"mine")
    failed = appended(inlaid, few[1], f"s3://{BUCKET}/foreign", exit_code=1)
    assert (
        f"error: `s3://{BUCKET}/foreign/train/mine.parquet` is in the way and was not written by inlaid"
        in failed.stderr
    )
    s3.delete_object(Bucket=BUCKET, Key="foreign/train/mine.parquet")
    s3.delete_object(Bucket=BUCKET, Key="foreign/train/train-00000.parquet")
    failed = appended(inlaid, few[1], f"s3://{BUCKET}/foreign", exit_code=1)
    assert "train-00000.parquet" in failed.stderr
    assert "train/train-00000.parquet`" in inlaid("verify", f"s3://{BUCKET}/foreign", exit_code=1).stdout
    assert sorted(in_store(store, "taken")) == ["notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (
            ("convert", "FEW", "--out", "s3://bucket/refused", "--size", 8, "--overwrite"),
            "can't use `s3://bucket/refused`: datasets in object stores are appended to, but not replaced in place",
            "write to another prefix",
        ),
        (
            ("compact", "s3://bucket/refused"),
            "can't use `s3://bucket/refused`: datasets in object stores are appended to, but not compacted in place",
            "write to another prefix",
        ),
        (
            ("rollback", "s3://bucket/refused"),
            "can't use `s3://bucket/refused`: datasets in object stores are appended to, but not rolled back in place",
            "write to another prefix",
        ),
        (
            ("repack", "FEW", "--out", "s3://bucket/refused"),
            "only datasets of images are written to object stores",
            "write to a disk",
        ),
        (
            ("convert", "s3://bucket/some/photos", "--out", "s3://bucket/some", "--size", 8),
            "output folder `s3://bucket/some` overlaps source `s3://bucket/some/photos`",
            "choose a folder",
        ),
        (
            ("convert", "s3://bucket/some/photos", "--out", "s3a://bucket/some/photos/out", "--size", 8),
            "overlaps source",
            "choose a folder",
        ),
        (
            ("append", "FEW", "--out", "s3://bucket/nothing"),
            "`s3://bucket/nothing` holds no dataset",
            "create it with `inlaid convert`",
        ),
        (("info", "s3://bucket/nothing"), "`s3://bucket/nothing` holds no dataset", "create it with `inlaid convert`"),
        (("verify", "s3://nowhere-bucket/x"), "can't use `s3://nowhere-bucket/x", "check its name"),
        (
            ("convert", "FEW", "--out", "ftp://host/x", "--size", 8),
            "`ftp://` is not a store",
            "give a prefix in a bucket",
        ),
    ],
)
def test_what_is_refused(inlaid, store, few, tmp_path, arguments, told, hint):
    if arguments[0] == "repack":
        pl.DataFrame({"x": [[1, 2]]}, {"x": pl.Array(pl.UInt8, 2)}).write_parquet(tmp_path / "a.parquet")
    source = tmp_path if arguments[0] == "repack" else few[0]
    failed = inlaid(*[source if part == "FEW" else part for part in arguments], exit_code=1)
    assert told in failed.stderr and f"\nhint: {hint}" in failed.stderr
    assert in_store(store, "refused") == {} and SECRET not in failed.stderr


def test_stores_that_ignore_conditions_are_refused(inlaid, faults, few, expected):
    """Every write with a condition is carried out without it."""

    def ignore(before, environ, start):
        environ.pop("HTTP_IF_NONE_MATCH", None)
        if environ["REQUEST_METHOD"] == "PUT":
            environ.pop("HTTP_IF_MATCH", None)
        return None

    faults.fault = ignore
    place = f"s3://{BUCKET}/careless"
    failed = converted(inlaid, few[0], place, exit_code=1)
    assert f"error: can't use `{place}`: the store ignores conditions of writes" in failed.stderr
    assert "hint: use a store that has conditional writes, or `--single-writer`" in failed.stderr
    assert in_store(faults.endpoint, "careless") == {}
    converted(inlaid, few[0], place, "--single-writer")
    appended(inlaid, few[1], place, "--single-writer")
    assert in_store(faults.endpoint, "careless") == expected[1]


def test_a_dry_run_writes_nothing(inlaid, store, few):
    place = f"s3://{BUCKET}/dry"
    converted(inlaid, few[0], place, "--dry-run", exit_code=0)
    assert in_store(store, "dry") == {}
    converted(inlaid, few[0], place)
    before = in_store(store, "dry")
    told = json.loads(appended(inlaid, few[1], place, "--dry-run", "--json", exit_code=0).stdout)
    assert (told["rows"], in_store(store, "dry")) == (12, before)


def test_no_secret_is_stored(inlaid, store, few):
    place = f"s3://{BUCKET}/quiet"
    done = converted(inlaid, few[0], place)
    for text in [*in_store(store, "quiet").values(), done.stdout.encode(), done.stderr.encode()]:
        assert SECRET.encode() not in text and KEY.encode() not in text


def test_interrupts_leave_nothing(inlaid_path, faults, few):
    faults.fault = lambda before, environ, start: time.sleep(0.05) if environ["REQUEST_METHOD"] == "PUT" else None
    place = f"s3://{BUCKET}/stopped"
    arguments = [str(part) for part in (inlaid_path, *command(few[0], place))]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as stopped:
        while not any("partNumber" in query for _, _, query in faults.seen):
            time.sleep(0.01)
        stopped.send_signal(signal.SIGINT)
        stopped.communicate(timeout=60)
    assert stopped.returncode in (130, -signal.SIGINT)
    assert not any(name.startswith(".inlaid/") for name in in_store(faults.endpoint, "stopped"))
    assert open_uploads(faults.endpoint, "stopped") == {}


def test_folders_with_marks_are_empty(inlaid, store, few, expected):
    client(store).put_object(Bucket=BUCKET, Key="marked/", Body=b"")
    converted(inlaid, few[0], f"s3://{BUCKET}/marked/")
    found = in_store(store, "marked")
    assert {name: text for name, text in found.items() if name} == expected[0]


def test_sources_of_bytes_and_outputs_of_another_store(inlaid, faults, few, tmp_path, expected):
    """The same store, for sources and output at once, through one set of keys."""
    upload(faults.endpoint, BUCKET, few[0], "from")
    converted(inlaid, f"s3://{BUCKET}/from", f"s3://{BUCKET}/to")
    found = in_store(faults.endpoint, "to")
    assert {name for name in found} == set(expected[0])
