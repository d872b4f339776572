"""Images in object stores: SeaweedFS, and moto where answers are lost, late or wrong."""

import io
import json
import os
import subprocess
import time
from pathlib import Path

import inlaid as package
import numpy as np
import polars as pl
import pytest
from PIL import Image

from conftest import many_files
from store_fixtures import BUCKET, SIZE, answer, convert, get, png, rejects, shards
from stores import (
    AZURE_ACCOUNT,
    AZURE_KEY,
    KEY,
    SECRET,
    azure_client,
    azurite,
    client,
    moto,
    seaweed,
    settings,
    upload,
)

pytest_plugins = ["store_fixtures"]


# The same bytes as from a disk


@pytest.mark.parametrize("threads", [1, 4])
def test_rows_are_those_of_the_folder(inlaid, store, photos, tmp_path, threads):
    folder = convert(inlaid, photos, tmp_path / "of-folder", exit_code=3)
    done = convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", "--threads", threads, exit_code=3)
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder") and len(shards(tmp_path / "out")) > 20
    expected = {"ant/broken.png": "unknown-format", "ant/empty.png": "empty"}
    assert rejects(tmp_path / "out") == rejects(tmp_path / "of-folder") == expected
    before_names = folder.stderr.replace(str(photos), f"s3://{BUCKET}/some/photos").replace("of-folder", "out")
    assert [line for line in done.stderr.splitlines() if "images/s" not in line] == [
        line for line in before_names.splitlines() if "images/s" not in line
    ]


def test_a_table_in_the_store_describes_its_images(inlaid, store, photos, tmp_path):
    names = [f"{['ant', 'bee'][number % 2]}/{number:04}.png" for number in range(0, 1000, 7)]
    table = pl.DataFrame({"file_name": names, "label": [number % 3 for number in range(len(names))]})
    (tmp_path / "of-folder").mkdir()
    (tmp_path / "of-folder/photos").symlink_to(photos)
    table.write_csv(tmp_path / "metadata.csv")
    copy = tmp_path / "copy"
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((photos / name).read_bytes())
    table.write_csv(copy / "metadata.csv")
    upload(store, BUCKET, copy, "described")
    convert(inlaid, copy, tmp_path / "of-copy")
    convert(inlaid, f"s3://{BUCKET}/described/", tmp_path / "out")
    assert shards(tmp_path / "out") == shards(tmp_path / "of-copy")
    # A table on the disk describes them too.
    convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "given", "--metadata", tmp_path / "metadata.csv", exit_code=3)
    assert sum(len(table) for table in package.open(tmp_path / "given").values()) == len(names)


def test_splits_by_content_appends_and_verification(inlaid, store, photos, tmp_path):
    options = ("--split-by", "content", "--split", "train=0.8,validation=0.2")
    convert(inlaid, photos, tmp_path / "of-folder", *options, exit_code=3)
    convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", *options, exit_code=3)
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder")
    more = tmp_path / "more/ant"
    more.mkdir(parents=True)
    for number in range(2000, 2010):
        (more / f"{number}.png").write_bytes(png(number))
    upload(store, BUCKET, more.parent, "some/photos")
    done = inlaid("append", f"s3://{BUCKET}/some/photos", "--out", tmp_path / "out", "--json", exit_code=3)
    assert json.loads(done.stdout)["rows"] == 10
    inlaid("append", more.parent, "--out", tmp_path / "of-folder")
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder")
    for number in range(2000, 2010):
        client(store).delete_object(Bucket=BUCKET, Key=f"some/photos/ant/{number}.png")


def test_the_package_reads_from_stores(store, photos, tmp_path):
    summary = package.convert(f"s3://{BUCKET}/some/photos", tmp_path / "out", SIZE, progress=False)
    assert (summary["rows"], summary["rejects"]) == (1096, 2)


