//! Where a node listens: at the start, and while `CONFIG SET` moves it.

use crate::support::host::{Make, Who, World};
use primacy_core::node::What;

over_both! {
    listeners_that_stay_are_kept_and_the_others_move
    all_addresses_take_the_place_of_one_and_back
    an_address_that_cannot_be_had_changes_nothing
    a_listener_that_made_way_comes_back_when_the_change_fails
    optional_addresses_may_be_missing_but_not_all
    a_change_is_answered_when_the_listeners_stand
    the_listeners_cannot_change_within_a_transaction
    info_names_the_listeners
    a_node_that_is_to_listen_nowhere_ends_at_its_start
    an_address_that_cannot_be_had_ends_the_start
}

const BIND: &str =
    "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.";

fn set<D: Make>(w: &mut World<D>, c: Who, pairs: &str) -> String {
    w.say(c, format!("CONFIG SET {pairs}\r\n").as_bytes());
    w.run();
    w.heard(c)
}

fn absent<D: Make>(w: &mut World<D>, ip: &str) {
    w.hosts[0].absent.push(ip.parse().unwrap());
}

fn listeners_that_stay_are_kept_and_the_others_move<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let stood = w.count(0, |e| matches!(e, What::Listening(_)));
    assert_eq!(set(&mut w, c, "bind \"127.0.0.1 10.0.0.1\""), "OK");
    assert_eq!(w.listening(0), ["10.0.0.1:7000", "127.0.0.1:7000"]);
    assert_eq!(w.count(0, |e| matches!(e, What::Listening(_))), stood + 1, "the one that stood was kept");
    assert_eq!(set(&mut w, c, "bind 10.0.0.1"), "OK");
    assert_eq!(w.listening(0), ["10.0.0.1:7000"]);
    assert_eq!(set(&mut w, c, "port 7100 timeout 9"), "OK");
    assert_eq!(w.listening(0), ["10.0.0.1:7100"]);
    assert_eq!(w.info(0, "tcp_port"), "7100");
    assert_eq!(set(&mut w, c, "port 7100"), "OK", "nothing changes");
    assert_eq!(set(&mut w, c, "port 0"), "OK", "asked for in so many words, as in Redis");
    assert_eq!(w.listening(0), [""; 0]);
    assert_eq!(set(&mut w, c, "port 7000"), "OK");
    assert_eq!(w.listening(0), ["10.0.0.1:7000"]);
}

fn all_addresses_take_the_place_of_one_and_back<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(set(&mut w, c, "bind *"), "OK");
    assert_eq!(w.listening(0), ["0.0.0.0:7000"]);
    assert_eq!(set(&mut w, c, "bind \"127.0.0.1 ::*\""), "OK");
    assert_eq!(w.listening(0), ["127.0.0.1:7000", "[::]:7000"]);
}

fn an_address_that_cannot_be_had_changes_nothing<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    absent(&mut w, "1.2.3.4");
    w.hosts[0].taken.push(7200);
    assert_eq!(set(&mut w, c, "timeout 9 bind \"127.0.0.1 10.0.0.1 1.2.3.4\""), BIND);
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    let port = "-ERR CONFIG SET failed (possibly related to argument 'Port') - Unable to listen on this port. Check server logs.";
    assert_eq!(set(&mut w, c, "Port 7200 bind 10.0.0.1"), port, "the first of them is named, as it was spelled");
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    assert_eq!(w.ask(c, "CONFIG GET port\nCONFIG GET bind\nCONFIG GET timeout"), {
        let get = |n: &str, v: &str| format!("[{n}, {v}]");
        [get("port", "7000"), get("bind", "127.0.0.1"), get("timeout", "0")].join(" | ")
    });
    assert_eq!(w.count(0, |e| matches!(e, What::ListenersRestored { .. })), 2, "{}", w.log(0));
    w.hosts[0].taken.clear();
    assert_eq!(set(&mut w, c, "port 7200"), "OK", "a later change is not hindered");
    assert_eq!(w.listening(0), ["127.0.0.1:7200"]);
}

fn a_listener_that_made_way_comes_back_when_the_change_fails<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    absent(&mut w, "1.2.3.4");
    assert_eq!(set(&mut w, c, "bind \"* 1.2.3.4\""), BIND);
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    assert_eq!(set(&mut w, c, "bind *"), "OK");
}

fn optional_addresses_may_be_missing_but_not_all<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    absent(&mut w, "1.2.3.4");
    assert_eq!(set(&mut w, c, "bind \"10.0.0.1 -1.2.3.4\""), "OK");
    assert_eq!(w.listening(0), ["10.0.0.1:7000"]);
    assert_eq!(set(&mut w, c, "bind -1.2.3.4"), BIND, "it would listen nowhere");
    assert_eq!(w.listening(0), ["10.0.0.1:7000"]);
}

fn a_change_is_answered_when_the_listeners_stand<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.hosts[0].disk_slow = true;
    let other = w.client(0);
    assert_eq!(w.ask(c, "CONFIG SET port 7100\nPING"), "", "its further commands wait");
    let busy = w.ask(other, "CONFIG SET timeout 7 bind 10.0.0.1");
    assert!(busy.contains("'bind') - listeners or certificates are changing already"), "{busy}");
    assert_eq!(w.ask(other, "CONFIG GET timeout"), "[timeout, 0]");
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    w.hang_up(other);
    w.hosts[0].disk_slow = false;
    w.run();
    assert_eq!(w.heard(c), "OK | PONG");
    assert_eq!(w.listening(0), ["127.0.0.1:7100"]);
    // A client that went away leaves its change to be done.
    w.hosts[0].disk_slow = true;
    w.ask(c, "CONFIG SET port 7200");
    w.hang_up(c);
    w.hosts[0].disk_slow = false;
    w.run();
    assert_eq!(w.listening(0), ["127.0.0.1:7200"]);
}

fn the_listeners_cannot_change_within_a_transaction<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let answer = w.ask(c, "MULTI\nCONFIG SET port 7100\nSET a 1\nEXEC");
    assert!(answer.contains("within a transaction, OK]"), "{answer}");
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    assert_eq!(w.ask(c, "CONFIG GET port"), "[port, 7000]");
}

fn info_names_the_listeners<D: Make>() {
    let (mut w, _) = World::<D>::one("--bind 127.0.0.1_::1");
    assert_eq!(w.info(0, "listener0"), "name=tcp,bind=127.0.0.1,port=7000");
    assert_eq!(w.info(0, "listener1"), "name=tcp,bind=::1,port=7000");
}

fn a_node_that_is_to_listen_nowhere_ends_at_its_start<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--port 0");
    assert_eq!(w.hosts[0].exit, Some(1));
    assert!(w.log(0).trim_end().ends_with("Configured to not listen anywhere, exiting."), "{}", w.log(0));
    let mut w = World::<D>::new(1);
    w.add("--bind -1.2.3.4");
    absent(&mut w, "1.2.3.4");
    w.run();
    assert_eq!(w.hosts[0].exit, Some(1));
    assert!(w.log(0).contains("Configured to not listen anywhere, exiting."), "{}", w.log(0));
}

fn an_address_that_cannot_be_had_ends_the_start<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--bind 127.0.0.1_1.2.3.4");
    absent(&mut w, "1.2.3.4");
    w.run();
    assert_eq!(w.hosts[0].exit, Some(1));
    assert!(w.log(0).contains("Failed listening on port 7000 (1.2.3.4:7000)"), "{}", w.log(0));
}
