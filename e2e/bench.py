"""Benchmarks of the release binary, printed as ratios measured in one run on this machine.

The peer is nginx with proxy_cache, started from a generated configuration on a free port, before
the same origin. Rounds alternate between the two, medians are compared, and a figure that is not
reached is printed as such: this program judges, it does not fail.
"""

import concurrent.futures
import contextlib
import hashlib
import http.client
import http.server
import json
import multiprocessing
import os
import pathlib
import platform
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

KIB, MIB = 1024, 1024 * 1024
ROUNDS = 5
SECONDS = 3
LARGE = 256 * MIB
CACHED_OBJECTS = 100_000
VERSIONS = 5000

results = []


def report(name, value, target, reached):
    """Prints one figure and keeps it for the summary."""
    results.append(reached)
    print(f"  {'reached    ' if reached else 'NOT reached'}  {name:<52} {value:<28} target {target}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pattern(length):
    """Bytes that do not compress and are the same in every run."""
    block = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(32768))
    return (block * (length // len(block) + 1))[:length]


class Origin:
    """An upstream that counts requests and notes when it sent the first byte of a body. With a pace, in
    bytes per second, it sends no body faster."""

    def __init__(self, pace=None):
        self.files, self.counts, self.first_byte, self.delays = {}, {}, {}, {}
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = origin.files.get(self.path)
                origin.counts[self.path] = origin.counts.get(self.path, 0) + 1
                if body is None:
                    self.send_error(404)
                    return
                time.sleep(origin.delays.get(self.path, 0))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/json" if self.path.endswith("big") else "application/octet-stream")
                self.end_headers()
                began = origin.first_byte[self.path] = time.monotonic()
                view = memoryview(body)
                for start in range(0, len(body), 256 * KIB):
                    if pace:
                        time.sleep(max(0, began + start / pace - time.monotonic()))
                    self.wfile.write(view[start : start + 256 * KIB])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def processor_seconds_of(process):
    """What a process has used, with those of its children that ended; nothing once it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


class Process:
    """A child that is stopped by its id."""

    farewell = signal.SIGTERM
    started = []

    def __init__(self, *command, **options):
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        Process.started.append(self)

    def rss(self):
        text = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * KIB

    def processor_seconds(self):
        return processor_seconds_of(self.child.pid)

    def stop(self):
        if self.child.poll() is not None:
            return
        self.child.send_signal(self.farewell)
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Server(Process):
    """The server under test, with its access log off as nginx's is."""

    def __init__(self, binary, data, settings=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            **os.environ,
            "LISTEN_ADDR": f"127.0.0.1:{self.port}",
            "DATA_DIR": str(data),
            "LOG_LEVEL": "warn",
            **(settings or {}),
        }
        self.began = time.monotonic()
        super().__init__(binary, env=environment)

    def wait(self, path="/readyz"):
        while True:
            try:
                return get(self.url + path)
            except OSError:
                time.sleep(0.002)

    def remote(self, package_type, origin):
        document = json.dumps({"name": package_type, "package_type": package_type, "base_url": origin.url + "/"})
        urllib.request.urlopen(urllib.request.Request(self.url + "/api/v2/remotes", document.encode())).read()
        return f"{self.url}/api/v1/remote/{package_type}"


class Nginx(Process):
    """nginx with a cache on disk before `origin`."""

    def __init__(self, directory, origin):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        directory.mkdir()
        directory.chmod(0o777)
        temporary = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        configuration = directory / "nginx.conf"
        configuration.write_text(f"""
daemon off; worker_processes {os.cpu_count()}; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; {temporary}
  proxy_cache_path {directory}/cache keys_zone=cache:16m max_size=8g;
  server {{ listen 127.0.0.1:{self.port};
    location / {{ proxy_pass {origin.url}; proxy_cache cache; proxy_cache_valid 200 1d; proxy_http_version 1.1; }} }}
}}""")
        super().__init__("nginx", "-p", str(directory), "-c", str(configuration))
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)


def get(url, headers=None):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})).read()


UNITS = {"B": 1, "KB": KIB, "MB": MIB, "GB": 1024 * MIB, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def quantity(text):
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(number) * UNITS[unit]


def wrk(url, connections, headers=(), seconds=SECONDS, threads=2):
    """Requests per second, bytes per second and the 99th percentile of one round."""
    options = [option for header in headers for option in ("-H", header)]
    output = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", *options, url],
        capture_output=True, text=True, check=True,
    ).stdout
    # Errors are fast: counted as answers they would look like throughput.
    if failures := re.search(r"Socket errors.*|Non-2xx.*", output):
        raise RuntimeError(f"{url}: {failures[0]}")
    field = lambda expression: re.search(expression, output)[1]
    return (
        float(field(r"Requests/sec:\s+(\S+)")),
        quantity(field(r"Transfer/sec:\s+(\S+)")),
        quantity(field(r"(?m)^\s+99%\s+(\S+)")),
    )


