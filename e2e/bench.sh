#!/usr/bin/env bash
# Provides what the benchmarks need and runs them: the server against nginx, package types with large
# indexes, images against another registry, then replicas over PostgreSQL, Redis and S3 against the server. A
# part can be named to run it alone.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
usage="usage: bench.sh PATH_OF_THE_SERVER [nginx|types|images|replicas]"
server="${1:?$usage}"
part="${2:-all}"
case "$part" in
all | nginx | types | images | replicas) ;;
*)
    printf '%s\n' "$usage" >&2
    exit 2
    ;;
esac

fail() { printf 'bench: %s\n' "$*" >&2; exit 1; }
is_wanted() { [ "$part" = all ] || [ "$part" = "$1" ]; }

missing=()
command -v wrk >/dev/null || missing+=(wrk)
! { is_wanted nginx || is_wanted images; } || command -v nginx >/dev/null || missing+=(nginx-light)
! is_wanted types || command -v createrepo_c >/dev/null || missing+=(createrepo-c)
command -v python3 >/dev/null || missing+=(python3)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "${missing[*]} missing and cannot be installed here (that needs root and apt-get)"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi

# Prints where the other registry is. Its package would start it as a service of this machine, so it is only
# unpacked, for which nobody has to be root.
docker_registry() {
    command -v docker-registry && return 0
    local directory="${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/artifactapi-e2e/docker-registry"
    local program="$directory/usr/bin/docker-registry"
    if [ ! -x "$program" ]; then
        command -v apt-get >/dev/null || fail "docker-registry is missing and cannot be fetched without apt-get"
        mkdir -p "$directory"
        [ "$(id -u)" -ne 0 ] || apt-get update -q >&2
        (cd "$directory" && apt-get download -q docker-registry && dpkg -x docker-registry_*.deb . && rm docker-registry_*.deb) \
            >&2 || fail "docker-registry cannot be fetched"
    fi
    printf '%s\n' "$program"
}

if is_wanted nginx; then
    python3 -B "$here/bench.py" "$server"
fi
if is_wanted types; then
    python3 -B "$here/bench_types.py" "$server"
fi
if is_wanted images || is_wanted replicas; then
    tools="$("$here/setup.sh")"
fi
if is_wanted images; then
    registry="$(docker_registry)"
    python3 -B "$here/bench_images.py" "$server" "$registry" "$(sed -n 's/^minio=//p' <<<"$tools")"
fi
if is_wanted replicas; then
    mapfile -t services < <(grep -E '^(postgres|redis|minio)=' <<<"$tools")
    exec python3 -B "$here/bench_replicas.py" "$server" "${services[@]}"
fi
