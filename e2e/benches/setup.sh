#!/usr/bin/env bash
# Provides what the benchmarks compare and measure with: nginx and wrk of the distribution.
# What is missing is installed where that is possible (root with apt-get), else it is an error.
set -euo pipefail

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

missing=()
# Without root, `sbin` may not be searched.
PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v nginx >/dev/null || missing+=(nginx-light)
command -v wrk >/dev/null || missing+=(wrk)
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    fail "${missing[*]} is missing and cannot be installed here (that needs root and apt-get): install it and try again"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2 || fail "apt-get update failed"
# The package would start a server on port 80, which nobody asked for.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get install -q -y --no-install-recommends "${missing[@]}" >&2 || fail "apt-get could not install ${missing[*]}"
