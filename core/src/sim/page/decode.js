// What the bytes of a connection mean: RESP frames, and a snapshot between them.

const TYPES = "+-:$*_#,(!=%~>|";
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Printable text: a control character, or one that changes the direction of what follows, is shown by its number. */
function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) =>
    c === "\r" ? "\\r" : c === "\n" ? "\\n" : c === "\t" ? "\\t" : "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

/** Bytes as a person reads them, at most about `max` characters. */
function readable(bytes, max = 60) {
  const head = bytes.length > max ? bytes.subarray(0, max) : bytes;
  let text;
  try {
    text = visible(utf8.decode(head));
  } catch {
    text = Array.from(head, (b) => (b > 31 && b < 127 ? String.fromCharCode(b) : "\\x" + b.toString(16).padStart(2, "0"))).join("");
  }
  return bytes.length > max ? text + `…(${count(bytes.length)} bytes)` : text;
}

/** An argument of a command: in quotes where its borders would not be seen. */
function argument(bytes, max) {
  const text = readable(bytes, max);
  return text === "" || /[\s"\\]/.test(text) ? JSON.stringify(text).replace(/\\\\/g, "\\") : text;
}

function count(n) {
  return n.toLocaleString("en-US");
}

/** A frame that is not whole yet: it cannot be before `need` bytes are there. */
class Unfinished {
  constructor(need, begun) { this.need = need; this.begun = begun; }
}

/** Bytes that are no RESP. */
class NotResp {}

function lineAt(data, pos) {
  const end = data.indexOf(10, pos);
  if (end < 0) {
    if (data.length - pos > 65536) throw new NotResp();
    throw new Unfinished(data.length + 1, []);
  }
  return { bytes: data.subarray(pos, end > pos && data[end - 1] === 13 ? end - 1 : end), next: end + 1 };
}

function numberOf(bytes) {
  const text = String.fromCharCode(...bytes.subarray(0, 24));
  if (!/^-?\d{1,19}$/.test(text)) throw new NotResp();
  return Number(text);
}

/** The value at `pos`: { type, bytes | items, next }. */
function valueAt(data, pos, depth = 0) {
  if (pos >= data.length) throw new Unfinished(pos + 1, []);
  const type = String.fromCharCode(data[pos]);
  if (!TYPES.includes(type) || depth > 16) throw new NotResp();
  const line = lineAt(data, pos + 1);
  if (type === "$" || type === "!" || type === "=") {
    const length = numberOf(line.bytes);
    if (length < 0) return { type: "_", bytes: line.bytes.subarray(0, 0), next: line.next };
    const end = line.next + length;
    if (end + 2 > data.length) throw new Unfinished(end + 2, [data.subarray(line.next, Math.min(end, data.length))]);
    if (data[end] !== 13 || data[end + 1] !== 10) throw new NotResp();
    return { type, bytes: data.subarray(line.next, end), next: end + 2 };
  }
  if ("*~>%|".includes(type)) {
    const n = numberOf(line.bytes);
    if (n < 0) return { type: "_", bytes: line.bytes.subarray(0, 0), next: line.next };
    const items = [];
    let next = line.next;
    for (let i = 0; i < n * (type === "%" || type === "|" ? 2 : 1); i++) {
      try {
        const item = valueAt(data, next, depth + 1);
        items.push(item);
        next = item.next;
      } catch (e) {
        if (e instanceof Unfinished) e.begun = items.map((v) => v.bytes).concat(e.begun);
        throw e;
      }
    }
    return { type, items, next };
  }
  return { type, bytes: line.bytes, next: line.next };
}

/** A value as a reply reads: `OK`, `(error) …`, `(integer) 3`, `[a, b]`. */
function replyText(value, budget = { left: 24 }) {
  if (--budget.left < 0) return "…";
  switch (value.type) {
    case "+": return readable(value.bytes, 200);
    case "-": case "!": return "(error) " + readable(value.bytes, 200);
    case ":": return "(integer) " + readable(value.bytes);
    case "_": return "(nil)";
    case "#": return value.bytes[0] === 116 ? "(true)" : "(false)";
    case "$": case "=": return value.bytes.length ? argument(value.bytes, 200) : '""';
    case ",": case "(": return readable(value.bytes);
  }
  const items = [];
  for (const item of value.items) {
    items.push(replyText(item, budget));
    if (budget.left < 0) break;
  }
  return (value.type === ">" ? "push " : value.type === "%" ? "map " : "") + "[" + items.join(", ") + "]";
}

function commandText(args) {
  const text = args.slice(0, 16).map((a, i) => (a ? (i === 0 ? readable(a).toUpperCase() : argument(a)) : "?")).join(" ");
  return args.length > 16 ? text + ` …(${count(args.length)} arguments)` : text;
}

/** The lone bytes of a command, as far as `value` is one: an array of bulk strings, or an inline line. */
function commandOf(value) {
  if (value.type !== "*" || !value.items.length || value.items.some((v) => v.type !== "$")) return null;
  return value.items.map((v) => v.bytes);
}

// A reader that had to look at so many bytes gives up: bytes made to be slow to read must not hang the page.
const WORK = 100e6;

/** One direction of a connection. Feed it the messages in order; each gives its frames. */
class Stream {
  constructor(opener, sure) {
    this.opener = opener;
    this.parts = [];
    this.size = 0;
    this.need = 0;
    this.lost = !sure;
    this.full = false;
    this.rdb = null;
    this.work = 0;
    this.begun = "";
  }

  /** Frames of a message, each { from, to } in the message, text, and one of value, line, snapshot, gap. */
  feed(head, length) {
    const frames = [];
    this.frames = frames;
    this.cut = length > head.length;
    let pos = 0;
    if (this.lost) {
      if (!this.resumes(head)) {
        frames.push({ from: 0, to: length, gap: true, text: `${count(length)} bytes in the middle of something` });
        return frames;
      }
      this.lost = false;
    }
    if (this.rdb?.delimiter && this.rdb.cut && this.resumes(head)) this.rdb = null;
    if (this.rdb) pos = this.snapshot(head, 0, length);
    if (pos >= length) return frames;
    const old = this.size;
    const missing = length - Math.max(head.length, pos);
    if (pos < head.length) this.keep(head.subarray(pos));
    if (missing > 0) {
      // What was not kept is filled: inside a long value the place stays known.
      if (missing > 1 << 22) { this.giveUp(pos, length); return frames; }
      this.keep(new Uint8Array(missing));
    }
    if (this.size < this.need) {
      frames.push({ from: pos, to: length, part: true, text: `… ${this.begun}: ${count(length - pos)} bytes more of it` });
      return frames;
    }
    this.parse(pos - old, length, head);
    return frames;
  }

  keep(bytes) {
    this.parts.push(bytes);
    this.size += bytes.length;
  }

  /** Whether a message begins like a frame. */
  resumes(head) {
    const line = String.fromCharCode(...head.subarray(0, 24));
    return /^(\*\d{1,9}\r\n[$*:]|\$\d{1,9}\r\n|[+-][A-Z]|:-?\d+\r\n)/.test(line);
  }

  giveUp(from, length) {
    this.lost = true;
    this.parts = [];
    this.size = 0;
    this.need = 0;
    this.frames.push({ from, to: length, gap: true, text: `${count(length - from)} bytes that are not decoded` });
  }

  /** Parses all that is kept; `shift` turns a place in it into one in the message. */
  parse(shift, length, head) {
    const data = this.parts.length === 1 ? this.parts[0] : joined(this.parts, this.size);
    this.parts = [];
    this.size = 0;
    this.need = 0;
    this.work += data.length;
    let pos = 0;
    while (pos < data.length) {
      const from = Math.max(0, pos + shift), earlier = pos + shift < 0;
      try {
        if (this.work > WORK) throw new NotResp();
        pos = this.frame(data, pos, from, shift, earlier);
        if (this.rdb) {
          this.snapshot(head, pos + shift, length);
          if (this.rdb) return;
          pos = this.after - shift;
        }
      } catch (e) {
        if (!(e instanceof Unfinished)) {
          if (!(e instanceof NotResp)) throw e;
          this.giveUp(from, length);
          return;
        }
        this.need = e.need - pos;
        this.begun = e.begun.length ? commandText(e.begun.filter(Boolean).slice(0, 4)) : "a frame";
        this.keep(data.subarray(pos));
        this.frames.push({ from, to: length, part: true, text: `${this.begun} … (goes on in the next message)` });
        return;
      }
    }
  }

  /** One frame at `pos`; gives the place behind it. */
  frame(data, pos, from, shift, earlier) {
    const push = (next, frame) => {
      this.frames.push({ from, to: next + shift, earlier, ...frame });
      return next;
    };
    const first = data[pos];
    if (first === 10) return push(pos + 1, { text: "newline: still at work on the snapshot", line: true });
    if (first === 13 && pos + 1 === data.length) throw new Unfinished(pos + 2, []);
    if (first === 13 && data[pos + 1] === 10) return push(pos + 2, { text: "empty line", line: true });
    if (first === 36 && (this.full || /^\$EOF:/.test(String.fromCharCode(...data.subarray(pos, pos + 5))))) {
      const line = lineAt(data, pos + 1);
      const name = readable(line.bytes, 80);
      if (!/^(EOF:.{40}|\d{1,15})$/.test(name)) throw new NotResp();
      this.full = false;
      this.rdb = name.startsWith("EOF:")
        ? { delimiter: line.bytes.slice(4), left: Infinity, got: 0, head: [], tail: new Uint8Array(0) }
        : { delimiter: null, left: numberOf(line.bytes), got: 0, head: [], tail: null };
      this.rdb.total = this.rdb.left;
      return push(line.next, { text: "snapshot follows: $" + name, line: true, announce: true });
    }
    if (this.opener && !TYPES.includes(String.fromCharCode(first))) {
      if (first < 32 || first > 126) throw new NotResp();
      const line = lineAt(data, pos);
      const words = line.bytes.length ? splitWords(line.bytes) : [];
      return push(line.next, { args: words, text: commandText(words) });
    }
    const value = valueAt(data, pos);
    const args = commandOf(value);
    const reply = replyText(value);
    if (value.type === "+" && /^FULLRESYNC/.test(reply)) this.full = true;
    return push(value.next, { value, args, reply, text: args ? commandText(args) : reply, error: value.type === "-" || value.type === "!" });
  }

  /** Takes the snapshot's bytes of a message from `pos` on; gives the place behind them. */
  snapshot(head, pos, length) {
    const rdb = this.rdb;
    const shown = head.subarray(Math.min(pos, head.length));
    let take = Math.min(length - pos, rdb.left), ended = take === rdb.left;
    if (rdb.delimiter) {
      const seen = joined([rdb.tail, shown], rdb.tail.length + shown.length);
      const at = find(seen, rdb.delimiter);
      ended = at >= 0;
      if (ended) take = at + rdb.delimiter.length - rdb.tail.length;
      rdb.tail = this.cut ? new Uint8Array(0) : seen.slice(-(rdb.delimiter.length - 1));
      rdb.cut = this.cut;
    }
    const kept = shown.subarray(0, take);
    const begin = rdb.got;
    if (rdb.whole !== false && rdb.got < 1 << 16) rdb.head.push(kept);
    if (kept.length < take) rdb.whole = false;
    rdb.got += take;
    rdb.left -= take;
    const of = rdb.total === Infinity ? "" : ` of ${count(rdb.total)}`;
    this.frames.push({
      from: pos, to: pos + take, snapshot: rdb, upTo: begin + take,
      text: `snapshot, bytes ${count(begin)}–${count(rdb.got)}${of}${ended ? ", the last ones" : ""}`,
    });
    if (ended) { rdb.ended = true; this.rdb = null; }
    this.after = pos + take;
    return this.after;
  }
}

function joined(parts, size) {
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

function find(data, what) {
  for (let i = data.indexOf(what[0]); i >= 0; i = data.indexOf(what[0], i + 1)) {
    let n = 1;
    while (n < what.length && data[i + n] === what[n]) n++;
    if (n === what.length) return i;
  }
  return -1;
}

function splitWords(line) {
  const words = [];
  for (let from = 0, i = 0; i <= line.length; i++) {
    if (i === line.length || line[i] === 32 || line[i] === 9) {
      if (i > from) words.push(line.subarray(from, i));
      from = i + 1;
    }
  }
  return words;
}

const RDB_TYPES = ["string", "list", "set", "zset", "hash", "zset", "module", "module", null, "hash", "list", "set", "zset", "hash", "list",
  "stream", "hash", "zset", "list", "stream", "set", "stream"];

/** What the beginning of a snapshot says: { version, aux: [[name, value]], keys: [{db, key, text}], note }. */
function summary(data) {
  const result = { version: "", aux: [], keys: [], sizes: [], note: "" };
  let pos = 0, db = 0, expiry = "";
  const need = (n) => { if (pos + n > data.length) throw new Unfinished(pos + n, []); };
  const byte = () => { need(1); return data[pos++]; };
  const big = (n) => { need(n); let v = 0; for (let i = 0; i < n; i++) v = v * 256 + data[pos++]; return v; };
  const little = (n) => { need(n); let v = 0; for (let i = n - 1; i >= 0; i--) v = v * 256 + data[pos + i]; pos += n; return v; };
  const length = () => {
    const b = byte();
    if (b >> 6 === 0) return b;
    if (b >> 6 === 1) return (b & 63) * 256 + byte();
    if (b === 0x80) return big(4);
    if (b === 0x81) return big(8);
    throw new NotResp();
  };
  const text = () => {
    need(1);
    if (data[pos] >> 6 === 3) {
      const encoding = byte() & 63;
      if (encoding < 3) { const n = 1 << encoding, v = little(n); return String(v >= 2 ** (8 * n - 1) ? v - 2 ** (8 * n) : v); }
      if (encoding > 3) throw new NotResp();
      const packed = length(), plain = length();
      need(packed);
      pos += packed;
      return `(${count(plain)} bytes, packed in ${count(packed)})`;
    }
    const n = length();
    need(n);
    pos += n;
    return readable(data.subarray(pos - n, pos));
  };
  try {
    need(9);
    if (readable(data.subarray(0, 5)) !== "REDIS") { result.note = "These bytes are no snapshot: they do not begin with REDIS."; return result; }
    result.version = String(Number(readable(data.subarray(5, 9))));
    pos = 9;
    while (result.keys.length < 200) {
      const op = byte();
      if (op === 0xff) { result.note = `It ends here; checksum ${Array.from(data.subarray(pos, pos + 8), (b) => b.toString(16).padStart(2, "0")).reverse().join("")}.`; return result; }
      if (op === 0xfe) { db = length(); continue; }
      if (op === 0xfb) { result.sizes.push(`db ${db}: ${count(length())} keys, ${count(length())} with expiry`); continue; }
      if (op === 0xfa) { result.aux.push([text(), text()]); continue; }
      if (op === 0xfc) { expiry = ` (expires ${new Date(Math.min(little(8), 8.64e15)).toISOString()})`; continue; }
      if (op === 0xfd) { expiry = ` (expires ${new Date(little(4) * 1000).toISOString()})`; continue; }
      if (op === 0xf5) { result.aux.push(["function", text()]); continue; }
      if (op === 0xf8) { length(); continue; }
      if (op === 0xf9) { byte(); continue; }
      const key = text();
      if (op !== 0) {
        result.keys.push({ db, key, text: `(${RDB_TYPES[op] ?? "type " + op})` + expiry });
        result.note = "What stands behind it is not shown: only strings are read here.";
        return result;
      }
      result.keys.push({ db, key, text: text() + expiry });
      expiry = "";
    }
    result.note = "More keys follow.";
  } catch (e) {
    if (!(e instanceof Unfinished) && !(e instanceof NotResp)) throw e;
    result.note = e instanceof Unfinished ? "So far as its bytes were kept in this story." : "What follows cannot be read.";
  }
  return result;
}
