"""Plans whose datasets are in an object store (SeaweedFS), worked on by many processes that die, repeat and come late."""

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import inlaid as package
import pytest

from conftest import many_files
from store_fixtures import BUCKET, SIZE, converted, in_store, lose_answers, on_disk, open_uploads
from stores import client

pytest_plugins = ["store_fixtures"]

OPTIONS = ("--size", SIZE, *many_files(3 * SIZE**2), "--quiet")


@pytest.fixture(scope="session")
def expected(inlaid, few, tmp_path_factory):
    """The files of one process."""
    out = tmp_path_factory.mktemp("scale") / "out"
    converted(inlaid, few[0], out)
    return on_disk(out)


def keywords():
    row = 3 * SIZE**2
    return {"size": SIZE, "row_group_bytes": 4 * row, "shard_bytes": 16 * row}


def run(inlaid_path, *arguments, **others):
    return subprocess.run([inlaid_path, *map(str, arguments)], capture_output=True, text=True, env=os.environ | others)


def left(prefix):
    """Names of what is left of runs."""
    return [name for name in in_store(os.environ["AWS_ENDPOINT_URL"], prefix) if name.startswith(".inlaid/runs")]


def test_objects_are_those_of_one_process(store, few, expected):
    plan = package.plan(few[0], f"s3://{BUCKET}/plan/a", **keywords())
    assert (plan.items, plan.missing()) == (4, [0, 1, 2, 3])
    with ThreadPoolExecutor(3) as pool:
        # Every item twice, some of them at once.
        done = list(pool.map(lambda item: package.work(plan.run, item), [*range(4), *range(4)]))
    assert sum(item["made"] for item in done) >= 4
    assert set(name.split("/")[0] for name in in_store(store, "plan/a")) == {".inlaid"}
    assert plan.missing() == [] and plan.commit()["rows"] == 39
    assert in_store(store, "plan/a") == expected
    assert open_uploads(store, "plan/a") == {}
    # Late.
    assert package.work(plan.run, 3)["made"] is False
    assert plan.commit()["committed"] is False and package.plan(few[0], f"s3://{BUCKET}/plan/a", **keywords()).committed
    assert in_store(store, "plan/a") == expected


def test_sources_in_the_store_are_read_by_what_the_plan_says(inlaid, store, photos, tmp_path):
    """1,101 objects with all kinds of names, without a listing by whoever works."""
    source, options = f"s3://{BUCKET}/some/photos", {"size": SIZE, "shard_bytes": "200KB", "row_group_bytes": "20KB"}
    package.convert(source, tmp_path / "out", progress=False, **options)
    summary = package.convert(source, f"s3://{BUCKET}/plan/objects", engine=map, progress=False, **options)
    assert summary["rows"] == 1096
    assert in_store(store, "plan/objects") == on_disk(tmp_path / "out")


@pytest.mark.parametrize("step", ["plan", "work", "commit"])
def test_killed_before_any_request(inlaid, inlaid_path, store, few, expected, step):
    """And then everything again, as a driver does that starts anew."""
    number, was_killed = 0, True
    while was_killed:
        number += 1
        prefix = f"killed plan/{step}{number}"
        place = f"s3://{BUCKET}/{prefix}"
        failpoint = {"INLAID_FAILPOINT": f"kill:{number}"}
        codes = []
        if step == "plan":
            codes.append(run(inlaid_path, "plan", few[0], "--out", place, *OPTIONS, **failpoint).returncode)
        plan = package.plan(few[0], place, **keywords())
        if step == "work":
            codes.append(run(inlaid_path, "work", plan.run, "--item", 2, **failpoint).returncode)
        if step == "commit":
            for item in plan.missing():
                package.work(plan.run, item)
            codes.append(run(inlaid_path, "commit", plan.run, **failpoint).returncode)
        assert codes[0] in (0, 3, -signal.SIGKILL)
        was_killed = codes[0] == -signal.SIGKILL
        plan = package.plan(few[0], place, **keywords())
        for item in plan.missing():
            package.work(plan.run, item)
        plan.commit()
        assert in_store(store, prefix) == expected, number
        # The upload that had been opened, but could not be told of.
        assert set(open_uploads(store, prefix).values()) <= {0}, number
    assert number > {"plan": 2, "work": 4, "commit": 9}[step]


