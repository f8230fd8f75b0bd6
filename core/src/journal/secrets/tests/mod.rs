//! Secrets among what clients send and files hold: found at any split, and gone.

#[cfg(feature = "keyspace")]
mod replayed;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use quickcheck::quickcheck;
use sha2::{Digest as _, Sha256};

use super::mask::Mask;
use super::scan::{Names, Scan};
use super::{Secrets, text};
use crate::acl::hash_text;
use crate::ids::ConnId;
use crate::resp::{Command, RequestLimits, Requests};
use crate::words;

/// What no recording may hold.
const SECRETS: &[&str] = &["pw-of-default", "pw of alice", "old\"quoted", "p\u{e4}ss", "sha-only"];

fn hex(secret: &str) -> String {
    hash_text(&Sha256::digest(secret.as_bytes()).into())
}

/// Commands with and without secrets, in both forms.
fn talk() -> Vec<u8> {
    let [default, alice, quoted, high, known] = SECRETS else { unreachable!() };
    let hash = format!("#{}", hex(known));
    let commands: Vec<Vec<&str>> = vec![
        vec!["PING"],
        vec!["AUTH", default],
        vec!["SET", "k", "v\r\n*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"],
        vec!["HELLO", "3", "AUTH", "alice", alice, "SETNAME", "n"],
        vec!["acl", "SetUser", "bob", "on", ">pw of alice", &hash, "<old\"quoted", "~*", "+@all"],
        vec!["CONFIG", "SET", "port", "1", "requirepass", quoted, "masterauth", high],
        vec!["CONFIG", "GET", "requirepass"],
        vec!["GET", ""],
        vec!["AUTH", "alice", high],
        vec!["SENTINEL", "SET", "m", "auth-pass", alice],
        vec!["geheim", "SET", "masterauth", default],
        vec!["MIGRATE", "h", "1", "k", "0", "9", "AUTH2", "u", default],
    ];
    let mut out = Vec::new();
    for command in &commands {
        out.extend_from_slice(Command::new(command).frame());
    }
    out.extend_from_slice(b"\nping\r\n*0\r\n*-1\r\nAUTH pw-of-default\r\n");
    out.extend_from_slice(b"  auth 'alice' \"pw\\x20of alice\"  \n'AUTH' \"old\\\"quoted\"\r\n*1\r\n$4\r\nPING\r\n");
    out
}

/// What the machine heard, and what is recorded of it, of `pieces` and the end.
fn fed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>) {
    let (mut names, mut mask, mut scan) = (Names::default(), Mask::new([7; 32]), Scan::default());
    names.rename("config", "geheim");
    let (mut heard, mut recorded) = (Vec::new(), Vec::new());
    for piece in pieces {
        let fed = scan.feed(piece, &names, &mut mask);
        let told = fed.heard.as_deref().unwrap_or(piece);
        heard.extend_from_slice(told);
        recorded.extend_from_slice(fed.recorded.as_deref().unwrap_or(told));
    }
    if let Some(rest) = scan.rest() {
        heard.extend_from_slice(rest.heard.as_deref().unwrap());
        recorded.extend_from_slice(rest.recorded.as_deref().unwrap());
    }
    (heard, recorded)
}

/// The pieces that `cuts` make of `bytes`.
fn cut<'a>(mut bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter();
    core::iter::from_fn(move || {
        let len = cuts.next().map_or(bytes.len(), |c| bytes.len().min(usize::from(*c).max(1)));
        let (now, rest) = bytes.split_at(len);
        bytes = rest;
        (!now.is_empty()).then_some(now)
    })
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

fn assert_no_secret(bytes: &[u8]) {
    for secret in SECRETS {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let quoted = words::quote(secret.as_bytes());
        let digits = hex(secret);
        let spelled = [secret.as_bytes(), &hash, digits.as_bytes(), quoted.trim_matches('"').as_bytes()];
        assert!(!spelled.iter().any(|s| holds(bytes, s)), "{secret}: {}", bytes.escape_ascii());
    }
}

fn commands(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut requests, mut all) = (Requests::new(), Vec::new());
    while let Ok(Some(args)) = requests.next(&mut bytes, &RequestLimits::default()) {
        all.push(args.iter().map(<[u8]>::to_vec).collect());
    }
    all
}

#[test]
fn nothing_is_left_of_secrets_and_all_of_the_rest() {
    let talk = talk();
    let (heard, recorded) = fed(core::iter::once(&talk[..]));
    assert_eq!((&heard, recorded.len()), (&talk, talk.len()));
    assert_no_secret(&recorded);
    let (real, told) = (commands(&talk), commands(&recorded));
    assert_eq!((real.len(), told.len()), (17, 17));
    // One secret has one token wherever it stands.
    let mut tokens = alloc::collections::BTreeMap::new();
    let mut changed = 0;
    for (real, told) in real.iter().zip(&told) {
        assert_eq!(real.len(), told.len());
        for (real, told) in real.iter().zip(told) {
            assert_eq!(real.len(), told.len(), "{}", real.escape_ascii());
            changed += usize::from(real != told);
            let bare = real.strip_prefix(b">").or(real.strip_prefix(b"<")).unwrap_or(real);
            let token = told.strip_prefix(b">").or(told.strip_prefix(b"<")).unwrap_or(told);
            assert_eq!(tokens.entry(bare.to_vec()).or_insert(token.to_vec()), token);
        }
    }
    assert_eq!(changed, 14);
}

