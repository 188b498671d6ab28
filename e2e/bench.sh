#!/usr/bin/env bash
# Provides wrk, nginx and python3 from the distribution's packages and runs the benchmarks.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
server="${1:?usage: bench.sh PATH_OF_THE_SERVER}"

missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v nginx >/dev/null || missing+=(nginx-light)
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
exec python3 "$here/bench.py" "$server"