def test_killed_runs_are_resumed(inlaid, inlaid_path, faults, tmp_path):
    faults.fault = lambda before, environ, start: time.sleep(0.02 if get(environ) else 0)
    source, out = f"s3://{BUCKET}/photos", tmp_path / "out"
    command = ["convert", source, "--out", out, "--size", SIZE, *many_files(3 * SIZE**2), "--threads", 1]
    kills = 0
    for _ in range(3):
        with subprocess.Popen([inlaid_path, *map(str, command)], stderr=subprocess.DEVNULL) as run:
            seen = len(shards(out))
            while run.poll() is None and len(shards(out)) <= seen:
                time.sleep(0.002)
            kills += run.poll() is None
            run.kill()
    assert kills > 0
    faults.fault = None
    inlaid(*command)
    inlaid(*command[:3], tmp_path / "once", *command[4:])
    assert shards(out) == shards(tmp_path / "once")


@pytest.mark.skipif("INLAID_AZURITE" not in os.environ, reason="needs Azurite")
def test_rows_of_azure_are_those_of_the_folder(inlaid, use, photos, tmp_path):
    few = tmp_path / "few"
    for path in sorted(photos.rglob("*"))[::7]:
        if path.is_file() and not path.name.startswith("."):
            (few / path.relative_to(photos)).parent.mkdir(parents=True, exist_ok=True)
            (few / path.relative_to(photos)).write_bytes(path.read_bytes())
    with azurite(tmp_path) as endpoint:
        container = azure_client(endpoint).create_container("photos")
        for path in few.rglob("*.*"):
            container.upload_blob(f"a prefix/{path.relative_to(few)}", path.read_bytes())
        keys = {"AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY}
        use("", **keys, AZURE_STORAGE_ENDPOINT=endpoint, AZURE_ALLOW_HTTP="true")
        convert(inlaid, "az://photos/a prefix", tmp_path / "out")
        done = convert(inlaid, "az://nothing/a", tmp_path / "none", exit_code=1)
        assert "there is no such bucket" in done.stderr and AZURE_KEY not in done.stderr
    convert(inlaid, few, tmp_path / "of-folder")
    assert shards(tmp_path / "out") == shards(tmp_path / "of-folder") and len(shards(tmp_path / "out")) > 3


def test_rows_of_google_are_those_of_s3(inlaid, faults, use, tmp_path):
    """Its XML interface lists and reads as S3 does, so the same server answers."""
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "of-s3")
    account = {"gcs_base_url": faults.endpoint, "disable_oauth": True}
    account |= {"client_email": "", "private_key": "", "private_key_id": ""}
    (tmp_path / "account.json").write_text(json.dumps(account))
    use("", GOOGLE_SERVICE_ACCOUNT=str(tmp_path / "account.json"), GOOGLE_ALLOW_HTTP="true")
    convert(inlaid, f"gs://{BUCKET}/photos", tmp_path / "out")
    assert shards(tmp_path / "out") == shards(tmp_path / "of-s3")


# What stores do


def test_answers_that_are_lost_are_asked_for_again(inlaid, faults, tmp_path):
    """Every request fails once, of listings too."""
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "first")
    faults.seen.clear()
    faults.fault = lambda before, environ, start: answer(start, "503 Slow Down") if before == 0 else None
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out")
    assert shards(tmp_path / "out") == shards(tmp_path / "first") and not rejects(tmp_path / "out")


