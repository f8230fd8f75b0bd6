//! Questions to a name server and its answers, as far as addresses need them (RFC 1035, RFC 3596).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a message's head: id, flags, four counts.
const HEAD: usize = 12;
/// The longest name on the wire, bytes; of one label 63.
const NAME_MAX: usize = 255;
const LABEL_MAX: usize = 63;
/// Class IN.
const INTERNET: u16 = 1;
const CNAME: u16 = 5;
/// So many aliases of aliases are followed.
const ALIASES_MAX: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
}

/// What a name server says.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The addresses of the name; none if it has others, or none at all.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// More than fits into a datagram: ask over TCP.
    Truncated,
    /// It does not answer: the response code (2: failure, 5: refused).
    Refused(u8),
    /// Another question's, or broken.
    NotOurs,
}

/// The question for `name`, which has no dot at its end; nothing if no name server could know such a name.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(HEAD + name.len() + 6);
    out.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question.
    out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let sound = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if label.is_empty() || label.len() > LABEL_MAX || !sound {
            return None;
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    if out.len() - HEAD > NAME_MAX {
        return None;
    }
    out.extend_from_slice(&(kind as u16).to_be_bytes());
    out.extend_from_slice(&INTERNET.to_be_bytes());
    Some(out)
}

/// Reads an answer to `question`. Never panics, and looks at no byte more than some times.
pub(super) fn answer(message: &[u8], question: &[u8], kind: Kind) -> Answer {
    read(message, question, kind).unwrap_or(Answer::NotOurs)
}

fn read(message: &[u8], question: &[u8], kind: Kind) -> Option<Answer> {
    let asked = question.get(HEAD..)?;
    let flags = message.get(2..4)?;
    let is_answer = flags[0] & 0x80 != 0;
    // The question comes back as it was, but for the case of letters.
    let same = message.get(HEAD..HEAD + asked.len())?.eq_ignore_ascii_case(asked);
    if message.get(..2)? != question.get(..2)? || !is_answer || number(message, 4)? != 1 || !same {
        return None;
    }
    match flags[1] & 15 {
        0 if flags[0] & 2 != 0 => return Some(Answer::Truncated),
        0 => {}
        3 => return Some(Answer::NoSuchName),
        code => return Some(Answer::Refused(code)),
    }
    let records = records(message, HEAD + asked.len(), number(message, 6)?)?;
    let mut owner = name_at(message, HEAD)?.0;
    for _ in 0..ALIASES_MAX {
        let found: Vec<_> =
            records.iter().filter(|r| r.kind == kind as u16 && r.owner == owner).filter_map(Record::address).collect();
        if !found.is_empty() {
            return Some(Answer::Addresses(found));
        }
        let Some(alias) = records.iter().find(|r| r.kind == CNAME && r.owner == owner) else { break };
        owner = name_at(message, alias.at)?.0;
    }
    Some(Answer::Addresses(Vec::new()))
}

struct Record<'a> {
    owner: Vec<u8>,
    kind: u16,
    /// Where its data begin.
    at: usize,
    data: &'a [u8],
}

impl Record<'_> {
    fn address(&self) -> Option<IpAddr> {
        if self.kind == Kind::A as u16 {
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(self.data).ok()?).into());
        }
        Some(Ipv6Addr::from(<[u8; 16]>::try_from(self.data).ok()?).into())
    }
}

fn records(message: &[u8], mut at: usize, count: u16) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    for _ in 0..count {
        let (owner, next) = name_at(message, at)?;
        let (kind, class) = (number(message, next)?, number(message, next + 2)?);
        // Four bytes are for how long it may be kept: nothing is.
        let (len, begin) = (number(message, next + 8)?.into(), next + 10);
        let data = message.get(begin..)?.get(..len)?;
        if class == INTERNET {
            records.push(Record { owner, kind, at: begin, data });
        }
        at = begin + len;
    }
    Some(records)
}

