#!/usr/bin/env bash
# Provides what the tests run against: the real clients (curl, npm, and pip in a private
# virtual environment), the servers (PostgreSQL, Redis, MinIO) and docker's engine. What is
# missing is installed where that is possible (root with apt-get; MinIO is built from source,
# which is how it is published); what stays missing is an error, never a skipped test.
#
#   setup.sh            everything
#   setup.sh clients    without the servers
#
# stdout: one `name=path` line per tool. stderr: talk.
set -euo pipefail

scope="${1:-all}"
case "$scope" in
all | clients) ;;
*)
    printf 'usage: setup.sh [clients]\n' >&2
    exit 2
    ;;
esac

cache="${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/artifactapi-e2e"
venv="$cache/python"
minio_version="v0.0.0-20260212201848-7aac2a2c5b7c"
minio="$cache/minio-$minio_version/minio"
mkdir -p "$cache"

# Test binaries may come here at the same time.
exec 9>"$cache/setup.lock"
flock 9

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

package_lists_are_fresh=false
update_package_lists() {
    [ "$package_lists_are_fresh" = false ] || return 0
    say "updating the package lists"
    apt-get update -q >&2 || fail "apt-get update failed"
    package_lists_are_fresh=true
}

install() {
    if ! is_root || ! command -v apt-get >/dev/null; then
        fail "$* is missing and cannot be installed here (that needs root and apt-get): install it and try again"
    fi
    export DEBIAN_FRONTEND=noninteractive
    update_package_lists
    say "installing $*"
    apt-get install -q -y --no-install-recommends "$@" >&2 || fail "apt-get could not install $*"
}

# A python that can make virtual environments. `python3` may be a version manager's, without
# the distribution's packages, so the distribution's own is the second choice.
capable_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# The directory of PostgreSQL's highest version. Debian keeps it off the search path.
postgres_programs() {
    local postgres
    postgres="$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)"
    [ -x "$postgres" ] || postgres="$(command -v postgres)" || return 1
    dirname "$(readlink -f "$postgres")"
}

# Since 1.21 Go downloads a newer release of itself when a module asks for it.
is_new_enough() { [ -n "$1" ] && printf '1.21\n%s\n' "$1" | sort -V -C; }

capable_go() {
    local version
    version="$(go env GOVERSION 2>/dev/null)" && is_new_enough "${version#go}"
}

packaged_go() {
    is_root && command -v apt-get >/dev/null || return 1
    update_package_lists
    local version
    version="$(apt-cache policy golang-go | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}//p')"
    is_new_enough "$version"
}

build_minio() {
    if ! capable_go; then
        packaged_go || fail "MinIO is built with Go 1.21 or newer, which neither is here nor can be installed: get it from https://go.dev/dl, or name a MinIO server in MINIO_BINARY"
        install golang-go
        capable_go || fail "the installed Go is hidden by an older one: $(command -v go)"
    fi
    local directory="$minio.partial"
    rm -rf "$directory"
    mkdir -p "$directory"
    say "building MinIO $minio_version, which takes several minutes"
    GOBIN="$directory" CGO_ENABLED=0 go install -ldflags '-s -w' "github.com/minio/minio@$minio_version" >&2 ||
        fail "MinIO does not build"
    mv "$directory/minio" "$minio"
    rmdir "$directory"
}

command -v curl >/dev/null || install curl ca-certificates
{ command -v node && npm --version; } >/dev/null 2>&1 || install nodejs npm

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    capable_python >/dev/null || install python3 python3-venv
    python="$(capable_python)" || fail "no python3 with the venv and ensurepip modules"
    say "creating a virtual environment in $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv" >&2
fi

printf 'curl=%s\n' "$(command -v curl)"
printf 'npm=%s\n' "$(command -v npm)"
printf 'python=%s\n' "$venv/bin/python"
[ "$scope" = all ] || exit 0

{ postgres_programs && command -v psql; } >/dev/null || install postgresql
command -v redis-server >/dev/null || install redis-server
if [ -n "${MINIO_BINARY:-}" ]; then
    minio="$MINIO_BINARY"
    [ -x "$minio" ] || fail "MINIO_BINARY is no program: $minio"
elif [ ! -x "$minio" ]; then
    build_minio
fi
# Only root can start an engine of its own.
if is_root; then
    command -v dockerd >/dev/null || install docker.io iptables
    # The client is a package of its own in newer distributions.
    command -v docker >/dev/null || install docker-cli
fi

printf 'postgres=%s\n' "$(postgres_programs)"
printf 'redis=%s\n' "$(command -v redis-server)"
printf 'minio=%s\n' "$minio"
if is_root; then
    printf 'docker=%s\n' "$(command -v docker)"
    printf 'dockerd=%s\n' "$(command -v dockerd)"
fi