quickcheck! {
    fn any_split_tells_the_same(cuts: Vec<u8>) -> bool {
        let talk = talk();
        fed(cut(&talk, &cuts)) == fed(core::iter::once(&talk[..]))
    }

    fn any_bytes_are_heard_whole(bytes: Vec<u8>, cuts: Vec<u8>, at: usize) -> bool {
        let mut all = talk();
        all.splice(at % all.len()..at % all.len(), bytes);
        fed(cut(&all, &cuts)).0 == all
    }
}

#[test]
fn one_byte_at_a_time_nothing_is_told_of_a_secret_before_it_is_whole() {
    let talk = talk();
    let (heard, recorded) = fed(talk.chunks(1));
    assert_eq!(heard, talk);
    assert_no_secret(&recorded);
}

#[test]
fn what_is_never_whole_says_nothing() {
    for begun in [
        "*2\r\n$4\r\nAUTH\r\n$13\r\npw-of-default",
        "AUTH pw-of-default",
        "*3\r\n$4\r\nauth\r\n$5\r\nalice\r\n+pw-of-default",
    ] {
        let (heard, recorded) = fed(begun.as_bytes().chunks(5));
        assert_eq!(heard, begun.as_bytes());
        assert_no_secret(&recorded);
        assert_eq!(recorded.len(), begun.len());
    }
}

#[test]
fn what_is_no_command_with_a_secret_is_heard_at_once() {
    for begun in [&b"\x16\x03\x01"[..], b"PIN", b"set auth", b"authx ", b"*2\r\n$3\r\nGET\r\n$5\r\nab"] {
        let fed = Scan::default().feed(begun, &Names::default(), &mut Mask::new([7; 32]));
        assert_eq!(fed, super::Fed::AS_IT_CAME, "{}", begun.escape_ascii());
    }
}

#[test]
fn a_secret_beyond_the_bound_is_not_held_back() {
    for (name, len) in [("AUTH", 20_000), ("CONFIG", 100_000)] {
        let password = "secret".repeat(len / 6);
        let words: &[&str] = if name == "AUTH" { &[name, &password] } else { &[name, "SET", "requirepass", &password] };
        let frame = [Command::new(words).frame(), Command::new(&["PING"]).frame()].map(|f| f.to_vec()).concat();
        let (heard, recorded) = fed(frame.chunks(1000));
        assert_eq!((&heard, recorded.len()), (&frame, frame.len()));
        assert!(!holds(&recorded, b"secret") && recorded.ends_with(b"PING\r\n"), "{name}");
    }
}

#[test]
fn texts_lose_their_secrets_and_nothing_else() {
    let mut mask = Mask::new([7; 32]);
    let conf = format!(
        "port 6379\r\nrequirepass pw-of-default\n  masterauth \"pw of alice\" \n# requirepass sha-only\nuser bob on #{} \
         >pw-of-default ~>k +get\nsentinel auth-pass m \"old\\\"quoted\"\nsentinel monitor m 1 2 3\nrequirepass \"p\\xc3\\xa4ss\n\
         masterauth p\u{e4}ss",
        hex("sha-only")
    );
    let told = String::from_utf8(text::configuration(conf.as_bytes(), &mut mask)).unwrap();
    assert_no_secret(told.as_bytes());
    assert_eq!(told.lines().count(), conf.lines().count());
    assert!(told.starts_with("port 6379\r\nrequirepass ") && told.contains("~>k +get\n"), "{told}");
    assert!(told.contains("sentinel monitor m 1 2 3\n"), "{told}");
    // What is written of the one is as good as what is written of the other.
    let same = super::without_secrets(conf.as_bytes());
    assert_eq!(String::from_utf8(super::without_secrets(told.as_bytes())), String::from_utf8(same.clone()));
    assert_no_secret(&same);

    let file = format!("user bob on #{} >pw-of-default ~\"x (+get ~>k)\r\n\nuser u >old\"quoted\n", hex("sha-only"));
    let told = text::users(file.as_bytes(), &mut mask);
    assert_no_secret(&told);
    assert_eq!(told.len(), file.len());
    assert!(holds(&told, b" ~\"x (+get ~>k)\r\n\nuser u >"), "{}", told.escape_ascii());
}

#[test]
fn short_secrets_are_told_apart() {
    let mut mask = Mask::new([1; 32]);
    let tokens: Vec<Vec<u8>> = (b'a'..=b'z').map(|b| mask.password(&[b])).collect();
    let different: alloc::collections::BTreeSet<_> = tokens.iter().collect();
    assert_eq!(different.len(), tokens.len());
    assert!((b'a'..).zip(&tokens).all(|(b, t)| t[..] != [b]));
    assert_eq!(mask.password(b"a"), tokens[0]);
    // Another recording has others.
    assert_ne!(Mask::new([2; 32]).password(b"pw-of-default"), mask.password(b"pw-of-default"));
}

#[test]
fn what_masters_say_is_recorded_as_it_came() {
    let mut secrets = Secrets::new([7; 32]);
    let fed = secrets.received(ConnId::opened(1), b"*2\r\n$4\r\nAUTH\r\n$2\r\n");
    assert_eq!(fed, super::Fed::AS_IT_CAME);
}
