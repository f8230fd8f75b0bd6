// The page itself: what is chosen, what keys and buttons do, and the link to it all behind the #.

const $ = (id) => document.getElementById(id);

const HELP = [
  ["Through time", [
    ["← →  or  k j", "previous, next event of those shown"],
    ["Shift + ← →", "previous, next event on the same lane or between the same two"],
    ["n  p", "next, previous fault or violation"],
    ["v", "the first violation; again: the next"],
    ["Space", "play, stop"], ["<  >", "play slower, faster"],
    ["Home  End", "begin, end of the run"], ["g", "go to a time"],
  ]],
  ["What is seen", [
    ["+ −", "zoom at the cursor"], ["a d", "move left, right"], ["0", "the whole run"],
    ["Enter", "zoom to what is chosen"], ["r", "the answer to a command, the command of an answer"],
  ]],
  ["What is shown", [
    ["/", "search; Enter: next one found"], ["c", "only the connection of the chosen message"], ["l", "only the lanes of what is chosen"],
    ["Esc", "close, let go, show all again"], ["y", "copy a link to this moment"], ["?", "this help"],
  ]],
  ["Mouse and touch", [
    ["wheel, pinch", "zoom"], ["drag, Shift + wheel", "move"], ["Shift + drag", "zoom to a range"], ["double-click", "zoom in"],
    ["click an arrow", "its bytes, decoded"], ["click a lane's name", "only that lane; with Shift: that one too"], ["click the legend", "hide or show a kind"],
  ]],
];

