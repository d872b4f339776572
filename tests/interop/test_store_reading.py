"""Datasets and tables in object stores, read row by row and in batches: SeaweedFS, Azurite, and moto with faults."""

import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import inlaid as package
import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import SAMPLE, many_files
from stores import (
    AZURE_ACCOUNT,
    AZURE_KEY,
    SECRET,
    azure_client,
    azurite,
    client,
    moto,
    seaweed,
    settings,
    upload,
)

# Several passes over batches of the same order are made here.
pytestmark = pytest.mark.filterwarnings("ignore::inlaid.RepeatedOrderWarning", "ignore::inlaid.DecodingWarning")

BUCKET = "bucket"
URL = f"s3://{BUCKET}/datasets/shapes"
FORMATS = ["parquet", "arrow"]


@pytest.fixture(scope="session")
def made(inlaid, tmp_path_factory):
    """A dataset of several shards and row groups in each format, and a file without tensors stored verbatim."""
    folder = tmp_path_factory.mktemp("store-reading")
    photos = folder / "photos"
    shutil.copytree(SAMPLE, photos)
    (photos / next(photos.iterdir()).name / "broken.png").write_bytes(b"no image")
    for format in FORMATS:
        command = ("convert", photos, "--out", folder / format, "--size", 64, "--format", format, *many_files())
        inlaid(*command, exit_code=3)
    table = pq.read_table(min((folder / "parquet/train").iterdir())).select(["image", "label"])
    pq.write_table(table, folder / "foreign.parquet", compression="zstd", row_group_size=7)
    return folder


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory, made):
    """A server with the datasets in a bucket."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint:
        client(endpoint).create_bucket(Bucket=BUCKET)
        for format in FORMATS:
            upload(endpoint, BUCKET, made / format, f"datasets/{format}")
        client(endpoint).put_object(
            Bucket=BUCKET,
            Key="foreign.parquet",
            Body=(made / "foreign.parquet").read_bytes(),
        )
        yield endpoint


@pytest.fixture
def use(monkeypatch, tmp_path):
    """A function that makes an endpoint that of S3 for this process and those that it starts, with a cache of its own."""

    def run(endpoint, **others):
        for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
            monkeypatch.delenv(name)
        for name, value in (settings(endpoint) | others).items():
            monkeypatch.setenv(name, value)

    monkeypatch.setenv("INLAID_CACHE", str(tmp_path / "cache"))
    return run


@pytest.fixture
def store(endpoint, use):
    use(endpoint)
    return endpoint


@pytest.fixture(params=FORMATS)
def format(request):
    return request.param


def url_of(format):
    return f"s3://{BUCKET}/datasets/{format}"


def same(ours, theirs):
    """Whether two passes give the same batches."""
    count = 0
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
        count += 1
    return count > 0


def cached(folder):
    return [file for file in (folder / "v1").rglob("*") if file.is_file()]


ORDERS = [
    {},
    {"shuffle": True, "seed": 3},
    {"shuffle": 2, "seed": 5},
    {"shuffle": 2, "rank": 1, "world_size": 2},
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("keywords", [{}, {"cache": False}, {"map": False}], ids=str)
def test_a_store_is_read_as_a_folder(store, made, format, order, keywords):
    there, here = package.open(url_of(format), **keywords), package.open(made / format)
    assert list(there) == list(here) and there.classes == here.classes and there.manifest == here.manifest
    for split in here:
        ours, theirs = [dataset[split].batches(5, columns=["label", "path"], **order) for dataset in (there, here)]
        for _ in range(2):
            assert same(ours, theirs)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_image_files_are_read_as_from_a_folder(inlaid, store, tmp_path, format, compression):
    out, prefix = tmp_path / "files", f"files/{format}-{compression}"
    options = ("--storage", "encoded", "--format", format, "--compression", compression)
    inlaid("convert", SAMPLE, "--out", out, *options, "--row-group-bytes", 2000, "--shard-bytes", 6000)
    upload(store, BUCKET, out, prefix)
    there, here = package.open(f"s3://{BUCKET}/{prefix}")["train"], package.open(out)["train"]
    assert there.image_file(3) == here.image_file(3) and np.array_equal(there[5], here[5])
    keywords = {"shuffle": True, "size": 20, "random_resized_crop": True, "columns": ["path"]}
    assert same(there.batches(5, **keywords), here.batches(5, **keywords))


def test_everything_of_a_table_is_there(store, made, format):
    there, here = package.open(url_of(format)), package.open(made / format)
    ours, theirs = there["train"], here["train"]
    assert len(ours) == len(theirs) and ours.shape == theirs.shape and repr(ours) == repr(theirs)
    assert ours._fingerprint == theirs._fingerprint
    assert there.path == url_of(format) and ours.files[0] == f"{url_of(format)}/train/train-00000.{format}"
    assert [row.tobytes() for row in ours] == [row.tobytes() for row in theirs]
    assert np.array_equal(ours[:], theirs[:]) and np.array_equal(ours[[5, 3, 3]], theirs[[5, 3, 3]])
    for name in ("label", "path", "image"):
        assert np.array_equal(ours.column(name), theirs.column(name))
    assert [str(reject) for reject in there.rejects] == [str(reject) for reject in here.rejects] != []
    assert ours.to_arrow(["image", "label"]).equals(theirs.to_arrow(["image", "label"]))
    first = ours.where(label=ours.classes[0])
    joined = package.concat([first, package.open(made / format)["test"]])
    assert len(joined) == len(first) + len(here["test"])
    assert np.array_equal(joined[:5], theirs.where(label=theirs.classes[0])[:5])
    assert same(
        ours.batches(4, balanced=True, shuffle=True),
        theirs.batches(4, balanced=True, shuffle=True),
    )


def test_a_position_is_resumed(store, made, format):
    ours, theirs = [
        one["train"].batches(4, shuffle=2) for one in (package.open(url_of(format)), package.open(made / format))
    ]
    passes = iter(theirs)
    for _ in range(3):
        next(passes)
    ours.load_state_dict(theirs.state_dict())
    assert same(ours, passes)


def test_whatever_is_there_is_opened(store, made):
    assert set(package.open(f"s3://{BUCKET}/datasets")) == set(FORMATS)
    folder = package.open(f"s3://{BUCKET}/datasets/parquet/train")
    assert np.array_equal(folder[:], package.open(made / "parquet/train")[:])
    shard = package.open(f"s3://{BUCKET}/datasets/parquet/train/train-00001.parquet")
    assert np.array_equal(shard[:], package.open(made / "parquet/train/train-00001.parquet")[:])
    assert list(package.open_dataset(url_of("parquet"))) == list(package.open(made / "parquet"))
    assert len(package.open_table(f"{url_of('parquet')}/test")) == len(package.open(made / "parquet")["test"])


def test_files_of_other_tools_are_read(store, made, tmp_path):
    with pytest.warns(package.DecodingWarning):
        ours = package.open(f"s3://{BUCKET}/foreign.parquet")
    theirs = package.open(made / "foreign.parquet")
    assert np.array_equal(ours[:], theirs[:]) and np.array_equal(ours.column("label"), theirs.column("label"))
    assert same(ours.batches(3, shuffle=True), theirs.batches(3, shuffle=True))
    assert cached(tmp_path / "cache")


def test_a_file_of_another_tool_that_changes_is_an_error(store, made, tmp_path):
    s3, rows = client(store), pq.read_table(made / "foreign.parquet")
    for number, table in enumerate([rows, rows.slice(1)]):
        # Long enough for its end not to be all of it.
        pq.write_table(
            table, tmp_path / f"{number}.parquet", compression="none", row_group_size=7, use_dictionary=False
        )
    s3.put_object(Bucket=BUCKET, Key="changing.parquet", Body=(tmp_path / "0.parquet").read_bytes())
    table = package.open(f"s3://{BUCKET}/changing.parquet", cache=False)
    assert np.array_equal(table[0], package.open(tmp_path / "0.parquet")[0])
    s3.put_object(Bucket=BUCKET, Key="changing.parquet", Body=(tmp_path / "1.parquet").read_bytes())
    with pytest.raises(package.InlaidError, match="the object has changed"):
        table[7]


def test_a_second_reader_asks_the_store_for_little(made, use, tmp_path):
    with moto() as (faults, endpoint):
        use(endpoint)
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, made / "parquet", "datasets/shapes")
        bytes = []
        faults.fault = lambda before, environ, start: bytes.append(environ.get("HTTP_RANGE")) or None
        assert same(
            package.open(URL)["train"].batches(4),
            package.open(made / "parquet")["train"].batches(4),
        )
        first, bytes[:] = len(bytes), []
        program = f"""
            import inlaid
            for batch in inlaid.open({URL!r})["train"].batches(4, shuffle=True): pass
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
        shards = len(list((made / "parquet").glob("*/*.parquet")))
        assert len(bytes) <= 4 * shards + 4 < first + 4 * shards


