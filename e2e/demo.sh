#!/usr/bin/env bash
# Shows the cache at work: a server on a temporary directory and a free port, one pypi and one
# npm remote towards the registries that pip and npm are configured for, and one small package
# installed twice through each. The Cache-Status of the package file is printed before each
# install: a miss, then a hit.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
server="${1:?usage: demo.sh PATH_OF_THE_SERVER}"
python_package=six
npm_package=is-number

say() { printf '%s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; [ ! -s "$work/log" ] || tail -n 20 "$work/log" >&2; exit 1; }

work="$(mktemp -d)"
server_process=
clean_up() {
    if [ -n "$server_process" ]; then
        kill "$server_process" 2>/dev/null || true
        wait "$server_process" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

tools="$("$here/setup.sh" clients)"
tool() { sed -n "s/^$1=//p" <<<"$tools"; }
python="$(tool python)"
npm="$(tool npm)"
curl="$(tool curl)"

LISTEN_ADDR=127.0.0.1:0 DATA_DIR="$work/data" "$server" >"$work/log" 2>&1 &
server_process=$!
origin=
for _ in $(seq 300); do
    kill -0 "$server_process" 2>/dev/null || fail "the server ended"
    origin="$(grep -Eom1 'listening on http://127\.0\.0\.1:[0-9]+' "$work/log" | sed 's/^listening on //' || true)"
    if [ -n "$origin" ] && "$curl" -fso /dev/null "$origin/readyz"; then break; fi
    sleep 0.1
done
[ -n "$origin" ] || fail "the server told no address"
say "server    $origin"

# The name of the package file in our own index, as a path below $origin.
pypi_file() {
    "$curl" -fsS -H 'Accept: application/vnd.pypi.simple.v1+json' "$1/simple/$python_package/" |
        "$python" -c '
import json, sys, urllib.parse
wheels = [file for file in json.load(sys.stdin)["files"] if file["url"].endswith(".whl")]
newest = max(wheels, key=lambda file: file.get("upload-time", ""))
print(urllib.parse.urljoin(sys.argv[1], newest["url"]))' "$1/simple/$python_package/"
}
npm_file() {
    "$curl" -fsS "$1/$npm_package" |
        "$python" -c '
import json, sys
packument = json.load(sys.stdin)
print(packument["versions"][packument["dist-tags"]["latest"]]["dist"]["tarball"])'
}

# $1 is the pass: nothing that a client keeps is shared between the two.
install_pypi() {
    local version="${2##*/"$python_package"-}"
    env -u PIP_FIND_LINKS -u PIP_NO_INDEX PIP_CONFIG_FILE=/dev/null "$python" -m pip --isolated install -q \
        --no-input --disable-pip-version-check --no-cache-dir --target "$work/pip-$1" \
        --index-url "$3/simple/" "$python_package==${version%%-*}"
}
install_npm() {
    mkdir -p "$work/npm-$1"
    (cd "$work/npm-$1" && printf '{}' >package.json &&
        "$npm" install --silent --no-audit --no-fund --cache "$work/npm-cache-$1" --registry "$3/" "$npm_package")
}

for package_type in pypi npm; do
    package="$([ "$package_type" = pypi ] && echo "$python_package" || echo "$npm_package")"
    remote="$("$python" "$here/registries.py" "$package_type" "$package")" || fail "no registry for $package_type"
    "$curl" -fsS -o /dev/null -H 'Content-Type: application/json' -d "$remote" "$origin/api/v2/remotes" ||
        fail "the server refused the remote $remote"
    repository="$origin/api/v1/remote/$package_type-public"
    file="$("${package_type}_file" "$repository")" || fail "no file of $package in the index"
    say
    say "$package_type      ${file#"$origin"}"
    for pass in 1 2; do
        head="$("$curl" -fsS -o /dev/null -D - "$file")" || fail "$file failed"
        status="$(tr -d '\r' <<<"$head" | grep -i '^cache-status:')" || fail "no Cache-Status on $file"
        "install_$package_type" "$pass" "$file" "$repository" || fail "$package_type install $pass failed"
        say "install $pass $status"
        case "$pass:$status" in
        1:*hit*) fail "the first answer should have been a miss" ;;
        2:*hit*) ;;
        2:*) fail "the second answer should have been a hit" ;;
        esac
    done
done
