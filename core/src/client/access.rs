//! Users: where they come from, and what becomes of the connections of those that change.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::clients::UserFile;
use super::server::{Cx, Server};
use super::{Blocked, CloseWhen, Connections as _, Dispatch as _, Event, Session};
use crate::acl::{User, UserId, Users};
use crate::config::{PubSubDefault, UserLine};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Job, Outcome};

/// The largest file of users that is read, in bytes.
const FILE_MAX: usize = 64 * 1024 * 1024;

/// The users of a server.
pub(crate) trait Access: Server {
    /// Whether a new user may use every channel.
    fn new_users_have_channels(&self) -> bool {
        self.settings().acl_pubsub_default == PubSubDefault::AllChannels
    }

    /// The start: takes over what the configuration says of users and of names of commands. [`Server::users_ready`] follows,
    /// at once or when the file of users is read; if it cannot be, nobody is ever served.
    fn begin_users(&mut self, cx: &mut Cx<'_, Self::Event>) {
        let renamed = self.settings().renamed.clone();
        for (command, name) in &renamed {
            if let Err(why) = self.clients_mut().table.rename(command, name) {
                return self.fail_users(&alloc::format!("rename-command {command}: {why}"), cx);
            }
        }
        let (password, lines) = (self.settings().requirepass.clone(), self.settings().users.clone());
        let channels = self.new_users_have_channels();
        let clients = self.clients_mut();
        clients.users.require_password(&clients.commands, password.as_bytes());
        let mut seen = BTreeSet::new();
        for line in &lines {
            let words = line.words.iter().map(String::as_bytes);
            let clients = self.clients_mut();
            if let Err(error) = clients.users.load(&clients.commands, words, channels, &mut seen) {
                return self.fail_users(&alloc::format!("{}: {error}", line.at), cx);
            }
        }
        let file = self.settings().aclfile.clone();
        if file.is_empty() {
            return self.users_ready(cx);
        }
        self.read_users(UserFile::Start, &file, cx);
    }

    fn read_users(&mut self, why: UserFile, file: &str, cx: &mut Cx<'_, Self::Event>) {
        let op = self.ids().op();
        cx.out.push(Action::Start { op, job: Job::Read { file: file.into(), at: 0, len: FILE_MAX } });
        self.clients_mut().user_files.push((op, why));
    }

    fn fail_users(&mut self, why: &str, cx: &mut Cx<'_, Self::Event>) {
        self.tell(Event::UsersUnusable { why: why.into() }, cx);
        cx.out.push(Action::Exit { code: 1 });
    }

