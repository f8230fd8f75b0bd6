//! Scripts: there is no interpreter here, and every command that would need one says so.

use super::super::{Cx, Node};
use super::help;
use crate::client::Session;
use crate::dataset::Dataset;
use crate::resp::Args;

const NO_SCRIPTS: &str =
    "ERR Primacy runs no scripts: send the commands themselves, in MULTI/EXEC if they belong together";
const NO_FUNCTIONS: &str = "ERR Primacy stores function libraries and runs no functions: send the commands themselves, in MULTI/EXEC if they \
     belong together";

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_eval(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().error(NO_SCRIPTS);
    }

    pub(in super::super) fn cmd_fcall(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().error(NO_FUNCTIONS);
    }

    pub(in super::super) fn script_load(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().error(NO_SCRIPTS);
    }

    /// None exists.
    pub(in super::super) fn script_exists(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let mut reply = s.reply();
        reply.array(args.len() - 2);
        (2..args.len()).for_each(|_| reply.int(0));
    }

    /// There is nothing to forget.
    pub(in super::super) fn script_flush(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        if args.len() > 3 || (args.len() == 3 && !args.is(2, "SYNC") && !args.is(2, "ASYNC")) {
            return s.reply().error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        }
        s.reply().ok();
    }

    pub(in super::super) fn script_kill(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().error("NOTBUSY No scripts in execution right now.");
    }

    pub(in super::super) fn script_debug(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        match args.at(2) {
            _ if args.is(2, "NO") => s.reply().ok(),
            _ if args.is(2, "YES") || args.is(2, "SYNC") => s.reply().error(NO_SCRIPTS),
            _ => s.reply().error("ERR Use SCRIPT DEBUG YES/SYNC/NO"),
        }
    }

    pub(in super::super) fn script_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        help(
            &mut s.reply(),
            "SCRIPT",
            &[
                "DEBUG (YES|SYNC|NO)",
                "    Debug scripts: not had here, where none run.",
                "EXISTS <sha1> [<sha1> ...]",
                "    Tell which scripts are there: none.",
                "FLUSH [ASYNC|SYNC]",
                "    Forget all scripts.",
                "KILL",
                "    End the script that runs: none does.",
                "LOAD <script>",
                "    Keep a script: not had here, where none run.",
            ],
        );
    }
}
