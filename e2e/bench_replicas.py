"""Benchmarks of replicas over PostgreSQL, Redis and S3, against the embedded server of the same run.

The services are started for this run on free ports and share the machine with everything that is
measured, as does the load: figures are ratios wherever that is possible. PostgreSQL runs with its
own defaults, so a commit waits for the disk. What is not reached is printed as such.
"""

import base64
import concurrent.futures
import contextlib
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import pathlib
import platform
import pwd
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

from bench import KIB, LARGE, MIB, Origin, Process, Server, compare, free_port, get, pattern, processor_seconds_of, report
from bench import spread, summarised, watched, without_triggers, wrk

REPLICAS = 3
CLIENTS = 200
# What a client reads at once, and of what period the large object is.
BLOCK, PERIOD = 256 * KIB, MIB
SECONDS = 2
# Two servers differ by less than one round differs from the next: many short rounds decide, few
# long ones do not. Odd, so that a median is one of them.
PAIRS = 21
ROWS = 1_000_000
PAGES = 20
GARBAGE = 100_000
GARBAGE_IN_S3 = 2_000
# So often is a share of the garbage collected, by a server that has just been started.
COLLECTIONS = 5
# So many rounds before, during and after each. What is left then is collected while nobody asks.
IDLE_ROUNDS, COLLECTING_ROUNDS = 8, 30
PASSWORD = "benchmark"
ACCOUNT = "artifacts"


def unprivileged():
    """How to start a process that refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def until_it_answers(port):
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class Postgres(Process):
    """A private PostgreSQL with its own defaults."""

    # Does not wait for its clients.
    farewell = signal.SIGINT

    def __init__(self, programs, directory):
        self.programs, self.port = pathlib.Path(programs), free_port()
        directory.mkdir()
        password = directory / "password"
        password.write_text(PASSWORD)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
            os.chown(password, owner.pw_uid, owner.pw_gid)
        options = {"cwd": directory, **unprivileged()}
        subprocess.run(
            [self.programs / "initdb", "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--username", ACCOUNT,
             "--pwfile", password, "--pgdata", directory / "data"],
            check=True, stdout=subprocess.DEVNULL, **options,
        )
        super().__init__(
            self.programs / "postgres", "-D", directory / "data", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
            "-c", "unix_socket_directories=", **options,
        )
        until_it_answers(self.port)
        while self.child.poll() is None and self.psql("postgres", "SELECT 1", check=False).returncode != 0:
            time.sleep(0.05)

    def processor_seconds(self):
        """Of all its processes: those that ended are counted by their parent."""
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        return super().processor_seconds() + sum(processor_seconds_of(child) for child in children)

    def psql(self, database, sql, check=True):
        return subprocess.run(
            [self.programs / "psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
             "-U", ACCOUNT, "-d", database, "-f", "-"],
            input=sql, text=True, check=check, capture_output=True, env={**os.environ, "PGPASSWORD": PASSWORD},
        )


class Redis(Process):
    """A private Redis that keeps nothing."""

    def __init__(self, program, directory):
        self.port = free_port()
        directory.mkdir()
        super().__init__(program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory))
        until_it_answers(self.port)


class Minio(Process):
    """A private S3 store. A bucket is a directory of its drive, and an object is one of its bucket."""

    def __init__(self, program, directory):
        self.port, self.drive = free_port(), directory / "data"
        self.drive.mkdir(parents=True)
        super().__init__(
            program, "server", str(self.drive), "--certs-dir", str(directory / "certificates"), "--quiet",
            "--address", f"127.0.0.1:{self.port}", "--console-address", f"127.0.0.1:{free_port()}",
            env={**os.environ, "MINIO_ROOT_USER": ACCOUNT, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_UPDATE": "off"},
        )
        until_it_answers(self.port)
        while True:
            with contextlib.suppress(OSError):
                get(f"http://127.0.0.1:{self.port}/minio/health/ready")
                return
            time.sleep(0.05)

    def put(self, connection, bucket, key, body):
        """Stores an object with a signature of version 4."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": moment}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = f"PUT\n/{bucket}/{key}\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = f"AWS4{PASSWORD}".encode()
        for part in (*scope.split("/"), text):
            signature = hmac.digest(signature, part.encode(), "sha256")
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/{scope}, SignedHeaders={names}, Signature={signature.hex()}"
        )
        connection.request("PUT", f"/{bucket}/{key}", body, headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"the object store answers {response.status}")

    def blobs(self, bucket):
        """How many blobs the bucket holds."""
        directory = self.drive / bucket / "blobs" / "sha256"
        return sum(1 for _ in os.scandir(directory)) if directory.exists() else 0


