"""Benchmarks of the package types with large indexes, and of files that are only passed on.

Peers are the origin itself, asked directly, and createrepo_c. Figures are printed as in bench.py:
this program judges, it does not fail.
"""

import gzip
import hashlib
import http.client
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request

from bench import MIB, KIB, Origin, Server, get, pattern, report, summarised, wrk

CHARTS, CHART_VERSIONS = 80, 100
PACKAGES = 60_000
COLD_FILES = 41


def define(server, kind, name, package_type, definition):
    document = json.dumps({"name": name, "package_type": package_type, **definition}).encode()
    request = urllib.request.Request(f"{server.url}/api/v2/{kind}s", document)
    urllib.request.urlopen(request).read()
    return f"{server.url}/api/v1/{kind}/{name}"


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def chart(number, version):
    name = f"chart-{number}"
    return {
        "apiVersion": "v2", "name": name, "version": version, "appVersion": version, "created": "2024-01-01T00:00:00Z",
        "description": "A chart that stands for those which people publish, with a sentence to say what it is for",
        "digest": sha256(f"{name}-{version}".encode()), "home": "https://charts.example/",
        "keywords": ["server", "database", "cache"], "maintainers": [{"name": "Somebody", "email": "somebody@charts.example"}],
        "sources": ["https://git.example/charts"], "urls": [f"https://elsewhere.example/releases/{name}-{version}.tgz"],
        "annotations": {"note": "x" * 400},
    }


def yaml_of(charts):
    """An index as `helm repo index` writes it."""
    lines = ["apiVersion: v1", "entries:"]
    for name, versions in charts.items():
        lines.append(f"  {name}:")
        for version in versions:
            for position, (key, value) in enumerate(sorted(version.items())):
                lead = "  - " if position == 0 else "    "
                if isinstance(value, str):
                    lines.append(f"{lead}{key}: {json.dumps(value)}")
                elif isinstance(value, dict):
                    lines.append(f"{lead}{key}:")
                    lines.extend(f"      {inner}: {json.dumps(text)}" for inner, text in value.items())
                else:
                    lines.append(f"{lead}{key}:")
                    for item in value:
                        if isinstance(item, str):
                            lines.append(f"    - {json.dumps(item)}")
                        else:
                            inner = list(item.items())
                            lines.append(f"    - {inner[0][0]}: {json.dumps(inner[0][1])}")
                            lines.extend(f"      {key}: {json.dumps(text)}" for key, text in inner[1:])
    lines.append('generated: "2024-01-01T00:00:00Z"')
    return ("\n".join(lines) + "\n").encode()


def slowest_hits(url, during):
    """The 99th percentile of hits in seconds while `during` runs, and how long that took."""
    done, times = threading.Event(), []

    def ask():
        host, path = url.removeprefix("http://").split("/", 1)
        connection = http.client.HTTPConnection(host)
        while not done.is_set():
            began = time.monotonic()
            connection.request("GET", f"/{path}")
            connection.getresponse().read()
            times.append(time.monotonic() - began)
            time.sleep(0.001)

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    during()
    took = time.monotonic() - began
    done.set()
    asking.join()
    return sorted(times)[int(len(times) * 0.99)], took


def helm_index(binary, directory, origin):
    versions = {f"chart-{n}": [chart(n, f"1.{v}.0") for v in range(CHART_VERSIONS)] for n in range(CHARTS)}
    body = origin.files["/index.yaml"] = yaml_of(versions)
    origin.files["/small"] = pattern(2 * KIB)
    print(f"\na helm index of {len(body) / 1e6:.1f} MB with {CHARTS * CHART_VERSIONS} versions")
    server = Server(binary, directory / "helm")
    server.wait()
    helm, files = server.remote("helm", origin), server.remote("generic", origin)
    get(f"{files}/small")
    idle, _ = slowest_hits(f"{files}/small", lambda: time.sleep(2))
    busy, cold = slowest_hits(f"{files}/small", lambda: get(f"{helm}/index.yaml"))
    print(f"               cold in {cold * 1e3:.0f} ms")
    # Two cores share the work with the hits: what is judged is that no hit waits for the whole of it.
    report("slowest hits while it is rewritten", f"p99 {busy * 1e3:.1f} ms (idle {idle * 1e3:.1f} ms)", "no stall: < 50 ms", busy < 0.05)
    _, index_rate, _ = wrk(f"{helm}/index.yaml", 8)
    _, small_rate, _ = wrk(f"{files}/small", 8)
    ratio = index_rate / small_rate
    report("warm, bytes per second against a 2 KiB file", f"{ratio:.1f}x", ">= 1x", ratio >= 1)
    report("upstream fetches", str(origin.counts["/index.yaml"]), "== 1", origin.counts["/index.yaml"] == 1)
    server.stop()