def test_an_attempt_that_goes_on_after_the_commit_leaves_nothing(faults, few, expected):
    """Its first part is held back until everything is committed and cleaned up."""
    plan = package.plan(few[0], f"s3://{BUCKET}/late plan", **keywords())
    committed, held = threading.Event(), threading.Event()

    def hold(before, environ, start):
        if "partNumber=" in environ.get("QUERY_STRING", "") and not held.is_set():
            held.set()
            assert committed.wait(60)

    faults.fault = hold
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(package.work, plan.run, 1)
        assert held.wait(60)
        for item in plan.missing():
            package.work(plan.run, item)
        plan.commit()
        committed.set()
        assert late.result(60)["made"] is False
    assert in_store(faults.endpoint, "late plan") == expected
    assert open_uploads(faults.endpoint, "late plan") == {}


def test_every_answer_is_lost_once(faults, few, expected):
    lost = lose_answers(faults)
    package.convert(few[0], f"s3://{BUCKET}/lost plan", engine=map, progress=False, **keywords())
    assert in_store(faults.endpoint, "lost plan") == expected and len(lost) > 20


def test_places_with_other_objects_are_refused_before_any_work(store, few):
    client(store).put_object(Bucket=BUCKET, Key="plan/taken/notes.txt", Body=b"mine")
    with pytest.raises(package.ExistsError, match="is neither empty nor an inlaid dataset"):
        package.plan(few[0], f"s3://{BUCKET}/plan/taken", **keywords())
    assert list(in_store(store, "plan/taken")) == ["notes.txt"]


def test_uploads_that_the_store_has_dropped_are_made_again(store, few, expected):
    """As a rule of the bucket does after some days."""
    place, s3 = f"s3://{BUCKET}/plan/dropped", client(store)
    plan = package.plan(few[0], place, **keywords())
    for item in plan.missing():
        package.work(plan.run, item)
    gone = [f"plan/dropped/{name}" for name in ("train/train-00001.parquet", "test/test-00000.parquet")]
    for entry in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]:
        if entry["Key"] in gone:
            s3.abort_multipart_upload(Bucket=BUCKET, Key=entry["Key"], UploadId=entry["UploadId"])
    told = "the shards of 2 items are gone, so they are not done any more, the first is item 1"
    with pytest.raises(package.InlaidError, match=told):
        plan.commit()
    assert plan.missing() == [1, 3] and package.plan(few[0], place, **keywords()).missing() == [1, 3]
    for item in plan.missing():
        assert package.work(plan.run, item)["made"] is True
    plan.commit()
    assert in_store(store, "plan/dropped") == expected


def drop_upload(store, key):
    """Drops an open upload, as a rule of the bucket does after some days."""
    for entry in client(store).list_multipart_uploads(Bucket=BUCKET)["Uploads"]:
        if entry["Key"] == key:
            client(store).abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=entry["UploadId"])


@pytest.mark.parametrize("engine", [None, map])
def test_what_takes_the_place_of_a_plan_leaves_nothing_of_it(inlaid, store, few, tmp_path, engine):
    """One plan is half done; the commit of another could not be completed, so that some of its shards are in place."""
    prefix = f"plan/superseded {engine is None}"
    place, others = f"s3://{BUCKET}/{prefix}", keywords() | {"shard_bytes": 8 * 3 * SIZE**2, "split_by": "random"}
    package.work(package.plan(few[0], place, **keywords(), seed=1).run, 0)
    plan = package.plan(few[0], place, **keywords())
    for item in plan.missing():
        package.work(plan.run, item)
    drop_upload(store, f"{prefix}/train/train-00001.parquet")
    with pytest.raises(package.InlaidError, match="the shard of item 1 is gone"):
        plan.commit()
    assert "train/train-00000.parquet" in in_store(store, prefix)
    package.convert(few[0], place, engine=engine, progress=False, **others)
    package.convert(few[0], tmp_path / "out", progress=False, **others)
    assert in_store(store, prefix) == on_disk(tmp_path / "out")
    assert open_uploads(store, prefix) == {}
    inlaid("verify", place)


def test_keys_of_the_store_are_in_no_object(store, few, monkeypatch):
    place = f"s3://{BUCKET}/plan/secret"
    names = ("access_key_id", "secret_access_key")
    options = {name: os.environ[f"AWS_{name.upper()}"] for name in names}
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    plan = package.plan(few[0], place, storage_options=options, **keywords())
    package.work(plan.run, 0, storage_options=options)
    assert plan.missing() == [1, 2, 3]
    texts = in_store(store, "plan/secret")
    assert texts and not any(options["secret_access_key"].encode() in text for text in texts.values())
    assert options["secret_access_key"] not in repr(plan)
    summary = package.convert(few[0], place, storage_options=options, engine=map, progress=False, **keywords())
    assert summary["rows"] == 39
