// The story as the page uses it: lanes, messages with their meaning, and one list of events in the order of time.

/** Kinds of events, in the order of the legend: name, what it is, whether it is a message. */
const KINDS = [
  ["command", "a client's command", true],
  ["reply", "a reply", true],
  ["handshake", "a replica's handshake", true],
  ["snapshot", "a snapshot (full resync)", true],
  ["stream", "the replication stream", true],
  ["ack", "an acknowledgement", true],
  ["fault", "something broken on purpose", false],
  ["violation", "an invariant that does not hold", false],
  ["note", "a phase, a remark", false],
  ["log", "a line of the log", false],
  ["input", "a call, a signal, a job's end", false],
  ["state", "a new role, epoch, link; a crash", false],
];
const LEVELS = ["debug", "verbose", "notice", "warning"];
const WAY = 0, ARRIVED = 1, LOST = 2;

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** First index in a sorted list at which `test` holds. */
function firstWhere(list, test) {
  let low = 0, high = list.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (test(list[mid])) high = mid; else low = mid + 1;
  }
  return low;
}

class Model {
  constructor(story) {
    this.title = visible(story.title);
    this.command = story.command;
    this.facts = story.facts.map(([name, value]) => [visible(name), visible(value)]);
    this.left = story.left;
    this.end = Math.max(story.end, 1);
    this.lanes = story.lanes.map(([name, kind], index) => ({ name: visible(name), kind, index, bands: {} }));
    this.conns = new Map();
    this.messages = story.messages.map((m, i) => this.message(m, i + story.first));
    this.decode();
    this.bands = story.bands.map((b) => this.band(b));
    this.marks = story.marks.map((m) => this.mark(m));
    this.order();
    this.stack();
    this.hidden = new Set();
    this.lanesOn = new Set();
    this.conn = 0;
    this.text = "";
    this.filter();
  }

  message([from, to, conn, sent, fate, end, length, head], number) {
    const m = { type: "message", number, from, to, conn, at: sent, fate, end, length, head: bytesOf(head), kind: "reply", level: 0 };
    let c = this.conns.get(conn);
    if (!c) this.conns.set(conn, (c = { id: conn, list: [], link: false, streaming: false, paired: true, requests: [], replies: 0 }));
    c.list.push(m);
    return m;
  }

  /** Reads every connection from its beginning, so that each message is read in its place. */
  decode() {
    const sure = this.left.messages === 0;
    for (const conn of this.conns.values()) {
      const first = conn.list.find((m) => m.head.length) ?? conn.list[0];
      // Who speaks first opened it; in a connection whose beginning is left out, who commands.
      conn.opener = sure || first.head[0] === 42 || first.head[0] > 64 ? first.from : first.to;
      conn.acceptor = conn.opener === first.from ? first.to : first.from;
      conn.paired = sure;
      conn.streams = [new Stream(true, sure), new Stream(false, sure)];
    }
    for (const m of this.messages) {
      const conn = this.conns.get(m.conn), opener = m.from === conn.opener;
      m.frames = conn.streams[opener ? 0 : 1].feed(m.head, m.length);
      for (const frame of m.frames) this.judge(conn, m, frame, opener);
      const kinds = m.frames.map((f) => f.kind);
      m.kind = kinds.includes("snapshot") ? "snapshot" : kinds[0] ?? (opener ? "command" : "reply");
      m.error = m.frames.some((f) => f.error);
      const texts = m.frames.slice(0, 4).map((f) => f.text).join(" · ");
      m.text = (texts.length > 300 ? texts.slice(0, 300) + "…" : texts) + (m.frames.length > 4 ? ` · and ${m.frames.length - 4} more` : "");
      m.search = "";
    }
    for (const conn of this.conns.values()) { conn.streams = null; conn.requests = null; }
  }

  /** What a frame is for, and which other one it belongs to. */
  judge(conn, m, frame, opener) {
    const plain = conn.link ? (opener ? "ack" : conn.streaming ? "stream" : "handshake") : opener ? "command" : "reply";
    frame.kind = plain;
    if (frame.gap) conn.paired = false;
    if (frame.snapshot || frame.announce || (conn.link && frame.line)) frame.kind = "snapshot";
    else if (opener && frame.args?.length) {
      const name = readable(frame.args[0]).toUpperCase(), second = frame.args[1] ? readable(frame.args[1]).toUpperCase() : "";
      if (name === "PSYNC" || name === "SYNC") {
        conn.link = true;
        for (const old of conn.list) {
          if (old === m) break;
          old.kind = "handshake";
          old.frames.forEach((f) => (f.kind = "handshake"));
        }
      }
      if (name === "REPLCONF" && second === "ACK") frame.kind = "ack";
      else if (name === "REPLCONF" || conn.link) frame.kind = "handshake";
      if (/^[PS]?SUBSCRIBE$|^MONITOR$/.test(name) || (name === "CLIENT" && second === "REPLY")) conn.paired = false;
      if (frame.kind !== "ack") conn.requests.push({ message: m, frame });
    } else if (!opener && frame.value) {
      if (conn.link && frame.args && conn.streaming) {
        const words = frame.args.slice(0, 2).map((a) => readable(a).toUpperCase());
        frame.kind = words[0] === "REPLCONF" ? "ack" : "stream";
        return;
      }
      if (conn.link && /^(FULLRESYNC|CONTINUE)/.test(frame.reply)) conn.streaming = true;
      if (conn.paired && frame.value.type !== ">") {
        const request = conn.requests[conn.replies++];
        if (request) {
          frame.partner = request;
          request.frame.partner = { message: m, frame };
        }
      }
    }
  }