def test_bodies_that_break_off_are_asked_for_again(inlaid, faults, monkeypatch, tmp_path):
    monkeypatch.setenv("INLAID_RETRY_SECONDS", "4")
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "first")
    faults.seen.clear()

    def cut(before, environ, start):
        """Half of the body, once; always that of one photo."""
        if not get(environ) or before > 0 and not environ["PATH_INFO"].endswith("017.png"):
            return None
        answers = []
        whole = b"".join(faults.app(environ, lambda status, headers, *_: answers.append((status, headers))))
        start(*answers[0])
        return [whole[: len(whole) // 2]]

    faults.fault = cut
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", exit_code=3)
    assert rejects(tmp_path / "out") == {"017.png": "unreadable"}
    of = [pl.concat([pl.DataFrame(table) for table in package.open(tmp_path / name).values()]) for name in ("first", "out")]
    assert set(of[0]["sha256"]) - set(of[1]["sha256"]) and len(set(of[1]["sha256"])) == 199


def test_objects_that_change_or_go_are_rejects(inlaid, faults, tmp_path):
    """Between the listing and the reading."""

    def change(before, environ, start):
        if get(environ) and before == 0:
            path = environ["PATH_INFO"]
            if path.endswith("005.png"):
                client(faults.endpoint).put_object(Bucket=BUCKET, Key="photos/005.png", Body=png(999))
            if path.endswith("006.png"):
                client(faults.endpoint).delete_object(Bucket=BUCKET, Key="photos/006.png")
        return None

    faults.fault = change
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", exit_code=3)
    assert rejects(tmp_path / "out") == {"005.png": "changed", "006.png": "unreadable"}


def test_keys_that_expire_stop_a_run_that_can_be_resumed(inlaid, faults, tmp_path):
    """What can't be read since is no reject."""
    in_order = ("--order", "path", "--split", "train=1")
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "first", *in_order)

    def expire(before, environ, start):
        """From the photo 120 on."""
        if get(environ) and environ["PATH_INFO"].split("/")[-1] >= "120":
            return answer(start, "400 Bad Request", b"<Error><Code>ExpiredToken</Code></Error>")
        return None

    faults.fault = expire
    done = convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", *in_order, exit_code=1)
    assert "error: can't read `s3://bucket/photos`: the credentials have expired" in done.stderr
    assert 0 < len(shards(tmp_path / "out")) < len(shards(tmp_path / "first")) and not rejects(tmp_path / "out")
    for options in (("--split-by", "content"), ("--storage", "encoded")):
        convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "other", *options, exit_code=1)
        assert not rejects(tmp_path / "other")
    faults.fault = None
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", *in_order)
    assert shards(tmp_path / "out") == shards(tmp_path / "first")


def test_short_outages_reject_nothing(inlaid, faults, tmp_path):
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "first")
    begun = []

    def out(before, environ, start):
        """For four seconds from the tenth photo on."""
        begun.extend([time.monotonic()] * get(environ))
        is_out = len(begun) > 10 and time.monotonic() < begun[10] + 4
        return answer(start, "503 Slow Down") if is_out else None

    faults.fault = out
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out")
    assert shards(tmp_path / "out") == shards(tmp_path / "first")


def test_stores_that_are_gone_stop_a_run_that_can_be_resumed(inlaid, faults, monkeypatch, tmp_path):
    monkeypatch.setenv("INLAID_RETRY_SECONDS", "11")
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "first", "--order", "path", "--split", "train=1")

    def gone(before, environ, start):
        """From the photo 120 on; then listings too."""
        gone.is_gone |= get(environ) and environ["PATH_INFO"].split("/")[-1] >= "120"
        return answer(start, "500 Internal Server Error") if gone.is_gone else None

    gone.is_gone = False
    faults.fault = gone
    options = ("--order", "path", "--split", "train=1")
    done = convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", *options, exit_code=1)
    assert "error: can't read `s3://bucket/photos`: the store answers with status 500" in done.stderr
    assert not rejects(tmp_path / "out")
    faults.fault = None
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", *options)
    assert shards(tmp_path / "out") == shards(tmp_path / "first")
    monkeypatch.setenv("INLAID_RETRY_SECONDS", "soon")
    done = convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "none", exit_code=1)
    assert "`INLAID_RETRY_SECONDS` is a number of seconds" in done.stderr


def test_answers_that_can_not_be_read_are_rejects(inlaid, faults, tmp_path):
    def odd(before, environ, start):
        """Of one photo, without a length."""
        if not get(environ) or not environ["PATH_INFO"].endswith("017.png"):
            return None
        start("200 OK", [("ETag", "x"), ("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT"), ("Transfer-Encoding", "chunked")])
        return [b"5\r\nhello\r\n0\r\n\r\n"]

    faults.fault = odd
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", exit_code=3)
    assert rejects(tmp_path / "out") == {"017.png": "unreadable"}


def test_many_requests_are_in_flight(inlaid, faults, tmp_path):
    faults.fault = lambda before, environ, start: time.sleep(0.2 if get(environ) else 0)
    begin = time.monotonic()
    convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", "--threads", 1)
    # One after the other, 200 answers would take 40 seconds.
    assert faults.most_in_flight > 32 and time.monotonic() - begin < 20