def compare(ours, theirs, connections, seconds=SECONDS):
    """Per figure: our median, theirs, and the sorted ratios of the rounds. Who goes first alternates."""
    rounds = []
    for turn in range(ROUNDS):
        order = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
        measured = {url: wrk(url, connections, seconds=seconds) for url in order}
        rounds.append((measured[ours], measured[theirs]))
    return [
        (statistics.median(us[index] for us, _ in rounds), statistics.median(them[index] for _, them in rounds),
         sorted(us[index] / them[index] for us, them in rounds))
        for index in range(3)
    ]


def spread(ratios):
    return f"({ratios[0]:.2f}..{ratios[-1]:.2f})"


def against_nginx(binary, directory, origin):
    print("\nwarm, against nginx proxy_cache (sendfile, access log off on both), "
          f"wrk -t2, medians of {ROUNDS} alternating rounds of {SECONDS} s")
    server, nginx = Server(binary, directory / "warm"), Nginx(directory / "nginx", origin)
    server.wait()
    base = server.remote("generic", origin)
    cases = [("2k", 2 * KIB, 64, 0, "requests/s", 1.2), ("200k", 200 * KIB, 64, 1, "bytes/s", 1.0),
             ("200m", 200 * MIB, 4, 1, "bytes/s", 1.1)]
    for name, length, connections, index, unit, target in cases:
        origin.files[f"/{name}"] = pattern(length)
        for url in (f"{base}/{name}", f"{nginx.url}/{name}"):
            for _ in range(3):
                assert len(get(url)) == length
        measured = compare(f"{base}/{name}", f"{nginx.url}/{name}", connections)
        us, them, ratios = measured[index]
        shown = (f"{us / 1000:.1f}k" if index == 0 else f"{us / MIB:.0f} MiB/s",
                 f"{them / 1000:.1f}k" if index == 0 else f"{them / MIB:.0f} MiB/s")
        ratio = statistics.median(ratios)
        report(f"{name} {unit}: {shown[0]} / {shown[1]}", f"{ratio:.2f}x {spread(ratios)}", f">= {target}x", ratio >= target)
        us, them, ratios = measured[2]
        ratio = statistics.median(ratios)
        report(f"{name} p99: {us * 1e3:.2f} ms / {them * 1e3:.2f} ms", f"{ratio:.2f}x {spread(ratios)}",
               "<= 1.0x", ratio <= 1)
    print(f"               RSS after this load: {server.rss() / MIB:.1f} MiB")
    server.stop()
    nginx.stop()


@contextlib.contextmanager
def watched(processes):
    """By how much the memory of each grew at most within the block."""
    before = [process.rss() for process in processes]
    growths = [0] * len(processes)
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            for index, process in enumerate(processes):
                growths[index] = max(growths[index], process.rss() - before[index])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growths
    finally:
        done.set()
        watcher.join()


def join_crowd(barrier):
    """What each client process of the crowd begins with."""
    global everybody_has_begun
    everybody_has_begun = barrier


