"""Benchmarks of container images: pushing them, pulling them and asking for them, against another registry.

The peer is distribution's registry as Debian packages it, with files on the same disk, its access log off
and its cache of descriptors on. Like us it puts what is pushed on the medium before it answers. zot would be
another peer, but the distribution does not package it and it cannot be built from what a proxy of Go modules
has. Figures are printed as in bench.py: this program judges, it does not fail.
"""

import hashlib
import http.client
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

from bench import MIB, ROUNDS, SECONDS, Nginx, Origin, Process, Server, free_port, get, pattern, report, spread, summarised
from bench_replicas import ACCOUNT, PASSWORD, Minio
from bench_types import define
from image_clients import BLOCK, CHUNK, IMAGE, Layer, Sink
from image_clients import ask, ask_for_a_while, pull_at_once, pull_for_a_while, push, push_at_once

PUSHERS, LAYERS, LAYER = 8, 8, 10 * MIB
LONG_LAYER = 500 * MIB
HUGE_LAYER, HUGE_PUSHES = 4096 * MIB, 2
PULLED, PULLERS = 100 * MIB, 4
# Few enough that a request waits for itself and not for others; many enough that the server never idles.
FEW_ASKING, MANY_ASKING = 4, 64
CROWD, CROWD_BLOB = 40, 64 * MIB
# Forty readers of a faster upstream would measure these cores.
PACE = 50 * MIB
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class DockerRegistry(Process):
    """distribution's registry."""

    def __init__(self, program, data):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        data.mkdir()
        configuration = data / "configuration.yml"
        # Every JSON is YAML.
        configuration.write_text(json.dumps({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"cache": {"blobdescriptor": "inmemory"}, "filesystem": {"rootdirectory": str(data / "files")}},
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": "benchmark"},
        }))
        super().__init__(program, "serve", configuration)
        while True:
            try:
                get(f"{self.url}/v2/")
                return
            except OSError:
                time.sleep(0.01)



def in_turn(peers, measure):
    """Per round what `measure` says of each. Who goes first alternates."""
    rounds = []
    for turn in range(ROUNDS):
        order = peers if turn % 2 == 0 else peers[::-1]
        # What one has written is not for the other to put on the medium.
        os.sync()
        measured = {peer: measure(peer) for peer in order}
        rounds.append([measured[peer] for peer in peers])
    return rounds


def report_ratio(name, rounds, unit, scale, target):
    """Judges what is the better the more of it there is."""
    ours, theirs = (statistics.median(figures) * scale for figures in zip(*rounds))
    ratios = sorted(us / them for us, them in rounds)
    ratio = statistics.median(ratios)
    report(f"{name}: {ours:.4g} / {theirs:.4g} {unit}", f"{ratio:.2f}x {spread(ratios)}", f">= {target}x", ratio >= target)


def pushing(peers, clients, count, length, name):
    """Judges the bytes per second, and tells what they cost."""
    total = clients * count * length
    used = {peer: 0 for peer in peers}

    def measure(peer):
        before = peer.processor_seconds()
        rate = total / push_at_once(peer.port, clients, count, length)
        used[peer] += peer.processor_seconds() - before
        return rate

    rounds = in_turn(peers, measure)
    report_ratio(name, rounds, "MiB/s", 1 / MIB, 1.5)
    at_best = total / push_at_once(Sink(length).port, clients, count, length)
    ours, theirs = (used[peer] / ROUNDS / total * 1024 * MIB for peer in peers)
    print(f"               processor time per GiB: {ours:.2f} / {theirs:.2f} s; the clients alone: {at_best / MIB:.0f} MiB/s")


def pushes(peers):
    pushing(peers, PUSHERS, LAYERS, LAYER, f"{PUSHERS} clients, layers of 10 MiB")
    pushing(peers, 1, 1, LONG_LAYER, "1 client, a layer of 500 MiB")


def pulls(peers, directory):
    """The third is nginx, which has the kernel send files: what these cores can do at best."""
    layer, origin = Layer(PULLED), Origin()
    target = f"{IMAGE}/blobs/{layer.digest}"
    origin.files[target] = layer.body()
    for peer in peers:
        push(http.client.HTTPConnection("127.0.0.1", peer.port), layer)
    nginx = Nginx(directory / "nginx", origin)
    for server in (*peers, nginx):
        assert get(server.url + target) == origin.files[target]
    rounds = in_turn((*peers, nginx), lambda server: pull_for_a_while(server.port, PULLERS, target, PULLED) / MIB)
    report_ratio(f"{PULLERS} clients, a blob of 100 MiB", [both for *both, _ in rounds], "MiB/s", 1, 2)
    at_best = [nginx_rate / theirs for _, theirs, nginx_rate in rounds]
    print(f"               nginx with sendfile: {statistics.median(rate for *_, rate in rounds):.0f} MiB/s, "
          f"{statistics.median(at_best):.2f}x theirs")
    nginx.stop()