class Page {
  constructor(model) {
    this.model = model;
    this.selected = null;
    this.playing = null;
    this.rate = 0;
    const select = (e) => this.select(e);
    this.panel = new Panel(model, { select, follow: (c) => this.follow(c), zoomTo: (e) => this.zoomTo(e) });
    this.view = new View(model, $("lanes"), $("map"), $("tip"), {
      select, seek: (t) => this.seek(t), changed: () => this.link(), touched: () => this.stop(),
      lane: (l, add) => this.lane(l, add), words: (e) => this.panel.words(e),
    });
    this.head();
    this.legend();
    this.buttons();
    this.keys();
    this.panel.refresh();
    if (!this.open()) {
      const first = model.violations[0];
      if (first) this.select(first, false); else this.seek(0, false);
    }
    window.addEventListener("hashchange", () => { if (location.hash !== this.hash) this.open(); });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.view.theme());
  }

  head() {
    const { model } = this, n = model.violations.length;
    $("title").textContent = $("title").title = model.title;
    $("verdict").hidden = false;
    $("verdict").className = n ? "bad" : "good";
    $("verdict").textContent = n ? `◆ ${n > 1 ? n + " violations: " : ""}${short60(model.violations[0].text)}` : "✓ no violation";
    if (n) $("verdict").title = model.violations.map((v) => `${seconds(v.at)} s  ${v.text}`).slice(0, 20).join("\n");
    $("verdict").addEventListener("click", () => n && this.violation());
    $("facts").append(this.panel.pairs([...model.facts, ["virtual time", span(model.end)], ["messages", count(model.messages.length)], ["events", count(model.events.length)]]));
    if (model.command) {
      $("repeat").hidden = false;
      $("command").textContent = visible(model.command);
      $("command").title = visible(model.command);
      $("copy").addEventListener("click", () => this.copy(model.command, $("copy")));
    }
    const left = Object.entries(model.left).filter(([, n]) => n > 0), words = {
      messages: "messages", bytes: "bytes of long messages", bands: "bands", marks: "faults and notes", lines: "log lines and inputs",
    };
    if (left.length) {
      $("left").hidden = left.length === 1 && left[0][0] === "bytes";
      $("left").textContent = "Left out, the oldest first, to keep this page small: " + left.map(([k, n]) => `${count(n)} ${words[k]}`).join(", ") + ".";
      $("facts").append(this.panel.pairs(left.map(([k, n]) => ["left out", `${count(n)} ${words[k]}`])));
    }
  }

  legend() {
    for (const [kind, what] of KINDS) {
      const n = this.model.counts[kind];
      if (kind === "fault" && this.model.lost) {
        $("legend").append(el("span", { class: "key", title: "Drawn only to where it ended on its way; the panel says when it was given up" },
          sign("command", 0, true), "lost ", el("span", { class: "n" }, count(this.model.lost))));
      }
      if (!n) continue;
      const button = el("button", { type: "button", "aria-pressed": "true", title: what[0].toUpperCase() + what.slice(1) + ". Click: hide or show; double-click: only this", "data-kind": kind },
        sign(kind), kind, el("span", { class: "n" }, count(n)));
      button.addEventListener("click", () => this.toggle(kind));
      button.addEventListener("dblclick", () => this.only(kind));
      $("legend").append(button);
    }
  }

  toggle(kind) {
    const { hidden } = this.model;
    if (!hidden.delete(kind)) hidden.add(kind);
    this.filtered();
  }

  only(kind) {
    const { hidden, counts } = this.model, others = Object.keys(counts).filter((k) => k !== kind);
    const alone = others.every((k) => hidden.has(k));
    hidden.clear();
    if (!alone) others.forEach((k) => hidden.add(k));
    this.filtered();
  }

  lane(lane, add) {
    const { lanesOn } = this.model, had = lanesOn.has(lane), alone = lanesOn.size === 1;
    if (!add) lanesOn.clear();
    if (add && had) lanesOn.delete(lane);
    else if (add || !had || !alone) lanesOn.add(lane);
    this.filtered();
  }

  follow(conn) {
    this.model.conn = this.model.conn === conn ? 0 : conn;
    this.filtered();
    if (this.selected) this.panel.show(this.selected);
  }

  /** After what is shown changed. */
  filtered() {
    const { model } = this;
    model.filter();
    for (const b of $("legend").querySelectorAll("button")) b.setAttribute("aria-pressed", String(!model.hidden.has(b.dataset.kind)));
    $("following").hidden = !model.conn;
    $("following").textContent = `connection ${model.conn} ✕`;
    $("clear").hidden = !(model.hidden.size || model.lanesOn.size || model.conn || model.text);
    $("search").classList.toggle("none", !!model.text && !model.shown.length);
    this.view.mapImage = null;
    this.panel.refresh();
    this.place();
    this.view.redraw();
    this.link();
  }

  showAll() {
    const { model } = this;
    model.hidden.clear();
    model.lanesOn.clear();
    model.conn = 0;
    model.text = $("search").value = "";
    this.filtered();
    if (this.selected) this.panel.show(this.selected);
  }

  /** Puts the list, the clock and the lanes where the cursor is. */
  place() {
    const { model, view } = this;
    let place = this.selected ? model.placeOf(this.selected) : -1;
    if (place < 0) place = model.placeAt(view.cursor);
    this.panel.at(place, this.selected, view.cursor);
    if (document.activeElement !== $("time")) $("time").value = seconds(view.cursor);
  }

  select(e, reveal = true) {
    const { view } = this;
    if (!e) return;
    if (reveal) this.stop();
    this.selected = view.selected = e;
    view.cursor = e.at;
    if (reveal) view.reveal(e.at, true, this.model.lanesOf(e)[0] ?? -1);
    this.panel.show(e);
    this.place();
    view.redraw();
    this.link();
  }

  seek(t, reveal = true) {
    const { view } = this;
    this.selected = view.selected = null;
    view.cursor = Math.max(0, Math.min(this.model.end, t));
    if (reveal) view.reveal(view.cursor);
    this.panel.show(null);
    this.place();
    view.redraw();
    this.link();
  }

  zoomTo(e) {
    const length = Math.max(e.end - e.at, 40);
    this.view.show(e.at - length * 0.6, e.at + length * 1.6, true);
  }

  /** The next (1) or previous (-1) shown event for which `test` holds. */
  step(by, test = () => true) {
    const { model, view } = this, { shown } = model;
    let place = this.selected ? model.placeOf(this.selected) : -1;
    if (place < 0) {
      place = this.selected ? model.placeAfter(this.selected) : model.placeAt(view.cursor) + 1;
      if (by > 0) place--;
    }
    if (!this.selected && by < 0 && shown[place - 1]?.at === view.cursor && view.cursor === 0) return;
    for (place += by; place >= 0 && place < shown.length; place += by) {
      if (test(shown[place])) { this.select(shown[place]); return; }
    }
  }

  violation() {
    const list = this.model.violations, at = list.indexOf(this.selected);
    this.select(list[(at + 1) % list.length]);
  }

  play() {
    if (this.playing) { this.stop(); return; }
    const { view, model } = this;
    if (view.cursor >= model.end) this.seek(0);
    this.selected = view.selected = null;
    let last = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      // A window's width takes ten seconds; the speed doubles and halves that.
      const by = ((view.t1 - view.t0) / 10) * 2 ** this.rate * Math.min(0.1, (now - last) / 1000);
      last = now;
      view.cursor = Math.min(model.end, view.cursor + by);
      if (view.cursor > view.t1 - (view.t1 - view.t0) * 0.25 && view.t1 < view.whole[1]) view.show(view.t0 + by, view.t1 + by);
      if (view.cursor < view.t0 || view.cursor > view.t1) view.reveal(view.cursor, false);
      this.place();
      view.redraw();
      if (view.cursor >= model.end) { this.stop(); return; }
      this.playing = requestAnimationFrame(tick);
    };
    this.panel.show(null);
    this.playing = requestAnimationFrame(tick);
    $("play").textContent = "❚❚ Stop";
  }

  stop() {
    if (!this.playing) return;
    cancelAnimationFrame(this.playing);
    this.playing = null;
    $("play").textContent = "▶ Play";
    this.link();
  }

  speed(by) {
    this.rate = Math.max(-4, Math.min(4, this.rate + by));
    $("speed").textContent = "× " + (this.rate < 0 ? "1/" + 2 ** -this.rate : 2 ** this.rate);
  }

  buttons() {
    const { view, model } = this, on = (id, what) => $(id).addEventListener("click", what);
    on("previous", () => this.step(-1));
    on("next", () => this.step(1));
    on("play", () => this.play());
    on("speed", () => { if (this.rate === 4) this.rate = -5; this.speed(1); });
    on("in", () => view.zoom(0.5, this.middle(), true));
    on("out", () => view.zoom(2, this.middle(), true));
    on("fit", () => view.show(...view.whole, true));
    on("clear", () => this.showAll());
    on("following", () => this.follow(model.conn));
    on("ask", () => this.help());
    this.speed(0);
    $("time").addEventListener("keydown", (e) => {
      if (e.key === "Escape") $("time").blur();
      if (e.key !== "Enter") return;
      const t = Number($("time").value.replace(",", "."));
      $("time").blur();
      if (Number.isFinite(t)) this.seek(t * 1e6); else this.place();
    });
    $("time").addEventListener("focus", () => $("time").select());
    let later = 0;
    $("search").addEventListener("input", () => {
      clearTimeout(later);
      later = setTimeout(() => { model.text = $("search").value; this.filtered(); }, 120);
    });
    $("search").addEventListener("keydown", (e) => {
      if (e.key === "Enter") {
        clearTimeout(later);
        if (model.text !== $("search").value) { model.text = $("search").value; this.filtered(); }
        this.step(e.shiftKey ? -1 : 1);
        e.preventDefault();
      } else if (e.key === "Escape") {
        model.text = $("search").value = "";
        $("search").blur();
        this.filtered();
        e.stopPropagation();
      }
    });
    const split = $("split"), aside = document.querySelector("aside");
    split.addEventListener("pointerdown", (e) => split.setPointerCapture(e.pointerId));
    split.addEventListener("pointermove", (e) => {
      if (!split.hasPointerCapture(e.pointerId)) return;
      const narrow = matchMedia("(max-width: 900px)").matches;
      if (narrow) aside.style.height = Math.max(120, innerHeight - e.clientY - 3) + "px";
      else aside.style.width = Math.max(260, innerWidth - e.clientX - 3) + "px";
    });
  }

  middle() {
    const { view } = this;
    return view.cursor >= view.t0 && view.cursor <= view.t1 ? view.cursor : undefined;
  }

  keys() {
    const { view, model } = this, grave = (e) => e.kind === "fault" || e.kind === "violation";
    const alike = (e) => {
      const s = this.selected, on = s ? model.lanesOf(s) : [];
      if (!s) return true;
      return s.type === "message" ? e.type === "message" && on.includes(e.from) && on.includes(e.to) : model.lanesOf(e).some((l) => on.includes(l));
    };
    const keys = {
      ArrowRight: (e) => this.step(1, e.shiftKey ? alike : undefined), ArrowLeft: (e) => this.step(-1, e.shiftKey ? alike : undefined),
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1), j: () => this.step(1), k: () => this.step(-1),
      n: () => this.step(1, grave), p: () => this.step(-1, grave), v: () => model.violations.length && this.violation(),
      " ": () => this.play(), "<": () => this.speed(-1), ">": () => this.speed(1),
      Home: () => this.seek(0), End: () => this.seek(model.end), g: () => $("time").focus(),
      "+": () => view.zoom(0.5, this.middle(), true), "=": () => view.zoom(0.5, this.middle(), true), "-": () => view.zoom(2, this.middle(), true),
      a: () => view.pan(-0.3), d: () => view.pan(0.3), 0: () => view.show(...view.whole, true), PageUp: () => view.pan(-0.9), PageDown: () => view.pan(0.9),
      Enter: () => this.selected && this.zoomTo(this.selected),
      r: () => this.selected?.frames && this.select(view.partner(this.selected)),
      "/": () => { $("search").focus(); $("search").select(); },
      c: () => this.selected?.conn && this.follow(this.selected.conn),
      l: () => {
        if (model.lanesOn.size) model.lanesOn.clear();
        else if (this.selected) model.lanesOf(this.selected).forEach((l) => model.lanesOn.add(l));
        this.filtered();
      },
      y: () => { this.link(true); this.copy(location.href.split("#")[0] + this.hash); },
      "?": () => this.help(),
      Escape: () => {
        if (this.playing) this.stop();
        else if ($("about").open) $("about").open = false;
        else if (this.selected) this.seek(view.cursor, false);
        else this.showAll();
      },
    };
    document.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || $("help").open || /^(INPUT|TEXTAREA)$/.test(e.target.tagName)) return;
      // A button in focus keeps its own keys.
      if ((e.key === " " || e.key === "Enter") && /^(BUTTON|SUMMARY)$/.test(e.target.tagName)) return;
      const key = keys[e.key];
      if (!key) return;
      e.preventDefault();
      key(e);
    });
  }

  help() {
    const help = $("help");
    if (!help.firstChild) {
      help.append(el("h2", {}, "Keys and mouse"), el("div", { class: "columns" }, ...HELP.map(([title, rows]) => el("div", {},
        el("h3", {}, title), el("table", {}, el("tbody", {}, ...rows.map(([keys, what]) => el("tr", {}, el("td", {}, el("kbd", {}, keys)), el("td", {}, what)))))))),
      el("p", { class: "dim" }, "Time runs to the right. An arrow begins where its bytes were handed to the sender's kernel and ends where the receiver had all of them. " +
        "A lane shows from top to bottom: faults, its role, its epoch, its link. Where many messages fall on one line at this scale, one line stands for them."),
      el("form", { method: "dialog" }, el("button", {}, "Close")));
      help.addEventListener("click", (e) => e.target === help && help.close());
      help.querySelector("form").addEventListener("submit", (e) => { e.preventDefault(); help.close(); });
    }
    help.showModal();
  }

  async copy(text, button) {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // Not allowed to pages from files everywhere: the old way.
      const area = el("textarea", {}, text);
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    const what = button ?? $("copy"), old = "Copy";
    what.textContent = done ? "Copied" : "Not allowed";
    setTimeout(() => (what.textContent = old), 1500);
  }

  /** Keeps the address true: what it says is all that is needed to see the same again. */
  link(now = false) {
    clearTimeout(this.linking);
    const write = () => {
      const { view, model } = this, parts = ["t=" + seconds(view.cursor)];
      if (this.selected?.type === "message") parts.push("m=" + this.selected.number);
      else if (this.selected) parts.push("e=" + this.selected.index);
      const [t0, t1] = view.target ? view.target.to : [view.t0, view.t1];
      if (t1 - t0 < (view.whole[1] - view.whole[0]) * 0.999) parts.push(`z=${seconds(t0)},${seconds(t1)}`);
      if (model.conn) parts.push("conn=" + model.conn);
      if (model.text) parts.push("q=" + encodeURIComponent(model.text));
      if (model.hidden.size) parts.push("hide=" + [...model.hidden].join(","));
      if (model.lanesOn.size) parts.push("lanes=" + [...model.lanesOn].join(","));
      this.hash = "#" + parts.join("&");
      try {
        history.replaceState(null, "", this.hash);
      } catch {
        // A browser that refuses it to files only loses the address.
      }
    };
    if (now) write(); else this.linking = setTimeout(write, 250);
  }

  /** Reads the address; false if it says nothing. */
  open() {
    const words = new Map(location.hash.slice(1).split("&").filter(Boolean).map((p) => [p.split("=")[0], p.slice(p.indexOf("=") + 1)]));
    if (!words.size) return false;
    const { model, view } = this, number = (name) => (words.has(name) && Number.isFinite(Number(words.get(name))) ? Number(words.get(name)) : null);
    model.conn = model.conns.has(number("conn")) ? number("conn") : 0;
    try { model.text = decodeURIComponent(words.get("q") ?? ""); } catch { model.text = ""; }
    $("search").value = model.text;
    model.hidden = new Set((words.get("hide") ?? "").split(",").filter((k) => model.counts[k]));
    model.lanesOn = new Set((words.get("lanes") ?? "").split(",").filter(Boolean).map(Number).filter((l) => model.lanes[l]));
    this.filtered();
    const range = (words.get("z") ?? "").split(",").map((s) => Number(s) * 1e6);
    if (range.length === 2 && range[0] < range[1]) view.show(range[0], range[1]);
    const e = model.messages.find((m) => m.number === number("m")) ?? (number("e") !== null ? model.events[number("e")] : null);
    if (e) this.select(e, false); else this.seek((number("t") ?? 0) * 1e6, false);
    if (e && range.length !== 2 && number("m") !== null) this.zoomTo(e); else view.reveal(view.cursor, false);
    return true;
  }
}

function short60(text) {
  return text.length > 60 ? text.slice(0, 59) + "…" : text;
}

try {
  window.page = new Page(new Model(JSON.parse($("story").textContent)));
} catch (e) {
  // Better a word than an empty page.
  document.querySelector("main").replaceChildren(el("p", { class: "bad" }, `This story cannot be shown: ${e.message}`));
  throw e;
}
