#!/usr/bin/env bash
# Provides what the benchmarks need and runs them: the server against nginx, package types with large
# indexes, then replicas over PostgreSQL, Redis and S3 against the server. A part can be named to
# run it alone.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
usage="usage: bench.sh PATH_OF_THE_SERVER [nginx|types|replicas]"
server="${1:?$usage}"
part="${2:-all}"
case "$part" in
all | nginx | types | replicas) ;;
*)
    printf '%s\n' "$usage" >&2
    exit 2
    ;;
esac

missing=()
command -v wrk >/dev/null || missing+=(wrk)
is_wanted() { [ "$part" = all ] || [ "$part" = "$1" ]; }
! is_wanted nginx || command -v nginx >/dev/null || missing+=(nginx-light)
! is_wanted types || command -v createrepo_c >/dev/null || missing+=(createrepo-c)
command -v python3 >/dev/null || missing+=(python3)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        printf 'bench: %s missing and cannot be installed here (that needs root and apt-get)\n' "${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi

if is_wanted nginx; then
    python3 -B "$here/bench.py" "$server"
fi
if is_wanted types; then
    python3 -B "$here/bench_types.py" "$server"
fi
if is_wanted replicas; then
    tools="$("$here/setup.sh")"
    mapfile -t services < <(grep -E '^(postgres|redis|minio)=' <<<"$tools")
    exec python3 -B "$here/bench_replicas.py" "$server" "${services[@]}"
fi
