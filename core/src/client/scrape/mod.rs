//! What monitoring asks for over HTTP (`metrics-port`): `/metrics` for Prometheus, `/healthz` and `/readyz`.
//!
//! Who asks is no client: not in `CLIENT LIST`, not counted, not asked for a password, and none of its bytes comes near
//! the parser of commands. It costs little whatever it does: a head of [`HEAD_MAX`](request::HEAD_MAX) bytes,
//! [`PATIENCE`] for its request and as long for taking the answer, [`MOST`] of them at a time. A page is written in slices of about
//! [`SLICE`](page::SLICE) bytes, the next when the last one was taken: a slow reader holds one slice.

mod page;
mod request;
mod shared;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub(crate) use page::{Kind, Metric, Page, Place, metrics};
#[cfg(test)]
pub(crate) use shared::SHARED;
pub(crate) use shared::{SHARED_SECTIONS, instance_info, shared_section};

use super::info::refresh_usage;
use super::server::{Cx, Server, Timer};
use crate::blocks::Blocks;
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Chunks, Interest, Outcome};
use request::{Head, Path, Request, Status};

/// Connections at a time; one more is closed at once.
pub(crate) const MOST: usize = 16;
/// How long a request may take to come, and its answer to be taken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes behind a request that are read and dropped, so that closing does not take the answer back; then reads go off.
const DROPPED_MAX: usize = 64 * 1024;

const OK: &str = "200 OK";
const NOT_FOUND: &str = "404 Not Found";
const UNAVAILABLE: &str = "503 Service Unavailable";
const TEXT: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How far one who asks is.
#[derive(Debug)]
enum Stage {
    /// Its request comes.
    Head(Head),
    /// Its page waits for what the process uses.
    Usage(Request),
    /// The page is written from here on; in chunks, unless the client is too old for them.
    Page { place: Place, chunked: bool },
    /// All is written.
    Written,
}

/// One who asks.
#[derive(Debug)]
struct Scraper {
    stage: Stage,
    out: Blocks,
    interest: Interest,
    /// Bytes that came behind its request.
    dropped: usize,
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests {
    /// Answered with what was asked for.
    pub(crate) answered: u64,
    /// No such path, no such method, or no HTTP.
    pub(crate) refused: u64,
    /// Not there, or its answer not taken, in time.
    pub(crate) late: u64,
    /// Closed because there were enough already.
    pub(crate) crowded: u64,
}

/// All who ask at the moment.
#[derive(Debug, Default)]
pub(crate) struct Scrapers {
    map: BTreeMap<ConnId, Scraper>,
    pub(crate) requests: Requests,
}

impl Scrapers {
    /// Whether a connection is one of theirs.
    #[inline]
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        !self.map.is_empty() && self.map.contains_key(&conn)
    }

    /// Shows what one is owed.
    pub(crate) fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(s) = self.map.get_mut(&conn) {
            s.out.read(s.out.start(), budget, out);
        }
    }
}

impl Scraper {
    /// Writes the head of an answer; `len`: of a body whose length is known.
    fn head(&mut self, status: &str, content: &str, len: Option<usize>, chunked: bool) {
        let mut head = alloc::format!("HTTP/1.1 {status}\r\nContent-Type: {content}\r\nCache-Control: no-store\r\n");
        if status == Status::NotAllowed.line() {
            head.push_str("Allow: GET, HEAD\r\n");
        }
        if let Some(len) = len {
            head.push_str(&alloc::format!("Content-Length: {len}\r\n"));
        } else if chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        head.push_str("Connection: close\r\n\r\n");
        self.out.append(head.as_bytes());
    }

    /// A whole answer of one line.
    fn line(&mut self, status: &str, text: &str, head_only: bool) {
        self.head(status, TEXT, Some(text.len() + 1), false);
        if !head_only {
            self.out.append(text.as_bytes());
            self.out.append(b"\n");
        }
        self.stage = Stage::Written;
    }
}

/// What a machine calls for connections of its metrics listener.
pub(crate) trait Scraping: Server {
    /// One came.
    fn scraper_came(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let scrapers = &mut self.clients_mut().scrapers;
        if scrapers.map.len() >= MOST {
            scrapers.requests.crowded += 1;
            return cx.out.push(Action::Close { conn });
        }
        let (stage, out) = (Stage::Head(Head::default()), Blocks::new());
        scrapers.map.insert(conn, Scraper { stage, out, interest: Interest::READ, dropped: 0 });
        self.timers().set(Timer::Scrape(conn).into(), cx.now.mono + PATIENCE);
    }

    fn scraper_received(&mut self, conn: ConnId, bytes: &[u8], cx: &mut Cx<'_, Self::Event>) {
        let Some(s) = self.clients_mut().scrapers.map.get_mut(&conn) else { return };
        let Stage::Head(head) = &mut s.stage else {
            s.dropped = s.dropped.saturating_add(bytes.len());
            return self.scraper_settle(conn, cx);
        };
        let Some(asked) = head.take(bytes) else { return };
        s.dropped = bytes.len();
        self.timers().set(Timer::Scrape(conn).into(), cx.now.mono + PATIENCE);
        match asked {
            Ok(request) => self.scraper_asks(conn, request, cx),
            Err(status) => {
                let scrapers = &mut self.clients_mut().scrapers;
                scrapers.requests.refused += 1;
                if let Some(s) = scrapers.map.get_mut(&conn) {
                    s.line(status.line(), status.line(), false);
                }
            }
        }
        self.scraper_settle(conn, cx);
    }

