"""Prints the remote (a JSON body for POST /api/v2/remotes) that stands for the public registry
which the installed client is configured to use.

    registries.py pypi PROJECT      reads pip's configuration
    registries.py npm PACKAGE       reads npm's configuration
    registries.py goproxy MODULE    reads go's environment

No host name stands in this repository. Index and files may live on different hosts; those that
the entries of the one named package point to are listed in `allowed_hosts`, because on a network
with internal mirrors they may resolve to private addresses.
"""

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request


def output(*command):
    """The standard output of a command, or nothing if it failed."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return finished.stdout.strip() if finished.returncode == 0 else ""


def fetch(url, accept, read=json.load):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as response:
        return read(response)


def pip_index():
    configured = os.environ.get("PIP_INDEX_URL") or output(
        sys.executable, "-m", "pip", "config", "get", "global.index-url"
    )
    if configured:
        return configured
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


def pypi(project):
    index = pip_index().rstrip("/")
    if not index.endswith("/simple"):
        sys.exit(f"pip's index {index} does not end in /simple")
    page = fetch(f"{index}/{project}/", "application/vnd.pypi.simple.v1+json")
    links = [urllib.parse.urljoin(f"{index}/{project}/", file["url"]) for file in page["files"]]
    return index.removesuffix("/simple"), links


def npm(package):
    registry = output("npm", "config", "get", "registry").rstrip("/")
    if not registry:
        sys.exit("npm did not tell its registry")
    packument = fetch(f"{registry}/{package}", "application/json")
    return registry, [version["dist"]["tarball"] for version in packument["versions"].values()]


def goproxy(module):
    proxy = re.split("[,|]", output("go", "env", "GOPROXY"))[0].rstrip("/")
    if not proxy.startswith(("http://", "https://")):
        sys.exit(f"go asks no module proxy first, but {proxy or 'nothing'}")
    # Everything of a proxy is below its URL. That the module is not there is better said here.
    if not fetch(f"{proxy}/{module}/@v/list", "text/plain", lambda response: response.read()):
        sys.exit(f"go's module proxy lists no version of {module}")
    return proxy, []


def main():
    package_type, package = sys.argv[1:]
    base_url, links = {"pypi": pypi, "npm": npm, "goproxy": goproxy}[package_type](package)
    hosts = {urllib.parse.urlsplit(link).netloc for link in links}
    hosts.discard(urllib.parse.urlsplit(base_url).netloc)
    remote = {"name": f"{package_type}-public", "package_type": package_type, "base_url": base_url}
    if hosts:
        remote["allowed_hosts"] = sorted(hosts)
    json.dump(remote, sys.stdout)


main()