  band([lane, aspect, from, to, text]) {
    const band = { type: "band", lane, aspect, at: from, end: to ?? this.end, open: to === null, text: visible(text), kind: "state", level: 2 };
    (this.lanes[lane].bands[aspect] ??= []).push(band);
    return band;
  }

  mark([kind, level, at, until, lane, other, text]) {
    const end = until === null ? at : until < 0 ? this.end : until;
    return { type: "mark", kind, level, at, end, open: until < 0 && until !== null, lane, other, text: visible(text) };
  }

  /** All events in the order of time; at one time states first, then marks, then messages. */
  order() {
    this.events = [...this.bands, ...this.marks, ...this.messages];
    this.events.sort((a, b) => a.at - b.at);
    this.events.forEach((e, i) => (e.index = i));
    this.messages.sort((a, b) => a.at - b.at);
    // The latest end of all that were sent up to each: what is drawn at a time is found without looking at all.
    let latest = 0;
    for (const m of this.messages) m.latest = latest = Math.max(latest, m.end);
    this.violations = this.marks.filter((m) => m.kind === "violation").sort((a, b) => a.at - b.at);
    this.lost = this.messages.filter((m) => m.fate === LOST).length;
    this.counts = {};
    for (const e of this.events) this.counts[e.kind] = (this.counts[e.kind] ?? 0) + 1;
    this.begin = this.left.messages && this.messages.length ? this.messages[0].at : 0;
  }

  /** Gives faults that overlap on a lane different levels, lowest first. */
  stack() {
    const ends = this.lanes.map(() => []);
    this.levels = 0;
    this.faults = this.marks.filter((m) => m.kind === "fault").sort((a, b) => a.at - b.at);
    for (const f of this.faults) {
      const on = [f.lane, f.other].filter((l) => l >= 0);
      let level = 0;
      while (on.some((l) => (ends[l][level] ?? -1) >= f.at)) level++;
      on.forEach((l) => (ends[l][level] = f.end));
      f.stack = level;
      if (on.length) this.levels = Math.max(this.levels, level + 1);
    }
  }

  lanesOf(e) {
    return e.type === "message" ? [e.from, e.to] : e.type === "band" ? [e.lane] : [e.lane, e.other].filter((l) => l >= 0);
  }

  /** `client → a`, `a`, `everybody`. */
  where(e) {
    if (e.type === "message") return `${this.lanes[e.from].name} → ${this.lanes[e.to].name}`;
    return this.lanesOf(e).map((l) => this.lanes[l].name).join(" | ");
  }

  /** Decides of each event whether it is shown (2), only hinted at (1) or hidden (0), and lists those shown. */
  filter() {
    const text = this.text.trim().toLowerCase();
    this.shown = [];
    for (const e of this.events) {
      e.show = this.hidden.has(e.kind) ? 0 : 2;
      if (!e.show) continue;
      const lanes = this.lanesOf(e);
      if (this.lanesOn.size && lanes.length && !lanes.some((l) => this.lanesOn.has(l))) e.show = 1;
      if (this.conn && e.conn !== this.conn && e.type === "message") e.show = 1;
      if (text && e.show === 2 && !this.searched(e).includes(text)) e.show = 1;
      if (e.show === 2) this.shown.push(e);
    }
    this.filtered = this.shown.length < this.events.length;
  }

  searched(e) {
    return (e.search ||= `${e.text} ${this.where(e)} ${e.kind}${e.fate === LOST ? " lost" : ""}${e.type === "message" ? ` m=${e.number} conn=${e.conn}` : ""}`.toLowerCase());
  }

  /** What a lane is at a time in one respect, or null. */
  stateAt(lane, aspect, t) {
    const list = this.lanes[lane].bands[aspect];
    if (!list) return null;
    const band = list[firstWhere(list, (b) => b.at > t) - 1];
    return band && (band.end > t || band.open) ? band : null;
  }

  /** The place in the list of shown events of the last one at or before `t`, -1 if there is none. */
  placeAt(t) {
    return firstWhere(this.shown, (e) => e.at > t) - 1;
  }

  /** The place of the first shown event that comes after `e` in the order of all. */
  placeAfter(e) {
    return firstWhere(this.shown, (s) => s.index > e.index);
  }

  placeOf(e) {
    const place = firstWhere(this.shown, (s) => s.index >= e.index);
    return this.shown[place] === e ? place : -1;
  }
}

/** Seconds with so many digits behind the point. */
function seconds(us, digits = 6) {
  return (us / 1e6).toFixed(digits);
}

/** A duration in the unit that reads best. */
function span(us) {
  const trim = (n) => String(Number(n.toPrecision(n >= 1000 ? 6 : 4)));
  return us < 1000 ? trim(us) + " µs" : us < 1e6 ? trim(us / 1e3) + " ms" : trim(us / 1e6) + " s";
}
