// What stands beside the lanes: the chosen event in full, and the list of all.

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (value !== null && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

/** The sign of a kind, as it is drawn on the lanes. */
function sign(kind, level = 2, lost = false) {
  const svg = (body, width = 20) => {
    const span = el("span", { class: "sign", "aria-hidden": "true" });
    // Built from the words of this file only.
    span.innerHTML = `<svg width="${width}" height="12" viewBox="0 0 ${width} 12">${body}</svg>`;
    return span;
  };
  const color = `var(--${lost ? "lost" : "k-" + kind})`;
  const dash = { handshake: "6 2.5 1.5 2.5", ack: "1.5 2.5", reply: "4.5 2.5" }[kind] ?? "";
  const width = { snapshot: 4, stream: 2.2 }[kind] ?? 1.7;
  if (lost) return svg(`<path d="M0 6H10" stroke="${color}" stroke-width="1.7" stroke-dasharray="4 2.5"/><path d="M9 2l8 8M17 2l-8 8" stroke="${color}" stroke-width="2"/>`);
  if (KINDS.find((k) => k[0] === kind)?.[2]) return svg(`<path d="M0 6H14" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dash}"/><path d="M13 2l7 4-7 4z" fill="${color}"/>`);
  const fill = `fill="var(--${kind === "log" ? "log-" + level : kind})"`;
  return svg({
    fault: `<path d="M1 1h3v10H1z" ${fill}/><path d="M5 1h14v10H5z" ${fill} opacity=".35"/><path d="M6 11L12 1M11 11L17 1" stroke="var(--fault)"/>`,
    violation: `<path d="M10 0l6 6-6 6-6-6z" ${fill}/><path d="M10 3v4M10 8v1.5" stroke="var(--on-role)" stroke-width="1.6"/>`,
    note: `<path d="M8 0h7v6H10v6H8z" ${fill}/>`,
    log: level === 3 ? `<path d="M4 2h12l-6 9z" ${fill}/>` : `<path d="M6 3h8l-4 6z" ${fill}/>`,
    input: `<circle cx="10" cy="6" r="3.6" ${fill}/>`,
    state: `<rect x="2" y="2" width="16" height="8" rx="1" ${fill}/>`,
  }[kind]);
}

class Panel {
  /** `hooks`: select(event), follow(conn). */
  constructor(model, hooks) {
    this.model = model;
    this.hooks = hooks;
    this.detail = document.getElementById("detail");
    this.scroller = document.getElementById("scroller");
    this.rows = document.getElementById("rows");
    this.place = -1;
    this.selected = null;
    this.digits = model.end > 600e6 ? 3 : 6;
    this.scroller.addEventListener("scroll", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(this.scroller);
    this.rows.addEventListener("click", (e) => {
      const row = e.target.closest(".row");
      if (row) hooks.select(model.shown[Number(row.dataset.place)]);
    });
  }

  /** After the filter changed. */
  refresh() {
    const { model } = this, n = model.shown.length;
    // Browsers lay out at most some 30 million pixels; 22 a row is far from it.
    this.rows.style.height = n * 22 + "px";
    const head = document.getElementById("listhead");
    head.replaceChildren(model.filtered ? `${count(n)} of ${count(model.events.length)} events` : `${count(n)} events`);
    this.paint();
  }

  /** Marks the place in time; `e`, if the place is an event that was chosen. */
  at(place, e, cursor) {
    this.place = place;
    this.selected = e;
    this.cursor = cursor;
    const top = place * 22, high = this.scroller.clientHeight;
    if (place >= 0 && (top < this.scroller.scrollTop + 22 || top > this.scroller.scrollTop + high - 44)) {
      this.scroller.scrollTop = top - high / 2 + 11;
    }
    this.paint();
  }

  paint() {
    const { model } = this, first = Math.max(0, Math.floor(this.scroller.scrollTop / 22) - 4);
    const last = Math.min(model.shown.length, first + Math.ceil(this.scroller.clientHeight / 22) + 9), rows = [];
    for (let i = first; i < last; i++) {
      const e = model.shown[i], lost = e.fate === LOST;
      const classes = ["row", i === this.place ? "now" : i > this.place ? "future" : "", lost || e.error || e.kind === "violation" ? "bad" : e.kind === "log" && e.level === 3 ? "warn" : ""];
      const row = el("div", { class: classes.join(" "), "data-place": i },
        el("span", { class: "t" }, seconds(e.at, this.digits)),
        el("span", { class: "s", title: lost ? e.kind + ", lost" : e.kind }, sign(e.kind, e.level, lost)),
        el("span", { class: "w" }, model.where(e) || "all"),
        el("span", { class: "x" }, e.type === "band" ? `${e.aspect}: ${e.text}` : e.text));
      row.style.top = i * 22 + "px";
      rows.push(row);
    }
    this.rows.replaceChildren(...rows);
  }

  /** A few words for the pointer. */
  words(e) {
    const { model } = this, where = model.where(e);
    const when = e.end > e.at || e.type === "band" || e.fate === WAY ? `${seconds(e.at)} s + ${span(e.end - e.at)}` : `${seconds(e.at)} s`;
    const fate = e.type !== "message" ? "" : e.fate === LOST ? ", lost" : e.fate === WAY ? ", still on its way at the end" : "";
    return [
      el("div", {}, el("b", {}, where || "everybody"), el("span", { class: "dim" }, `  ${e.type === "band" ? e.aspect : e.kind}${fate} · ${when}`)),
      el("div", { class: "what" }, e.text.length > 260 ? e.text.slice(0, 260) + "…" : e.text),
    ];
  }

  show(e) {
    this.detail.scrollTop = 0;
    if (!e) this.detail.replaceChildren(...this.nothing());
    else if (e.type === "message") this.detail.replaceChildren(...this.message(e));
    else this.detail.replaceChildren(...this.other(e));
  }

  nothing() {
    const { model } = this, violation = model.violations[0];
    const button = (e, text) => el("button", { type: "button", onclick: () => this.hooks.select(e) }, text);
    return [
      el("h2", {}, "Nothing chosen"),
      el("p", { class: "dim" }, "Click an arrow, a band or a mark, or step through the events with ← and →. ? lists all keys."),
      this.pairs([
        ["Run", `${span(model.end)} of virtual time`],
        ["Lanes", count(model.lanes.length)],
        ["Messages", count(model.messages.length) + (model.lost ? `, ${count(model.lost)} of them lost` : "")],
        ["Connections", count(model.conns.size)],
        ["Faults", count(model.counts.fault ?? 0)],
        ["Violations", count(model.violations.length)],
      ]),
      el("div", { class: "links" },
        violation ? button(violation, "First violation") : null,
        model.faults[0] ? button(model.faults[0], "First fault") : null,
        model.events[0] ? button(model.events[0], "First event") : null),
    ];
  }

  pairs(list) {
    return el("table", { class: "pairs" }, el("tbody", {}, ...list.filter(Boolean).map(([name, value]) =>
      el("tr", {}, el("td", {}, name), el("td", {}, ...[value].flat())))));
  }

  tag(e) {
    const tag = el("span", { class: "tag" }, e.type === "band" ? e.aspect : e.kind);
    tag.style.color = `var(--${KINDS.find((k) => k[0] === e.kind)[2] ? "k-" : ""}${e.kind === "log" ? "log-" + e.level : e.kind})`;
    return tag;
  }

  go(e, text, title) {
    return el("button", { type: "button", title: title ?? null, onclick: () => this.hooks.select(e) }, text);
  }

  other(e) {
    const { model } = this, band = e.type === "band";
    const same = [...(band ? model.lanes[e.lane].bands[e.aspect] : model.marks.filter((m) => m.kind === e.kind))].sort((a, b) => a.at - b.at);
    const at = same.indexOf(e), what = band ? `${e.aspect} of ${model.lanes[e.lane].name}` : e.kind;
    return [
      el("h2", {}, el("span", {}, model.where(e) || "Everybody"), this.tag(e)),
      el("p", { class: "big" + (e.kind === "violation" ? " bad" : e.level === 3 ? " warn" : "") }, e.text),
      this.pairs([
        [e.end > e.at || band ? "From" : "At", seconds(e.at) + " s"],
        e.end > e.at || band ? ["To", seconds(e.end) + " s" + (e.open ? ", the end of the run" : "")] : null,
        e.end > e.at || band ? ["Lasted", span(e.end - e.at)] : null,
        e.kind === "log" ? ["Level", LEVELS[e.level]] : null,
      ]),
      el("div", { class: "links" },
        at > 0 ? this.go(same[at - 1], "◀ previous " + what) : null,
        at >= 0 && at + 1 < same.length ? this.go(same[at + 1], `next ${what} ▶`) : null,
        e.end > e.at ? el("button", { type: "button", title: "Enter", onclick: () => this.hooks.zoomTo(e) }, "Zoom to it") : null),
    ];
  }

  message(m) {
    const { model } = this, conn = model.conns.get(m.conn), list = conn.list, place = list.indexOf(m);
    const fate = m.fate === ARRIVED ? `${seconds(m.end)} s, after ${span(m.end - m.at)}`
      : m.fate === LOST ? el("span", { class: "bad" }, `lost; given up at ${seconds(m.end)} s, after ${span(m.end - m.at)}`) : "still on its way when the run ended";
    const snapshots = [...new Set(m.frames.filter((f) => f.snapshot).map((f) => f.snapshot))];
    return [
      el("h2", {}, el("span", {}, model.where(m)), this.tag(m), m.fate === LOST ? el("span", { class: "tag bad" }, "lost") : null, el("span", { class: "dim" }, "m=" + m.number)),
      this.pairs([
        ["Sent", seconds(m.at) + " s"],
        ["Arrived", fate],
        ["Bytes", count(m.length) + (m.length > m.head.length ? `, the first ${count(m.head.length)} of them kept` : "")],
        ["Connection", `${conn.id}, opened by ${model.lanes[conn.opener].name}; message ${place + 1} of ${count(list.length)} on it`],
      ]),
      el("div", { class: "links" },
        place > 0 ? this.go(list[place - 1], "◀ on it", "The message before it on this connection") : null,
        place + 1 < list.length ? this.go(list[place + 1], "on it ▶", "The next message on this connection") : null,
        el("button", { type: "button", title: "c", onclick: () => this.hooks.follow(m.conn) }, model.conn === m.conn ? "Stop following" : "Follow this connection"),
        el("button", { type: "button", title: "Enter", onclick: () => this.hooks.zoomTo(m) }, "Zoom to it")),
      el("h3", {}, m.frames.length === 1 ? "It says" : `It says, in ${m.frames.length} parts`),
      ...this.frames(m),
      ...snapshots.flatMap((s) => this.snapshot(s)),
      el("h3", {}, "Bytes"),
      this.hex(m),
    ];
  }

  frames(m) {
    const most = 300, nodes = m.frames.slice(0, most).map((f, i) => el("div", {
      class: "frame" + (f.error ? " bad" : f.part || f.gap || f.line ? " part" : ""), "data-frame": i,
      onpointerenter: () => this.light(i, true), onpointerleave: () => this.light(i, false), onclick: () => this.light(i, true, true),
    },
    el("span", { class: "c" }, (f.earlier ? "… " : "") + f.text),
    f.partner ? this.go(f.partner.message, f.args && f.partner.frame.reply !== undefined && m.from === this.model.conns.get(m.conn).opener ? "reply" : "to " + short(f.partner.frame.text), f.partner.frame.text) : null,
    el("span", { class: "p" }, `${count(f.to - f.from)} B`)));
    if (m.frames.length > most) nodes.push(el("p", { class: "dim" }, `and ${count(m.frames.length - most)} more`));
    return nodes;
  }

  light(frame, on, scroll) {
    for (const span of this.detail.querySelectorAll(`pre.hex [data-frame="${frame}"]`)) {
      span.classList.toggle("on", on);
      if (scroll) { span.scrollIntoView({ block: "nearest" }); scroll = false; }
    }
    this.detail.querySelectorAll(".frame")[frame]?.classList.toggle("on", on);
  }

  snapshot(rdb) {
    const size = rdb.head.reduce((sum, b) => sum + b.length, 0), s = summary(joined(rdb.head, size));
    return [
      el("h3", {}, `The snapshot: ${rdb.total === Infinity ? `${count(rdb.got)} bytes` : count(rdb.total) + " bytes"}${rdb.ended ? "" : ` (only ${count(rdb.got)} were sent)`}`),
      this.pairs([
        s.version ? ["Format", "RDB " + s.version] : null,
        ...s.aux,
        ...s.sizes.map((t) => ["Size", t]),
        ...s.keys.slice(0, 40).map((k) => [`${k.db ? `db ${k.db} ` : ""}${k.key}`, k.text]),
        s.keys.length > 40 ? ["…", `and ${s.keys.length - 40} more keys`] : null,
        s.note ? ["", el("span", { class: "dim" }, s.note)] : null,
      ]),
    ];
  }

  hex(m) {
    const wide = this.detail.clientWidth < 510 ? 8 : 16, pre = el("pre", { class: "hex" }), { head, frames } = m;
    // Frames lie one behind the other.
    let at = 0;
    const frameAt = (i) => { while (at + 1 < frames.length && frames[at].to <= i) at++; return frames[at] && i >= frames[at].from && i < frames[at].to ? at : -1; };
    for (let row = 0; row < head.length; row += wide) {
      const end = Math.min(row + wide, head.length), runs = [];
      for (let i = row; i < end; i++) {
        const frame = frameAt(i), run = runs[runs.length - 1], printable = head[i] > 31 && head[i] < 127;
        const hex = head[i].toString(16).padStart(2, "0") + (i + 1 === row + 8 && wide > 8 ? "  " : " "), text = printable ? String.fromCharCode(head[i]) : "·";
        if (run?.frame === frame) { run.hex += hex; run.text += text; } else runs.push({ frame, hex, text });
      }
      const part = (run, text) => run.frame < 0 ? text : el("span", { "data-frame": run.frame, class: run.frame % 2 ? "b1" : "" }, text);
      const length = runs.reduce((sum, r) => sum + r.hex.length, 0);
      pre.append(el("span", { class: "o" }, row.toString(16).padStart(4, "0") + "  "), ...runs.map((r) => part(r, r.hex)),
        " ".repeat(wide * 3 + (wide > 8 ? 1 : 0) - length + 1), ...runs.map((r) => part(r, r.text)), "\n");
    }
    if (m.length > head.length) pre.append(el("span", { class: "o" }, `… ${count(m.length - head.length)} bytes more, not kept\n`));
    return pre;
  }
}

function short(text) {
  return text.length > 22 ? text.slice(0, 21) + "…" : text;
}
