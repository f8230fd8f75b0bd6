//! Encrypted connections: certificates first, then who needs them.

use crate::support::host::{Make, Who, World};
use primacy_core::node::What;
use primacy_core::tls::PeerNames;

over_both! {
    certificates_come_before_listeners_and_data
    certificates_that_cannot_be_loaded_end_the_start
    one_change_loads_once_and_is_all_or_nothing
    certificates_come_back_when_a_port_cannot_be_had
    a_port_changes_from_plain_to_encrypted
    without_encrypted_connections_nothing_is_loaded
    a_replica_follows_over_an_encrypted_link_and_names_its_encrypted_port
    a_change_of_certificates_waits_and_others_are_refused_meanwhile
    what_has_no_effect_is_said
    who_speaks_tls_to_the_plain_port_is_told_nothing
    certificates_log_users_in
}

const TLS: &str = "--tls-port 7500 --tls-cert-file good.pem";

fn set<D: Make>(w: &mut World<D>, c: Who, pairs: &str) -> String {
    w.say(c, format!("CONFIG SET {pairs}\r\n").as_bytes());
    w.run();
    w.heard(c)
}

fn certificates_come_before_listeners_and_data<D: Make>() {
    let (mut w, c) = World::<D>::one(TLS);
    assert_eq!(w.listening(0), ["127.0.0.1:7000", "127.0.0.1:7500"]);
    assert_eq!(w.info(0, "listener1"), "name=tls,bind=127.0.0.1,port=7500");
    assert_eq!(w.info(0, "tcp_port"), "7000");
    assert_eq!(w.ask(c, "PING"), "PONG");
    let (w, _) = World::<D>::one("--port 0 --tls-port 7500 --tls-cert-file good.pem");
    assert_eq!(w.listening(0), ["127.0.0.1:7500"]);
}

fn certificates_that_cannot_be_loaded_end_the_start<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--tls-port 7500 --tls-cert-file bad.pem");
    w.run();
    assert_eq!(w.hosts[0].exit, Some(1));
    assert!(w.log(0).contains("Failed to configure TLS: bad.pem: no such file"), "{}", w.log(0));
    assert_eq!(w.count(0, |e| matches!(e, What::Listening(_))), 0);
}

fn one_change_loads_once_and_is_all_or_nothing<D: Make>() {
    let (mut w, c) = World::<D>::one(TLS);
    let loads = |w: &World<D>| w.count(0, |e| matches!(e, What::TlsConfigured { .. } | What::TlsFailed { .. }));
    let before = loads(&w);
    assert_eq!(set(&mut w, c, "tls-key-file new.key tls-auth-clients optional timeout 9"), "OK");
    assert_eq!(loads(&w), before + 1);
    assert_eq!(w.hosts[0].tls.as_ref().unwrap().key_file, "new.key");
    let refused = set(&mut w, c, "timeout 7 tls-key-file other.key tls-cert-file bad.pem");
    let reason = "(possibly related to argument 'tls-key-file') - bad.pem: no such file";
    assert!(refused.starts_with("-ERR CONFIG SET failed") && refused.ends_with(reason), "{refused}");
    assert_eq!(w.hosts[0].tls.as_ref().unwrap().key_file, "new.key", "those from before stay");
    let get = w.ask(c, "CONFIG GET tls-key-file\nCONFIG GET tls-cert-file\nCONFIG GET timeout");
    assert_eq!(get, "[tls-key-file, new.key] | [tls-cert-file, good.pem] | [timeout, 9]");
}

fn certificates_come_back_when_a_port_cannot_be_had<D: Make>() {
    let (mut w, c) = World::<D>::one(TLS);
    w.hosts[0].taken.push(7600);
    let refused = set(&mut w, c, "tls-port 7600 tls-key-file new.key");
    assert!(refused.ends_with("'tls-port') - Unable to listen on this port. Check server logs."), "{refused}");
    assert_eq!(w.listening(0), ["127.0.0.1:7000", "127.0.0.1:7500"]);
    assert_eq!(w.hosts[0].tls.as_ref().unwrap().key_file, "");
    assert_eq!(set(&mut w, c, "tls-port 7700"), "OK");
    assert_eq!(w.listening(0), ["127.0.0.1:7000", "127.0.0.1:7700"]);
}

fn a_port_changes_from_plain_to_encrypted<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(set(&mut w, c, "tls-cert-file good.pem port 0 tls-port 7000"), "OK");
    assert_eq!(w.listening(0), ["127.0.0.1:7000"]);
    assert!(w.hosts[0].tls_ports.contains(&7000));
    assert_eq!(set(&mut w, c, "tls-port 0 port 7000"), "OK");
    assert!(!w.hosts[0].tls_ports.contains(&7000));
}

fn without_encrypted_connections_nothing_is_loaded<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(set(&mut w, c, "tls-cert-file nowhere.pem"), "OK");
    assert!(w.hosts[0].tls.is_none());
    let refused = set(&mut w, c, "tls-port 7500");
    assert!(refused.ends_with("'tls-port') - nowhere.pem: no such file"), "{refused}");
    assert_eq!(w.ask(c, "CONFIG GET tls-port"), "[tls-port, 0]");
}