def test_processes_share_a_cache(made, use):
    with moto() as (faults, endpoint):
        use(endpoint)
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, made / "parquet", "datasets/shapes")
        asked = []

        def fault(before, environ, start):
            asked.append((environ["PATH_INFO"], environ.get("HTTP_RANGE")))

        faults.fault = fault
        program = f"""
            import inlaid, hashlib
            digest = hashlib.sha256()
            for batch in inlaid.open({URL!r})["train"].batches(4): digest.update(batch["image"])
            print(digest.hexdigest())
        """
        command = [sys.executable, "-c", textwrap.dedent(program)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = {one.communicate()[0] for one in both}
        assert len(outputs) == 1 and [one.returncode for one in both] == [0, 0]
    groups = row_groups(made / "parquet")
    asked = [(path, range.removeprefix("bytes=")) for path, range in asked if range]
    fetched = [(path, range) for path, range in asked if range in groups.get(path, ())]
    assert len(fetched) == len(set(fetched))
    # One that is short comes with the end of its file.
    assert sum(len(ranges) for ranges in groups.values()) - 1 <= len(fetched)


def row_groups(dataset):
    """The ranges of the row groups of each training shard, as a request asks for them."""
    found = {}
    for shard in (dataset / "train").iterdir():
        metadata = pq.read_metadata(shard)
        for number in range(metadata.num_row_groups):
            columns = [metadata.row_group(number).column(leaf) for leaf in range(metadata.num_columns)]
            starts = [column.dictionary_page_offset or column.data_page_offset for column in columns]
            end = max(start + column.total_compressed_size for start, column in zip(starts, columns, strict=True))
            path = f"/{BUCKET}/datasets/shapes/train/{shard.name}"
            found.setdefault(path, set()).add(f"{min(starts)}-{end - 1}")
    return found


def test_a_cache_keeps_to_its_bytes(store, made, tmp_path):
    table = package.open(url_of("parquet"), cache=tmp_path / "small", cache_bytes=200_000)["train"]
    theirs = package.open(made / "parquet")["train"]
    sizes = []
    for batch in zip(table.batches(4), theirs.batches(4), strict=True):
        assert np.array_equal(batch[0]["image"], batch[1]["image"])
        sizes.append(sum(file.stat().st_size for file in cached(tmp_path / "small")))
    assert 0 < max(sizes) <= 200_000
    with pytest.warns(package.CacheWarning, match="of which the cache keeps 195 KiB"):
        assert same(table.batches(4, shuffle=True), theirs.batches(4, shuffle=True))


def test_a_damaged_file_of_the_cache_is_fetched_again(store, made, tmp_path):
    theirs = package.open(made / "parquet")["train"]
    assert same(package.open(url_of("parquet"))["train"].batches(4), theirs.batches(4))
    for number, file in enumerate(cached(tmp_path / "cache")):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if number % 2 else content[: len(content) // 2])
    program = f"""
        import inlaid
        ours, theirs = [inlaid.open(place)["train"] for place in ({url_of("parquet")!r}, {str(made / "parquet")!r})]
        assert (ours[:] == theirs[:]).all() and (ours.column("path") == theirs.column("path")).all()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_a_damaged_object_is_an_error(store, made, format):
    name = f"train/train-00000.{format}"
    content = bytearray((made / format / name).read_bytes())
    content[len(content) // 3] ^= 1
    upload(store, BUCKET, made / format, f"damaged/{format}")
    client(store).put_object(Bucket=BUCKET, Key=f"damaged/{format}/{name}", Body=bytes(content))
    table = package.open(f"s3://{BUCKET}/damaged/{format}")["train"]
    with pytest.raises(
        package.DamagedError,
        match=rf"`s3://bucket/damaged/{format}/{name}` is damaged: row group \d does not",
    ):
        table[:]


def test_a_cache_that_cannot_be_written_is_left_out(store, made, tmp_path):
    (tmp_path / "file").touch()
    table = package.open(url_of("parquet"), cache=tmp_path / "file/cache")["train"]
    theirs = package.open(made / "parquet")["train"]
    with pytest.warns(package.CacheWarning, match="nothing is kept in the cache `.*file/cache`: "):
        assert same(table.batches(4), theirs.batches(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(table.batches(4), theirs.batches(4))


def test_a_full_disk_is_no_error(store, made, tmp_path):
    program = f"""
        import inlaid, resource, warnings
        # What is longer can't be written.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        warnings.simplefilter("error")
        warnings.simplefilter("always", inlaid.CacheWarning)
        ours, theirs = [inlaid.open(place)["train"] for place in ({url_of("parquet")!r}, {str(made / "parquet")!r})]
        with warnings.catch_warnings(record=True) as caught:
            assert (ours[:] == theirs[:]).all() and (ours.column("path") == theirs.column("path")).all()
        assert [warning.category for warning in caught] == [inlaid.CacheWarning], caught
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
    assert all(file.stat().st_size <= 50_000 for file in cached(tmp_path / "cache"))


def test_whoever_died_while_it_fetched_stops_nobody(store, made, tmp_path):
    theirs = package.open(made / "parquet")["train"]
    assert same(package.open(url_of("parquet"))["train"].batches(4), theirs.batches(4))
    for file in cached(tmp_path / "cache"):
        file.write_bytes(file.read_bytes()[:100])
        file.rename(f"{file}.part")
    assert same(package.open(url_of("parquet"))["train"].batches(4), theirs.batches(4))
    assert not [file for file in cached(tmp_path / "cache") if file.suffix == ".part"]


def test_row_groups_are_fetched_before_they_are_needed(made, use):
    with moto() as (faults, endpoint):
        use(endpoint)
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, made / "parquet", "datasets/shapes")
        batches = package.open(URL)["train"].batches(2, columns=[], prefetch=0)
        faults.most_in_flight = 0
        faults.fault = lambda before, environ, start: time.sleep(0.2)
        next(iter(batches))
        assert faults.most_in_flight >= 4


@pytest.fixture
def appended(inlaid, made, format, tmp_path):
    """A dataset before and after an append, which lengthens shards."""
    before, after = tmp_path / "before", tmp_path / "after"
    photos = tmp_path / "photos"
    for number, file in enumerate(sorted(path for path in SAMPLE.rglob("*") if path.is_file())):
        for name in ["one"] * (number % 3 > 0) or ["two"]:
            (photos / name / file.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, photos / name / file.parent.name / f"{name}-{file.name}")
    inlaid(
        "convert",
        photos / "one",
        "--out",
        before,
        "--size",
        64,
        "--format",
        format,
        *many_files(),
    )
    shutil.copytree(before, after)
    inlaid("append", photos / "two", "--out", after)
    return before, after


def publish(endpoint, folder, prefix):
    """What an append does in a store: shards first, the manifest last."""
    s3 = client(endpoint)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and ".inlaid" not in file.parts]
    for file in sorted(files, key=lambda file: file.name == "inlaid.json"):
        s3.put_object(
            Bucket=BUCKET,
            Key=f"{prefix}/{file.relative_to(folder)}",
            Body=file.read_bytes(),
        )


