//! A command that owns its bytes, in wire form.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::{Args, Span, decimal};

/// A command in its wire form with the places of its arguments: what waits in a transaction, what is propagated.
#[derive(Clone, Debug)]
pub struct Command {
    frame: Bytes,
    spans: SmallVec<[Span; 4]>,
}

impl Command {
    /// The command of these arguments, the name first.
    pub fn new<A: AsRef<[u8]>>(args: &[A]) -> Self {
        let size = args.iter().map(|a| a.as_ref().len() + 26).sum::<usize>() + 24;
        let mut frame = BytesMut::with_capacity(size);
        let mut spans = SmallVec::with_capacity(args.len());
        header(&mut frame, b'*', args.len());
        for arg in args {
            let arg = arg.as_ref();
            header(&mut frame, b'$', arg.len());
            spans.push(Span { at: frame.len(), len: arg.len() });
            frame.extend_from_slice(arg);
            frame.extend_from_slice(b"\r\n");
        }
        Self { frame: frame.freeze(), spans }
    }

    /// A copy of `args`; arguments in pieces are put together.
    pub fn from_args(args: Args<'_>) -> Self {
        let list: SmallVec<[alloc::borrow::Cow<'_, [u8]>; 8]> = (0..args.len())
            .map(|i| match args.pieces(i) {
                Some(pieces) => pieces.concat().into(),
                None => args.at(i).into(),
            })
            .collect();
        Self::new(&list)
    }

    /// Its arguments.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.frame, &self.spans, Some(&self.frame))
    }

    /// Its bytes on the wire.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Memory in bytes that it keeps alive.
    pub fn memory(&self) -> usize {
        self.frame.len()
            + size_of::<Self>()
            + if self.spans.spilled() { self.spans.len() * size_of::<Span>() } else { 0 }
    }
}

fn header(out: &mut BytesMut, mark: u8, n: usize) {
    let mut buf = [0; 20];
    out.extend_from_slice(&[mark]);
    out.extend_from_slice(decimal(&mut buf, false, n as u64));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_and_arguments() {
        let c = Command::new(&["SET", "k", ""]);
        assert_eq!(&c.frame()[..], b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
        assert_eq!((c.args().at(1), c.args().at(2), c.args().get(3)), (&b"k"[..], &b""[..], None));
        let pieces = [Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        let joined = Command::from_args(c.args().with_pieces(2, &pieces));
        assert_eq!(joined.args().at(2), b"abc");
    }
}
