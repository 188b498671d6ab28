#!/usr/bin/env bash
# Provides the real clients of the e2e suite: curl, npm, and pip in a private virtual
# environment. What is missing is installed where that is possible (root with apt-get);
# what stays missing is an error, never a skipped test.
#
# stdout: one `name=path` line per tool. stderr: talk.
set -euo pipefail

cache="${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/artifactapi-e2e"
venv="$cache/python"
mkdir -p "$cache"

# Test binaries may come here at the same time.
exec 9>"$cache/setup.lock"
flock 9

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

package_lists_are_fresh=false
install() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$* is missing and cannot be installed here (that needs root and apt-get): install it and try again"
    fi
    export DEBIAN_FRONTEND=noninteractive
    if [ "$package_lists_are_fresh" = false ]; then
        say "updating the package lists"
        apt-get update -q >&2 || fail "apt-get update failed"
        package_lists_are_fresh=true
    fi
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