@pytest.mark.parametrize("cache", [None, False])
def test_a_reader_goes_on_while_rows_are_appended(store, appended, format, cache):
    before, after = appended
    prefix = f"appended/{format}-{cache}"
    publish(store, before, prefix)
    table = package.open(f"s3://{BUCKET}/{prefix}", cache=cache)["train"]
    passes = iter(table.batches(3, prefetch=0))
    first = next(passes)["image"]
    publish(store, after, prefix)
    read = np.concatenate([first, *(batch["image"] for batch in passes)])
    assert np.array_equal(read, package.open(before)["train"][:])
    assert np.array_equal(pickle.loads(pickle.dumps(table))[:], read)
    assert np.array_equal(
        package.open(f"s3://{BUCKET}/{prefix}", cache=cache)["train"][:],
        package.open(after)["train"][:],
    )


def test_a_dataset_is_opened_in_the_middle_of_an_append(store, appended, format):
    before, after = appended
    prefix = f"appending/{format}"
    publish(store, after, prefix)
    s3 = client(store)
    s3.put_object(
        Bucket=BUCKET,
        Key=f"{prefix}/inlaid.json",
        Body=(before / "inlaid.json").read_bytes(),
    )
    table = package.open(f"s3://{BUCKET}/{prefix}")["train"]
    assert np.array_equal(table[:], package.open(before)["train"][:])


