"""Archives, tables, arrays and metadata files in object stores, on web servers and on the Hub: the same rows as from a
disk."""

import gzip
import io
import json
import subprocess
import tarfile
import threading
import time
import zipfile
from datetime import datetime, timedelta, timezone

import boto3
import inlaid as package
import numpy as np
import polars as pl
import pytest

from conftest import many_files
from store_fixtures import BUCKET, SIZE, answer, convert, get, png, rejects, shards
from stores import KEY, SECRET, Hub, Web, client, moto, seaweed, serve, upload

pytest_plugins = ["store_fixtures"]

IMAGES = 300


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """The same 300 photos of two classes, one of them broken, in inputs of all kinds."""
    folder = tmp_path_factory.mktemp("inputs")
    photos = {f"{['ant', 'bee'][number % 2]}/{number:03}.png": png(number) for number in range(IMAGES)}
    photos["ant/broken.png"] = b"no image"
    (folder / "split").mkdir()
    for place, names in {
        "all.tar": photos,
        "all.tgz": photos,
        "split/one.tar": dict(list(photos.items())[:120]),
        "split/two.tar": dict(list(photos.items())[120:]),
    }.items():
        add_tar(folder / place, names)
    for place, packed in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / place, "w", packed) as archive:
            for name, content in photos.items():
                archive.writestr(name, content)
    (folder / "web").mkdir()
    for shard in range(3):
        samples = {}
        for number in range(shard * 50, shard * 50 + 50):
            samples[f"{number:03}.png"] = png(number)
            samples[f"{number:03}.cls"] = str(number % 3).encode()
            samples[f"{number:03}.json"] = json.dumps({"caption": f"photo {number}"}).encode()
        add_tar(folder / f"web/shard-{shard:03}.tar", samples)
    rows = pl.DataFrame(
        {
            "image": [{"bytes": content, "path": name} for name, content in photos.items()],
            "label": [number % 5 for number in range(len(photos))],
        }
    )
    (folder / "tables").mkdir()
    rows[:150].write_parquet(folder / "tables/train-0.parquet", row_group_size=40)
    rows[150:].write_parquet(folder / "tables/test-0.parquet", compression="uncompressed", row_group_size=40)
    rows.write_ipc(folder / "rows.arrow", compat_level=pl.CompatLevel.oldest())
    (folder / "arrays").mkdir()
    pixels = np.random.default_rng(5).integers(0, 256, (200, 20, 24, 3), np.uint8)
    np.save(folder / "arrays/x_train.npy", pixels)
    np.save(folder / "arrays/y_train.npy", np.arange(200) % 7)
    np.savez_compressed(folder / "packed.npz", x_train=pixels[:100], y_train=np.arange(100) % 7)
    header = bytes([0, 0, 8, 3]) + b"".join(number.to_bytes(4, "big") for number in (90, 20, 24))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pixels[:90, :, :, 0].tobytes()))
    labels = bytes([0, 0, 8, 1]) + (90).to_bytes(4, "big") + bytes(number % 10 for number in range(90))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    (folder / "described").mkdir()
    for number in range(60):
        (folder / f"described/{number:03}.png").write_bytes(png(number))
    table = pl.DataFrame({"file_name": [f"{number:03}.png" for number in range(60)], "label": [number % 4 for number in range(60)]})
    table.write_csv(folder / "described/labels.csv")
    table.write_parquet(folder / "labels.parquet")
    (folder / "one.png").write_bytes(png(1))
    return folder


def add_tar(path, members):
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


# What is given, and how many rows and rejects there are.
SOURCES = {
    "all.tar": (300, 1),
    "all.tgz": (300, 1),
    "stored.zip": (300, 1),
    "deflated.zip": (300, 1),
    "split": (300, 1),
    "web": (150, 0),
    "web/shard-{000..001}.tar": (100, 0),
    "web/*.tar": (150, 0),
    "tables": (300, 1),
    "tables/train-*.parquet": (150, 0),
    "rows.arrow": (300, 1),
    "arrays": (200, 0),
    "arrays/x_train.npy": (200, 0),
    "packed.npz": (100, 0),
    "t10k-images-idx3-ubyte.gz": (90, 0),
    "described/labels.csv": (60, 0),
}


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory, inputs):
    with seaweed(tmp_path_factory.mktemp("seaweed-inputs")) as endpoint:
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, inputs, "in")
        yield endpoint


