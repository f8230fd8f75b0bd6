//! Numbers, texts and addresses as a recording holds them. Numbers are LEB128: seven bits a byte, low ones first.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::machine::Endpoint;

/// What cannot be read in a record: `expected` stands where the bytes at `at` are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Offset in the block's content.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Appends a number.
#[inline]
pub fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a difference that is small either way.
#[inline]
pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_number(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Appends bytes with their length before them.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
}

pub(super) fn put_endpoint(out: &mut Vec<u8>, at: &Endpoint) {
    match at {
        Endpoint::Tcp(SocketAddr::V4(a)) => {
            put_ip(out, (*a.ip()).into());
            put_number(out, a.port().into());
        }
        Endpoint::Tcp(SocketAddr::V6(a)) => {
            put_ip(out, (*a.ip()).into());
            put_number(out, a.port().into());
            put_number(out, a.flowinfo().into());
            put_number(out, a.scope_id().into());
        }
        Endpoint::Unix(path) => {
            out.push(0);
            put_bytes(out, path.as_bytes());
        }
    }
}

/// Reads a block's content from the front.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `all`.
    pub fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    pub(super) fn starting_at(all: &'a [u8], at: usize) -> Self {
        Self { all, at: at.min(all.len()) }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.at == self.all.len()
    }

    /// The error that something else was expected where the cursor stands.
    pub fn expected(&self, expected: &'static str) -> Malformed {
        Malformed { at: self.at, expected }
    }

    /// The next byte.
    pub fn byte(&mut self, expected: &'static str) -> Result<u8, Malformed> {
        let b = *self.all.get(self.at).ok_or_else(|| self.expected(expected))?;
        self.at += 1;
        Ok(b)
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize, expected: &'static str) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(n).ok_or_else(|| self.expected(expected))?;
        let bytes = self.all.get(self.at..end).ok_or_else(|| self.expected(expected))?;
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N, expected)?;
        bytes.try_into().map_err(|_| self.expected(expected))
    }

    pub(super) fn u32(&mut self, expected: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array(expected)?))
    }

    /// A number of up to 64 bits.
    pub fn number(&mut self, expected: &'static str) -> Result<u64, Malformed> {
        let start = self.expected(expected);
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte(expected)?;
            let bits = u64::from(b & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && b > 1 {
                return Err(start);
            }
            n |= bits << shift;
            if b < 0x80 {
                return Ok(n);
            }
        }
        Err(start)
    }

    pub(super) fn signed(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        let n = self.number(expected)?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A number that fits into `T`.
    pub fn narrow<T: TryFrom<u64>>(&mut self, expected: &'static str) -> Result<T, Malformed> {
        let start = self.expected(expected);
        T::try_from(self.number(expected)?).map_err(|_| start)
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, expected: &'static str) -> Result<&'a [u8], Malformed> {
        let len = self.narrow(expected)?;
        self.take(len, expected)
    }

    /// UTF-8 text with its length before it.
    pub fn text(&mut self, expected: &'static str) -> Result<Box<str>, Malformed> {
        let start = self.expected(expected);
        core::str::from_utf8(self.bytes(expected)?).map(Into::into).map_err(|_| start)
    }

    pub(super) fn flag(&mut self, expected: &'static str) -> Result<bool, Malformed> {
        let start = self.expected(expected);
        match self.byte(expected)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(start),
        }
    }

    pub(super) fn ip(&mut self) -> Result<IpAddr, Malformed> {
        let start = self.expected("an address");
        match self.byte("an address")? {
            4 => Ok(Ipv4Addr::from(self.array::<4>("an IPv4 address")?).into()),
            6 => Ok(Ipv6Addr::from(self.array::<16>("an IPv6 address")?).into()),
            _ => Err(start),
        }
    }

    pub(super) fn endpoint(&mut self) -> Result<Endpoint, Malformed> {
        if self.all.get(self.at) == Some(&0) {
            self.at += 1;
            return Ok(Endpoint::Unix((&*self.text("the path of a unix socket")?).into()));
        }
        let ip = self.ip()?;
        let port = self.narrow("a port")?;
        Ok(Endpoint::Tcp(match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, self.narrow("flow bits")?, self.narrow("a scope")?).into(),
        }))
    }
}