def download(port, path, expected):
    """When the first byte came, how many there were and whether they are right. Reads on only when
    everybody has a first byte: fifty clients that compute digests on these cores would measure each
    other and not the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    response = connection.getresponse()
    digest, first, length = hashlib.md5(), None, 0
    while chunk := response.read1(256 * KIB):
        if first is None:
            first = time.monotonic()
            everybody_has_begun.wait(60)
        length += len(chunk)
        digest.update(chunk)
    return first, length, digest.digest() == expected


def crowd(binary, directory, origin):
    print("\n50 clients, one uncached object of 256 MiB")
    server = Server(binary, directory / "crowd")
    server.wait()
    server.remote("generic", origin)
    body = origin.files["/large"] = pattern(LARGE)
    # Long enough for all fifty to be waiting when upstream's first byte comes.
    origin.delays["/large"] = 2
    expected = hashlib.md5(body).digest()
    # The clients' own work must not delay their first byte: each is a process of its own.
    barrier = multiprocessing.Barrier(50)
    pool = concurrent.futures.ProcessPoolExecutor(50, initializer=join_crowd, initargs=(barrier,))
    with watched([server]) as growths, pool:
        downloads = [pool.submit(download, server.port, "/api/v1/remote/generic/large", expected) for _ in range(50)]
        answers = [answer.result() for answer in downloads]
    complete = sum(1 for _, length, right in answers if length == LARGE and right)
    delays = sorted(first - origin.first_byte["/large"] for first, _, _ in answers)
    report("upstream GETs", str(origin.counts["/large"]), "== 1", origin.counts["/large"] == 1)
    report("complete and right downloads", str(complete), "== 50", complete == 50)
    report("first byte after upstream's: median, slowest", f"{delays[25] * 1e3:.0f} ms, {delays[-1] * 1e3:.0f} ms",
           "<= 50 ms", delays[-1] <= 0.05)
    growth = growths[0]
    report("RSS growth", f"{growth / MIB:.1f} MiB", "< 64 MiB", growth < 64 * MIB)
    server.stop()


def packument(name):
    versions = {
        f"1.0.{n}": {
            "name": name, "version": f"1.0.{n}", "description": "x" * 3300,
            "dependencies": {"left-pad": "^1.0.0"},
            "dist": {"tarball": f"http://127.0.0.1/{name}-1.0.{n}.tgz", "shasum": hashlib.sha1(str(n).encode()).hexdigest()},
        }
        for n in range(VERSIONS)
    }
    document = {"name": name, "dist-tags": {"latest": f"1.0.{VERSIONS - 1}"}, "versions": versions}
    return json.dumps(document).encode()


def large_packument(binary, directory, origin):
    body = origin.files["/big"] = packument("big")
    print(f"\na packument of {len(body) / 1e6:.1f} MB with {VERSIONS} versions")
    server = Server(binary, directory / "packument")
    server.wait()
    base = server.remote("npm", origin)
    url, gzip = f"{base}/big", {"Accept-Encoding": "gzip"}
    began = time.monotonic()
    compressed = len(get(url, gzip))
    cold = time.monotonic() - began
    rate, _, p99 = wrk(url, 8, ["Accept-Encoding: gzip"])
    warm = 1 / rate * 8
    report(f"cold {cold * 1e3:.0f} ms, warm {warm * 1e3:.2f} ms, {compressed / MIB:.2f} MiB gzip", f"{rate:.0f} requests/s",
           "warm from precompressed bytes", warm < cold / 20)
    report("upstream fetches", str(origin.counts["/big"]), "== 1", origin.counts["/big"] == 1)
    print("               (one parse per upstream change is held by artifact-engine's renditions tests)")
    server.stop()


@contextlib.contextmanager
def without_triggers(data):
    """The metadata of a server that does not run, for writing. The schema's triggers want a newer
    SQLite than python may have; they keep counters and the collector's queue."""
    database = sqlite3.connect(data / "metadata.sqlite3")
    triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    with database:
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        yield database
        for _, sql in triggers:
            database.execute(sql)
    database.close()


def fill(data, repository):
    """Rows of 100 000 cached objects; only the one that is asked for has bytes. The counters, which
    a start does not read, stay as they are."""
    now = int(time.time() * 1000)
    with without_triggers(data) as database:
        ids = [(hashlib.sha256(str(n).encode()).digest(), 1000, now) for n in range(CACHED_OBJECTS)]
        database.executemany("INSERT INTO blob (sha256, size, created_at) VALUES (?, ?, ?)", ids)
        columns = "repository, path, variant, sha256, size, class, checksums, fetched_at, validated_at, generation"
        rows = [(repository, f"dir{n % 100}/file{n}.bin", "", row[0], 1000, "immutable", "[]", now, now, 1)
                for n, row in enumerate(ids)]
        database.executemany(f"INSERT INTO artifact ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)", rows)


def at_rest(binary, directory, origin):
    print(f"\nat rest, with {CACHED_OBJECTS} cached objects")
    data = directory / "rest"
    server = Server(binary, data)
    server.wait()
    base = server.remote("generic", origin)
    origin.files["/one"] = b"one"
    get(f"{base}/one")
    server.stop()
    database = sqlite3.connect(data / "metadata.sqlite3")
    repository = database.execute("SELECT id FROM repository").fetchone()[0]
    database.close()
    fill(data, repository)
    starts = []
    for _ in range(ROUNDS):
        server = Server(binary, data)
        assert server.wait("/api/v1/remote/generic/one") == b"one"
        starts.append(time.monotonic() - server.began)
        idle = server.rss()
        server.stop()
    start = statistics.median(starts)
    report("start to first answer, a cached file", f"{start * 1e3:.0f} ms", "< 300 ms", start < 0.3)
    report("idle RSS", f"{idle / MIB:.1f} MiB", "< 40 MiB", idle < 40 * MIB)
    report("upstream fetches in all of it", str(origin.counts["/one"]), "== 1", origin.counts["/one"] == 1)


@contextlib.contextmanager
def summarised():
    """A directory for everything, and at the end how many figures were reached."""
    # Whoever ends this program gets what was started ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        # nginx's workers and PostgreSQL run as other users and have to reach their files.
        directory.chmod(0o755)
        try:
            yield directory
        finally:
            # A benchmark that breaks off must leave nothing behind.
            for process in reversed(Process.started):
                process.stop()
    print(f"\n{sum(results)} of {len(results)} figures reached, in {time.monotonic() - began:.0f} s", flush=True)


def main():
    binary = os.path.abspath(sys.argv[1])
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip()
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, {nginx}")
    with summarised() as directory:
        for part in (against_nginx, crowd, large_packument, at_rest):
            part(binary, directory, Origin())


if __name__ == "__main__":
    main()
