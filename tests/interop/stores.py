"""Object stores for tests, on loopback: SeaweedFS, and moto with faults."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import boto3
from botocore.config import Config

# A line for every request.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

KEY, SECRET = "test-key", "test-secret-never-shown"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def settings(endpoint):
    """Variables of the environment, of which nothing else is about a store."""
    return {
        "AWS_ENDPOINT": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(endpoint):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )


@contextmanager
def seaweed(folder):
    """The endpoint of a SeaweedFS server, which keeps its data in a folder."""
    identity = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
    identity["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    weed = Path(sys.executable).with_name("weed")
    ports = {name: free_port() for name in ("s3", "master", "volume", "filer")}
    grpc = [f"-{name}.port.grpc={free_port()}" for name in ports]
    command = [weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={config}", *grpc]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += ["-webdav=false", "-admin.ui=false", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    with open(folder / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as server:
        try:
            wait_for(lambda: client(endpoint).list_buckets(), server)
            yield endpoint
        finally:
            server.kill()


def wait_for(ready, server):
    end = time.monotonic() + 60
    while True:
        try:
            return ready()
        except Exception:
            if time.monotonic() > end or server.poll() is not None:
                raise
            time.sleep(0.1)


# The account of every Azurite.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def azurite(folder):
    """The endpoint of an Azurite server, which keeps its data in memory. `INLAID_AZURITE` names the program."""
    port = free_port()
    command = [os.environ["INLAID_AZURITE"], "--silent", "--inMemoryPersistence", "--disableTelemetry"]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--skipApiVersionCheck"]
    endpoint = f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"
    with open(folder / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as server:
        try:
            wait_for(lambda: list(azure_client(endpoint).list_containers()), server)
            yield endpoint
        finally:
            server.kill()


def azure_client(endpoint):
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient(endpoint, credential=AZURE_KEY, retry_total=0)


class Faults:
    """An S3 server whose answers `fault` may replace: it gets the number of earlier requests of the same method and
    path, the environment of the request, and a function that answers it."""

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.app = DomainDispatcherApplication(create_backend_app)
        self.fault = None
        self.seen = {}
        self.lock = threading.Lock()
        self.in_flight = self.most_in_flight = 0

    def __call__(self, environ, start_response):
        request = (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        with self.lock:
            before = self.seen[request] = self.seen.get(request, -1) + 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            fault = self.fault
            if fault is not None:
                answer = fault(before, environ, start_response)
                if answer is not None:
                    return answer
            return self.answer(environ, start_response)
        finally:
            with self.lock:
                self.in_flight -= 1

    def answer(self, environ, start_response):
        """What S3 answers. Of an upload that is not open, moto makes an error of its own."""
        try:
            return self.app(environ, start_response)
        except KeyError:
            assert "uploadId=" in environ.get("QUERY_STRING", "")
            body = b"<Error><Code>NoSuchUpload</Code></Error>"
            start_response("404 Not Found", [("Content-Length", str(len(body)))])
            return [body]


class Generations:
    """A fault that makes moto's server what Google's XML interface is besides: every object has a generation, and a
    condition of a write is about it."""

    def __init__(self, app):
        self.app = app
        self.of = {}
        self.last = 1000
        self.lock = threading.Lock()

    def __call__(self, before, environ, start_response):
        path, query, method = environ["PATH_INFO"], environ.get("QUERY_STRING", ""), environ["REQUEST_METHOD"]
        condition = environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH")
        # Who it is, in the words that moto reads.
        environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request, Signature=x"
        writes = method == "PUT" and "partNumber" not in query or method == "POST" and "uploadId" in query
        with self.lock:
            if condition is not None and int(condition) != self.of.get(path, 0):
                body = b"<Error><Code>PreconditionFailed</Code></Error>"
                start_response("412 Precondition Failed", [("Content-Length", str(len(body)))])
                return [body]

            def start(status, headers, exc_info=None):
                if status.startswith("20") and writes:
                    self.last += 1
                    self.of[path] = self.last
                if status.startswith("20") and method == "DELETE":
                    self.of.pop(path, None)
                if path in self.of:
                    headers = [*headers, ("x-goog-generation", str(self.of[path]))]
                return start_response(status, headers)

            return self.app(environ, start)


@contextmanager
def moto():
    """A server with faults, and its endpoint."""
    from werkzeug.serving import make_server

    faults = Faults()
    server = make_server("127.0.0.1", 0, faults, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield faults, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def upload(endpoint, bucket, folder, prefix):
    """Puts the files below a folder into a bucket."""
    s3 = client(endpoint)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder)}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "GOOGLE_"))}


class Web:
    """A web server of the files of a folder, which counts requests and can be told to misbehave."""

    def __init__(self, folder, ranges=True, lengths=True):
        self.folder, self.ranges, self.lengths = folder, ranges, lengths
        self.seen = []
        self.fault = None

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"].encode("latin-1").decode()
        self.seen.append((environ["REQUEST_METHOD"], path, environ.get("HTTP_RANGE"), environ.get("HTTP_AUTHORIZATION")))
        if self.fault is not None and (answer := self.fault(environ, start_response)) is not None:
            return answer
        return self.answer(path, environ, start_response)

    def answer(self, path, environ, start_response):
        file = self.folder / path.lstrip("/")
        if not file.is_file():
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        return self.send(file.read_bytes(), environ, start_response)

    def send(self, body, environ, start_response):
        headers = [("ETag", f'"{hash(body)}"'), ("Content-Type", "application/octet-stream")]
        asked = environ.get("HTTP_RANGE")
        if environ.get("HTTP_IF_MATCH", headers[0][1]) != headers[0][1]:
            start_response("412 Precondition Failed", [("Content-Length", "0")])
            return [b""]
        status = "200 OK"
        if asked and self.ranges:
            first, last = asked.removeprefix("bytes=").split("-")
            first, last = int(first), min(int(last), len(body) - 1)
            headers.append(("Content-Range", f"bytes {first}-{last}/{len(body)}"))
            body, status = body[first : last + 1], "206 Partial Content"
        if self.lengths:
            headers.append(("Content-Length", str(len(body))))
        start_response(status, headers)
        return [body]


class Hub(Web):
    """The Hub of Hugging Face: listings in pages of two, and files that it redirects to another server."""

    COMMIT = "0123456789abcdef0123456789abcdef01234567"
    DATASET = "owner/name"
    TOKEN = "hf_secret-never-shown"

    def __init__(self, folder, elsewhere, private=False):
        super().__init__(folder)
        self.elsewhere, self.private = elsewhere, private

    def answer(self, path, environ, start_response):
        if self.private and environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.TOKEN}":
            start_response("401 Unauthorized", [("Content-Length", "0"), ("X-Error-Code", "RepoNotFound")])
            return [b""]
        interface, files = f"/api/datasets/{self.DATASET}/", f"/datasets/{self.DATASET}/resolve/{self.COMMIT}/"
        if path in (f"{interface}revision/main", f"{interface}revision/{self.COMMIT}", f"{interface}revision/refs/pr/1"):
            return self.json({"sha": self.COMMIT, "id": self.DATASET}, [], start_response)
        if path.startswith(f"{interface}tree/{self.COMMIT}"):
            return self.tree(path.removeprefix(f"{interface}tree/{self.COMMIT}").lstrip("/"), environ, start_response)
        if path.startswith(files) and (self.folder / path.removeprefix(files)).is_file():
            place = f"{self.elsewhere}/{quote(path.removeprefix(files))}"
            start_response("302 Found", [("Location", place), ("Content-Length", "0")])
            return [b""]
        code = "RevisionNotFound" if path.startswith(f"{interface}revision/") else "EntryNotFound"
        start_response("404 Not Found", [("Content-Length", "0"), ("X-Error-Code", code)])
        return [b""]

    def tree(self, below, environ, start_response):
        query = dict(pair.split("=") for pair in environ.get("QUERY_STRING", "").split("&") if pair)
        folder = self.folder / below
        if not folder.is_dir():
            start_response("404 Not Found", [("Content-Length", "0"), ("X-Error-Code", "EntryNotFound")])
            return [b""]
        found = sorted(folder.rglob("*") if query.get("recursive") == "true" else folder.iterdir())
        at = int(query.get("cursor", "0"))
        entries = []
        for path in found[at : at + 2]:
            entry = {"path": str(path.relative_to(self.folder)), "oid": "0", "type": "directory", "size": 0}
            if path.is_file():
                entry |= {"type": "file", "size": path.stat().st_size}
            entries.append(entry)
        host, recursive = environ["HTTP_HOST"], query.get("recursive", "false")
        following = f"<http://{host}{quote(environ['PATH_INFO'])}?recursive={recursive}&cursor={at + 2}>; rel=\"next\""
        return self.json(entries, [("Link", following)] if at + 2 < len(found) else [], start_response)

    def json(self, told, headers, start_response):
        body = json.dumps(told).encode()
        start_response("200 OK", [("Content-Length", str(len(body))), *headers])
        return [body]


@contextmanager
def serve(app):
    """The endpoint of a server of this application."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
