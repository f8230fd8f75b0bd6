"""redis-py against a server: python redis_py.py PORT 2|3. Ends with status 0 if everything is as with Redis."""
import sys
import time

import redis

port, protocol = int(sys.argv[1]), int(sys.argv[2])
c = redis.Redis(port=port, protocol=protocol, decode_responses=True, client_name="check")

assert c.ping()
hello = c.execute_command("HELLO", protocol)
if protocol == 3:
    assert hello["proto"] == 3 and hello["role"] == "master", hello
assert c.client_getname() == "check"
assert c.client_id() > 0
assert any(x["name"] == "check" for x in c.client_list())

# Strings and expiry.
assert c.set("a", "1", ex=100) is True
assert 0 < c.ttl("a") <= 100 and 0 < c.pttl("a") <= 100_000
assert c.set("a", "2", nx=True) is None
assert c.set("a", "2", xx=True, keepttl=True, get=True) == "1"
assert c.getex("a", persist=True) == "2" and c.ttl("a") == -1
assert c.incrbyfloat("f", 1.5) == 1.5
assert c.append("a", "xyz") == 4 and c.getrange("a", 1, 2) == "xy" and c.setrange("a", 1, "--") == 4
assert c.mset({"m1": "1", "m2": "2"}) and c.mget("m1", "nothing", "m2") == ["1", None, "2"]
assert c.getdel("m1") == "1" and c.exists("m1", "m2") == 1
c.set("short", "x", px=50)
time.sleep(0.1)
assert c.get("short") is None and c.ttl("short") == -2
raw = redis.Redis(port=port, protocol=protocol)
blob = bytes(range(256)) * 300
assert raw.set(b"\x00\xff\r\n", blob) and raw.get(b"\x00\xff\r\n") == blob

# Keys.
assert c.rename("m2", "m3") and c.type("m3") == "string" and c.copy("m3", "m4") and c.touch("m3", "m4") == 2
assert c.object("encoding", "m3") == "int"
for i in range(3000):
    c.set(f"scan:{i}", i) if i < 100 else None
with c.pipeline(transaction=False) as p:
    for i in range(3000):
        p.set(f"scan:{i}", i)
    assert p.execute() == [True] * 3000
assert set(c.scan_iter("scan:*", count=100)) == {f"scan:{i}" for i in range(3000)}
assert len(c.keys("scan:1??")) == 100
assert c.unlink(*(f"scan:{i}" for i in range(3000))) == 3000

# Transactions.
with c.pipeline() as p:
    p.multi()
    p.incr("n").incr("n").get("nothing")
    assert p.execute() == [1, 2, None]
with c.pipeline() as p:
    p.watch("n")
    other = redis.Redis(port=port, protocol=protocol)
    other.set("n", 10)
    p.multi()
    p.incr("n")
    try:
        p.execute()
        raise SystemExit("WATCH did not see the change")
    except redis.WatchError:
        pass
try:
    c.execute_command("GETT", "x")
    raise SystemExit("an unknown command was taken")
except redis.ResponseError as e:
    assert str(e).startswith("unknown command 'GETT'"), e
try:
    c.set("a", "abc")
    c.incr("a")
    raise SystemExit("INCR of a text was taken")
except redis.ResponseError as e:
    assert str(e) == "value is not an integer or out of range", e

# Pub/sub.
ps = c.pubsub()
ps.subscribe("news")
ps.psubscribe("n?ws")


def message():
    end = time.monotonic() + 10
    while time.monotonic() < end:
        m = ps.get_message(timeout=1)
        if m:
            return m
    raise SystemExit("no message")


assert [message()["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
assert c.publish("news", "hello") == 2
got = sorted((m["type"], m["data"]) for m in (message(), message()))
assert got == [("message", "hello"), ("pmessage", "hello")], got
assert c.pubsub_channels() == ["news"] and c.pubsub_numpat() == 1
ps.unsubscribe()
ps.punsubscribe()
assert sorted(message()["type"] for _ in range(2)) == ["punsubscribe", "unsubscribe"]
ps.close()

# The server.
info = c.info()
assert info["redis_version"].startswith("7.") and info["role"] == "master" and info["db0"]["keys"] == c.dbsize()
assert c.config_get("maxclients", "port")["port"] == str(port)
assert c.config_set("maxclients", 5000) and c.config_get("maxclients")["maxclients"] == "5000"
assert c.command_count() > 50 and c.execute_command("COMMAND", "INFO", "get")["get"]["arity"] == 2
assert abs(c.time()[0] - time.time()) < 5
assert c.role()[0] == "master"
assert c.slowlog_reset() and isinstance(c.slowlog_get(), list)
assert c.wait(0, 10) == 0
assert redis.Redis(port=port, protocol=protocol, db=2).set("other", 1)
assert c.swapdb(0, 2) and c.get("other") == "1" and c.flushall() and c.dbsize() == 0
print("ok")