def test_shards_that_are_replaced_are_errors(store, made, format):
    prefix = f"replaced/{format}"
    upload(store, BUCKET, made / format, prefix)
    table = package.open(f"s3://{BUCKET}/{prefix}", cache=False)["train"]
    for shard in sorted((made / format / "train").iterdir()):
        content = shard.read_bytes()
        client(store).put_object(
            Bucket=BUCKET,
            Key=f"{prefix}/train/{shard.name}",
            Body=content[:8] + bytes(len(content)),
        )
    with pytest.raises(package.DamagedError, match="row group 0 does not match its checksum"):
        table[:]


@pytest.mark.parametrize("method, order", [("fork", {}), ("fork", {"shuffle": 2}), ("spawn", {"shuffle": 2})], ids=str)
def test_workers_read_the_store(store, made, format, method, order):
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader
    ours, theirs = (
        package.open(url_of(format))["train"],
        package.open(made / format)["train"],
    )
    # What a fork inherits has been used.
    assert np.array_equal(ours[:3], theirs[:3])
    ours = loader(
        ours.to_torch(4, **order),
        batch_size=None,
        num_workers=2,
        multiprocessing_context=method,
    )
    theirs = loader(theirs.to_torch(4, **order), batch_size=None)
    for _ in range(2):
        for one, other in zip(ours, theirs, strict=True):
            assert all(torch.equal(*both) for both in zip(one, other, strict=True))


