// The lanes and the map of the whole run, drawn on two canvases: where things are, and how they look.

const AXIS = 24;
const MAP = 54;
const SHORTEST = 20;

class Drawing {
  theme() {
    const style = getComputedStyle(document.documentElement);
    this.color = new Proxy({}, { get: (cache, name) => (cache[name] ??= style.getPropertyValue("--" + name).trim()) });
    this.font = style.getPropertyValue("--font").trim();
    this.hatches = {};
    this.mapImage = null;
    this.redraw();
  }

  resize() {
    const box = this.canvas.parentElement.getBoundingClientRect();
    this.width = Math.max(200, Math.floor(box.width));
    this.height = Math.max(120, Math.floor(box.height) - MAP);
    this.ratio = window.devicePixelRatio || 1;
    for (const [canvas, height] of [[this.canvas, this.height], [this.map, MAP]]) {
      canvas.width = this.width * this.ratio;
      canvas.height = height * this.ratio;
      canvas.style.height = height + "px";
    }
    this.gutter = this.width < 620 ? 92 : 138;
    this.layout();
    this.mapImage = null;
    this.redraw();
  }

  /** Where each lane's parts are. */
  layout() {
    const { model } = this, n = Math.max(1, model.lanes.length);
    this.top = AXIS + (model.marks.some((m) => m.lane < 0 && m.other < 0) ? 18 : 4);
    const room = this.height - this.top - 6;
    this.row = Math.max(30, Math.min(150, Math.floor(room / n)));
    const strips = ["epoch", "link"].filter((a) => model.lanes.some((l) => l.bands[a]));
    let left = this.row - 14;
    this.bar = this.row >= 56 ? 17 : 14;
    left -= this.bar;
    const levels = Math.min(model.levels, 3, Math.max(model.levels ? 1 : 0, Math.floor((left - 12 * strips.length) / 13)));
    this.faultRows = Math.max(0, levels);
    left -= this.faultRows * 13;
    this.strips = strips.map((aspect) => [aspect, left >= 12 * strips.length ? 12 : 4]);
    const block = this.faultRows * 13 + this.bar + this.strips.reduce((sum, s) => sum + s[1], 0);
    this.lanes = model.lanes.map((_, i) => {
      const top = this.top + i * this.row;
      const bar = top + Math.round((this.row - block) / 2) + this.faultRows * 13;
      return { top, bar, under: bar + this.bar + this.strips.reduce((sum, s) => sum + s[1], 0) };
    });
    this.scrollMax = Math.max(0, this.top + n * this.row + 6 - this.height);
    this.scroll = Math.min(this.scroll, this.scrollMax);
  }