def first_byte(url):
    host, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(host)
    connection.connect()
    began = time.monotonic()
    connection.request("GET", f"/{path}")
    response = connection.getresponse()
    response.read(1)
    took = time.monotonic() - began
    response.read()
    connection.close()
    return took


def release(origin, version):
    """A terraform provider's release on `origin`, of which only the archive is measured."""
    archive, name = pattern(200 * KIB + version), f"terraform-provider-null_1.{version}.0_linux_amd64.zip"
    base = f"/v1/providers/acme/null/1.{version}.0"
    origin.files[f"/files/{name}"] = archive
    sums = f"{sha256(archive)}  {name}\n".encode()
    origin.files[f"/files/{version}/SHA256SUMS"], origin.files[f"/files/{version}/SHA256SUMS.sig"] = sums, b"\x89\x01"
    origin.files[f"{base}/download/linux/amd64"] = json.dumps({
        "protocols": ["5.0"], "os": "linux", "arch": "amd64", "filename": name, "download_url": f"{origin.url}/files/{name}",
        "shasums_url": f"{origin.url}/files/{version}/SHA256SUMS", "shasums_signature_url": f"{origin.url}/files/{version}/SHA256SUMS.sig",
        "shasum": sha256(archive), "signing_keys": {"gpg_public_keys": []},
    }).encode()
    return f"{base}/download/linux/amd64", f"/files/{name}"


