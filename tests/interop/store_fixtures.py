"""Servers and photos for the tests of object stores, and what these tests do again and again."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from conftest import many_files
from stores import client, moto, seaweed, settings, upload

SIZE = 16
BUCKET = "bucket"


def png(number):
    pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """1,101 files: of two classes, with all kinds of names, a broken one, and some that are none."""
    folder = tmp_path_factory.mktemp("stores") / "photos"
    names = [f"{['ant', 'bee'][number % 2]}/{number:04}.png" for number in range(1090)]
    names += ["ant/a b.png", "ant/a+b.png", "ant/a%20b.png", "bee/ü/日本 é.png", "bee/'\"&<>.png", "ant/$(x)=;,@:.png"]
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    (folder / "ant/broken.png").write_bytes(b"no image")
    (folder / "ant/empty.png").touch()
    (folder / "notes.txt").write_text("none")
    (folder / "ant/.hidden.png").write_bytes(png(0))
    (folder / "bee/Thumbs.db").touch()
    return folder


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory, photos):
    """A server with the photos in a bucket."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint:
        client(endpoint).create_bucket(Bucket=BUCKET)
        upload(endpoint, BUCKET, photos, "some/photos")
        yield endpoint


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """Two folders of 40 and 12 photos, for a conversion and an append. A photo of each is broken."""
    folders = []
    for name, numbers in (("few", range(40)), ("more", range(40, 52))):
        folder = tmp_path_factory.mktemp("writing") / name
        for number in numbers:
            path = folder / ["ant", "bee"][number % 2] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number))
        path.write_bytes(b"no image")
        folders.append(folder)
    return folders


@pytest.fixture
def store(endpoint, use):
    use(endpoint)
    return endpoint


@pytest.fixture
def use(monkeypatch):
    """A function that makes an endpoint that of S3 for this process and those that it starts."""

    def run(endpoint, **others):
        for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
            monkeypatch.delenv(name)
        for name, value in (settings(endpoint) | others).items():
            monkeypatch.setenv(name, value)

    return run


@pytest.fixture
def faults(use):
    """A server of 200 small photos, whose answers tests replace."""
    with moto() as (server, endpoint):
        use(endpoint)
        client(endpoint).create_bucket(Bucket=BUCKET)
        for number in range(200):
            client(endpoint).put_object(Bucket=BUCKET, Key=f"photos/{number:03}.png", Body=png(number), ACL="public-read")
        server.endpoint = endpoint
        yield server


def convert(inlaid, source, out, *options, exit_code=0):
    options = ("--size", SIZE, *many_files(3 * SIZE**2), *options)
    return inlaid("convert", source, "--out", out, *options, exit_code=exit_code)


def on_disk(out):
    """The files of a dataset in a folder."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    del files[".inlaid/lock"]
    return files


def in_store(endpoint, prefix):
    """The objects of a dataset below a prefix."""
    s3, found = client(endpoint), {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/"):
        for entry in page.get("Contents", []):
            found[entry["Key"][len(prefix) + 1 :]] = s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
    return found


def open_uploads(endpoint, prefix):
    """Uploads below a prefix that are neither completed nor dropped, and numbers of their parts."""
    s3, found = client(endpoint), {}
    for entry in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        if entry["Key"].startswith(f"{prefix}/"):
            parts = s3.list_parts(Bucket=BUCKET, Key=entry["Key"], UploadId=entry["UploadId"]).get("Parts", [])
            found[entry["Key"][len(prefix) + 1 :]] = len(parts)
    return found


def converted(inlaid, source, out, *options, exit_code=3):
    return convert(inlaid, source, out, "--quiet", *options, exit_code=exit_code)


def shards(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/*.parquet"))}


def rejects(out):
    path = out / "rejects.jsonl"
    return {line["path"]: line["reason"] for line in map(json.loads, path.read_text().splitlines() if path.exists() else [])}


def get(environ):
    """Whether a request reads an object, not a listing."""
    return environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].count("/") > 1


def answer(start_response, status, body=b"", **headers):
    start_response(status, [("Content-Length", str(len(body))), *headers.items()])
    return [body]


def lose_answers(faults):
    """Has every answer to what is not a GET lost once, after it was carried out. Returns the requests that were."""
    lost = set()

    def lose(before, environ, start):
        request = (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        if environ["REQUEST_METHOD"] == "GET" or environ["PATH_INFO"].count("/") < 2 or request in lost:
            return None
        lost.add(request)
        b"".join(faults.app(environ, lambda *_: None))
        return answer(start, "503 Slow Down")

    faults.fault = lose
    return lost
