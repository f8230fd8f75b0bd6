#!/usr/bin/env bash
# How small it is: what the README says of sizes, measured. Fails if core stands on more than five crates.
#   tests/size.sh          everything; builds twice into folders of its own (minutes)
#   tests/size.sh crates   only numbers of crates, which needs no build
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo > /dev/null || . "${CARGO_HOME:-$HOME/.cargo}/env"

most=5
crates() { cargo tree --locked --edges normal --prefix none "$@" | sed 's/ (\*)$//' | sort -u; }

direct=$(cargo tree --locked --edges normal --prefix depth --depth 1 -p primacy-core --no-default-features | grep -c '^1')
echo "primacy-core without features: $direct direct dependencies, $(($(crates -p primacy-core --no-default-features | wc -l) - 1)) crates beside it"
echo "primacy: $(crates -p primacy-mio | grep -vc '^primacy-') crates that are not of this workspace"
echo "primacy with tls: $(crates -p primacy-mio --features tls | grep -vc '^primacy-')"
if [ "$direct" -gt "$most" ]; then
    echo "primacy-core without features may have $most direct dependencies: make one optional, or do without" >&2
    exit 1
fi
if [ "${1:-}" = crates ]; then exit; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cold() {
    local begun=$SECONDS
    CARGO_TARGET_DIR="$work" cargo build --quiet --locked "$@"
    echo "cold: cargo build $*: $((SECONDS - begun)) s on $(nproc) processors"
}
cargo fetch --quiet --locked
cold -p primacy-core --no-default-features
rm -rf "$work"/*
cold --release -p primacy-mio
strip -o "$work/stripped" "$work/release/primacy"
echo "primacy, release, stripped: $(stat -c %s "$work/stripped") bytes"
