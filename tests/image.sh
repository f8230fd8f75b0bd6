#!/usr/bin/env bash
# Carries out docs/deploy/Dockerfile without an engine: its RUN in this tree, its COPY into an empty folder, and the program in
# it as the image's user by chroot: a server, a replica that finds it by name, a sentinel, and what probes ask.
#   tests/image.sh                 the whole image (minutes: a release build)
#   PROFILE=dev tests/image.sh     a quick build
# Needs root (for chroot) and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo > /dev/null || . "${CARGO_HOME:-$HOME/.cargo}/env"
if [ "$(id -u)" != 0 ]; then echo "tests/image.sh: SKIP: chroot needs root"; exit 0; fi

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
    wait || true
    rm -rf "$work"
}
trap finish EXIT

file=docs/deploy/Dockerfile
instruction() { sed -n "s/^$1 //p" $file; }

# The one RUN, with its continued lines; /image is where it puts the files, and COPY takes all of them.
run=$(awk '/^RUN /{ on = 1; sub(/^RUN /, "") } on { line = $0; sub(/\\$/, "", line); print line; if ($0 !~ /\\$/) exit }' $file | tr '\n' ' ')
[ "$(instruction COPY | tail -1)" = "--from=build --chown=10001:10001 /image/ /" ] || { echo "$file: COPY is another one" >&2; exit 1; }
user=$(instruction USER)
root=$work/image
PROFILE=${PROFILE:-release}
# Cargo calls the folder of the profile `dev` so.
if [ "$PROFILE" = dev ]; then run=${run//\/\$PROFILE\//\/debug\/}; fi
echo "RUN ${run//\/image/$root}"
PROFILE=$PROFILE sh -euc "${run//\/image/$root}"
chown -R "$user" "$root"
echo "the image: $(cd "$root" && find . -type f -printf '%P %s bytes, ')nothing else"
if readelf -lW "$root/primacy" | grep -q INTERP; then echo "the program is not static" >&2; exit 1; fi

# As the kubelet and engines do; nothing else is there: no /dev, no /proc, no libraries.
mkdir "$root/etc"
printf '127.0.0.1 localhost\n127.0.0.1 primacy-0.primacy\n' > "$root/etc/hosts"
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > "$root/etc/resolv.conf"
mapfile -t ports < <(python3 -c '
import socket
all = [socket.socket() for _ in range(6)]
for s in all: s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
inside() { chroot --userspec="$user" "$root" "$@"; }
# With exec the id is the program's own, so that signals reach it.
start() { (exec chroot --userspec="$user" "$root" /primacy "${@:2}") > "$work/$1.log" 2>&1 & pids+=($!); }

inside /primacy --version
# Folders of their own, so that snapshots do not meet.
for name in a b s; do install -d -o "${user%:*}" -g "${user#*:}" "$root/data/$name"; done
start a server --bind 127.0.0.1 --dir /data/a --port "${ports[0]}" --metrics-port "${ports[1]}" --repl-diskless-sync-delay 0
start b server --bind 127.0.0.1 --dir /data/b --port "${ports[2]}" --metrics-port "${ports[3]}" \
    --replicaof "primacy-0.primacy ${ports[0]}"
printf 'sentinel resolve-hostnames yes\nsentinel monitor mymaster primacy-0.primacy %s 1\n' "${ports[0]}" > "$root/data/s/sentinel.conf"
chown "$user" "$root/data/s/sentinel.conf"
start s sentinel /data/s/sentinel.conf --bind 127.0.0.1 --dir /data/s --port "${ports[4]}" --metrics-port "${ports[5]}"

python3 - "${ports[@]}" << 'PYTHON' || { tail -n 20 "$work"/*.log; exit 1; }
import socket, sys, time, urllib.error, urllib.request

ports = [int(p) for p in sys.argv[1:]]


def probe(port, path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).status
    except urllib.error.HTTPError as e:
        return f"{e.code} {e.read().decode().strip()}"
    except OSError as e:
        return str(e)


def ask(port, command):
    with socket.create_connection(("127.0.0.1", port), 2) as s:
        s.sendall(command.encode() + b"\r\n")
        s.shutdown(socket.SHUT_WR)
        said = b""
        while more := s.recv(65536):
            said += more
        return said.decode()


for port in ports[1::2]:
    for path in ("/healthz", "/readyz"):
        end = time.time() + 60
        while (came := probe(port, path)) != 200:
            if time.time() > end:
                sys.exit(f"{path} on port {port}: {came}")
            time.sleep(0.1)
assert "OK" in ask(ports[0], "SET k v"), "no write"
assert "master_link_status:up" in ask(ports[2], "INFO replication"), "the replica is not in sync"
assert "primacy-0.primacy" in ask(ports[4], "SENTINEL MASTER mymaster") or "127.0.0.1" in ask(ports[4], "SENTINEL MASTER mymaster")
print("a server, a replica that found it by name and a sentinel run in an empty root folder, and are ready")
PYTHON
for pid in "${pids[@]}"; do kill "$pid"; done
for pid in "${pids[@]}"; do wait "$pid" || { echo "one did not end well: $?" >&2; tail -n 20 "$work"/*.log; exit 1; }; done
pids=()
[ -s "$root/data/a/dump.rdb" ] || { echo "no snapshot was written at the end" >&2; exit 1; }
echo "all ended in order"
