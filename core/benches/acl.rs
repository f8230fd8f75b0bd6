//! The check of a command: a user with everything, one with patterns, one with selectors.
#![allow(missing_docs, reason = "criterion's macros make public items without any")]

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use primacy_core::acl::{Commands, Users};
use primacy_core::dataset::Dataset as _;
use primacy_core::keyspace::Keyspace;
use primacy_core::resp::Command;

const FILE: &[u8] = b"user all on nopass ~* &* +@all\n\
    user keys on nopass ~other:* ~user:* +@all\n\
    user split on nopass %R~other:* %R~user:* %W~user:* +@read +@write\n\
    user selectors on nopass ~a +get (~b +set) (~user:* +@string)\n";

fn bench(c: &mut Criterion) {
    let data = Keyspace::new(1, [0; 32]);
    let specs = data.commands();
    let commands = Commands::new(specs.iter());
    let users = Users::parse(&commands, FILE, false).expect("sound rules");
    let mut group = c.benchmark_group("acl");
    for user in ["all", "keys", "split", "selectors"] {
        let id = users.id(user.as_bytes()).expect("it is there");
        for words in
            [&["GET", "user:1000"][..], &["SET", "user:1000", "value"], &["MGET", "user:1", "user:2", "user:3"]]
        {
            let index = specs.iter().position(|s| s.name.eq_ignore_ascii_case(words[0])).expect("a command");
            let command = Command::new(words);
            assert_eq!(users.check(id, &commands, index, command.args()), Ok(()));
            group.bench_function(format!("{user} {}", words[0]), |b| {
                b.iter(|| users.check(black_box(id), &commands, black_box(index), command.args()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
