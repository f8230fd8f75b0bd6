//! The stream of a master, applied command by command.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::{Cx, Node, Run};
use crate::blocks::Blocks;
use crate::client::Dispatch as _;
use crate::dataset::{Context, Dataset, Origin};
use crate::mutations::{Mutation, on};
use crate::resp::{Args, Command, Proto, Reply, parse_i64};

/// Bytes of a MULTI block of the stream that wait for their EXEC.
const MULTI_MAX: usize = 1 << 30;

/// What the stream of the master is in the middle of.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Its selected database.
    pub(super) db: u32,
    /// Commands between MULTI and EXEC, and their bytes.
    pub(super) multi: Option<(Vec<Command>, usize)>,
}

/// Why the stream cannot be applied.
pub(super) struct Fault {
    pub(super) command: Box<str>,
    pub(super) offset: u64,
    pub(super) why: Box<str>,
    /// Some of a transaction was applied before it: the data are at no offset of the history.
    pub(super) torn: bool,
}

impl<D: Dataset> Node<D> {
    /// Executes one command of the stream.
    pub(super) fn apply(
        &mut self,
        stream: &mut Stream,
        args: Args<'_>,
        end: u64,
        cx: &mut Cx<'_>,
    ) -> Result<(), Fault> {
        if let Some((queue, bytes)) = &mut stream.multi
            && !args.is(0, "exec")
        {
            let command = Command::from_args(args);
            *bytes += command.memory();
            if *bytes > MULTI_MAX {
                return Err(fault(args, end, "a MULTI block larger than 1 GB"));
            }
            queue.push(command);
            return Ok(());
        }
        if args.is(0, "multi") {
            stream.multi = Some((Vec::new(), 0));
            return Ok(());
        }
        if args.is(0, "exec") {
            let Some((queue, _)) = stream.multi.take() else { return Err(fault(args, end, "EXEC without MULTI")) };
            for (i, command) in queue.iter().enumerate() {
                self.apply_one(stream, command.args(), end, cx).map_err(|fault| Fault { torn: i > 0, ..fault })?;
            }
            return Ok(());
        }
        self.apply_one(stream, args, end, cx)
    }

    fn apply_one(&mut self, stream: &mut Stream, args: Args<'_>, end: u64, cx: &mut Cx<'_>) -> Result<(), Fault> {
        if on(Mutation::SkipsCommand) && args.is(0, "append") {
            return Ok(());
        }
        let found = self.find_known(args).map_err(|text| fault(args, end, &text))?;
        match found.run {
            Run::Data(command) if args.has_pieces() && !found.spec.flags.has(crate::dataset::Flags::PIECES) => {
                let whole = Command::from_args(args);
                self.apply_data(stream.db, command, whole.args(), end, cx)?;
            }
            Run::Data(command) => self.apply_data(stream.db, command, args, end, cx)?,
            Run::Own(_) => self.apply_own(stream, found.spec.name, args, end, cx)?,
        }
        let us = self.clients.stats.clock.lap(&mut *self.clients.meter);
        self.clients.stats.called(found.index, us, false, self.config.settings.latency_tracking);
        Ok(())
    }

    fn apply_data(&mut self, db: u32, command: usize, args: Args<'_>, end: u64, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.effects.watching = self.is_watched();
        self.scratch.truncate(self.scratch.start());
        let mut reply = Reply::new(&mut self.scratch, Proto::Resp2);
        self.data.execute(
            command,
            args,
            &mut Context {
                now: cx.now,
                db,
                origin: Origin::Upstream,
                may_expire: false,
                rng: &mut self.rng,
                reply: &mut reply,
                effects: &mut self.effects,
                touch: true,
                wait: None,
            },
        );
        let failed = reply.errors() > 0;
        self.publish_events();
        if failed {
            self.effects.clear();
            return Err(fault(args, end, &first_line(&mut self.scratch)));
        }
        // Its bytes are in the log already, as they came.
        self.effects.clear();
        if self.effects.dirty > 0 {
            self.count_dirty(cx);
            self.tell_watchers(None);
        }
        Ok(())
    }

    /// Commands of the node's own that a master propagates.
    fn apply_own(
        &mut self,
        stream: &mut Stream,
        name: &str,
        args: Args<'_>,
        end: u64,
        cx: &mut Cx<'_>,
    ) -> Result<(), Fault> {
        let databases = self.data.databases();
        let number = |i: usize| parse_i64(args.at(i)).and_then(|n| u32::try_from(n).ok()).filter(|n| *n < databases);
        let range = || {
            let why =
                format!("ERR DB index is out of range: this node has {databases}; raise the directive 'databases'");
            fault(args, end, &why)
        };
        match name {
            "select" => stream.db = number(1).ok_or_else(range)?,
            "flushall" => self.flush_data(None, None, cx),
            "flushdb" => self.flush_data(None, Some(stream.db), cx),
            "swapdb" => {
                let (a, b) = (number(1).ok_or_else(range)?, number(2).ok_or_else(range)?);
                self.tell_watchers_of(None, |d| d == a || d == b);
                self.data.swap(a, b);
                self.tell_watchers_of(None, |d| d == a || d == b);
                self.effects.dirty += 1;
            }
            "publish" => {
                self.clients.publish(None, args.at(1), args.at(2));
            }
            "ping" | "replconf" => {}
            _ => return Err(fault(args, end, "a master does not propagate this command")),
        }
        self.count_dirty(cx);
        Ok(())
    }
}

fn fault(args: Args<'_>, offset: u64, why: &str) -> Fault {
    // The name alone: values of users do not belong into a log.
    let name = &args.at(0)[..args.at(0).len().min(64)];
    let command = name.escape_ascii().to_string().into();
    Fault { command, offset, why: why.into(), torn: false }
}

/// The error that was written, without its mark and end.
fn first_line(out: &mut Blocks) -> alloc::string::String {
    let mut chunks = crate::machine::Chunks::new();
    out.read(out.start(), 512, &mut chunks);
    let text = chunks.concat();
    let line = text.split(|b| *b == b'\r').next().unwrap_or_default();
    alloc::string::String::from_utf8_lossy(line.strip_prefix(b"-").unwrap_or(line)).into_owned()
}
