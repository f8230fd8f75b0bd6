#!/usr/bin/env bash
# Sets up and passes the tests on a machine with a Rust tool chain and apt: fetches the real servers and clients that
# are missing, then runs the unit tests, the examples in the documentation and the scenarios.
#   tests/run.sh            everything
#   tests/run.sh chain::    only the scenarios with that in their name
#   PRIMACY_RUNTIME=mio tests/run.sh   the scenarios over one runtime only (mio or async-std) instead of over both
#   PRIMACY_FULL=1 tests/run.sh   the full numbers (an hour) instead of the small ones (minutes)
set -euo pipefail
cd "$(dirname "$0")/.."

# Whoever starts cargo is expected to have it on the path, or where rustup puts it.
command -v cargo > /dev/null || . "${CARGO_HOME:-$HOME/.cargo}/env"

if [ $# = 0 ]; then
    tests/fetch-peers.sh || echo "going on without the missing peers" >&2
    # With `fuzz`, everything that the fuzzer runs holds over its seeds and over what it once found.
    cargo test --workspace --exclude primacy-tests \
        --features primacy-core/sim,primacy-core/fuzz,primacy-host/fuzz,primacy-mio/tls,primacy-async-std/tls
fi
# The scenarios run whole programs for minutes: both they and the server are optimised.
for runtime in ${PRIMACY_RUNTIME:-mio async-std}; do
    echo "--- the scenarios over $runtime"
    PRIMACY_RUNTIME=$runtime cargo test --profile scenarios --package primacy-tests -- "$@"
done