/// The name at an offset, as labels in small letters, and where the message goes on.
fn name_at(message: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut end) = (Vec::new(), None);
    loop {
        let len = usize::from(*message.get(at)?);
        match len >> 6 {
            0 if len == 0 => return Some((name, end.unwrap_or(at + 1))),
            0 => {
                name.extend(message.get(at..=at + len)?.iter().map(u8::to_ascii_lowercase));
                if name.len() > NAME_MAX {
                    return None;
                }
                at += 1 + len;
            }
            // The rest stands elsewhere, always before: so this ends.
            3 => {
                let to = usize::from(number(message, at)? & 0x3fff);
                end.get_or_insert(at + 2);
                if to >= at {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An answer to a question: a response code, and records by type and data that belong to the name asked for.
    pub(in crate::resolve) fn reply(question: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = question.to_vec();
        out[2] = 0x81;
        out[3] = 0x80 | code;
        out[7] = records.len() as u8;
        for (kind, data) in records {
            out.extend_from_slice(&[0xc0, HEAD as u8]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            out.extend_from_slice(data);
        }
        out
    }

    #[test]
    fn addresses_come_in_their_order_and_by_aliases() {
        let q = question(7, "Redis-0.example", Kind::A).unwrap();
        let two = reply(&q, 0, &[(1, &[10, 0, 0, 2]), (28, &[0; 16]), (1, &[10, 0, 0, 1])]);
        let expected = ["10.0.0.2", "10.0.0.1"].map(|a| a.parse().unwrap());
        assert_eq!(answer(&two, &q, Kind::A), Answer::Addresses(expected.into()));

        let mut alias = reply(&q, 0, &[(CNAME, b"\x01b\x01C\x00")]);
        alias[7] = 2;
        alias.extend_from_slice(b"\x01B\x01c\x00\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x09");
        assert_eq!(answer(&alias, &q, Kind::A), Answer::Addresses(vec!["127.0.0.9".parse().unwrap()]));

        let q = question(7, "six", Kind::Aaaa).unwrap();
        let six = reply(&q, 0, &[(28, &Ipv6Addr::LOCALHOST.octets())]);
        assert_eq!(answer(&six, &q, Kind::Aaaa), Answer::Addresses(vec![Ipv6Addr::LOCALHOST.into()]));
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_not_taken() {
        let q = question(7, "name", Kind::A).unwrap();
        let good = reply(&q, 0, &[(1, &[10, 0, 0, 2])]);
        let other = question(7, "other", Kind::A).unwrap();
        let later = question(8, "name", Kind::A).unwrap();
        assert_eq!(answer(&good, &other, Kind::A), Answer::NotOurs);
        assert_eq!(answer(&good, &later, Kind::A), Answer::NotOurs);
        assert_eq!(answer(&q, &q, Kind::A), Answer::NotOurs, "a question is no answer");
        assert_eq!(answer(&reply(&q, 3, &[]), &q, Kind::A), Answer::NoSuchName);
        assert_eq!(answer(&reply(&q, 2, &[]), &q, Kind::A), Answer::Refused(2));
        let mut cut = reply(&q, 0, &[]);
        cut[2] |= 2;
        assert_eq!(answer(&cut, &q, Kind::A), Answer::Truncated);
        for len in 0..good.len() {
            assert_eq!(answer(&good[..len], &q, Kind::A), Answer::NotOurs, "cut off at {len}");
        }
    }

    #[test]
    fn pointers_that_lead_nowhere_end() {
        let q = question(7, "name", Kind::A).unwrap();
        for to in 0..=255 {
            let mut bad = reply(&q, 0, &[(CNAME, &[0xc0, to]), (1, &[1, 2, 3, 4])]);
            let at = q.len() + 1;
            bad[at] = to;
            answer(&bad, &q, Kind::A);
        }
        // A pointer to itself, and two names that follow each other.
        let mut looped = reply(&q, 0, &[(CNAME, &[0xc0, HEAD as u8])]);
        assert_eq!(answer(&looped, &q, Kind::A), Answer::Addresses(vec![]));
        let own = q.len() as u8;
        looped[q.len() + 1] = own;
        assert_eq!(answer(&looped, &q, Kind::A), Answer::NotOurs);
    }

    #[test]
    fn names_that_no_server_knows_are_not_asked_for() {
        let long = "a".repeat(64);
        let longer = vec!["a".repeat(63); 4].join(".");
        for bad in ["", "a..b", ".a", "a b", "ä", "a\0", &long, &longer] {
            assert_eq!(question(1, bad, Kind::A), None, "{bad:?}");
        }
        assert!(question(1, &longer[..longer.len() - 2], Kind::A).is_some());
    }

    #[test]
    fn any_bytes_are_read_to_an_end() {
        fn holds(bytes: &[u8], at: usize, value: u8) {
            let q = question(7, "name", Kind::A).unwrap();
            let mut message = reply(&q, 0, &[(CNAME, b"\x01b\x00"), (1, &[1, 2, 3, 4])]);
            message.extend_from_slice(bytes);
            let at = at % message.len();
            message[at] = value;
            answer(&message, &q, Kind::A);
            answer(bytes, &q, Kind::A);
        }
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..draw() % 40).map(|_| draw() as u8).collect();
            holds(&bytes, draw(), draw() as u8);
        }
    }
}
