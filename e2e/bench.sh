#!/usr/bin/env bash
# Provides what the benchmarks need and runs them: the server against nginx, then replicas over
# PostgreSQL, Redis and S3 against the server. A part can be named to run it alone.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
usage="usage: bench.sh PATH_OF_THE_SERVER [nginx|replicas]"
server="${1:?$usage}"
part="${2:-all}"
case "$part" in
all | nginx | replicas) ;;
*)
    printf '%s\n' "$usage" >&2
    exit 2
    ;;
esac

missing=()
command -v wrk >/dev/null || missing+=(wrk)
[ "$part" = replicas ] || command -v nginx >/dev/null || missing+=(nginx-light)
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

if [ "$part" != replicas ]; then
    python3 -B "$here/bench.py" "$server"
fi
if [ "$part" != nginx ]; then
    tools="$("$here/setup.sh")"
    mapfile -t services < <(grep -E '^(postgres|redis|minio)=' <<<"$tools")
    exec python3 -B "$here/bench_replicas.py" "$server" "${services[@]}"
fi