@pytest.fixture
def store(endpoint, use):  # noqa: F811
    use(endpoint)
    return endpoint


@pytest.fixture
def faults(use, inputs):  # noqa: F811
    """A server of the inputs, whose answers tests replace."""
    with moto() as (server, endpoint):
        use(endpoint)
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, inputs, "in")
        server.endpoint = endpoint
        yield server


def lines(done, *replaced):
    text = done.stderr
    for old, new in replaced:
        text = text.replace(str(old), new)
    # Images of Parquet files in stores are copied, compressed or not.
    left_out = ("images/s", "compressed sources take up to")
    return [line for line in text.splitlines() if not any(words in line for words in left_out)]


def outcome(source):
    return 3 if SOURCES[source][1] else 0


@pytest.mark.parametrize("source", SOURCES)
def test_rows_are_those_of_the_disk(inlaid, store, inputs, tmp_path, source):
    on_disk = convert(inlaid, inputs / source, tmp_path / "on-disk", exit_code=outcome(source))
    for threads in (1, 2):
        out = tmp_path / f"out-{threads}"
        done = convert(inlaid, f"s3://{BUCKET}/in/{source}", out, "--threads", threads, exit_code=outcome(source))
        assert shards(out) == shards(tmp_path / "on-disk") and shards(out)
        assert rejects(out) == rejects(tmp_path / "on-disk")
        assert len(rejects(out)) == SOURCES[source][1]
    here = lines(on_disk, (inputs, "IN"), (tmp_path / "on-disk", "OUT"))
    assert lines(done, (f"s3://{BUCKET}/in", "IN"), (out, "OUT")) == here


@pytest.mark.parametrize("source", ["all.tar", "all.tgz", "stored.zip", "web", "tables", "rows.arrow", "arrays"])
def test_what_would_be_written_is_told(inlaid, store, inputs, tmp_path, source):
    done = convert(inlaid, f"s3://{BUCKET}/in/{source}", tmp_path / "out", "--dry-run", "--json")
    on_disk = convert(inlaid, inputs / source, tmp_path / "out", "--dry-run", "--json")
    assert json.loads(done.stdout)["rows"] == json.loads(on_disk.stdout)["rows"] and not (tmp_path / "out").exists()


def test_tables_in_stores_describe_images_anywhere(inlaid, store, inputs, tmp_path):
    convert(inlaid, inputs / "described", tmp_path / "on-disk", "--metadata", inputs / "described/labels.csv")
    for number, table in enumerate(("described/labels.csv", "labels.parquet")):
        for place in (inputs, f"s3://{BUCKET}/in"):
            out = tmp_path / f"out-{number}-{place == inputs}"
            convert(inlaid, f"{place}/described", out, "--metadata", f"s3://{BUCKET}/in/{table}")
            assert shards(out) == shards(tmp_path / "on-disk")
    done = convert(inlaid, inputs / "described", tmp_path / "none", "--metadata", f"s3://{BUCKET}/none.csv", exit_code=1)
    assert f"can't read `s3://{BUCKET}/none.csv`: there is no such object" in done.stderr


def test_what_is_no_source_is_told(inlaid, store, tmp_path):
    for source, told in {
        "in/one.png": "source `{}` is neither a folder, an archive, a table nor an array of images\nhint: give the prefix that",
        "in/none.tar": "can't read `{}`: there is no such object",
        "in/none-*.tar": "can't read `{}`: no file fits the pattern",
        "in/nothing": "no images in `{}`",
    }.items():
        url = f"s3://{BUCKET}/{source}"
        done = convert(inlaid, url, tmp_path / "out", exit_code=1)
        assert told.format(url) in done.stderr, done.stderr


def test_indexing_reads_ahead_and_members_are_asked_for_ahead(inlaid, faults, inputs, tmp_path):
    faults.fault = lambda before, environ, start: time.sleep(0.2 if get(environ) else 0)
    begin = time.monotonic()
    convert(inlaid, f"s3://{BUCKET}/in/all.tar", tmp_path / "out", "--threads", 1, exit_code=3)
    # One after the other, 300 answers would take 60 seconds.
    assert faults.most_in_flight > 32 and time.monotonic() - begin < 25