  x(t) { return this.gutter + ((t - this.t0) * (this.width - this.gutter)) / (this.t1 - this.t0); }
  t(x) { return this.t0 + ((x - this.gutter) * (this.t1 - this.t0)) / (this.width - this.gutter); }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.glide();
      this.draw();
      this.drawMap();
    });
  }

  hatch(name, color, gap = 6) {
    const key = name + color;
    if (!this.hatches[key]) {
      const tile = document.createElement("canvas"), size = gap * this.ratio;
      tile.width = tile.height = size;
      const c = tile.getContext("2d");
      c.strokeStyle = color;
      c.lineWidth = 1.3 * this.ratio;
      c.beginPath();
      if (name === "bars") { c.moveTo(size / 2, 0); c.lineTo(size / 2, size); }
      else for (const s of [-size, 0, size]) { c.moveTo(s, size); c.lineTo(s + size, 0); }
      c.stroke();
      const pattern = this.ctx.createPattern(tile, "repeat");
      pattern.setTransform(new DOMMatrix().scale(1 / this.ratio));
      this.hatches[key] = pattern;
    }
    return this.hatches[key];
  }

  draw() {
    const { ctx, color } = this;
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    ctx.font = `11px ${this.font}`;
    ctx.textBaseline = "middle";
    ctx.fillStyle = color.bg;
    ctx.fillRect(0, 0, this.width, this.height);
    this.labels = [];
    ctx.save();
    ctx.beginPath();
    ctx.rect(this.gutter, AXIS, this.width - this.gutter, this.height - AXIS);
    ctx.clip();
    this.drawGrid();
    ctx.save();
    ctx.translate(0, -this.scroll);
    this.drawMessages();
    this.drawFaults();
    this.drawBands();
    this.drawCrosses();
    this.drawLines();
    ctx.restore();
    this.drawWide();
    if (this.range) {
      ctx.fillStyle = color.select;
      ctx.globalAlpha = 0.25;
      ctx.fillRect(Math.min(...this.range), AXIS, Math.abs(this.range[1] - this.range[0]), this.height);
      ctx.globalAlpha = 1;
    }
    ctx.restore();
    this.drawGutter();
    this.drawAxis();
  }

  tick() {
    const per = ((this.t1 - this.t0) / (this.width - this.gutter)) * 95, ten = 10 ** Math.floor(Math.log10(per));
    const step = Math.max(1, [1, 2, 5, 10].find((n) => n * ten >= per) * ten);
    return [step, Math.max(0, 6 - Math.floor(Math.log10(step) + 1e-9))];
  }

  drawGrid() {
    const { ctx, color } = this, [step] = this.tick();
    ctx.fillStyle = color.stripe;
    this.lanes.forEach((l, i) => i % 2 === 0 && ctx.fillRect(this.gutter, l.top - this.scroll, this.width, this.row));
    ctx.strokeStyle = color.grid;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let t = Math.ceil(this.t0 / step) * step; t <= this.t1; t += step) {
      const x = Math.round(this.x(t)) + 0.5;
      ctx.moveTo(x, AXIS);
      ctx.lineTo(x, this.height);
    }
    ctx.stroke();
    ctx.fillStyle = color.out;
    const begin = this.x(0), end = this.x(this.model.end);
    if (begin > this.gutter) ctx.fillRect(this.gutter, AXIS, begin - this.gutter, this.height);
    if (end < this.width) ctx.fillRect(end, AXIS, this.width, this.height);
    if (this.model.begin > 0 && this.x(this.model.begin) > this.gutter) {
      const to = this.x(this.model.begin);
      ctx.fillStyle = this.hatch("slant", color.grid, 9);
      ctx.fillRect(this.gutter, AXIS, to - this.gutter, this.height);
      this.caption(`${count(this.model.left.messages)} earlier messages left out`, Math.max(this.gutter + 6, to - 230), this.height - 12, to, color.dim);
    }
  }

  /** Text from x on, cut at `to`; gives whether it had room. */
  caption(text, x, y, to, fill, halo) {
    const { ctx } = this;
    let room = to - x;
    if (room < 14) return false;
    let shown = text.slice(0, Math.ceil(room / 4));
    while (shown && ctx.measureText(shown + (shown === text ? "" : "…")).width > room) shown = shown.slice(0, Math.min(-1, -Math.floor(shown.length / 12)));
    if (shown.length < Math.min(3, text.length)) return false;
    if (shown !== text) shown += "…";
    if (halo) {
      ctx.lineWidth = 3;
      ctx.lineJoin = "round";
      ctx.strokeStyle = halo;
      ctx.strokeText(shown, x, y);
    }
    ctx.fillStyle = fill;
    ctx.fillText(shown, x, y);
    return true;
  }

  inView(e) { return e.at <= this.t1 && e.end >= this.t0; }

  drawFaults() {
    const { ctx, color, model } = this;
    for (const f of model.faults) {
      if (!f.show || !this.inView(f)) continue;
      const x = this.x(f.at), to = Math.max(x + 4, this.x(f.end)), left = Math.max(x, this.gutter), on = model.lanesOf(f);
      ctx.globalAlpha = f.show === 1 ? 0.25 : 1;
      const ys = on.map((l) => this.lanes[l].bar - 13 * (Math.min(f.stack, this.faultRows - 1) + 1));
      for (const [i, y] of ys.entries()) {
        ctx.fillStyle = color["fault-soft"];
        ctx.fillRect(x, y, to - x, 12);
        ctx.fillStyle = this.hatch("slant", color["fault-line"], 7);
        ctx.fillRect(x, y, to - x, 12);
        ctx.fillStyle = color.fault;
        ctx.fillRect(x, y, 2.5, 12);
        if (!f.open) ctx.fillRect(to - 1.5, y, 1.5, 12);
        if (f === this.selected || f === this.hover) this.frameOf(x, y, to - x, 12);
        const room = Math.min(to - 3, this.width);
        ctx.font = `600 10px ${this.font}`;
        this.caption(f.text, left + 6, y + 6.5, room, color.text, color["fault-soft"]);
        ctx.font = `11px ${this.font}`;
        if (i === 1) {
          ctx.strokeStyle = color.fault;
          ctx.lineWidth = 1.5;
          ctx.setLineDash([2, 3]);
          ctx.beginPath();
          for (const side of to - x > 12 && !f.open ? [x + 1, to - 1] : [x + 1]) {
            ctx.moveTo(side, Math.min(...ys) + 12);
            ctx.lineTo(side, Math.max(...ys));
          }
          ctx.stroke();
          ctx.setLineDash([]);
        }
      }
    }
    ctx.globalAlpha = 1;
  }

  frameOf(x, y, w, h) {
    const { ctx } = this;
    ctx.strokeStyle = this.color.select;
    ctx.lineWidth = 2;
    ctx.strokeRect(x - 1, y - 1, w + 2, h + 2);
  }

  /** The line of a message on the screen. One that was lost ends on its way. */
  line(m) {
    const down = m.to > m.from, a = this.lanes[m.from], b = this.lanes[m.to];
    const x0 = this.x(m.at), y0 = down ? a.under : a.bar;
    let x1 = this.x(m.end), y1 = m.to === m.from ? a.bar - 10 : down ? b.bar : b.under;
    if (m.fate === LOST) {
      // Just before the receiver, between two lanes: on a lane it would look as if that one had lost it.
      const gap = Math.max(0, this.row - (a.under - a.bar)) * 0.45, way = y1 - y0;
      y1 -= Math.sign(way) * Math.min(gap, Math.abs(way) * 0.45);
      x1 = x0 + Math.min((x1 - x0) * 0.8, 60);
    } else if (m.fate === WAY) {
      y1 = y0 + (y1 - y0) * 0.85;
    }
    return [x0, y0, x1, y1];
  }

  /** Calls `each` for the messages that are shown and sent or on their way between t0 and t1. */
  visible(each) {
    const list = this.model.messages;
    for (let i = firstWhere(list, (m) => m.latest >= this.t0); i < list.length && list[i].at <= this.t1; i++) {
      if (list[i].show && list[i].end >= this.t0) each(list[i]);
    }
  }

  drawMessages() {
    const { ctx, color } = this, groups = new Map(), last = new Map(), lost = [], index = new Map(KINDS.map((k, i) => [k[0], i]));
    this.drawn = [];
    const sent = (t) => firstWhere(this.model.messages, (m) => m.at >= t), near = sent(this.t1) - sent(this.t0) > 5000 ? 2 : 0.7;
    this.visible((m) => {
      const line = this.line(m), [x0, , x1] = line;
      if (m.fate === LOST) {
        lost.push([m, line]);
        if (lost.length > 3000) lost.shift();
      }
      // At this scale many fall on one line: once is enough.
      const key = ((m.from * 64 + m.to) * 16 + index.get(m.kind)) * 4 + m.show, old = last.get(key);
      if (old && Math.abs(old[0] - x0) < near && Math.abs(old[1] - x1) < near && m !== this.selected) return;
      last.set(key, [x0, x1]);
      const group = m.show * 100 + (m.fate === LOST ? 50 : 0) + index.get(m.kind);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(line);
      this.drawn.push([m, line]);
    });
    const many = this.drawn.length, dashes = { handshake: [7, 3, 1.5, 3], ack: [1.5, 3], reply: [5, 3] };
    const widths = { snapshot: 3.5, stream: 1.8, command: 1.5, ack: 1.2, reply: 1.2, handshake: 1.5 };
    for (const [group, lines] of [...groups].sort((a, b) => a[0] - b[0])) {
      const kind = KINDS[group % 50][0], faint = group < 200, gone = group % 100 >= 50;
      ctx.globalAlpha = faint ? 0.1 : gone && many > 700 ? 0.4 : many > 1500 ? 0.28 : many > 700 ? 0.5 : 1;
      ctx.strokeStyle = color[gone ? "lost" : "k-" + kind];
      ctx.lineWidth = widths[kind] * (many > 1500 ? 0.7 : 1);
      ctx.setLineDash(gone ? [4, 3] : many < 1500 ? dashes[kind] ?? [] : []);
      ctx.beginPath();
      for (const [x0, y0, x1, y1] of lines) {
        // A line that leaves the screen far away would be dashed all the way: cut it at the edges.
        const from = x0 < -50 && x1 > x0 ? (-50 - x0) / (x1 - x0) : 0, to = x1 > this.width + 50 && x1 > x0 ? (this.width + 50 - x0) / (x1 - x0) : 1;
        ctx.moveTo(x0 + (x1 - x0) * from, y0 + (y1 - y0) * from);
        ctx.lineTo(x0 + (x1 - x0) * to, y0 + (y1 - y0) * to);
      }
      ctx.stroke();
      ctx.setLineDash([]);
      if (many < 1200 && !faint && !gone) {
        ctx.fillStyle = ctx.strokeStyle;
        for (const line of lines) this.head(line, kind === "snapshot" ? 8 : 6);
      }
    }
    ctx.globalAlpha = 1;
    this.crosses = lost;
    const strong = [this.hover, this.selected?.type === "message" && this.selected.frames ? this.partner(this.selected) : null, this.selected];
    for (const m of strong) {
      if (m?.type !== "message" || !this.inView(m)) continue;
      const line = this.line(m);
      ctx.strokeStyle = m === this.selected ? color.select : color.text;
      ctx.lineWidth = m === this.selected ? 3 : 2;
      ctx.beginPath();
      ctx.moveTo(line[0], line[1]);
      ctx.lineTo(line[2], line[3]);
      ctx.stroke();
      ctx.fillStyle = ctx.strokeStyle;
      if (m.fate === ARRIVED) this.head(line, 8);
      ctx.beginPath();
      ctx.arc(line[0], line[1], 3, 0, 7);
      ctx.fill();
    }
    if (many < 90) this.nameMessages();
    this.drawMoving();
  }

  /** Where messages were lost; above the lanes, for that may be behind one. */
  drawCrosses() {
    const { ctx, color } = this;
    const size = this.crosses.length > 150 ? 2.5 : 4;
    let last = [-9, -9];
    for (const [m, [, , x, y]] of this.crosses) {
      if (m.show < 2 || Math.abs(x - last[0]) + Math.abs(y - last[1]) < 3) continue;
      last = [x, y];
      ctx.beginPath();
      ctx.moveTo(x - size, y - size); ctx.lineTo(x + size, y + size);
      ctx.moveTo(x - size, y + size); ctx.lineTo(x + size, y - size);
      ctx.strokeStyle = color.bg;
      ctx.lineWidth = size + 1;
      ctx.stroke();
      ctx.strokeStyle = color.lost;
      ctx.lineWidth = size / 2;
      ctx.stroke();
    }
  }

  partner(m) { return m.frames.find((f) => f.partner)?.partner.message; }

  head([x0, y0, x1, y1], size) {
    const { ctx } = this, angle = Math.atan2(y1 - y0, x1 - x0);
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x1 - size * Math.cos(angle - 0.42), y1 - size * Math.sin(angle - 0.42));
    ctx.lineTo(x1 - size * Math.cos(angle + 0.42), y1 - size * Math.sin(angle + 0.42));
    ctx.fill();
  }

  free(x, y, w, h) {
    if (this.labels.some((l) => x < l[0] + l[2] && l[0] < x + w && y < l[1] + l[3] && l[1] < y + h)) return false;
    this.labels.push([x, y, w, h]);
    return true;
  }

  /** Writes beside few messages what they say, where there is room. */
  nameMessages() {
    const { ctx, color } = this;
    ctx.font = `10px ${this.font}`;
    for (const l of this.lanes) this.labels.push([0, l.bar - this.faultRows * 13 - 2, 1e6, l.under - l.bar + this.faultRows * 13 + 4]);
    const order = [...this.drawn].sort((a, b) => (b[0] === this.selected) - (a[0] === this.selected));
    for (const [m, [x0, y0, x1, y1]] of order) {
      if (m.show < 2 || m.to === m.from) continue;
      const text = m.text.length > 46 ? m.text.slice(0, 45) + "…" : m.text, width = ctx.measureText(text).width;
      for (const part of [0.5, 0.3, 0.7, 0.15, 0.85]) {
        const x = Math.max(this.gutter + 2, x0 + (x1 - x0) * part + 5), y = y0 + (y1 - y0) * part;
        if (x0 + (x1 - x0) * part < this.gutter || x > this.width - 20 || !this.free(x - 2, y - 7, width + 4, 14)) continue;
        ctx.globalAlpha = 0.82;
        ctx.fillStyle = color.bg;
        ctx.fillRect(x - 2, y - 6.5, width + 4, 13);
        ctx.globalAlpha = 1;
        ctx.fillStyle = m.fate === LOST ? color.lost : color.text;
        ctx.fillText(text, x, y + 0.5);
        break;
      }
    }
    ctx.font = `11px ${this.font}`;
  }

  /** Where the messages are that are on their way at the cursor. */
  drawMoving() {
    const { ctx, color, cursor, model } = this;
    let left = 400;
    for (let i = firstWhere(model.messages, (m) => m.latest >= cursor); i < model.messages.length && model.messages[i].at <= cursor && left; i++) {
      const m = model.messages[i];
      if (m.end <= cursor || m.show < 2 || m.end === m.at) continue;
      left--;
      const [x0, y0, x1, y1] = this.line(m);
      if (m.fate === LOST && this.x(cursor) > x1) continue;
      const part = Math.min(1, (cursor - m.at) / (m.end - m.at));
      ctx.beginPath();
      ctx.arc(Math.min(x0 + (x1 - x0) * part, this.x(cursor)), y0 + (y1 - y0) * part, 4, 0, 7);
      ctx.fillStyle = color[m.fate === LOST ? "lost" : "k-" + m.kind];
      ctx.fill();
      ctx.strokeStyle = color.bg;
      ctx.lineWidth = 1.5;
      ctx.stroke();
    }
  }

  roleColor(text) {
    const known = /master|primary/i.test(text) ? 1 : /replica|slave/i.test(text) ? 2 : /leader/i.test(text) ? 3 : 0;
    if (known) return "role-" + known;
    let hash = 7;
    for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0;
    return "role-" + (4 + (hash % 3));
  }

  drawBands() {
    const { ctx, color, model } = this;
    const end = this.x(model.end), begin = this.x(0);
    for (const lane of model.lanes) {
      const l = this.lanes[lane.index];
      const on = !model.lanesOn.size || model.lanesOn.has(lane.index);
      ctx.globalAlpha = on ? 1 : 0.4;
      ctx.fillStyle = color.bar;
      ctx.fillRect(begin, l.bar, end - begin, this.bar);
      this.aspect(lane, "role", l.bar, this.bar, (b) => color[this.roleColor(b.text)], color["on-role"]);
      let y = l.bar + this.bar;
      for (const [aspect, height] of this.strips) {
        if (lane.bands[aspect]) this.aspect(lane, aspect, y, height, () => color[aspect], color.text);
        y += height;
      }
      for (const b of lane.bands.process ?? []) {
        if (!b.show || !this.inView(b)) continue;
        const x = this.x(b.at), to = Math.max(x + 2, this.x(b.end)), down = !/pause/i.test(b.text);
        ctx.fillStyle = color["down-soft"];
        ctx.fillRect(x, l.bar - 1, to - x, l.under - l.bar + 2);
        ctx.fillStyle = this.hatch(down ? "slant" : "bars", color.down, 5);
        ctx.fillRect(x, l.bar - 1, to - x, l.under - l.bar + 2);
        if (b === this.selected || b === this.hover) this.frameOf(x, l.bar, to - x, l.under - l.bar);
        ctx.font = `600 11px ${this.font}`;
        this.caption((down ? "✕ " : "❚❚ ") + b.text, Math.max(x, this.gutter) + 6, l.bar + this.bar / 2 + 0.5, Math.min(to - 3, this.width), color.text, color["down-soft"]);
        ctx.font = `11px ${this.font}`;
      }
    }
    ctx.globalAlpha = 1;
  }

  aspect(lane, aspect, y, height, fill, ink) {
    const { ctx } = this;
    let last = -1e9;
    for (const b of lane.bands[aspect] ?? []) {
      if (!b.show || !this.inView(b)) continue;
      const x = this.x(b.at), to = Math.max(x + 1.5, this.x(b.end));
      if (to - x < 2 && x - last < 0.7) continue;
      last = x;
      ctx.fillStyle = fill(b);
      ctx.fillRect(x, y, to - x - (to - x > 4 ? 1 : 0), height - 1);
      if (b === this.selected || b === this.hover) this.frameOf(x, y, to - x, height - 1);
      if (height < 10) continue;
      ctx.font = aspect === "role" ? `600 11px ${this.font}` : `10px ${this.font}`;
      this.caption(b.text, Math.max(x, this.gutter) + 6, y + height / 2, Math.min(to - 4, this.width), ink);
    }
    ctx.font = `11px ${this.font}`;
  }

  /** Log lines, inputs and violations on their lanes. */
  drawLines() {
    const { ctx, color, model } = this, last = new Map();
    const from = firstWhere(model.events, (e) => e.at >= this.t0);
    for (let i = from; i < model.events.length && model.events[i].at <= this.t1; i++) {
      const e = model.events[i];
      if (e.type !== "mark" || e.kind === "fault" || !e.show || e.lane < 0) continue;
      const x = this.x(e.at), l = this.lanes[e.lane], strong = e === this.selected || e === this.hover;
      const key = (e.lane * 16 + (e.kind === "log" ? e.level : e.kind.length)) * 4 + e.show;
      if (!strong && Math.abs((last.get(key) ?? -9) - x) < (e.level === 3 ? 3 : 5)) continue;
      last.set(key, x);
      ctx.globalAlpha = e.show === 1 ? 0.15 : 1;
      this.symbol(e, x, l.bar, strong);
    }
    ctx.globalAlpha = 1;
  }

  symbol(e, x, y, strong) {
    const { ctx, color } = this;
    ctx.fillStyle = strong ? color.select : e.kind === "log" ? color["log-" + e.level] : color[e.kind];
    ctx.beginPath();
    if (e.kind === "violation") {
      ctx.moveTo(x, y - 10); ctx.lineTo(x + 8, y + 1); ctx.lineTo(x, y + 12); ctx.lineTo(x - 8, y + 1);
      ctx.fill();
      ctx.fillStyle = color["on-role"];
      ctx.font = `700 12px ${this.font}`;
      ctx.fillText("!", x - 2, y + 1.5);
      ctx.font = `11px ${this.font}`;
      return;
    }
    if (e.kind === "input") { ctx.arc(x, y + this.bar / 2, 3.5, 0, 7); ctx.fill(); return; }
    if (e.kind === "note") { ctx.fillRect(x - 1, y - 5, 2, this.bar + 5); ctx.fillRect(x - 1, y - 5, 7, 5); return; }
    const size = e.level === 3 ? 5.5 : 3.5;
    ctx.moveTo(x - size, y - 1 - size * 1.3); ctx.lineTo(x + size, y - 1 - size * 1.3); ctx.lineTo(x, y - 1);
    ctx.fill();
  }

  /** What concerns everybody: across all lanes. */
  drawWide() {
    const { ctx, color, model } = this;
    let free = -1e9;
    for (const m of model.marks) {
      if (!m.show || !this.inView(m) || (m.lane >= 0 && m.kind !== "violation")) continue;
      const x = this.x(m.at), to = this.x(m.end);
      ctx.globalAlpha = m.show === 1 ? 0.2 : 1;
      ctx.strokeStyle = m === this.selected ? color.select : color[m.kind === "log" ? "log-" + m.level : m.kind];
      ctx.lineWidth = m.kind === "violation" ? 2 : 1;
      if (m.kind === "violation" || m.kind === "note") {
        ctx.setLineDash(m.kind === "note" ? [2, 4] : []);
        ctx.beginPath();
        ctx.moveTo(x, AXIS);
        ctx.lineTo(x, this.height);
        ctx.stroke();
        ctx.setLineDash([]);
      }
      if (m.lane >= 0) continue;
      if (m.kind === "fault") {
        ctx.fillStyle = this.hatch("slant", color["fault-line"], 7);
        ctx.fillRect(x, AXIS + 2, Math.max(3, to - x), 14);
      }
      const left = Math.max(x, this.gutter);
      ctx.fillStyle = ctx.strokeStyle;
      ctx.fillRect(x - 1, AXIS + 2, 2.5, 14);
      if (m.kind === "violation") this.symbol(m, x, AXIS + 8, m === this.selected);
      const begin = left + (m.kind === "violation" ? 11 : 5);
      if (begin < free && m !== this.selected) continue;
      if (this.caption(m.text, begin, AXIS + 9.5, Math.min(begin + 240, this.width), color.text, color.bg)) free = begin + Math.min(240, ctx.measureText(m.text).width) + 8;
    }
    ctx.globalAlpha = 1;
  }

  drawGutter() {
    const { ctx, color, model, gutter } = this;
    ctx.fillStyle = color.panel;
    ctx.fillRect(0, 0, gutter, this.height);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, AXIS, gutter, this.height);
    ctx.clip();
    for (const lane of model.lanes) {
      const l = this.lanes[lane.index], y = l.top - this.scroll, on = model.lanesOn.has(lane.index);
      ctx.globalAlpha = model.lanesOn.size && !on ? 0.45 : 1;
      if (on) { ctx.fillStyle = color.select; ctx.fillRect(0, y + 2, 4, this.row - 4); }
      if (this.hoverLane === lane.index) { ctx.fillStyle = color.stripe; ctx.fillRect(4, y + 2, gutter - 5, this.row - 4); }
      const states = [];
      const process = model.stateAt(lane.index, "process", this.cursor), role = model.stateAt(lane.index, "role", this.cursor);
      const link = model.stateAt(lane.index, "link", this.cursor), epoch = model.stateAt(lane.index, "epoch", this.cursor);
      if (process) states.push([process.text, color.fault]);
      else if (role) states.push([role.text, color.text]);
      else states.push([lane.kind, color.dim]);
      if (epoch) states.push([epoch.text, color.dim]);
      if (link) states.push([link.text, color.dim]);
      const lines = Math.min(states.length, Math.floor((this.row - 24) / 13));
      const top = y + (this.row - 15 - lines * 13) / 2;
      ctx.font = `700 13px ${this.font}`;
      this.caption(lane.name, 12, top + 8, gutter - (lines ? 6 : 20), color.text);
      ctx.font = `11px ${this.font}`;
      if (!lines && (role || process)) {
        ctx.fillStyle = process ? color.fault : color[this.roleColor(role.text)];
        ctx.fillRect(gutter - 16, top + 4, 8, 8);
      }
      for (let i = 0; i < lines; i++) {
        let x = 12;
        if (i === 0 && role && !process) {
          ctx.fillStyle = color[this.roleColor(role.text)];
          ctx.fillRect(x, top + 18, 8, 8);
          x += 12;
        }
        this.caption(states[i][0], x, top + 22 + i * 13, gutter - 6, states[i][1]);
      }
      ctx.globalAlpha = 1;
      ctx.fillStyle = color.grid;
      ctx.fillRect(0, y + this.row - 1, this.width, 1);
    }
    ctx.restore();
    ctx.fillStyle = color.grid;
    ctx.fillRect(gutter - 1, 0, 1, this.height);
  }

  drawAxis() {
    const { ctx, color } = this, [step, digits] = this.tick();
    ctx.fillStyle = color.panel;
    ctx.fillRect(0, 0, this.width, AXIS);
    ctx.fillStyle = color.grid;
    ctx.fillRect(0, AXIS - 1, this.width, 1);
    ctx.font = `11px ${this.font}`;
    const x = this.x(this.cursor), flag = seconds(this.cursor, Math.min(6, digits + 1)) + " s", wide = ctx.measureText(flag).width + 12;
    const at = Math.max(this.gutter, Math.min(x - wide / 2, this.width - wide));
    const shown = x >= this.gutter - 1 && x <= this.width + 1;
    for (let t = Math.ceil(this.t0 / step) * step; t <= this.t1; t += step) {
      const tx = this.x(t), text = seconds(Math.abs(t) < 1e-6 ? 0 : t, digits), w = ctx.measureText(text).width;
      if (t < -1e-6 || tx - w / 2 < this.gutter + 2 || tx + w / 2 > this.width || (shown && tx + w / 2 > at - 4 && tx - w / 2 < at + wide + 4)) continue;
      ctx.fillStyle = color.dim;
      ctx.fillText(text, tx - w / 2, AXIS / 2);
    }
    ctx.fillStyle = color.dim;
    ctx.fillText(this.width < 620 ? span(this.t1 - this.t0) : "shown: " + span(this.t1 - this.t0), 12, AXIS / 2);
    if (!shown) return;
    ctx.fillStyle = color.cursor;
    ctx.fillRect(Math.max(this.gutter, x) - 0.75, AXIS - 4, 1.5, this.height);
    ctx.fillRect(at, 3, wide, AXIS - 7);
    ctx.fillStyle = color["on-cursor"];
    ctx.fillText(flag, at + 6, AXIS / 2);
  }

  mapX(t) { return 8 + ((t - this.whole[0]) * (this.width - 16)) / (this.whole[1] - this.whole[0]); }
  mapT(x) { return this.whole[0] + ((x - 8) * (this.whole[1] - this.whole[0])) / (this.width - 16); }

  drawMap() {
    const { mapCtx: c, color } = this;
    this.mapImage ??= this.paintMap();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.mapImage, 0, 0);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const x0 = this.mapX(this.t0), x1 = Math.max(x0 + 3, this.mapX(this.t1));
    c.fillStyle = color.shade;
    c.fillRect(0, 1, x0, MAP);
    c.fillRect(x1, 1, this.width, MAP);
    c.strokeStyle = color.select;
    c.lineWidth = 1.5;
    c.strokeRect(x0, 2, x1 - x0, MAP - 4);
    c.fillStyle = color.select;
    c.fillRect(x0 - 2.5, MAP / 2 - 9, 5, 18);
    c.fillRect(x1 - 2.5, MAP / 2 - 9, 5, 18);
    c.fillStyle = color.cursor;
    c.fillRect(this.mapX(this.cursor) - 0.75, 0, 1.5, MAP);
  }

  /** The whole run: how many messages, those lost, faults, processes that were down, violations. */
  paintMap() {
    const image = document.createElement("canvas"), { model, color } = this;
    image.width = this.map.width;
    image.height = this.map.height;
    const c = image.getContext("2d");
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.fillStyle = color.panel;
    c.fillRect(0, 0, this.width, MAP);
    c.fillStyle = color.grid;
    c.fillRect(0, 0, this.width, 1);
    const columns = Math.ceil(this.width / 2), all = new Float64Array(columns), lost = new Float64Array(columns);
    for (const m of model.messages) {
      if (m.show < 2) continue;
      const at = Math.min(columns - 1, Math.max(0, Math.floor(this.mapX(m.at) / 2)));
      all[at]++;
      if (m.fate === LOST) lost[at]++;
    }
    const most = Math.sqrt(Math.max(1, all.reduce((a, b) => Math.max(a, b), 0))), room = MAP - 22;
    for (let i = 0; i < columns; i++) {
      if (!all[i]) continue;
      const h = Math.max(1.5, (Math.sqrt(all[i]) / most) * room);
      c.fillStyle = color["k-command"];
      c.globalAlpha = 0.65;
      c.fillRect(i * 2, MAP - 3 - h, 1.6, h);
      c.globalAlpha = 1;
      if (lost[i]) {
        c.fillStyle = color.lost;
        const part = Math.max(2, (h * lost[i]) / all[i]);
        c.fillRect(i * 2, MAP - 3 - part, 1.6, part);
      }
    }
    for (const f of model.faults) {
      const x = this.mapX(f.at), w = Math.max(2, this.mapX(f.end) - x);
      c.fillStyle = color.fault;
      c.globalAlpha = 0.8;
      c.fillRect(x, 4 + 5 * Math.min(2, f.stack), w, 4);
    }
    c.globalAlpha = 1;
    for (const m of model.marks) {
      if (m.kind !== "violation" && !(m.kind === "note" && m.lane < 0)) continue;
      const x = this.mapX(m.at);
      c.fillStyle = color[m.kind];
      c.fillRect(x - 0.75, 0, m.kind === "violation" ? 2.5 : 1, MAP);
      if (m.kind === "violation") { c.beginPath(); c.moveTo(x - 6, 0); c.lineTo(x + 7, 0); c.lineTo(x + 0.5, 9); c.fill(); }
    }
    return image;
  }
}