    fn scraper_asks(&mut self, conn: ConnId, request: Request, cx: &mut Cx<'_, Self::Event>) {
        let verdict = match request.path {
            Path::Unknown => Err((NOT_FOUND, String::from("/metrics, /healthz and /readyz are served"))),
            Path::Metrics => {
                // What the process uses is asked of the runtime, and waited for: a page may be the first look in minutes.
                refresh_usage(self, cx);
                let waits = self.clients().usage.is_asked();
                if let Some(s) = self.clients_mut().scrapers.map.get_mut(&conn) {
                    s.stage = Stage::Usage(request);
                }
                if !waits {
                    self.scraper_begins(conn, cx);
                }
                return;
            }
            Path::Health => self.healthy().map_err(|why| (UNAVAILABLE, why.into())),
            Path::Ready => self.ready().map_err(|why| (UNAVAILABLE, why)),
        };
        let scrapers = &mut self.clients_mut().scrapers;
        let known = request.path != Path::Unknown;
        *(if known { &mut scrapers.requests.answered } else { &mut scrapers.requests.refused }) += 1;
        let Some(s) = scrapers.map.get_mut(&conn) else { return };
        match verdict {
            Ok(()) => s.line(OK, "ok", request.head_only),
            Err((status, why)) => s.line(status, &why, request.head_only),
        }
    }

    /// The page of one that waited for nothing else.
    fn scraper_begins(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let scrapers = &mut self.clients_mut().scrapers;
        let Some(s) = scrapers.map.get_mut(&conn) else { return };
        let Stage::Usage(request) = s.stage else { return };
        scrapers.requests.answered += 1;
        let chunked = !request.old;
        s.head(OK, EXPOSITION, None, chunked);
        if request.head_only {
            s.stage = Stage::Written;
        } else {
            s.stage = Stage::Page { place: Place::default(), chunked };
            self.scraper_slice(conn, cx);
        }
    }

    /// Writes the next slice of a page.
    fn scraper_slice(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let Some(s) = self.clients().scrapers.map.get(&conn) else { return };
        let Stage::Page { place, chunked } = s.stage else { return };
        let mut text = String::with_capacity(page::SLICE + 1024);
        let mut page = Page::new(&mut text, place, cx.now);
        let mut section = place.section;
        let stage = loop {
            if !self.section(section, &mut page) {
                break Stage::Written;
            }
            let (place, full) = page.turn();
            section = place.section;
            if full {
                break Stage::Page { place, chunked };
            }
        };
        let Some(s) = self.clients_mut().scrapers.map.get_mut(&conn) else { return };
        if !chunked {
            s.out.append(text.as_bytes());
        } else {
            if !text.is_empty() {
                s.out.append(alloc::format!("{:x}\r\n", text.len()).as_bytes());
                s.out.append(text.as_bytes());
                s.out.append(b"\r\n");
            }
            if matches!(stage, Stage::Written) {
                s.out.append(b"0\r\n\r\n");
            }
        }
        s.stage = stage;
    }

    fn scraper_sent(&mut self, conn: ConnId, len: usize, cx: &mut Cx<'_, Self::Event>) {
        let Some(s) = self.clients_mut().scrapers.map.get_mut(&conn) else { return };
        s.out.release(s.out.start() + len as u64);
        if s.out.is_empty() {
            self.scraper_slice(conn, cx);
        }
        self.scraper_settle(conn, cx);
    }

    /// Tells the runtime what one wants now, and closes it when it has its answer.
    fn scraper_settle(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let Some(s) = self.clients_mut().scrapers.map.get_mut(&conn) else { return };
        if matches!(s.stage, Stage::Written) && s.out.is_empty() {
            cx.out.push(Action::Close { conn });
            return self.scraper_gone(conn);
        }
        let (read, write) = (s.dropped < DROPPED_MAX, !s.out.is_empty());
        s.interest.update(conn, read, write, cx.out);
    }

    /// One will say no more: without a request there is nothing to answer.
    fn scraper_eof(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let Some(s) = self.clients().scrapers.map.get(&conn) else { return };
        if matches!(s.stage, Stage::Head(_)) {
            cx.out.push(Action::Close { conn });
            self.scraper_gone(conn);
        }
    }

    /// One had its time.
    fn scraper_late(&mut self, conn: ConnId, cx: &mut Cx<'_, Self::Event>) {
        let scrapers = &mut self.clients_mut().scrapers;
        if scrapers.map.contains_key(&conn) {
            scrapers.requests.late += 1;
            cx.out.push(Action::Close { conn });
            self.scraper_gone(conn);
        }
    }

    /// One is gone, or was closed.
    fn scraper_gone(&mut self, conn: ConnId) {
        self.clients_mut().scrapers.map.remove(&conn);
        self.timers().clear(Timer::Scrape(conn).into());
    }

    /// What the process uses is known: the pages that waited for it begin. The outcome back if it is not about that.
    fn usage_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_, Self::Event>) -> Option<Outcome> {
        let rest = self.clients_mut().usage.done(op, result);
        if rest.is_none() {
            let scrapers = self.clients().scrapers.map.iter();
            let waiting: Vec<ConnId> =
                { scrapers }.filter(|(_, s)| matches!(s.stage, Stage::Usage(_))).map(|(c, _)| *c).collect();
            for conn in waiting {
                self.scraper_begins(conn, cx);
                self.scraper_settle(conn, cx);
            }
        }
        rest
    }
}

impl<S: Server> Scraping for S {}