fn a_replica_follows_over_an_encrypted_link_and_names_its_encrypted_port<D: Make>() {
    let link = "--port 0 --tls-replication yes --tls-cert-file good.pem";
    let mut w = World::<D>::family(
        1,
        &[&format!("{link} --tls-port 7000"), &format!("{link} --tls-port 7001 --replicaof 127.0.0.1_7000")],
    );
    assert_eq!(w.info(1, "master_link_status"), "up");
    let replica = w.info(0, "slave0");
    assert!(replica.contains("port=7001,state=online"), "{replica}");
    // A replica with both ports, and without one to call by TLS.
    let mut w = World::<D>::family(
        1,
        &[
            "--tls-port 7400 --tls-cert-file good.pem",
            "--tls-cert-file good.pem --tls-port 7401 --tls-replication yes --replicaof 127.0.0.1_7400",
            "--tls-cert-file good.pem --tls-replication yes --replicaof 127.0.0.1_7400",
            "--replicaof 127.0.0.1_7400",
        ],
    );
    let all = format!("{} {}", w.info(0, "slave0"), w.info(0, "slave1"));
    assert!(all.contains("port=7401,") && all.contains("port=7002,"), "{all}");
    assert_eq!(w.info(3, "master_link_status"), "down", "it does not speak TLS");
    let c = w.client(3);
    assert_eq!(set(&mut w, c, "tls-replication yes tls-cert-file good.pem"), "OK");
    w.advance(3_000);
    assert_eq!(w.info(3, "master_link_status"), "up");
}

fn a_change_of_certificates_waits_and_others_are_refused_meanwhile<D: Make>() {
    let (mut w, c) = World::<D>::one(TLS);
    let other = w.client(0);
    w.hosts[0].disk_slow = true;
    assert_eq!(w.ask(c, "CONFIG SET tls-key-file a.key\nPING"), "", "its further commands wait");
    for busy in ["CONFIG SET tls-key-file b.key", "CONFIG SET port 7100"] {
        let busy = w.ask(other, busy);
        assert!(busy.ends_with("listeners or certificates are changing already; try again"), "{busy}");
    }
    assert_eq!(w.ask(other, "CONFIG SET timeout 8"), "OK");
    let within = w.ask(other, "MULTI\nCONFIG SET tls-key-file b.key\nEXEC");
    assert!(within.contains("cannot change within a transaction"), "{within}");
    // A client that went away leaves its change to be done.
    w.hang_up(c);
    w.hosts[0].disk_slow = false;
    w.run();
    assert_eq!(w.hosts[0].tls.as_ref().unwrap().key_file, "a.key");
    assert_eq!(w.ask(other, "CONFIG GET tls-key-file\nCONFIG GET timeout"), "[tls-key-file, a.key] | [timeout, 8]");
}

fn what_has_no_effect_is_said<D: Make>() {
    let (w, _) = World::<D>::one(&format!("{TLS} --tls-ciphers HIGH --tls-session-caching no"));
    let line = "TLS is configured. These directives are for OpenSSL, and have no effect here: tls-ciphers, tls-session-caching";
    assert!(w.log(0).contains(line), "{}", w.log(0));
}

fn who_speaks_tls_to_the_plain_port_is_told_nothing<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let stranger = w.client(0);
    w.say(stranger, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\nPING\r\n");
    w.run();
    assert_eq!(w.heard(stranger), "");
    assert!(w.closed(stranger));
    assert!(w.log(0).contains("its first bytes are a TLS handshake"), "{}", w.log(0));
    // Later such a byte is as good as any.
    assert_eq!(w.ask(c, "PING\nECHO \x16"), "PONG | \\x16");
}

fn certificates_log_users_in<D: Make>() {
    let (mut w, c) = World::<D>::one("--requirepass pw --tls-auth-clients-user CN");
    w.ask(c, "AUTH pw\nACL SETUSER bob on ~* +@all\nACL SETUSER out off +@all\nACL SETUSER urn:bob on +@all");
    let who = |w: &mut World<D>, common: Option<&str>, uris: &[&str]| {
        let client = w.client(0);
        let names = PeerNames {
            common_name: common.map(|n| n.as_bytes().into()),
            uris: uris.iter().map(|u| u.as_bytes().into()).collect(),
        };
        w.named(client, names);
        w.ask(client, "ACL WHOAMI")
    };
    const NOBODY: &str = "-NOAUTH Authentication required.";
    assert_eq!(who(&mut w, Some("bob"), &["urn:bob"]), "bob", "it needs no password, and has none");
    for name in ["out", "nobody", "BOB"] {
        assert_eq!(who(&mut w, Some(name), &["bob"]), NOBODY, "{name}");
    }
    assert_eq!(who(&mut w, None, &["bob"]), NOBODY);
    assert!(w.ask(c, "INFO stats").contains("acl_access_denied_tls_cert:3"));
    let log = w.ask(c, "ACL LOG");
    assert!(log.contains("reason, tls-cert, context, toplevel, object, BOB, username, BOB"), "{log}");
    assert_eq!(log.matches("tls-cert").count(), 3, "{log}");
    assert_eq!(w.ask(c, "CONFIG SET tls-auth-clients-user uri"), "OK");
    assert_eq!(who(&mut w, Some("bob"), &["urn:nobody", "urn:bob", "bob"]), "urn:bob", "the first that is known");
    assert_eq!(who(&mut w, Some("bob"), &[]), NOBODY);
    assert_eq!(w.ask(c, "CONFIG SET tls-auth-clients-user off"), "OK");
    assert_eq!(who(&mut w, Some("bob"), &["bob"]), NOBODY);
    assert!(w.ask(c, "CONFIG SET tls-auth-clients-user x").contains("must be one of the following: CN, URI, off"));
    assert!(w.log(0).contains("TLS: Auto-authenticated client as bob (addr=127.0.0.1:50000)"), "{}", w.log(0));
}