def test_objects_beyond_the_memory_leave_room_for_others(inlaid, faults, tmp_path):
    """Nor do tables beyond a limit, or many folders, or keys that no path can be, stop more than they must."""
    s3 = client(faults.endpoint)
    large = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), np.uint8)).save(large, "PNG")
    for number in range(30):
        s3.put_object(Bucket=BUCKET, Key=f"large/{number}.png", Body=large.getvalue())
    s3.put_object(Bucket=BUCKET, Key="large/small.png", Body=png(1))
    convert(inlaid, f"s3://{BUCKET}/large", tmp_path / "out", "--memory", "1MiB", exit_code=3)
    assert set(rejects(tmp_path / "out").values()) == {"memory"} and len(rejects(tmp_path / "out")) == 30
    s3.put_object(Bucket=BUCKET, Key="photos/metadata.csv", Body=b"file_name\n" * 1000)
    done = convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "table", "--max-file-bytes", 5000, exit_code=1)
    assert "`s3://bucket/photos/metadata.csv`: the table has 10000 bytes, more than the 5000 allowed\nhint: raise" in done.stderr
    s3.put_object(Bucket=BUCKET, Key="odd//a.png", Body=png(1))
    done = convert(inlaid, f"s3://{BUCKET}/odd", tmp_path / "odd", exit_code=1)
    assert "the key `odd//` has empty parts" in done.stderr and "hint: rename the object" in done.stderr


def test_a_folder_for_every_image_is_listed_at_once(inlaid, faults, tmp_path):
    s3 = client(faults.endpoint)
    for number in range(1100):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number:04}/image.png", Body=png(number % 7))
    faults.seen.clear()
    convert(inlaid, f"s3://{BUCKET}/many", tmp_path / "out", "--folders", "none", "--dry-run")
    assert len(faults.seen) < 10


# Errors


