#!/usr/bin/env bash
# Provides what the tests run against: the real clients of every package type (pip in a private virtual
# environment), the servers (PostgreSQL, Redis, MinIO) and docker's engine. What is missing is installed where
# that is possible (root with apt-get; some are built from source with Go, as which they are published);
# what stays missing is an error, never a skipped test.
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
terraform_version="v1.11.4"
tofu_version="v1.12.6"
helm_version="v3.17.3"
oras_version="v1.3.6"
# Both suites of the distribution specification. Of the released one, whose tests are run with Ginkgo, this is
# the newest state that is a module; the tests of later releases are the same.
conformance_module="github.com/opencontainers/distribution-spec/conformance"
conformance_version="v0.0.0-20260831232431-97274622c111"
released_conformance_version="v0.0.0-20231101194043-f2182352d4cc"
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

# need_go NAME ALTERNATIVE
need_go() {
    capable_go && return 0
    packaged_go || fail "$1 is built with Go 1.21 or newer, which neither is here nor can be installed: get it from https://go.dev/dl, or $2"
    install golang-go
    capable_go || fail "the installed Go is hidden by an older one: $(command -v go)"
}

# A module that replaces others cannot be installed by its name; in its own directory it can be built.
# build_main_module NAME MODULE@VERSION PACKAGE PROGRAM [GO-COMMAND...]
build_main_module() {
    need_go "$1" "put $1 on the PATH"
    say "building ${2##*/}, which may take a quarter of an hour and three gigabytes"
    local source package="$3" program="$4"
    source="$(go mod download -json "$2" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')"
    [ -d "$source" ] || fail "$2 cannot be downloaded"
    mkdir -p "$(dirname "$program")"
    local how=("${@:5}")
    [ "${#how[@]}" -gt 0 ] || how=(build -buildvcs=false)
    (cd "$source" && CGO_ENABLED=0 go "${how[@]}" -trimpath -ldflags '-s -w' -o "$program.partial" "$package" >&2) ||
        fail "$1 does not build"
    mv "$program.partial" "$program"
}

# find_or_build NAME MODULE VERSION PACKAGE: prints where the program is
find_or_build() {
    local program="$cache/$1-$3/$1"
    command -v "$1" && return 0
    [ -x "$program" ] || build_main_module "$1" "$2@$3" "$4" "$program"
    printf '%s\n' "$program"
}

# The same for a program that is the tests of a package.
find_or_build_tests() {
    local program="$cache/$1-$3/$1"
    [ -x "$program" ] || build_main_module "$1" "$2@$3" "$4" "$program" test -c
    printf '%s\n' "$program"
}

# Prints where the program is that makes checksum databases for the tests. It is ours and small.
build_checksum_database() {
    local sources version program
    sources="$(cd "$(dirname "${BASH_SOURCE[0]}")/checksum-database" && pwd)"
    version="$(cat "$sources"/{go.mod,go.sum,main.go} | sha256sum | cut -c 1-16)"
    program="$cache/checksum-database-$version/checksum-database"
    if [ ! -x "$program" ]; then
        say "building checksum-database"
        mkdir -p "${program%/*}"
        (cd "$sources" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -o "$program.partial" . >&2) ||
            fail "checksum-database does not build"
        mv "$program.partial" "$program"
    fi
    printf '%s\n' "$program"
}

build_minio() {
    need_go "MinIO" "name a MinIO server in MINIO_BINARY"
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
command -v puppet >/dev/null || install puppet-agent
command -v r10k >/dev/null || install r10k

command -v dnf >/dev/null || install dnf
command -v createrepo_c >/dev/null || install createrepo-c
command -v rpmbuild >/dev/null || install rpm
command -v zstd >/dev/null || install zstd
command -v zypper >/dev/null || install zypper
command -v openssl >/dev/null || install openssl
for client in podman buildah skopeo; do
    command -v "$client" >/dev/null || install "$client"
done

# No distribution but Alpine has this one, so it is used where it is and not missed where it is not.
alpine_apk() { apk --version 2>/dev/null | grep -q '^apk-tools ' && command -v apk; }
apk="$(alpine_apk)" || [ "$scope" = clients ] ||
    say "no apk on the PATH: Alpine's indexes and packages are checked with openssl and an independent reader"

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    capable_python >/dev/null || install python3 python3-venv
    python="$(capable_python)" || fail "no python3 with the venv and ensurepip modules"
    say "creating a virtual environment in $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv" >&2
fi

# The go command is a client itself.
need_go "the go command" "put one on the PATH"
checksum_database="$(build_checksum_database)" || exit 1
terraform="$(find_or_build terraform github.com/hashicorp/terraform "$terraform_version" .)" || exit 1
helm="$(find_or_build helm helm.sh/helm/v3 "$helm_version" ./cmd/helm)" || exit 1
tofu="$(find_or_build tofu github.com/opentofu/opentofu "$tofu_version" ./cmd/tofu)" || exit 1
oras="$(find_or_build oras oras.land/oras "$oras_version" ./cmd/oras)" || exit 1
conformance="$(find_or_build oci-conformance "$conformance_module" "$conformance_version" .)" || exit 1
released_conformance="$(find_or_build_tests oci-released-conformance "$conformance_module" \
    "$released_conformance_version" .)" || exit 1

printf 'curl=%s\n' "$(command -v curl)"
printf 'npm=%s\n' "$(command -v npm)"
printf 'python=%s\n' "$venv/bin/python"
printf 'puppet=%s\n' "$(command -v puppet)"
printf 'r10k=%s\n' "$(command -v r10k)"
printf 'terraform=%s\n' "$terraform"
printf 'tofu=%s\n' "$tofu"
printf 'helm=%s\n' "$helm"
printf 'podman=%s\n' "$(command -v podman)"
printf 'buildah=%s\n' "$(command -v buildah)"
printf 'skopeo=%s\n' "$(command -v skopeo)"
printf 'oras=%s\n' "$oras"
printf 'oci-conformance=%s\n' "$conformance"
printf 'oci-released-conformance=%s\n' "$released_conformance"
printf 'go=%s\n' "$(command -v go)"
printf 'checksum-database=%s\n' "$checksum_database"
printf 'createrepo=%s\n' "$(command -v createrepo_c)"
printf 'dnf=%s\n' "$(command -v dnf)"
printf 'rpm=%s\n' "$(command -v rpm)"
printf 'rpmbuild=%s\n' "$(command -v rpmbuild)"
printf 'zstd=%s\n' "$(command -v zstd)"
printf 'zypper=%s\n' "$(command -v zypper)"
[ -z "$apk" ] || printf 'apk=%s\n' "$apk"
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
    # The engine brings it along; it has a client too.
    command -v ctr >/dev/null || install containerd
fi

printf 'postgres=%s\n' "$(postgres_programs)"
printf 'redis=%s\n' "$(command -v redis-server)"
printf 'minio=%s\n' "$minio"
if is_root; then
    printf 'docker=%s\n' "$(command -v docker)"
    printf 'dockerd=%s\n' "$(command -v dockerd)"
fi