def apk_index(names):
    records = "".join(f"C:Q1{'A' * 27}=\nP:{name}\nV:1-r0\nA:x86_64\nS:{200 * KIB}\nI:1\nT:t\nU:u\nL:l\n\n" for name in names)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in (("DESCRIPTION", b"bench"), ("APKINDEX", records.encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(content.getvalue())


def passed_on(binary, directory, origin):
    """The first byte of files that nobody has asked for before, through us and from the origin. Indexes
    that say where files are were read before, as clients do."""
    print(f"\nfirst byte of {COLD_FILES} uncached files of 200 KiB, median of what we add")
    server = Server(binary, directory / "passed")
    server.wait()
    body = pattern(200 * KIB)
    base = {name: server.remote(name, origin) for name in ("generic", "helm", "goproxy", "rpm", "alpine", "puppet", "npm", "pypi", "terraform")}
    numbers = range(COLD_FILES)
    origin.files["/index.yaml"] = json.dumps({"apiVersion": "v1", "entries": {"c": [
        {"apiVersion": "v2", "name": "c", "version": f"1.{n}.0", "digest": sha256(body), "urls": [f"charts/c-1.{n}.0.tgz"]} for n in numbers]}}).encode()
    origin.files["/x86_64/APKINDEX.tar.gz"] = apk_index([f"p{n}" for n in numbers])
    origin.files["/n"] = json.dumps({"name": "n", "dist-tags": {}, "versions": {f"1.{n}.0": {
        "name": "n", "version": f"1.{n}.0", "dist": {"tarball": f"{origin.url}/n/-/n-1.{n}.0.tgz"}} for n in numbers}}).encode()
    origin.files["/simple/p/"] = json.dumps({"meta": {"api-version": "1.0"}, "name": "p", "files": [
        {"filename": f"p-1.{n}.tar.gz", "url": f"{origin.url}/packages/p-1.{n}.tar.gz", "hashes": {"sha256": sha256(body)}} for n in numbers]}).encode()
    releases = [release(origin, n) for n in numbers]
    warm = {"helm": "/index.yaml", "alpine": "/x86_64/APKINDEX.tar.gz", "npm": "/n", "pypi": "/simple/p/"}
    cold = {
        "generic": [(f"/f/{n}.bin",) * 2 for n in numbers],
        "helm": [(f"/charts/c-1.{n}.0.tgz",) * 2 for n in numbers],
        "goproxy": [(f"/example.com/m/@v/v1.{n}.0.zip",) * 2 for n in numbers],
        "rpm": [(f"/Packages/p-{n}-1.noarch.rpm",) * 2 for n in numbers],
        "alpine": [(f"/x86_64/p{n}-1-r0.apk",) * 2 for n in numbers],
        "npm": [(f"/n/-/n-1.{n}.0.tgz",) * 2 for n in numbers],
        "pypi": [(f"/packages/p/p-1.{n}.tar.gz", f"/packages/p-1.{n}.tar.gz") for n in numbers],
    }
    for package_type, paths in cold.items():
        for _, theirs in paths:
            origin.files[theirs] = body
        if package_type in warm:
            get(base[package_type] + warm[package_type])
        compare_first_bytes(package_type, [(base[package_type] + ours, origin.url + theirs) for ours, theirs in paths])
    # Puppet's and terraform's archives are named by a document of their release, which clients read first.
    for n in numbers:
        slug = f"acme-m-1.{n}.0"
        origin.files[f"/v3/releases/{slug}"] = json.dumps({
            "slug": slug, "version": f"1.{n}.0", "file_uri": f"/v3/files/{slug}.tar.gz", "file_sha256": sha256(body), "file_size": len(body)}).encode()
        origin.files[f"/v3/files/{slug}.tar.gz"] = body
        get(f"{base['puppet']}/v3/releases/{slug}")
    compare_first_bytes("puppet", [(f"{base['puppet']}/v3/files/acme-m-1.{n}.0.tar.gz", f"{origin.url}/v3/files/acme-m-1.{n}.0.tar.gz") for n in numbers])
    urls = []
    for document, archive in releases:
        ours = json.loads(get(base["terraform"] + document))["download_url"]
        urls.append((ours if ours.startswith("http") else server.url + ours, origin.url + archive))
    compare_first_bytes("terraform", urls)
    server.stop()


def compare_first_bytes(name, pairs):
    added = statistics.median(first_byte(ours) - first_byte(theirs) for ours, theirs in pairs)
    report(name, f"+{added * 1e3:.1f} ms", "< 10 ms", added < 0.01)


def rpm_lists(prefix):
    """primary, filelists and other of PACKAGES packages, as createrepo_c writes them, and the repomd."""
    heads = {
        "primary": '<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{}">\n',
        "filelists": '<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="{}">\n',
        "other": '<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="{}">\n',
    }
    tails = {"primary": "</metadata>\n", "filelists": "</filelists>\n", "other": "</otherdata>\n"}
    lists = {kind: io.StringIO() for kind in heads}
    for kind, text in lists.items():
        text.write('<?xml version="1.0" encoding="UTF-8"?>\n' + heads[kind].format(PACKAGES))
    for n in range(PACKAGES):
        name, digest = f"{prefix}-{n}", sha256(f"{prefix}{n}".encode())
        version = '<version epoch="0" ver="1.0" rel="1"/>'
        lists["primary"].write(
            f'<package type="rpm">\n  <name>{name}</name>\n  <arch>noarch</arch>\n  {version}\n'
            f'  <checksum type="sha256" pkgid="YES">{digest}</checksum>\n  <summary>A package</summary>\n'
            f"  <description>{'words about it ' * 20}</description>\n  <packager></packager>\n  <url>https://x.example/</url>\n"
            f'  <time file="1700000000" build="1700000000"/>\n  <size package="1000" installed="2000" archive="2100"/>\n'
            f'  <location href="Packages/{name}-1.0-1.noarch.rpm"/>\n  <format>\n    <rpm:license>MIT</rpm:license>\n    <rpm:vendor/>\n'
            f"    <rpm:group>Unspecified</rpm:group>\n    <rpm:buildhost>localhost</rpm:buildhost>\n    <rpm:sourcerpm>{name}-1.0-1.src.rpm</rpm:sourcerpm>\n"
            f'    <rpm:header-range start="1000" end="2000"/>\n    <rpm:provides>\n      <rpm:entry name="{name}" flags="EQ" epoch="0" ver="1.0" rel="1"/>\n    </rpm:provides>\n'
            "  </format>\n</package>\n")
        opening = f'<package pkgid="{digest}" name="{name}" arch="noarch">\n  {version}\n'
        files = "".join(f"  <file>/usr/share/{name}/{part}</file>\n" for part in range(12))
        lists["filelists"].write(f"{opening}{files}</package>\n")
        lists["other"].write(f'{opening}  <changelog author="Somebody" date="1700000000">- the first</changelog>\n</package>\n')
    files, entries = {}, []
    for kind, text in lists.items():
        text.write(tails[kind])
        plain = text.getvalue().encode()
        packed = gzip.compress(plain, 6, mtime=0)
        path = f"repodata/{sha256(packed)}-{kind}.xml.gz"
        files[path] = packed
        entries.append(
            f'<data type="{kind}"><checksum type="sha256">{sha256(packed)}</checksum><open-checksum type="sha256">{sha256(plain)}</open-checksum>'
            f'<location href="{path}"/><timestamp>1700000000</timestamp><size>{len(packed)}</size><open-size>{len(plain)}</open-size></data>')
    files["repodata/repomd.xml"] = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1700000000</revision>'
        + "".join(entries) + "</repomd>\n").encode()
    return files


def createrepo_seconds(directory, files):
    """How long the ecosystem's own tool takes to bring the metadata of one of the repositories up to date."""
    for path, body in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
    packages = directory / "Packages"
    packages.mkdir()
    for n in range(PACKAGES):
        with open(packages / f"a-{n}-1.0-1.noarch.rpm", "wb"):
            pass
    began = time.monotonic()
    subprocess.run(["createrepo_c", "--quiet", "--update", "--skip-stat", "--no-database", str(directory)], check=True)
    return time.monotonic() - began


def peak(server, done):
    most = 0
    while not done.is_set():
        most = max(most, server.rss())
        time.sleep(0.01)
    return most


def merged_rpm(binary, directory, origin):
    print(f"\na virtual rpm repository of two with {PACKAGES} packages each")
    lists = {prefix: rpm_lists(prefix) for prefix in ("a", "b")}
    for prefix, files in lists.items():
        for path, body in files.items():
            origin.files[f"/{prefix}/{path}"] = body
    theirs = createrepo_seconds(directory / "createrepo", lists.pop("a"))
    lists.clear()
    server = Server(binary, directory / "rpm")
    server.wait()
    for prefix in ("a", "b"):
        url = define(server, "remote", prefix, "rpm", {"base_url": f"{origin.url}/{prefix}/"})
        # Fetching and checking what the members have is not the merge.
        get(f"{url}/repodata/repomd.xml")
        for path in [path for path in origin.files if path.startswith(f"/{prefix}/repodata/") and path.endswith(".gz")]:
            get(url + path.removeprefix(f"/{prefix}"))
    merged = define(server, "virtual", "merged", "rpm", {"members": ["a", "b"]})
    get(f"{merged}/gpgkey.asc")
    before, done, most = server.rss(), threading.Event(), []
    watching = threading.Thread(target=lambda: most.append(peak(server, done)))
    watching.start()
    began = time.monotonic()
    repomd = get(f"{merged}/repodata/repomd.xml").decode()
    ours = time.monotonic() - began
    done.set()
    watching.join()
    growth = most[0] - before
    primary = repomd.split('type="primary"')[1].split('href="')[1].split('"')[0]
    count = gzip.decompress(get(f"{merged}/{primary}")).count(b"<package ")
    report("packages in the merged index", str(count), f"== {2 * PACKAGES}", count == 2 * PACKAGES)
    report("RSS growth", f"{growth / MIB:.0f} MiB", "< 200 MiB", growth < 200 * MIB)
    report(f"time against createrepo_c --update of one ({theirs:.1f} s)", f"{ours:.1f} s, {ours / theirs:.2f}x", "<= 2x", ours <= 2 * theirs)
    server.stop()


def main():
    binary = os.path.abspath(sys.argv[1])
    version = subprocess.run(["createrepo_c", "--version"], capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, {version}")
    with summarised() as directory:
        for part in (helm_index, passed_on, merged_rpm):
            part(binary, directory, Origin())


if __name__ == "__main__":
    main()