@pytest.mark.parametrize(
    ("url", "others", "told", "hint"),
    [
        (f"s3://nowhere-{BUCKET}/x", {}, "there is no such bucket", "check its name"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "the store denies access: SignatureDoesNotMatch", "check the keys"),
        (f"s3://{BUCKET}/x", {"AWS_ACCESS_KEY_ID": "nobody"}, "the store denies access: InvalidAccessKeyId", "check the keys"),
        (f"s3://{BUCKET}/x", {"AWS_ALLOW_HTTP": "false"}, "the endpoint of the store begins with `http://`", "set AWS_ALLOW_HTTP"),
        (f"s3://{BUCKET}/x", {"AWS_ENDPOINT": "host:9000"}, "`AWS_ENDPOINT` is no URL of a host, such as", ""),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": SECRET + "\n"}, "`AWS_SECRET_ACCESS_KEY` holds a line break", ""),
        (f"s3://{KEY}:{SECRET}@{BUCKET}/x", {}, "keys and signatures are not taken from URLs", "put them into"),
        (f"az://{BUCKET}/x?sv=1&sig={SECRET}", {}, "keys and signatures are not taken from URLs", "put them into"),
        ("s3://", {}, "it is no URL of a bucket, such as `s3://bucket/photos`", "give a prefix in a bucket"),
        ("ftp://host/x", {}, "`ftp://` is not a store that is read: s3, gs, az, hf and https are", "give a prefix in a bucket"),
    ],
)
def test_errors_name_the_way_out_and_no_secret(inlaid, store, use, tmp_path, url, others, told, hint):
    use(store, **others)
    done = convert(inlaid, url, tmp_path / "out", exit_code=1)
    shown = "URL" if SECRET in url else url
    assert f"can't read `{shown}`: {told}" in done.stderr and (f"hint: {hint}" in done.stderr or not hint)
    assert SECRET not in done.stdout + done.stderr and "X-Amz" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_variables_that_are_no_settings_are_passed_over(inlaid_path, store, tmp_path):
    """Those of other tools, and those that are no texts."""
    others = {b"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": b"true", b"AWS_USE_FIPS_ENDPOINT": b"false", b"AWS_X": b"\xff\xfe"}
    others |= {b"GOOGLE_CREDENTIALS": b"{\n}\n", b"AZURE_X": b"a\nb", b"\xff": b"1", b"AWS_SESSION_TOKEN": b""}
    command = [inlaid_path, "convert", f"s3://{BUCKET}/some/photos", "--out", tmp_path / "out", "--size", "8", "--dry-run"]
    done = subprocess.run(command, env={**os.environb, **others}, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_urls_are_refused_where_a_disk_is_needed(inlaid, tmp_path):
    local = tmp_path / "local"
    local.mkdir()
    (local / "a.png").write_bytes(png(1))
    pl.DataFrame({"x": [[1, 2]]}, {"x": pl.Array(pl.UInt8, 2)}).write_parquet(local / "a.parquet")
    done = inlaid("repack", local, "--out", "s3://bucket/out", exit_code=1)
    assert "error: can't use `s3://bucket/out`: only datasets of images are written to object stores" in done.stderr
    options = ("--files-from", "s3://bucket/list")
    done = inlaid("convert", local, "--out", tmp_path / "out", "--size", SIZE, *options, exit_code=1)
    assert "`s3://bucket/list`: tables to repack and lists of files are read from disks only" in done.stderr
    done = inlaid("repack", "s3://bucket/x", "--out", tmp_path / "out", exit_code=1)
    assert "`s3://bucket/x`: tables to repack and lists of files are read from disks only" in done.stderr
    (tmp_path / "list").write_text("a.png\n")
    done = inlaid("convert", "s3://b/x", "--out", tmp_path / "out", "--size", 8, "--files-from", tmp_path / "list", exit_code=1)
    assert "a list of files names files on disks, not in object stores\nhint: leave out `--files-from`" in done.stderr
    assert not Path("s3:").exists() and not (tmp_path / "out").exists()


def package_of(out, **options):
    return package.convert(f"s3://{BUCKET}/some/photos", out, SIZE, progress=False, max_errors=2, **options)


def test_settings_of_the_package_go_before_those_of_the_environment(store, use, tmp_path):
    use("http://127.0.0.1:1", AWS_ACCESS_KEY_ID="nobody")
    own = {name.removeprefix("AWS_").lower(): value for name, value in settings(store).items()}
    own.pop("ec2_metadata_disabled")
    assert package_of(tmp_path / "out", storage_options=own)["rows"] == 1096
    with pytest.raises(package.InlaidError, match="denies access: SignatureDoesNotMatch") as caught:
        package_of(tmp_path / "wrong", storage_options=own | {"secret_access_key": "other-secret"})
    assert "other-secret" not in str(caught.value)
    with pytest.raises(package.SettingError, match="the store has no setting `sekret`") as caught:
        package_of(tmp_path / "wrong", storage_options={"sekret": "other-secret"})
    with pytest.raises(package.SettingError, match="storage_options is a mapping of names to texts") as caught:
        package_of(tmp_path / "wrong", storage_options={"secret_access_key": 5})
    with pytest.raises(package.SettingError, match="storage_options is for object stores"):
        package.convert(tmp_path, tmp_path / "wrong", SIZE, storage_options=own)
    assert package.verify(tmp_path / "out", f"s3://{BUCKET}/some/photos", storage_options=own)["problems"] == []
    with pytest.raises(package.NotFoundError, match="there is no such bucket"):
        package.convert("s3://nowhere-at-all/x", tmp_path / "wrong", SIZE, storage_options=own)


def test_settings_of_the_package_go_before_tokens_endpoints_and_profiles(store, use, tmp_path, monkeypatch):
    (tmp_path / "config").write_text("[default]\nregion = nowhere\nendpoint_url = http://127.0.0.1:1\n")
    others = {"AWS_SESSION_TOKEN": "of-other-keys", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    use(store, AWS_CONFIG_FILE=str(tmp_path / "config"), **others)
    own = {name.removeprefix("AWS_").lower(): value for name, value in settings(store).items()}
    own.pop("ec2_metadata_disabled")
    assert package_of(tmp_path / "out", storage_options=own)["rows"] == 1096


def profile(monkeypatch, tmp_path, use, store, config, credentials="", **others):
    """Files of AWS, and an environment without keys."""
    (tmp_path / "config").write_text(config)
    (tmp_path / "credentials").write_text(credentials)
    use(store, AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"), **others)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT", "AWS_REGION"):
        monkeypatch.delenv(name)


def test_profiles_give_keys_region_and_endpoint(inlaid, store, use, monkeypatch, tmp_path):
    config = f"[default]\nregion = x\n[profile lab]\nregion = us-east-1\nendpoint_url = {store}\n"
    keys = f"[default]\naws_access_key_id = no\n[lab]\naws_access_key_id = {KEY}\naws_secret_access_key={SECRET}\n"
    profile(monkeypatch, tmp_path, use, store, config, keys, AWS_PROFILE="lab")
    convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", exit_code=3)
    monkeypatch.setenv("AWS_PROFILE", "lob")
    done = convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "none", exit_code=1)
    assert "there is no profile `lob` in the files of AWS" in done.stderr


def test_without_keys_there_is_no_waiting(inlaid, store, use, monkeypatch, tmp_path):
    """Nor where a machine of AWS would give some."""
    profile(monkeypatch, tmp_path, use, store, "[default]\nregion = us-east-1\n")
    for disabled, endpoint in (("true", None), ("false", "http://127.0.0.1:1")):
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", disabled)
        if endpoint:
            monkeypatch.setenv("AWS_METADATA_ENDPOINT", endpoint)
        begin = time.monotonic()
        done = convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", exit_code=1)
        assert "no credentials are found\nhint: put the keys of the store into the environment, or" in done.stderr
        assert time.monotonic() - begin < 5


def test_programs_give_keys(inlaid, store, use, monkeypatch, tmp_path):
    printed = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": "2099-01-01T00:00:00Z"}
    script = tmp_path / "keys of program"
    script.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\ntest \"$1\" = 'an argument' && echo '{json.dumps(printed)}'\n")
    script.chmod(0o755)
    config = f"[profile lab]\nregion=us-east-1\nendpoint_url={store}\ncredential_process = '{script}' 'an argument'\n"
    profile(monkeypatch, tmp_path, use, store, config, AWS_PROFILE="lab")
    convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", exit_code=3)
    assert (tmp_path / "runs").read_text() == "run\n"
    (tmp_path / "config").write_text(config.replace("an argument", "another"))
    done = convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "none", exit_code=1)
    assert f"the credential_process `{script}` failed: exit status: 1" in done.stderr and SECRET not in done.stderr


