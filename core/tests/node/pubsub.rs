//! Publish, subscribe, MONITOR.

use crate::support::host::{Make, World};

over_both! {
    messages_reach_channels_and_patterns
    a_resp2_subscriber_may_do_little_else
    a_resp3_subscriber_gets_its_own_messages_as_pushes
    who_has_gone_gets_nothing
    publish_reaches_the_subscribers_of_replicas
    monitor_shows_every_command
}

fn messages_reach_channels_and_patterns<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let (a, b) = (w.client(0), w.client(0));
    assert_eq!(w.ask(a, "SUBSCRIBE x y"), "[subscribe, x, 1] | [subscribe, y, 2]");
    assert_eq!(w.ask(b, "PSUBSCRIBE x*"), "[psubscribe, x*, 1]");
    assert_eq!(w.ask(c, "PUBLISH x hi\nPUBLISH y yo\nPUBLISH z no"), "2 | 1 | 0");
    assert_eq!(w.heard(a), "[message, x, hi] | [message, y, yo]");
    assert_eq!(w.heard(b), "[pmessage, x*, x, hi]");
    assert_eq!(w.ask(c, "PUBSUB CHANNELS\nPUBSUB NUMSUB x z\nPUBSUB NUMPAT"), "[x, y] | [x, 1, z, 0] | 1");
    assert_eq!(w.ask(a, "UNSUBSCRIBE"), "[unsubscribe, x, 1] | [unsubscribe, y, 0]");
    assert_eq!(w.ask(a, "UNSUBSCRIBE\nPING"), "[unsubscribe, (nil), 0] | PONG");
}

fn a_resp2_subscriber_may_do_little_else<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "SUBSCRIBE x");
    let refused = "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    assert_eq!(w.ask(c, "GET a"), refused);
    assert_eq!(w.ask(c, "PING\nPING hi"), "[pong, ] | [pong, hi]");
    assert_eq!(w.ask(c, "UNSUBSCRIBE x\nGET a"), "[unsubscribe, x, 0] | (nil)");
}

fn a_resp3_subscriber_gets_its_own_messages_as_pushes<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "HELLO 3");
    w.ask(c, "SUBSCRIBE x");
    w.send(c, "PUBLISH x me\nGET a");
    w.run();
    assert_eq!(w.raw(c), b">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$2\r\nme\r\n:1\r\n_\r\n");
}

fn who_has_gone_gets_nothing<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let a = w.client(0);
    w.ask(a, "SUBSCRIBE x\nPSUBSCRIBE y*");
    w.hang_up(a);
    assert_eq!(w.ask(c, "PUBLISH x 1\nPUBLISH y 1\nPUBSUB CHANNELS\nPUBSUB NUMPAT"), "0 | 0 | [] | 0");
}

fn publish_reaches_the_subscribers_of_replicas<D: Make>() {
    let mut w = World::<D>::family(1, &["", "--replicaof 127.0.0.1_7000", "--replicaof 127.0.0.1_7001"]);
    let (c, a) = (w.client(0), w.client(2));
    w.ask(a, "SUBSCRIBE x");
    assert_eq!(w.ask(c, "PUBLISH x hi\nMULTI\nPUBLISH x again\nSET k v\nEXEC"), "0 | OK | QUEUED | QUEUED | [0, OK]");
    w.run();
    assert_eq!(w.heard(a), "[message, x, hi] | [message, x, again]");
}

fn monitor_shows_every_command<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let m = w.client(0);
    assert_eq!(w.ask(m, "MONITOR"), "OK");
    w.ask(c, "SELECT 1\nSET a b\nAUTH x\nMULTI\nGET a\nEXEC");
    let seen = w.heard(m);
    for want in
        ["\"SELECT\" \"1\"", "[1 127.0.0.1:50000] \"SET\" \"a\" \"b\"", "\"MULTI\"", "\"GET\" \"a\"", "\"EXEC\""]
    {
        assert!(seen.contains(want), "{want} in {seen}");
    }
    assert!(!seen.contains("AUTH"), "{seen}");
}
