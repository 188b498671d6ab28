"""Installs packages of an Alpine repository where there is no apk: an independent reader of indexes
and packages, for nothing but tests. Signatures are left to openssl.

    apk_reader.py REPOSITORY KEYS ROOT PACKAGE...

REPOSITORY is a URL as in /etc/apk/repositories, KEYS the directory of the keys that are trusted, and
ROOT where the packages and what they need are installed.
"""

import base64
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zlib


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read()


def member(archive):
    """The first gzip member of an archive: compressed, decompressed, and what follows it."""
    reader = zlib.decompressobj(31)
    content = reader.decompress(archive)
    if not reader.eof:
        sys.exit("a gzip member is cut off")
    rest = reader.unused_data
    return archive[: len(archive) - len(rest)], content, rest


def files(tar):
    """The files of an archive that may have no end."""
    if len(tar) % 512:
        sys.exit("the archive is not made of blocks")
    with tarfile.open(fileobj=io.BytesIO(tar + bytes(1024))) as archive:
        for entry in archive:
            if entry.isfile():
                yield entry.name, archive.extractfile(entry).read()


def is_signed(name, signature, content, keys):
    """Whether the signature called `name` is one of `content` with a key that is trusted."""
    _, _, algorithm, key = name.split(".", 3)
    digest = {"RSA": "sha1", "RSA256": "sha256", "RSA512": "sha512"}[algorithm]
    if not (keys / key).is_file():
        return False
    with tempfile.TemporaryDirectory() as work:
        place = pathlib.Path(work)
        (place / "signature").write_bytes(signature)
        command = ["openssl", "dgst", f"-{digest}", "-verify", keys / key]
        command += ["-signature", place / "signature"]
        if subprocess.run(command, input=content, stdout=sys.stderr, check=False).returncode:
            sys.exit(f"BAD signature: {name}")
    return True


def index(repository, keys):
    """The records of the signed index, by the names of their packages."""
    _, signatures, content = member(fetch(f"{repository}/x86_64/APKINDEX.tar.gz"))
    if not signatures.strip(b"\0") or signatures.endswith(bytes(1024)):
        sys.exit("the signatures end the archive")
    found = list(files(signatures))
    if not all(name.startswith(".SIGN.") for name, _ in found):
        sys.exit("the index is not signed")
    if not any([is_signed(name, signature, content, keys) for name, signature in found]):
        sys.exit("UNTRUSTED signature")
    compressed, text, rest = member(content)
    if rest:
        sys.exit("something follows the index")
    entries = dict(files(text))
    if list(entries) != ["DESCRIPTION", "APKINDEX"]:
        sys.exit(f"the index consists of {list(entries)}")
    records = {}
    for block in entries["APKINDEX"].decode().split("\n\n"):
        record = dict(line.split(":", 1) for line in block.splitlines())
        if record:
            records[record["P"]] = record
    return records


def install(repository, record, root):
    name = f"{record['P']}-{record['V']}.apk"
    package = fetch(f"{repository}/{record['A']}/{name}")
    if len(package) != int(record["S"]):
        sys.exit(f"{name} has {len(package)} bytes")
    control, information, data = member(package)
    identity = base64.b64encode(hashlib.sha1(control).digest()).decode()
    if record["C"] != f"Q1{identity}":
        sys.exit(f"{name} is not the package that the index lists")
    information = dict(files(information))[".PKGINFO"].decode()
    if f"datahash = {hashlib.sha256(data).hexdigest()}\n" not in information:
        sys.exit(f"{name} holds other files")
    for path, content in files(member(data)[1]):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    print(f"Installing {record['P']} ({record['V']})")


def main():
    repository, keys, root, *wanted = sys.argv[1:]
    records = index(repository, pathlib.Path(keys))
    installed = set()
    while wanted:
        name = wanted.pop()
        if name not in installed:
            installed.add(name)
            install(repository, records[name], pathlib.Path(root))
            wanted += records[name].get("D", "").split()


main()
