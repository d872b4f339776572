"""Plans that engines carry out: a plain map, processes on one folder, Ray and Spark. Tasks kill their process, raise,
run twice at once and come late; drivers die and start again. The dataset is that of one process every time."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import inlaid
import pyarrow.dataset as ds
import pytest

from store_fixtures import BUCKET, in_store, on_disk
from stores import KEY, SECRET

pytest_plugins = ["store_fixtures"]

KEYWORDS = {"size": 16, "row_group_bytes": 4 * 768, "shard_bytes": 16 * 768, "progress": False}
ITEMS = 69


@pytest.fixture(scope="session")
def expected(photos, tmp_path_factory):
    """The files of one process."""
    out = tmp_path_factory.mktemp("engines") / "out"
    inlaid.convert(photos, out, **KEYWORDS)
    return on_disk(out)


def planned(photos, out, **others):
    keywords = {**KEYWORDS, **others}
    del keywords["progress"]
    return inlaid.plan(photos, out, **keywords)


@pytest.fixture
def faulty(tmp_path):
    """`inlaid.work`, of whose first attempts at some items one kills its process, one raises, and one does all of its
    work before it raises."""
    marks, work = tmp_path / "marks", inlaid.work
    marks.mkdir()

    def run(place, item, **keywords):
        import os
        import signal

        kind = {5: "killed", 6: "raised", 7: "late"}.get(item)
        first = kind is not None and not (marks / kind).exists()
        if first:
            (marks / kind).touch()
        if first and kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if first and kind == "raised":
            raise OSError("a disk that fails for a moment")
        done = work(place, item, **keywords)
        if first:
            raise OSError("an answer that was lost")
        return done

    run.marks = marks
    return run


def of_one_process(out, expected):
    found = on_disk(out)
    rows = ds.dataset([out / name for name in found if name.endswith(".parquet")]).to_table(columns=["path"])
    assert rows.num_rows == len(set(rows["path"].to_pylist())) == 1096
    assert found == expected
    return True


def test_a_plain_map(photos, expected, tmp_path):
    told = []
    keywords = {**KEYWORDS, "progress": lambda *counts: told.append(counts)}
    summary = inlaid.convert(photos, tmp_path / "out", **keywords, engine=map)
    assert (summary["rows"], summary["rejects"], summary["committed"]) == (1096, 2, True)
    assert of_one_process(tmp_path / "out", expected)
    assert told[-1] == (1098, 1098, 2) and len(told) == ITEMS
    again = inlaid.convert(photos, tmp_path / "out", **KEYWORDS, engine=map)
    assert (again["rows"], again["unchanged"], again["committed"]) == (0, 1096, False)


def shuffled_work(arguments):
    run, seed = arguments
    items = list(range(ITEMS))
    random.Random(seed).shuffle(items)
    return [inlaid.work(run, item)["made"] for item in items]


def test_eight_processes_on_one_folder(photos, expected, tmp_path):
    """Each works on all items, in an order of its own."""
    plan = planned(photos, tmp_path / "out")
    assert plan.items == ITEMS
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        made = pool.map(shuffled_work, [(plan.run, seed) for seed in range(8)])
    assert ITEMS <= sum(map(sum, made)) < 2 * ITEMS
    plan.commit()
    assert of_one_process(tmp_path / "out", expected)


def test_an_engine_whose_calls_fail_goes_on_where_it_was(photos, expected, tmp_path):
    calls = []

    def flaky(function, items):
        for item in items:
            calls.append(item)
            if len(calls) == 9:
                raise RuntimeError("the cluster is gone")
            yield function(item)

    with pytest.raises(RuntimeError, match="the cluster is gone"):
        inlaid.convert(photos, tmp_path / "out", **KEYWORDS, engine=flaky)
    inlaid.convert(photos, tmp_path / "out", **KEYWORDS, engine=flaky)
    assert calls == [*range(9), *range(8, ITEMS)]
    assert of_one_process(tmp_path / "out", expected)


def test_rejects_stop_a_run_of_any_engine(photos, tmp_path):
    calls = []

    def each(function, items):
        for item in items:
            calls.append(item)
            yield function(item)

    with pytest.raises(inlaid.RejectedError, match="1 of 1098 inputs can't be used, and none is allowed"):
        inlaid.convert(photos, tmp_path / "out", **KEYWORDS, max_errors=0, engine=each)
    assert 0 < len(calls) < ITEMS


DRIVER = """
import inlaid, json, sys
source, out, keywords = json.loads(sys.argv[1])
inlaid.convert(source, out, **keywords, engine=map)
"""


def test_drivers_that_die_anywhere(photos, expected, tmp_path):
    """In the plan, in the work and in the commit: killed before some change to the disk, and started again."""
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((photos / "ant").glob("*.png"))[:60]:
        (few / path.name).write_bytes(path.read_bytes())
    inlaid.convert(few, tmp_path / "at-once", **KEYWORDS)
    step, code = 1, -signal.SIGKILL
    while code == -signal.SIGKILL:
        out = tmp_path / f"out{step}"
        arguments = [sys.executable, "-c", DRIVER, json.dumps([str(few), str(out), KEYWORDS])]
        code = subprocess.run(arguments, env=os.environ | {"INLAID_FAILPOINT": f"kill:{step}"}).returncode
        assert code in (0, -signal.SIGKILL)
        subprocess.run(arguments, check=True)
        assert on_disk(out) == on_disk(tmp_path / "at-once"), step
        assert os.listdir(out / ".inlaid") == ["lock"]
        step += 4
    assert step > 60


def test_of_two_drivers_both_succeed(photos, expected, tmp_path):
    arguments = [sys.executable, "-c", DRIVER, json.dumps([str(photos), str(tmp_path / "out"), KEYWORDS])]
    drivers = [subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(driver.wait(120), driver.stderr.read()) for driver in drivers]
    # The slower one may find the other committing.
    assert (0, "") in ends and all(code == 0 or "is being written by " in error for code, error in ends), ends
    assert of_one_process(tmp_path / "out", expected)


def test_keywords_of_plans(photos, tmp_path):
    with pytest.raises(inlaid.SettingError, match="plan has no keyword sise; it takes those of convert: antialias, "):
        inlaid.plan(photos, tmp_path / "out", 16, sise=3)
    with pytest.raises(inlaid.InlaidError, match="a plan can't replace a dataset"):
        inlaid.convert(photos, tmp_path / "out", **KEYWORDS, overwrite=True, engine=map)
    with pytest.raises(inlaid.SettingError, match="engine is .* or a function such as map, not 'dask'"):
        inlaid.convert(photos, tmp_path / "out", **KEYWORDS, engine="dask")
    with pytest.raises(inlaid.InlaidError, match=r"there is no plan\nhint: give the run that `inlaid.plan` printed"):
        inlaid.Plan(tmp_path)
    plan = planned(photos, tmp_path / "planned")
    opened = inlaid.Plan(plan.run)
    assert (opened.items, opened.inputs, opened.missing()) == (ITEMS, 1098, list(range(ITEMS)))
    with pytest.raises(inlaid.SettingError, match="call inlaid.plan again, with the arguments that it had"):
        opened.again()
    with pytest.raises(inlaid.InlaidError, match="69 of 69 items are not done, .*\nhint: work on them with `inlaid.work`"):
        plan.commit()


def keys(endpoint):
    found = {"access_key_id": KEY, "secret_access_key": SECRET, "endpoint": endpoint}
    return found | {"region": "us-east-1", "allow_http": "true"}


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", _node_ip_address="127.0.0.1")
    yield ray
    ray.shutdown()


def test_ray(cluster, photos, expected, tmp_path, faulty, monkeypatch):
    import inlaid.ray

    monkeypatch.setattr(inlaid.ray, "work", faulty)
    told = []
    summary = inlaid.ray.run(planned(photos, tmp_path / "out"), progress=lambda *counts: told.append(counts))
    assert {mark.name for mark in faulty.marks.iterdir()} == {"killed", "raised", "late"}
    assert summary["rows"] == 1096 and told[-1] == (1098, 1098, 2)
    assert of_one_process(tmp_path / "out", expected)


def test_ray_scans_contents_and_writes_to_a_store(cluster, store, photos, tmp_path):
    keywords = {**KEYWORDS, "split_by": "content"}
    inlaid.convert(photos, tmp_path / "out", **keywords)
    # Workers have the environment of when their cluster began.
    summary = inlaid.convert(photos, f"s3://{BUCKET}/ray", **keywords, storage_options=keys(store), engine="ray")
    assert summary["rows"] == 1096
    assert in_store(store, "ray") == on_disk(tmp_path / "out")


def test_ray_stops_when_too_many_are_rejected(cluster, photos, tmp_path):
    import inlaid.ray

    with pytest.raises(inlaid.RejectedError, match="^1 of 1098 inputs can't be used, and none is allowed"):
        inlaid.ray.run(planned(photos, tmp_path / "out", max_errors=0), progress=False)
    assert not (tmp_path / "out" / "inlaid.json").exists()


@pytest.fixture(scope="module")
def spark(request):
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("needs a Java runtime")
    # Before the session starts its processes; not that of the environment.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = sql.SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    session = builder.config("spark.log.level", "OFF").getOrCreate()
    yield session
    session.stop()


def test_spark(spark, photos, expected, tmp_path, faulty, monkeypatch):
    import inlaid.spark

    monkeypatch.setattr(inlaid.spark, "work", faulty)
    plan = planned(photos, tmp_path / "out")
    # An early stage, so that the items that are left have no simple numbers.
    for item in (0, 3, 30):
        inlaid.work(plan.run, item)
    told = []
    summary = inlaid.spark.run(plan, spark, progress=lambda *counts: told.append(counts))
    assert {mark.name for mark in faulty.marks.iterdir()} == {"killed", "raised", "late"}
    assert summary["rows"] == 1096 and len(told) == ITEMS
    assert of_one_process(tmp_path / "out", expected)


def test_spark_to_a_store_and_when_too_many_are_rejected(spark, store, photos, tmp_path, expected):
    inlaid.convert(photos, f"s3://{BUCKET}/spark", **KEYWORDS, storage_options=keys(store), engine="spark")
    assert in_store(store, "spark") == expected
    begin = time.monotonic()
    with pytest.raises(inlaid.RejectedError, match="and none is allowed"):
        inlaid.convert(photos, tmp_path / "out", **KEYWORDS, max_errors=0, engine="spark")
    assert time.monotonic() - begin < 120 and not (tmp_path / "out" / "inlaid.json").exists()


CONNECTED = """
import json, sys
import inlaid, inlaid.spark
from pyspark.sql import SparkSession
source, out, keywords = json.loads(sys.argv[1])
spark = SparkSession.builder.remote("local[2]").getOrCreate()
assert type(spark).__module__ == "pyspark.sql.connect.session"
del keywords["progress"]
inlaid.spark.run(inlaid.plan(source, out, **keywords), spark, progress=False)
spark.stop()
"""


@pytest.mark.skipif(shutil.which("java") is None, reason="needs a Java runtime")
def test_spark_connect(photos, expected, tmp_path):
    """In a process of its own, which has its server beside it."""
    pytest.importorskip("grpc_status")
    arguments = [sys.executable, "-c", CONNECTED, json.dumps([str(photos), str(tmp_path / "out"), KEYWORDS])]
    settings = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(arguments, env=os.environ | settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert of_one_process(tmp_path / "out", expected)