class Services:
    """One of each, and deployments over them that do not see each other."""

    def __init__(self, programs, directory):
        self.postgres = Postgres(programs["postgres"], directory / "postgres")
        self.redis = Redis(programs["redis"], directory / "redis")
        self.minio = Minio(programs["minio"], directory / "minio")
        self.deployments = 0

    def processor_seconds(self):
        """What PostgreSQL and the object store have used."""
        return self.postgres.processor_seconds() + self.minio.processor_seconds()

    def deployment(self, with_redis=True):
        """The settings of replicas with an empty database and an empty bucket."""
        self.deployments += 1
        name = f"bench{self.deployments}"
        self.postgres.psql("postgres", f"CREATE DATABASE {name}")
        (self.minio.drive / name).mkdir()
        settings = {
            "SECRET_KEY": base64.b64encode(hashlib.sha256(name.encode()).digest()).decode(),
            "DBHOST": "127.0.0.1", "DBPORT": str(self.postgres.port), "DBUSER": ACCOUNT, "DBPASS": PASSWORD, "DBNAME": name,
            "MINIO_ENDPOINT": f"127.0.0.1:{self.minio.port}", "MINIO_ACCESS_KEY": ACCOUNT, "MINIO_SECRET_KEY": PASSWORD,
            "MINIO_BUCKET": name,
        }
        if with_redis:
            settings["REDIS_URL"] = f"redis://127.0.0.1:{self.redis.port}/{self.deployments % 16}"
        return settings


class Client:
    """A download of the large object that compares every byte with what it must be."""

    def __init__(self, port, path, expected):
        self.expected, self.head, self.length, self.is_right = expected, b"", 0, True
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        self.socket.setblocking(False)

    def read(self, buffer):
        """Reads what is there; whether there will be more."""
        try:
            count = self.socket.recv_into(buffer)
        except OSError:
            count = 0
        received = buffer[:count]
        if b"\r\n\r\n" not in self.head:
            self.head += bytes(received)
            head, end, rest = self.head.partition(b"\r\n\r\n")
            if not end:
                return count > 0
            self.head, received = head + end, rest
            self.is_right = head.startswith(b"HTTP/1.1 200 ")
        self.is_right = self.is_right and self.expected.startswith(received, self.length % PERIOD)
        self.length += len(received)
        return count > 0 and self.length < LARGE

    def is_complete(self):
        return self.is_right and self.length == LARGE


def download_at_once(port, path, count):
    """How many of `count` clients got everything. One process for many: what clients compute is
    taken from the servers."""
    expected, buffer = pattern(2 * PERIOD), memoryview(bytearray(BLOCK))
    clients = [Client(port, path, expected) for _ in range(count)]
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while selector.get_map():
            for key, _ in selector.select():
                if not key.data.read(buffer):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return sum(client.is_complete() for client in clients)