def test_small_members_are_not_asked_for_again(inlaid, faults, inputs, tmp_path):
    convert(inlaid, f"s3://{BUCKET}/in/web", tmp_path / "out")
    requests = sum(count + 1 for (method, path, _), count in faults.seen.items() if method == "GET" and "/web/" in path)
    assert requests < 150 + 3 * 5


@pytest.mark.parametrize("source", ["all.tar", "all.tgz", "tables"])
def test_killed_runs_are_resumed(inlaid, inlaid_path, faults, tmp_path, source):
    faults.fault = lambda before, environ, start: time.sleep(0.01 if get(environ) else 0)
    out = tmp_path / "out"
    command = ["convert", f"s3://{BUCKET}/in/{source}", "--out", out, "--size", SIZE, *many_files(3 * SIZE**2), "--threads", 1]
    kills = 0
    for _ in range(2):
        with subprocess.Popen([inlaid_path, *map(str, command)], stderr=subprocess.DEVNULL) as run:
            seen = len(shards(out))
            while run.poll() is None and len(shards(out)) <= seen:
                time.sleep(0.002)
            kills += run.poll() is None
            run.kill()
    assert kills > 0
    faults.fault = None
    inlaid(*command, exit_code=3)
    inlaid(*command[:3], tmp_path / "once", *command[4:], exit_code=3)
    assert shards(out) == shards(tmp_path / "once")


def test_members_of_an_object_that_changes_are_rejects(inlaid, faults, inputs, tmp_path):
    """From the hundredth request on."""

    def change(before, environ, start):
        change.seen += get(environ)
        if change.seen == 100:
            client(faults.endpoint).put_object(Bucket=BUCKET, Key="in/all.tar", Body=b"x" * 2000)

    change.seen = 0
    faults.fault = change
    convert(inlaid, f"s3://{BUCKET}/in/all.tar", tmp_path / "out", exit_code=3)
    # The one that is no image may be read before or after.
    assert "changed" in rejects(tmp_path / "out").values()
    assert set(rejects(tmp_path / "out").values()) <= {"changed", "unknown-format"}


def test_stores_that_fail_stop_a_run_that_can_be_resumed(inlaid, faults, inputs, tmp_path):
    def expire(before, environ, start):
        expire.seen += get(environ)
        if expire.seen > 100:
            return answer(start, "400 Bad Request", b"<Error><Code>ExpiredToken</Code></Error>")
        return None

    expire.seen = 0
    faults.fault = expire
    done = convert(inlaid, f"s3://{BUCKET}/in/all.tar", tmp_path / "out", exit_code=1)
    assert f"can't read `s3://{BUCKET}/in/all.tar`: the credentials have expired" in done.stderr
    faults.fault = None
    convert(inlaid, f"s3://{BUCKET}/in/all.tar", tmp_path / "out", exit_code=3)
    convert(inlaid, inputs / "all.tar", tmp_path / "on-disk", exit_code=3)
    assert shards(tmp_path / "out") == shards(tmp_path / "on-disk")


def test_short_outages_reject_nothing(inlaid, faults, inputs, tmp_path):
    faults.fault = lambda before, environ, start: answer(start, "503 Slow Down") if get(environ) and not before else None
    convert(inlaid, f"s3://{BUCKET}/in/stored.zip", tmp_path / "out", exit_code=3)
    convert(inlaid, inputs / "stored.zip", tmp_path / "on-disk", exit_code=3)
    assert shards(tmp_path / "out") == shards(tmp_path / "on-disk")


# Web servers


@pytest.mark.parametrize("source", ["all.tar", "all.tgz", "deflated.zip", "web/shard-{000..001}.tar", "tables/train-0.parquet", "packed.npz"])
def test_rows_of_a_web_server_are_those_of_the_disk(inlaid, inputs, tmp_path, source):
    exit_code = 3 if SOURCES.get(source, (0, 0))[1] else 0
    convert(inlaid, inputs / source, tmp_path / "on-disk", exit_code=exit_code)
    with serve(Web(inputs)) as endpoint:
        convert(inlaid, f"{endpoint}/{source}", tmp_path / "out", exit_code=exit_code)
    assert shards(tmp_path / "out") == shards(tmp_path / "on-disk") and shards(tmp_path / "out")