def test_rows_of_a_store_are_sampled_by_workers(store, made):
    torch = pytest.importorskip("torch")
    keywords = {"batch_size": 5, "num_workers": 2}
    ours = torch.utils.data.DataLoader(package.open(url_of("parquet"))["train"].to_torch(), **keywords)
    theirs = torch.utils.data.DataLoader(package.open(made / "parquet")["train"].to_torch(), **keywords)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(ours, theirs, strict=True))


def test_options_go_to_spawned_workers_and_into_no_pickle(store, made, monkeypatch):
    torch = pytest.importorskip("torch")
    options = settings(store)
    for name in options:
        monkeypatch.delenv(name)
    options = {name: value for name, value in options.items() if name != "AWS_EC2_METADATA_DISABLED"}
    table = package.open(url_of("parquet"), storage_options=options)["train"]
    loader = torch.utils.data.DataLoader(
        table.to_torch(4),
        batch_size=None,
        num_workers=1,
        multiprocessing_context="spawn",
    )
    assert sum(len(batch[0]) for batch in loader) == len(table)
    pickled = pickle.dumps(table)
    assert SECRET.encode() not in pickled and SECRET not in repr(table._origin)
    for name, value in settings(store).items():
        monkeypatch.setenv(name, value)
    assert np.array_equal(pickle.loads(pickled)[:], table[:])