def crowd(binary, directory, services):
    print(f"\n{CLIENTS} clients on {REPLICAS} replicas, one uncached object of 256 MiB; every byte is compared")
    assert pattern(2 * PERIOD)[PERIOD:] == pattern(PERIOD)
    for name, with_redis, most in (("with Redis", True, 1), ("without Redis", False, REPLICAS)):
        origin, settings = Origin(), services.deployment(with_redis)
        replicas = [Server(binary, directory / f"crowd {name} {n}", settings) for n in range(REPLICAS)]
        for replica in replicas:
            replica.wait()
        replicas[0].remote("generic", origin)
        origin.files["/small"], origin.files["/large"] = b"small", pattern(LARGE)
        for replica in replicas:
            # Answers when the replica knows the new repository.
            replica.wait("/api/v1/remote/generic/small")
        # Long enough for all to be waiting when upstream's first byte comes.
        origin.delays["/large"] = 2
        shares = [CLIENTS // REPLICAS + (n < CLIENTS % REPLICAS) for n in range(REPLICAS)]
        pool = concurrent.futures.ProcessPoolExecutor(REPLICAS, multiprocessing.get_context("fork"))
        began = time.monotonic()
        with watched(replicas) as growths, pool:
            path = "/api/v1/remote/generic/large"
            shared = [pool.submit(download_at_once, replica.port, path, share) for replica, share in zip(replicas, shares)]
            complete = sum(share.result() for share in shared)
        took = time.monotonic() - began - origin.delays["/large"]
        gets = origin.counts["/large"]
        report(f"{name}: upstream GETs", str(gets), f"<= {most}", gets <= most)
        report(f"{name}: complete and right downloads", str(complete), f"== {CLIENTS}", complete == CLIENTS)
        shown = ", ".join(f"{growth / MIB:.1f}" for growth in growths)
        report(f"{name}: RSS growth of each replica", f"{shown} MiB", "< 128 MiB", max(growths) < 128 * MIB)
        print(f"               {took:.0f} s, {CLIENTS * LARGE / MIB / took:.0f} MiB/s to all clients")
        for replica in replicas:
            replica.stop()
            shutil.rmtree(directory / f"crowd {name} {replicas.index(replica)}")


def largest_file(data):
    return max((path.stat().st_size for path in data.rglob("*") if path.is_file()), default=0)


def warm(binary, directory, services):
    print(f"\nwarm, replicas against the embedded server, wrk -t2: medians of the ratios of {PAIRS} rounds of 1 s in "
          "turn, the middle half of them, and the same for another embedded server, which is what noise does")
    origin, settings = Origin(), services.deployment()
    embedded, same = Server(binary, directory / "embedded"), Server(binary, directory / "same")
    replica = Server(binary, directory / "tier", settings)
    bare = Server(binary, directory / "no tier", {**settings, "DISK_TIER_QUOTA": "0"})
    for server in (embedded, same, replica, bare):
        server.wait()
    for server in (embedded, same, replica):
        server.remote("generic", origin)
    sizes = {"2k": 2 * KIB, "200k": 200 * KIB, "1m": MIB, "200m": 200 * MIB}
    for name, length in sizes.items():
        origin.files[f"/{name}"] = pattern(length)
        path = f"/api/v1/remote/generic/{name}"
        # Answers when the replica knows the new repository.
        for server in (replica, bare):
            server.wait(path)
        for server in (embedded, replica, bare, same) * 3:
            assert len(get(server.url + path)) == length
    assert largest_file(directory / "tier") == 200 * MIB
    for name, connections, figure in (("2k", 64, RATE), ("200k", 64, VOLUME), ("200m", 4, VOLUME)):
        rounds = in_turn((replica, embedded, same), f"/api/v1/remote/generic/{name}", connections)
        # A long body leaves too few requests in a second for a percentile of them.
        figures = [(figure, 0.95, at_least), (PROCESSOR_TIME, 1.05, at_most)] + [(P99, 1.05, at_most)] * (name != "200m")
        for each in figures:
            report_ratio(f"{name}, disk tier warm", rounds, *each)
    # Without a tier, and too large for the one in memory: each answer comes from the object store,
    # which has to work for it on the same cores.
    for name, connections in (("1m", 16), ("200m", 4)):
        rounds = in_turn((bare, embedded, same), f"/api/v1/remote/generic/{name}", connections)
        report_ratio(f"{name}, in S3 alone", rounds, VOLUME, 1 / 3, at_least)
    assert largest_file(directory / "no tier") < MIB
    for server in (embedded, same, replica, bare):
        server.stop()


# What a round measures: the name, the unit, and what the printed number is multiplied with.
RATE, VOLUME, P99, PROCESSOR_TIME = (
    ("", "requests/s", 1), ("", "MiB/s", 1 / MIB), ("p99", "ms", 1e3), ("processor time", "us/request", 1e6)
)
at_least = (">=", lambda ratio, target: ratio >= target)
at_most = ("<=", lambda ratio, target: ratio <= target)


def in_turn(servers, path, connections):
    """Per round the measurements of each server. Who goes first changes with every round."""
    rounds = []
    for turn in range(PAIRS):
        first = turn % len(servers)
        order = servers[first:] + servers[:first]
        measured = {server: measured_once(server, path, connections) for server in order}
        rounds.append([measured[server] for server in servers])
    return rounds


def measured_once(server, path, connections):
    """The processor time is the server's own: other load on the machine changes it far less than
    what a client sees."""
    before = server.processor_seconds()
    rate, volume, p99 = wrk(server.url + path, connections, seconds=1)
    return {RATE: rate, VOLUME: volume, P99: p99, PROCESSOR_TIME: (server.processor_seconds() - before) / rate}


def report_ratio(name, rounds, figure, target, comparison):
    """Judges the first server against the second; the third against the second is the control."""
    title, unit, scale = figure
    ours, theirs = (statistics.median(measured[server][figure] for measured in rounds) * scale for server in (0, 1))
    ratios, control = (sorted(measured[server][figure] / measured[1][figure] for measured in rounds) for server in (0, 2))
    sign, is_reached = comparison
    ratio = statistics.median(ratios)
    report(f"{f'{name} {title}'.strip()}: {ours:.4g} / {theirs:.4g} {unit}", f"{ratio:.2f}x {middle_half(ratios)}",
           f"{sign} {target:.2f}x, control {statistics.median(control):.2f}x {middle_half(control)}", is_reached(ratio, target))


def middle_half(ratios):
    return spread(ratios[len(ratios) // 4 : len(ratios) - len(ratios) // 4])


def made_rows(hashed, formatted):
    """SQL that makes rows from a table `number (n)`: ten folders of a hundred folders of a thousand."""
    now = int(time.time() * 1000)
    path = formatted("part%d/package%02d/file%05d.bin", "n % 10", "n / 10 % 100", "n / 1000")
    return f"""
INSERT INTO blob (sha256, size, created_at) SELECT {hashed}, 1000, {now} FROM number ORDER BY 1;
INSERT INTO artifact (repository, path, variant, sha256, size, class, checksums, fetched_at, validated_at, generation)
SELECT (SELECT min(id) FROM repository), {path}, '', {hashed}, 1000, 'immutable', '[]', {now}, {now}, 1
FROM number ORDER BY 2;"""


def fill_sqlite(data):
    with without_triggers(data) as database:
        database.create_function("sha256", 1, lambda n: hashlib.sha256(str(n).encode()).digest(), deterministic=True)
        database.execute(f"""CREATE TEMP TABLE number AS
            WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < {ROWS})
            SELECT n, sha256(n) AS hash FROM counter""")
        formatted = lambda form, *values: f"printf('{form}', {', '.join(values)})"
        for statement in made_rows("hash", formatted).split(";"):
            database.execute(statement)
        database.execute(f"UPDATE storage_usage SET blobs = blobs + {ROWS}, bytes = bytes + {ROWS * 1000}")
        database.execute(f"UPDATE repository_usage SET objects = objects + {ROWS}, logical_bytes = logical_bytes + {ROWS * 1000}")


def fill_postgres(postgres, database):
    """Without triggers, which count row by row; then as a database that has been in use is: analysed
    and vacuumed."""
    padded = lambda form, *values: (
        f"'part' || {values[0]} || '/package' || lpad(({values[1]})::text, 2, '0') "
        f"|| '/file' || lpad(({values[2]})::text, 5, '0') || '.bin'"
    )
    postgres.psql(database, f"""
SET session_replication_role = replica;
CREATE TEMP TABLE number AS SELECT n, sha256(n::text::bytea) AS hash FROM generate_series(0, {ROWS - 1}) AS n;
{made_rows("hash", padded)}
INSERT INTO storage_usage VALUES (31, {ROWS}, {ROWS * 1000})
ON CONFLICT (slot) DO UPDATE SET blobs = storage_usage.blobs + {ROWS}, bytes = storage_usage.bytes + {ROWS * 1000};
INSERT INTO repository_usage SELECT min(id), 31, {ROWS}, {ROWS * 1000} FROM repository
ON CONFLICT (repository, slot) DO UPDATE
SET objects = repository_usage.objects + {ROWS}, logical_bytes = repository_usage.logical_bytes + {ROWS * 1000};
VACUUM ANALYZE artifact; VACUUM ANALYZE blob;""")


def scale(binary, directory, services):
    print(f"\n{ROWS} rows: start, warm hits, listings")
    crowded = services.deployment()
    cases = [
        ("SQLite", {}, {}, lambda data: fill_sqlite(data)),
        ("PostgreSQL", crowded, services.deployment(), lambda _: fill_postgres(services.postgres, crowded["DBNAME"])),
    ]
    for name, settings, empty_settings, fill in cases:
        origin, data = Origin(), directory / f"scale {name}"
        origin.files["/one"] = b"one"
        server = Server(binary, data, settings)
        server.wait()
        server.remote("generic", origin)
        get(f"{server.url}/api/v1/remote/generic/one")
        server.stop()
        began = time.monotonic()
        fill(data)
        print(f"               {name}: {ROWS} rows made in {time.monotonic() - began:.0f} s")
        starts = []
        for _ in range(3):
            server.stop()
            server = Server(binary, data, settings)
            server.wait()
            starts.append(time.monotonic() - server.began)
        report(f"{name}: start until ready, slowest of 3", f"{max(starts) * 1e3:.0f} ms", "< 1000 ms", max(starts) < 1)
        empty = Server(binary, directory / f"empty {name}", empty_settings)
        empty.wait()
        empty.remote("generic", origin)
        path = "/api/v1/remote/generic/one"
        for one in (server, empty):
            one.wait(path)
        us, them, ratios = compare(server.url + path, empty.url + path, 64, SECONDS)[2]
        ratio = statistics.median(ratios)
        report(f"{name}: warm p99, full {us * 1e3:.2f} ms / empty {them * 1e3:.2f} ms", f"{ratio:.2f}x {spread(ratios)}",
               "<= 1.1x", ratio <= 1.1)
        empty.stop()
        list_pages(name, f"{server.url}/api/v2/remotes/generic/objects?limit=100")
        assert origin.counts["/one"] <= 2
        server.stop()
        shutil.rmtree(data)


def list_pages(name, url):
    deep = json.loads(get(f"{url}&prefix=part9/package97/"))["next_cursor"]
    pages = [("the first 100 objects", "", 100), ("100 objects behind a deep cursor", f"&cursor={deep}", 100),
             ("100 folders of 1000 objects", "&delimiter=/&prefix=part5/", 100), ("10 folders of 100000 objects", "&delimiter=/", 11)]
    for title, query, entries in pages:
        times = []
        for _ in range(PAGES):
            began = time.monotonic()
            page = json.loads(get(url + query))
            times.append(time.monotonic() - began)
            assert len(page["items"]) + len(page["prefixes"]) == entries, (title, len(page["items"]), len(page["prefixes"]))
        median, worst = statistics.median(times), max(times)
        report(f"{name}: {title}", f"{median * 1e3:.1f} ms, worst {worst * 1e3:.1f} ms", "< 100 ms", worst < 0.1)


def litter_embedded(data, numbers):
    """Blobs of a few bytes that nothing refers to."""
    root = data / "blobs" / "sha256"
    entries = []
    for n in numbers:
        body = f"garbage {n}".encode()
        name = hashlib.sha256(body).hexdigest()
        folder = root / name[:2] / name[2:4]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
        entries.append((bytes.fromhex(name), len(body)))
    now = int(time.time() * 1000)
    with without_triggers(data) as database:
        database.executemany(f"INSERT INTO blob (sha256, size, created_at) VALUES (?, ?, {now})", entries)
        database.executemany(f"INSERT INTO gc_queue (sha256, changed_at) VALUES (?, {now})", [entry[:1] for entry in entries])
        size = sum(size for _, size in entries)
        database.execute(f"UPDATE storage_usage SET blobs = blobs + {len(entries)}, bytes = bytes + {size}")


def litter_s3(services, settings, numbers):
    """The same in the object store; the database makes the entries and queues them itself."""
    bucket = settings["MINIO_BUCKET"]

    def store(start):
        connection = http.client.HTTPConnection("127.0.0.1", services.minio.port)
        for n in numbers[start::8]:
            body = f"garbage {n}".encode()
            services.minio.put(connection, bucket, f"blobs/sha256/{hashlib.sha256(body).hexdigest()}", body)
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(store, range(8)))
    services.postgres.psql(settings["DBNAME"], f"""
INSERT INTO blob (sha256, size) SELECT sha256(body::bytea), length(body)
FROM (SELECT 'garbage ' || n AS body FROM generate_series({numbers.start}, {numbers.stop - 1}) AS n) AS made;""")


def garbage(binary, directory, services):
    print(f"\ncollecting garbage while serving 2k files, in {COLLECTIONS} parts; wrk -t1 -c2 in rounds of 1 s: with more, "
          "the slowest requests wait for each other, and equal rounds differ twofold")
    settings, data = services.deployment(), directory / "garbage embedded"
    in_files = lambda: sum(len(files) for _, _, files in os.walk(data / "blobs" / "sha256"))
    in_bucket = lambda: services.minio.blobs(settings["MINIO_BUCKET"])
    cases = [
        ("files", {}, data, GARBAGE, lambda numbers: litter_embedded(data, numbers), in_files),
        ("PostgreSQL, S3", settings, directory / "garbage replica", GARBAGE_IN_S3,
         lambda numbers: litter_s3(services, settings, numbers), in_bucket),
    ]
    for name, chosen, data_directory, count, litter, stored in cases:
        origin, path = Origin(), "/api/v1/remote/generic/2k"
        origin.files["/2k"] = pattern(2 * KIB)
        on_request = {"GC_INTERVAL": "0s", "GC_REVIEW_DELAY": "0s", "GC_DELETE_DELAY": "0s", "GC_SHARE_LIMIT": "100"}
        server = Server(binary, data_directory, {**chosen, **on_request})
        server.wait()
        server.remote("generic", origin)
        server.wait(path)
        parts, share = [], count // COLLECTIONS
        for first in range(0, count, share):
            server.stop()
            litter(range(first, first + share))
            assert stored() == share + 1, stored()
            server = Server(binary, data_directory, {**chosen, **on_request})
            server.wait(path)
            parts.append(collect_while_serving(server, server.url + path, services))
        report_collections(name, parts, count)
        left = stored()
        report(f"{name}: blobs left, of which one is in use", str(left), "== 1", left == 1)
        server.stop()
        litter(range(share))
        server = Server(binary, data_directory, {**chosen, **on_request})
        server.wait()
        began = time.monotonic()
        run = collect(server)
        print(f"               {share} blobs while nobody asks for anything: {time.monotonic() - began:.1f} s")
        assert run["deleted"]["blobs"] == share, run
        server.stop()


def collect(server):
    request = urllib.request.Request(f"{server.url}/api/v2/gc/run?confirm=true", b"")
    return json.loads(urllib.request.urlopen(request).read())


def collect_while_serving(server, url, services):
    """Medians of rounds before, during and after a collection, and what it took."""
    measure = lambda: wrk(url, 2, seconds=1, threads=1)
    measure()
    before = [measure() for _ in range(IDLE_ROUNDS)]
    outcome = {}

    def run():
        began, busy = time.monotonic(), services.processor_seconds()
        outcome["deleted"] = collect(server)["deleted"]["blobs"]
        outcome["seconds"] = time.monotonic() - began
        outcome["services"] = services.processor_seconds() - busy

    collection = threading.Thread(target=run)
    collection.start()
    during = []
    while collection.is_alive() and len(during) < COLLECTING_ROUNDS:
        during.append(measure())
    if not collection.is_alive():
        # The last round may have ended after the collection did.
        during = during[:-1] or during
    collection.join()
    after = [measure() for _ in range(IDLE_ROUNDS)]
    median = lambda rounds: [statistics.median(figures) for figures in zip(*rounds)]
    return {**outcome, "rounds": len(during), "idle": median(before + after), "busy": median(during),
            "before": median(before), "after": median(after)}


def report_collections(name, parts, count):
    ratios = lambda one, other, figure: sorted(part[one][figure] / part[other][figure] for part in parts)
    p99s = ratios("busy", "idle", 2)
    spans = ", ".join(
        f"{min(part[kind][2] for part in parts) * 1e3:.2f}..{max(part[kind][2] for part in parts) * 1e3:.2f} ms"
        for kind in ("busy", "idle")
    )
    ratio, rounds = statistics.median(p99s), sum(part["rounds"] for part in parts)
    report(f"{name}: p99 while collecting / idle ({spans})", f"{ratio:.2f}x {spread(p99s)}", "<= 1.20x", ratio <= 1.2)
    rates, noise = ratios("busy", "idle", 0), ratios("after", "before", 2)
    seconds, services = (sum(part[what] for part in parts) for what in ("seconds", "services"))
    print(f"               requests/s while collecting / idle: {statistics.median(rates):.2f}x {spread(rates)}; "
          f"p99 idle after / idle before, which is noise: {statistics.median(noise):.2f}x {spread(noise)}")
    print(f"               {rounds} rounds while collecting; PostgreSQL and the object store used "
          f"{services / seconds * 100:.0f} % of a core")
    deleted = sum(part["deleted"] for part in parts)
    report(f"{name}: deleted in {seconds:.0f} s", f"{deleted} blobs", f"== {count}", deleted == count)


def main():
    binary = os.path.abspath(sys.argv[1])
    programs = dict(argument.split("=", 1) for argument in sys.argv[2:])
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, load average {os.getloadavg()[0]:.1f} at the start")
    with summarised() as directory:
        services = Services(programs, directory)
        for part in (crowd, warm, scale, garbage):
            began = time.monotonic()
            part(binary, directory, services)
            print(f"               this part took {time.monotonic() - began:.0f} s, load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