def tags(peers):
    for peer in peers:
        connection = http.client.HTTPConnection("127.0.0.1", peer.port)
        layer = Layer(BLOCK)
        push(connection, layer)
        descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": layer.digest, "size": BLOCK}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptor, "layers": []}
        ask(connection, "PUT", f"{IMAGE}/manifests/latest", 201, json.dumps(manifest), {"Content-Type": MANIFEST_TYPE})
    for connections in (FEW_ASKING, MANY_ASKING):
        measure = lambda peer: ask_for_a_while(peer.port, f"{IMAGE}/manifests/latest", MANIFEST_TYPE, connections)
        rounds = [[(len(times) / SECONDS, statistics.median(times)) for times in both] for both in in_turn(peers, measure)]
        rates, medians = ([[figures[index] for figures in both] for both in rounds] for index in (0, 1))
        ours, theirs = (statistics.median(each) for each in zip(*medians))
        title, shown = f"{connections} connections", f"{ours * 1e3:.2f} / {theirs * 1e3:.2f} ms"
        if connections == FEW_ASKING:
            report(f"{title}: p50, ours / theirs", shown, "< 1 ms", ours < 0.001)
        else:
            print(f"               {title}: p50 {shown}")
        report_ratio(title, rates, "requests/s", 1, 2)


def against_docker_registry(binary, program, directory):
    print(f"\nagainst distribution's registry (ours / theirs), medians of {ROUNDS} alternating rounds, files on "
          f"{filesystem(directory)}")
    ours, theirs = Server(binary, directory / "ours"), DockerRegistry(program, directory / "theirs")
    ours.wait()
    define(ours, "local", "images", "docker", {})
    peers = (ours, theirs)
    print("  pushing: POST, PATCH in one stream, PUT")
    pushes(peers)
    print("  pulling; what arrives is dropped by the kernel")
    pulls(peers, directory)
    print("  HEAD of a manifest by its tag")
    tags(peers)
    print(f"               RSS after this load: {ours.rss() / MIB:.1f} / {theirs.rss() / MIB:.1f} MiB")
    for name, peer in zip(("ours", "theirs"), peers):
        peer.stop()
        shutil.rmtree(directory / name)


def filesystem(directory):
    command = ["df", "--output=fstype", directory]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


def huge_layer(binary, minio_program, directory):
    print(f"\na layer of {HUGE_LAYER // MIB // 1024} GiB, pushed to a server over MinIO, {HUGE_PUSHES} times; "
          "takes twice as much of the disk")
    closings, rates = [], []
    for _ in range(HUGE_PUSHES):
        taking_in, closing = push_huge_layer(binary, minio_program, directory / "huge")
        rates.append(HUGE_LAYER / taking_in)
        closings.append(closing)
    print(f"               taken in at {min(rates) / MIB:.0f} MiB/s or more")
    report("the closing PUT, slowest", f"{max(closings):.2f} s", "<= 5 s", max(closings) <= 5)


def push_huge_layer(binary, minio_program, directory):
    """How long the body took and how long the closing PUT, with services that end with it."""
    directory.mkdir()
    minio = Minio(minio_program, directory / "minio")
    (minio.drive / "images").mkdir()
    server = Server(binary, directory / "data", {
        "MINIO_ENDPOINT": f"127.0.0.1:{minio.port}", "MINIO_ACCESS_KEY": ACCOUNT, "MINIO_SECRET_KEY": PASSWORD,
        "MINIO_BUCKET": "images",
    })
    server.wait()
    define(server, "local", "images", "docker", {})
    layer, connection = Layer(HUGE_LAYER), http.client.HTTPConnection("127.0.0.1", server.port)
    began = time.monotonic()
    taken, closed = push(connection, layer)
    server.stop()
    minio.stop()
    shutil.rmtree(directory)
    return taken - began, closed - taken


def crowd(binary, directory):
    print(f"\n{CROWD} clients pull one blob of {CROWD_BLOB // MIB} MiB that a remote does not have yet, against one client alone; "
          f"upstream sends {PACE // MIB} MiB/s")
    origin = Origin(PACE)
    server = Server(binary, directory / "crowd")
    server.wait()
    define(server, "remote", "images", "docker", {"base_url": origin.url})
    body = pattern(CROWD_BLOB)
    gets, ratios, figures = set(), [], []
    for turn in range(ROUNDS):
        took = {}
        for clients in (1, CROWD) if turn % 2 == 0 else (CROWD, 1):
            blob = os.urandom(CHUNK) + body[CHUNK:]
            name = f"app/blobs/sha256:{hashlib.sha256(blob).hexdigest()}"
            origin.files[f"/v2/{name}"] = blob
            took[clients] = pull_at_once(server.port, clients, f"/v2/images/{name}", CROWD_BLOB)
            assert get(f"{server.url}/v2/images/{name}") == blob
            gets.add(origin.counts[f"/v2/{name}"])
            del origin.files[f"/v2/{name}"]
        ratios.append(took[CROWD] / took[1])
        figures.append((took[CROWD], took[1]))
    report("upstream GETs of each blob", str(max(gets)), "== 1", gets == {1})
    together, alone = (statistics.median(each) for each in zip(*figures))
    ratios.sort()
    ratio = statistics.median(ratios)
    report(f"slowest of {CROWD} / alone: {together:.2f} / {alone:.2f} s", f"{ratio:.2f}x {spread(ratios)}", "< 1.5x", ratio < 1.5)
    server.stop()


def main():
    binary, registry, minio = (os.path.abspath(path) for path in sys.argv[1:])
    version = subprocess.run([registry, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, {version}, load average {os.getloadavg()[0]:.1f} at the start")
    with summarised() as directory:
        against_docker_registry(binary, registry, directory)
        huge_layer(binary, minio, directory)
        crowd(binary, directory)


if __name__ == "__main__":
    main()