def test_frameworks_read_a_store(store, made):
    ours, theirs = (
        package.open(url_of("parquet"))["train"],
        package.open(made / "parquet")["train"],
    )
    pytest.importorskip("tensorflow")
    for one, other in zip(ours.to_tf(6), theirs.to_tf(6), strict=True):
        assert np.array_equal(one[0], other[0])
    pytest.importorskip("jax")
    for one, other in zip(ours.to_jax(6), theirs.to_jax(6), strict=True):
        assert np.array_equal(one["image"], other["image"])


def test_azure_is_read(made, use, monkeypatch, tmp_path):
    if "INLAID_AZURITE" not in os.environ:
        pytest.skip("no Azurite")
    with azurite(tmp_path) as endpoint:
        use("http://127.0.0.1:1")
        monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
        monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", endpoint.rsplit("/", 1)[0])
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)
        container = azure_client(endpoint).create_container("container")
        for file in sorted((made / "parquet").rglob("*")):
            if file.is_file():
                container.upload_blob(f"shapes/{file.relative_to(made / 'parquet')}", file.read_bytes())
        ours, theirs = (
            package.open("az://container/shapes")["train"],
            package.open(made / "parquet")["train"],
        )
        assert same(ours.batches(4, shuffle=2), theirs.batches(4, shuffle=2))


ERRORS = [
    (f"s3://{BUCKET}/nothing", package.NotFoundError, "there is no such object"),
    ("s3://no-such-bucket/dataset", package.NotFoundError, "there is no such bucket"),
    ("s3://", package.SettingError, "it is no URL of a bucket"),
    (
        "ftp://host/dataset",
        package.SettingError,
        "`ftp://` is not a store that is read",
    ),
]


@pytest.mark.parametrize("url, error, text", ERRORS)
def test_what_is_not_there_is_an_error(store, url, error, text):
    with pytest.raises(error, match=text):
        package.open(url)


def test_what_is_denied_is_an_error(store, use):
    use(store, AWS_SECRET_ACCESS_KEY="wrong")
    with pytest.raises(
        package.StoreError,
        match="the store denies access: SignatureDoesNotMatch\nhint: check the keys",
    ):
        package.open(url_of("parquet"))


def test_a_store_that_is_gone_is_an_error(made, use):
    with moto() as (faults, endpoint):
        use(endpoint, INLAID_RETRY_SECONDS="1")
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, made / "parquet", "datasets/shapes")
        table = package.open(URL)["train"]

        def refuse(before, environ, start_response):
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []

        faults.fault = refuse
        read = [lambda: table[3], lambda: table.column("label"), lambda: next(iter(table.batches(2)))]
        for one in read:
            with pytest.raises(package.StoreError, match="can't use `s3://bucket/datasets/shapes/.*status 503\nhint: "):
                one()
        # Nothing is lost once it is back.
        faults.fault = None
        theirs = package.open(made / "parquet")["train"]
        assert np.array_equal(table[:], theirs[:]) and np.array_equal(table.column("label"), theirs.column("label"))


def test_keywords_of_stores_are_checked(made, store):
    with pytest.raises(package.SettingError, match="storage_options is for datasets in object stores"):
        package.open(made / "parquet", storage_options={"region": "nowhere"})
    with pytest.raises(package.SettingError, match="storage_options is a mapping of names to texts") as error:
        package.open(url_of("parquet"), storage_options={"secret": 12345})
    assert "12345" not in str(error.value)
    with pytest.raises(package.SettingError, match="cache_bytes is a whole number of bytes"):
        package.open(url_of("parquet"), cache_bytes="much")
    assert len(package.open(made / "parquet", cache="anywhere", cache_bytes=1)["train"]) > 0
    assert not Path("anywhere").exists()