def test_profiles_that_sign_in_have_a_way_out(inlaid, store, use, monkeypatch, tmp_path):
    profile(monkeypatch, tmp_path, use, store, "[profile lab]\nsso_session = x\nregion = us-east-1\n", AWS_PROFILE="lab")
    done = convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", exit_code=1)
    assert "the profile `lab` has no keys: it signs in, or takes a role" in done.stderr
    assert "hint: put into the environment what `aws configure export-credentials` prints" in done.stderr


def test_nothing_below_a_prefix_is_no_image(inlaid, store, tmp_path):
    done = convert(inlaid, f"s3://{BUCKET}/nothing", tmp_path / "out", exit_code=1)
    assert f"no images in `s3://{BUCKET}/nothing`" in done.stderr


def test_expired_credentials_are_told(inlaid, faults, tmp_path):
    body = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>" + SECRET.encode() + b"</Message></Error>"
    faults.fault = lambda before, environ, start: answer(start, "400 Bad Request", body)
    done = convert(inlaid, f"s3://{BUCKET}/photos", tmp_path / "out", exit_code=1)
    assert "the credentials have expired" in done.stderr and SECRET not in done.stderr
    assert "hint: get new credentials, and run the same command again" in done.stderr


def test_no_secret_is_written(inlaid, store, tmp_path):
    convert(inlaid, f"s3://{BUCKET}/some/photos", tmp_path / "out", exit_code=3)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert Path(tmp_path / "out/inlaid.json").exists()
