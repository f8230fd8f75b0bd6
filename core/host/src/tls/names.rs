//! Whom a certificate names: the common name of its subject, and its URIs.
//!
//! It reads just so much of the certificate (DER) as it takes to get there. That the certificate is good was seen in the
//! handshake; whatever its bytes are, this ends, and answers less.

use primacy_core::tls::PeerNames;

/// Bytes of a name at most; what is longer names nobody.
const NAME_MAX: usize = 1024;
/// URIs that are looked at.
const URIS_MAX: usize = 32;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
/// The version, where there is one.
const VERSION: u8 = 0xa0;
/// Extensions.
const EXTENSIONS: u8 = 0xa3;
/// An URI among alternative names.
const URI: u8 = 0x86;
/// Texts whose bytes are the name: UTF-8, printable, T.61, IA5.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];
/// `id-at-commonName`.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// `id-ce-subjectAltName`.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 29, 17];

/// Values one after another.
#[derive(Clone)]
struct Der<'a>(&'a [u8]);

impl<'a> Iterator for Der<'a> {
    type Item = (u8, &'a [u8]);

    /// The next value: its tag and its content. Nothing, too, where the bytes make no sense.
    fn next(&mut self) -> Option<Self::Item> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let (len, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

impl Der<'_> {
    /// The content of the next value, if it has this tag.
    fn inside(&mut self, tag: u8) -> Option<Self> {
        self.next().filter(|(t, _)| *t == tag).map(|(_, content)| Self(content))
    }
}

/// What the certificate says of its owner.
pub(super) fn of(certificate: &[u8]) -> PeerNames {
    subject_and_extensions(certificate).map_or_else(PeerNames::default, |(subject, extensions)| PeerNames {
        common_name: common_name(subject),
        uris: uris(extensions),
    })
}

fn subject_and_extensions(certificate: &[u8]) -> Option<(Der<'_>, Der<'_>)> {
    let mut fields = Der(certificate).inside(SEQUENCE)?.inside(SEQUENCE)?;
    let mut behind = fields.clone();
    if behind.next()?.0 == VERSION {
        fields = behind;
    }
    // Serial number, algorithm, issuer, validity.
    let subject = fields.nth(4).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    let extensions = fields.find(|(tag, _)| *tag == EXTENSIONS);
    Some((Der(subject), Der(extensions.map_or(&[], |(_, content)| content))))
}

/// What names somebody: not nothing, and no zero byte, behind which others would read no further.
fn name(bytes: &[u8]) -> Option<Box<[u8]>> {
    ((1..=NAME_MAX).contains(&bytes.len()) && !bytes.contains(&0)).then(|| bytes.into())
}

/// The first one.
fn common_name(subject: Der<'_>) -> Option<Box<[u8]>> {
    let mut parts = subject.filter(|(tag, _)| *tag == SET).flat_map(|(_, set)| Der(set));
    let is_common = |(_, part)| {
        let mut part = Der(part);
        (part.inside(OBJECT)?.0 == COMMON_NAME).then(|| part.next())?
    };
    let (_, value) = parts.find_map(is_common).filter(|(tag, _)| TEXTS.contains(tag))?;
    name(value)
}

fn uris(mut extensions: Der<'_>) -> Vec<Box<[u8]>> {
    let alternatives = extensions.inside(SEQUENCE).and_then(|mut list| {
        list.find_map(|(_, extension)| {
            let mut extension = Der(extension);
            if extension.inside(OBJECT)?.0 != ALTERNATIVE_NAMES {
                return None;
            }
            let (_, content) = extension.find(|(tag, _)| *tag == OCTETS)?;
            Der(content).inside(SEQUENCE)
        })
    });
    let uris = alternatives.into_iter().flatten().filter(|(tag, _)| *tag == URI);
    uris.take(URIS_MAX).filter_map(|(_, uri)| name(uri)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use primacy_core::rng::Rng;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.name".into()]).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn named(common_name: Option<&str>, uris: &[&str]) -> PeerNames {
        PeerNames {
            common_name: common_name.map(|n| n.as_bytes().into()),
            uris: uris.iter().map(|u| u.as_bytes().into()).collect(),
        }
    }

    #[test]
    fn the_names_of_a_certificate_are_read() {
        let names = |change: fn(&mut CertificateParams)| of(&certificate(change));
        let all = |p: &mut CertificateParams| {
            p.distinguished_name.push(DnType::OrganizationName, "x".repeat(300));
            p.distinguished_name.push(DnType::CommonName, "b\u{f6}b");
            p.subject_alt_names.extend([uri("spiffe://here/bob"), uri("urn:second")]);
        };
        assert_eq!(names(all), named(Some("b\u{f6}b"), &["spiffe://here/bob", "urn:second"]));
        let none = |p: &mut CertificateParams| p.distinguished_name = rcgen::DistinguishedName::new();
        assert_eq!(names(none), named(None, &[]));
        let zero = |p: &mut CertificateParams| p.distinguished_name.push(DnType::CommonName, "admin\0.evil");
        assert_eq!(names(zero), named(None, &[]), "a name ends nowhere but at its end");
        let long = |p: &mut CertificateParams| p.distinguished_name.push(DnType::CommonName, "x".repeat(NAME_MAX + 1));
        assert_eq!(names(long), named(None, &[]));
    }

    #[test]
    fn any_bytes_name_somebody_or_nobody() {
        let whole = certificate(|p| p.subject_alt_names.push(uri("urn:a")));
        let mut rng = Rng::new([5; 32]);
        for round in 0..20_000 {
            let mut bytes = whole.clone();
            bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
            for _ in 0..rng.below(8) {
                if let Some(byte) = (!bytes.is_empty()).then(|| rng.below(bytes.len() as u64) as usize) {
                    bytes[byte] = if round % 2 == 0 { rng.next_u64() as u8 } else { 0x84 };
                }
            }
            let names = of(&bytes);
            assert!(names.uris.len() <= URIS_MAX);
        }
    }
}
