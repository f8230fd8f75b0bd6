"""redis-py finds the master through sentinels and follows every failover.
usage: redis_py_sentinel.py NAME RESP SENTINEL_PORT ...
Says "ready" once it has written. Each line that comes in says that the master is gone: it writes again, and says the
port of the master that took it. Ends with its input."""
import sys
import time

import redis
from redis.sentinel import Sentinel

name, protocol, ports = sys.argv[1], int(sys.argv[2]), [int(p) for p in sys.argv[3:]]
common = {"protocol": protocol, "socket_timeout": 0.5, "decode_responses": True}
sentinel = Sentinel([("127.0.0.1", p) for p in ports], sentinel_kwargs=common, **common)

old = sentinel.discover_master(name)
replicas = sentinel.discover_slaves(name)
assert len(replicas) == 2 and old not in replicas, (old, replicas)
master, replica = sentinel.master_for(name), sentinel.slave_for(name)
master.set("before", "1")
assert master.wait(2, 5000) == 2
assert replica.get("before") == "1"

for port in ports:
    one = redis.Redis(port=port, **common)
    assert one.ping()
    assert one.sentinel_get_master_addr_by_name(name) == old, one.sentinel_get_master_addr_by_name(name)
    state = one.sentinel_master(name)
    assert state["is_master"] and not state["is_odown"] and int(state["num-slaves"]) == 2, state
    assert name in one.sentinel_masters()
    assert len(one.sentinel_slaves(name)) == 2 and len(one.sentinel_sentinels(name)) == len(ports) - 1
    usable = one.execute_command("SENTINEL", "CKQUORUM", name)
    assert str(usable).startswith("OK 3 usable Sentinels"), usable
    assert one.info("sentinel")["sentinel_masters"] == 1

print("ready", flush=True)
for number, _ in enumerate(sys.stdin, 1):
    after, end = f"after:{number}", time.monotonic() + 60
    while True:
        try:
            master.set(after, "1")
            break
        except (redis.RedisError, OSError):
            assert time.monotonic() < end, "no write was taken within 60 s"
            time.sleep(0.05)
    assert master.mget("before", after) == ["1", "1"]
    print(master.info("server")["tcp_port"], flush=True)