def test_names_in_urls_may_be_encoded_and_queries_are_not_shown(inlaid, inputs, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a b+ü.tar").write_bytes((inputs / "split/one.tar").read_bytes())
    with serve(Web(tmp_path / "files")) as endpoint:
        url = f"{endpoint}/a%20b+%C3%BC.tar"
        convert(inlaid, f"{url}?download=private", tmp_path / "out")
        for path in (tmp_path / "out").rglob("*"):
            assert not path.is_file() or b"private" not in path.read_bytes(), path
        done = convert(inlaid, f"{endpoint}/none.tar?download=private", tmp_path / "none", exit_code=1)
        assert f"can't read `{endpoint}/none.tar`: there is no such object" in done.stderr and "private" not in done.stderr
        for secret in (f"{url}?X-Amz-Signature=private", f"{url}?sig=private", url.replace("//", "//me:private@")):
            done = convert(inlaid, secret, tmp_path / "none", exit_code=1)
            assert "can't read `URL`: keys and signatures are not taken from URLs" in done.stderr
            assert "private" not in done.stderr


def test_web_servers_that_can_not_be_read_are_told(inlaid, inputs, tmp_path, monkeypatch):
    with serve(Web(inputs, ranges=False)) as endpoint:
        done = convert(inlaid, f"{endpoint}/all.tar", tmp_path / "out", exit_code=1)
        assert f"can't read `{endpoint}/all.tar`: the server gives no parts of files\nhint: download the file" in done.stderr
    with serve(Web(inputs)) as endpoint:
        done = convert(inlaid, f"{endpoint}/tables/", tmp_path / "out", exit_code=1)
        assert f"can't read `{endpoint}/tables/`: a web server lists no files\nhint: give the URLs of archives" in done.stderr
    done = convert(inlaid, "http://192.0.2.1/all.tar", tmp_path / "out", exit_code=1)
    assert "files are read from `http://` only on this machine\nhint: set INLAID_ALLOW_HTTP=true" in done.stderr
    done = inlaid("convert", inputs / "described", "--out", "https://127.0.0.1:1/out", "--size", SIZE, exit_code=1)
    assert "private" not in done.stderr


def test_files_of_a_web_server_that_change_are_told(inlaid, inputs, tmp_path):
    (tmp_path / "files").mkdir()
    file = tmp_path / "files/all.tar"
    file.write_bytes((inputs / "all.tar").read_bytes())
    web = Web(tmp_path / "files")

    def change(environ, start):
        if len(web.seen) == 60:
            file.write_bytes(b"x" * file.stat().st_size)

    web.fault = change
    with serve(web) as endpoint:
        convert(inlaid, f"{endpoint}/all.tar", tmp_path / "out", exit_code=3)
    # The one that is no image may be read before or after.
    assert "changed" in rejects(tmp_path / "out").values()
    assert set(rejects(tmp_path / "out").values()) <= {"changed", "unknown-format"}


# The Hub


@pytest.fixture
def hub(inputs, monkeypatch, tmp_path):
    """A Hub, and the server that it sends readers to, which no token must reach."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    elsewhere = Web(inputs)

    def refuse(environ, start):
        return answer(start, "400 Bad Request") if "HTTP_AUTHORIZATION" in environ else None

    elsewhere.fault = refuse
    with serve(elsewhere) as place:
        server = Hub(inputs, place)
        with serve(server) as endpoint:
            monkeypatch.setenv("HF_ENDPOINT", endpoint)
            server.elsewhere_server = elsewhere
            yield server


@pytest.mark.parametrize("source", ["described", "split", "all.tar", "web/*.tar", "tables", "tables/train-0.parquet", "arrays"])
def test_rows_of_the_hub_are_those_of_the_disk(inlaid, hub, inputs, monkeypatch, tmp_path, source):
    hub.private = True
    monkeypatch.setenv("HF_TOKEN", Hub.TOKEN)
    exit_code = 3 if SOURCES.get(source, (0, 0))[1] else 0
    done = convert(inlaid, f"hf://datasets/owner/name/{source}", tmp_path / "out", exit_code=exit_code)
    convert(inlaid, inputs / source, tmp_path / "on-disk", exit_code=exit_code)
    assert shards(tmp_path / "out") == shards(tmp_path / "on-disk") and shards(tmp_path / "out")
    assert hub.elsewhere_server.seen and Hub.TOKEN not in done.stderr
    assert all(token is None for *_, token in hub.elsewhere_server.seen)
    assert all(token == f"Bearer {Hub.TOKEN}" for *_, token in hub.seen)


def test_tokens_come_from_the_file_and_revisions_from_the_url(inlaid, hub, inputs, tmp_path):
    hub.private = True
    done = convert(inlaid, "hf://datasets/owner/name/split/one.tar", tmp_path / "out", exit_code=1)
    assert "there is no such dataset or revision, or no permission to read it\nhint: check the names; HF_TOKEN" in done.stderr
    (tmp_path / "home").mkdir()
    (tmp_path / "home/token").write_text(f"{Hub.TOKEN}\n")
    convert(inlaid, "hf://datasets/owner/name@refs%2Fpr%2F1/split/one.tar", tmp_path / "out")
    done = convert(inlaid, "hf://datasets/owner/name@none/split/one.tar", tmp_path / "none", exit_code=1)
    assert "there is no such dataset or revision" in done.stderr and Hub.TOKEN not in done.stderr
    done = convert(inlaid, "hf://datasets/owner/name/none.tar", tmp_path / "none", exit_code=1)
    assert "can't read `hf://datasets/owner/name/none.tar`: there is no such object" in done.stderr
    done = convert(inlaid, "hf://models/owner/name", tmp_path / "none", exit_code=1)
    assert "it is no URL of a dataset, such as `hf://datasets/owner/name/data`\nhint: give a dataset" in done.stderr
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or Hub.TOKEN.encode() not in path.read_bytes(), path


# Keys from a function


def asked_for(store, provider, tmp_path, name="out"):
    options = {"endpoint": store, "allow_http": "true", "region": "us-east-1", "credential_provider": provider}
    return package.convert(f"s3://{BUCKET}/in/all.tar", tmp_path / name, SIZE, storage_options=options, progress=False)


def test_functions_give_keys_and_are_called_again_before_they_expire(store, use, tmp_path):  # noqa: F811
    use("http://127.0.0.1:1", AWS_ACCESS_KEY_ID="nobody")
    calls = []

    def keys():
        calls.append(threading.get_ident())
        end = datetime.now(timezone.utc) + timedelta(hours=1)
        return {"access_key_id": KEY, "secret_access_key": SECRET, "token": None, "expires_at": end}

    assert asked_for(store, keys, tmp_path)["rows"] == 300 and len(calls) == 1
    with pytest.raises(ZeroDivisionError):
        asked_for(store, lambda: 1 / 0, tmp_path, "none")
    with pytest.raises(package.SettingError, match="the credential_provider returns no `secret_access_key`"):
        asked_for(store, lambda: {"access_key_id": KEY}, tmp_path, "none")
    with pytest.raises(package.SettingError, match="credential_provider is a callable, or a session of boto3"):
        asked_for(store, "keys", tmp_path, "none")


def test_sessions_of_boto3_give_keys(store, use, tmp_path):  # noqa: F811
    use("http://127.0.0.1:1", AWS_ACCESS_KEY_ID="nobody")
    session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET)
    assert asked_for(store, session, tmp_path)["rows"] == 300
    assert asked_for(store, session._session, tmp_path, "of-botocore")["rows"] == 300


def test_datasets_of_the_hub_are_opened(inlaid, hub, inputs, tmp_path):
    """And single files of a web server, part by part."""
    out, place = inputs / "dataset", "hf://datasets/owner/name/dataset"
    convert(inlaid, inputs / "all.tar", out, exit_code=3)
    local, opened = package.open(out), package.open(place, cache=tmp_path / "cache")
    assert list(opened) == list(local) and opened.classes == local.classes
    for split, rows in local.items():
        assert opened[split].column("path").tolist() == rows.column("path").tolist()
        assert np.array_equal(opened[split][:], rows[:])
    assert package.info(place) == package.info(out)
    assert inlaid("verify", place).stdout.startswith("intact: ")
    shard = min((out / "train").iterdir())
    table = package.open(f"{hub.elsewhere}/dataset/train/{shard.name}", cache=tmp_path / "cache")
    assert np.array_equal(table[:], package.open(shard)[:])
    for command in ("convert", "append"):
        size = ("--size", SIZE) if command == "convert" else ()
        done = inlaid(command, inputs / "all.tar", "--out", place, *size, "--dry-run", exit_code=1)
        assert f"can't use `{place}`: nothing is written to" in done.stderr