    /// The end of a job with the file of users; anything else is handed back.
    fn users_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_, Self::Event>) -> Option<Outcome> {
        let files = &mut self.clients_mut().user_files;
        let Some(at) = files.iter().position(|(o, _)| *o == op) else { return Some(result) };
        let (_, why) = files.remove(at);
        let file = self.settings().aclfile.clone();
        let outcome = match (result, why) {
            (Outcome::Read(text), _) if text.len() >= FILE_MAX => {
                Err(alloc::format!("'{file}' has {FILE_MAX} bytes or more"))
            }
            (Outcome::Read(text), UserFile::Start | UserFile::Load(_)) => self.load_users(&file, &text, cx),
            (Outcome::Written, UserFile::Save(_)) => Ok(()),
            (Outcome::Failed(e), UserFile::Save(_)) => {
                self.tell(Event::UsersUnsaved { why: e.message }, cx);
                Err("There was an error trying to save the ACLs. Please check the server logs for more information"
                    .into())
            }
            (Outcome::Failed(e), _) => Err(alloc::format!("Error loading ACLs, opening file '{file}': {}", e.message)),
            (other, _) => Err(alloc::format!("unexpected outcome {other:?}")),
        };
        match why {
            UserFile::Start => match outcome {
                Ok(()) => self.users_ready(cx),
                Err(why) => self.fail_users(&why, cx),
            },
            UserFile::Load(conn) | UserFile::Save(conn) => self.answer_users(conn, &outcome, cx),
        }
        None
    }

    fn answer_users(&mut self, conn: ConnId, outcome: &Result<(), String>, cx: &mut Cx<'_, Self::Event>) {
        let Some(mut s) = self.clients_mut().sessions.take(conn) else { return };
        s.late(|r| match outcome {
            Ok(()) => r.ok(),
            Err(why) => r.error_fmt(format_args!("ERR {why}")),
        });
        self.unblock(&mut s);
        self.finish(s, cx);
    }

    /// Puts the users of a file in the place of those there are, all or none. The connections of all but `default` end.
    fn load_users(&mut self, file: &str, text: &[u8], cx: &mut Cx<'_, Self::Event>) -> Result<(), String> {
        let channels = self.new_users_have_channels();
        let clients = self.clients_mut();
        match Users::parse(&clients.commands, text, channels) {
            Ok(new) => {
                let old = core::mem::replace(&mut clients.users, new);
                let gone: Vec<ConnId> =
                    clients.sessions.iter().filter(|s| s.user != UserId::DEFAULT).map(|s| s.conn).collect();
                for conn in gone {
                    self.end_session(conn, cx);
                }
                self.end_listeners(UserId::DEFAULT, old.get(UserId::DEFAULT), cx);
                Ok(())
            }
            Err(errors) => {
                let lines: Vec<String> = errors.iter().map(|(n, e)| alloc::format!("{file}:{n}: {e}. ")).collect();
                let why = lines.concat()
                    + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
                Err(why)
            }
        }
    }

    /// Ends a connection whose user is gone; one that waits for the answer to its own `ACL LOAD` still gets it.
    fn end_session(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let Some(s) = self.clients_mut().sessions.get_mut(conn) else { return };
        s.user = UserId::DEFAULT;
        s.authenticated = false;
        if s.blocked == Some(Blocked::Saving) {
            s.close(CloseWhen::Drained);
        } else {
            self.drop_session(conn, cx);
        }
    }

    /// Ends the connections of users that were removed. `own`: the session of the command that does it.
    fn end_users(&mut self, ids: &[UserId], own: &mut Session, cx: &mut Cx<'_, Self::Event>) {
        let all: Vec<ConnId> =
            self.clients().sessions.iter().filter(|s| ids.contains(&s.user)).map(|s| s.conn).collect();
        for conn in all {
            self.end_session(conn, cx);
        }
        if ids.contains(&own.user) {
            own.user = UserId::DEFAULT;
            own.authenticated = false;
            own.close(CloseWhen::Drained);
        }
    }

    /// Ends the connections of a user who listen to what it may not any more. `before`: as it was.
    fn end_listeners(&mut self, id: UserId, before: &User, cx: &mut Cx<'_, Self::Event>) {
        let clients = self.clients();
        if !clients.users.get(id).lost_channels(before) {
            return;
        }
        let lost = |s: &&Session| s.user == id && listens_unduly(s, &clients.users);
        let all: Vec<ConnId> = clients.sessions.iter().filter(lost).map(|s| s.conn).collect();
        for conn in all {
            self.drop_session(conn, cx);
        }
    }

    /// The users as lines of a configuration: none where a file has them, and `default` only if `requirepass` does not say
    /// all of it. An error names a user of whom no line can be written.
    fn user_lines(&self) -> Result<Vec<UserLine>, String> {
        if !self.settings().aclfile.is_empty() {
            return Ok(Vec::new());
        }
        let clients = self.clients();
        let mut plain = Users::new(&clients.commands);
        plain.require_password(&clients.commands, self.settings().requirepass.as_bytes());
        let told = |user: &&User| Some(*user) != plain.by_name(user.name());
        let line = |user: &User| {
            let line = user.line();
            let words = line.split(|b| *b == b' ').skip(1).map(|w| core::str::from_utf8(w).map(String::from));
            match words.collect::<Result<Vec<String>, _>>() {
                Ok(words) => Ok(UserLine { words, at: String::new() }),
                Err(_) => Err(alloc::format!(
                    "the rules of user '{}' are no UTF-8 text; an 'aclfile' can hold them",
                    String::from_utf8_lossy(user.name())
                )),
            }
        };
        clients.users.iter().filter(told).map(line).collect()
    }
}

impl<S: Server> Access for S {}

/// Whether a client listens to something that its user may not.
pub(crate) fn listens_unduly(s: &Session, users: &Users) -> bool {
    let user = users.get(s.user);
    s.patterns.iter().any(|p| !user.may_listen(p, true)) || s.channels.iter().any(|c| !user.may_listen(c, false))
}
