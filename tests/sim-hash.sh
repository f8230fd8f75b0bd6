#!/usr/bin/env bash
# The same seed is the same run: trace hashes of the first seeds (20, or as many as the argument says), in two processes of the
# release build and in one of the debug build.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20}
cargo build -q -p primacy-mio
cargo build -q --release -p primacy-mio
out=${CARGO_TARGET_DIR:-target}
hashes() { "$out/$1/primacy" sim --runs "$runs" --hash | grep '^seed .* hash'; }
one=$(hashes release)
[ "$(wc -l <<<"$one")" -eq "$runs" ] || { echo "sim-hash: only $(wc -l <<<"$one") of $runs seeds gave a hash" >&2; exit 1; }
for build in release debug; do
    diff <(echo "$one") <(hashes $build) || { echo "sim-hash: the $build build has other hashes" >&2; exit 1; }
done
echo "$runs seeds, the same hashes in two processes, release and debug"
