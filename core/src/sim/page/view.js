// Moving through time and pointing at things, over what is drawn.

class View extends Drawing {
  /** `hooks`: select(event), seek(t), changed(), lane(index, add). */
  constructor(model, canvas, map, tip, hooks) {
    super();
    Object.assign(this, { model, canvas, map, tip, hooks });
    this.ctx = canvas.getContext("2d");
    this.mapCtx = map.getContext("2d");
    this.whole = [model.end * -0.015, model.end * 1.02];
    [this.t0, this.t1] = this.whole;
    this.cursor = 0;
    this.selected = null;
    this.hover = null;
    this.scroll = 0;
    this.range = null;
    this.theme();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  /** Shows from `t0` to `t1`, within the run and not closer than the shortest span. */
  show(t0, t1, slowly) {
    const [low, high] = this.whole;
    let length = Math.min(high - low, Math.max(SHORTEST, t1 - t0));
    t0 = (t0 + t1 - length) / 2;
    t0 = Math.max(low, Math.min(t0, high - length));
    this.target = null;
    if (slowly && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.target = { from: [this.t0, this.t1], to: [t0, t0 + length], since: performance.now() };
    } else {
      this.t0 = t0;
      this.t1 = t0 + length;
    }
    this.hooks.changed();
    this.redraw();
  }

  glide() {
    const { target } = this;
    if (!target) return;
    const part = Math.min(1, (performance.now() - target.since) / 220), ease = 1 - (1 - part) ** 3;
    // Spans grow and shrink by factors, so that zooming over many orders of magnitude is even.
    const lengths = [target.from[1] - target.from[0], target.to[1] - target.to[0]];
    const length = lengths[0] * (lengths[1] / lengths[0]) ** ease;
    const across = lengths[0] === lengths[1] ? ease : (length - lengths[0]) / (lengths[1] - lengths[0]);
    this.t0 = target.from[0] + (target.to[0] - target.from[0]) * across;
    this.t1 = this.t0 + length;
    if (part === 1) { [this.t0, this.t1] = target.to; this.target = null; this.hooks.changed(); }
    this.redraw();
  }

  zoom(factor, at = (this.t0 + this.t1) / 2, slowly = false) {
    const [from, to] = this.target ? this.target.to : [this.t0, this.t1];
    const length = Math.max(SHORTEST, Math.min(this.whole[1] - this.whole[0], (to - from) * factor));
    const left = at - ((at - from) * length) / (to - from);
    this.show(left, left + length, slowly);
  }

  pan(part, slowly = true) {
    const [from, to] = this.target ? this.target.to : [this.t0, this.t1], by = (to - from) * part;
    this.show(from + by, to + by, slowly);
  }

  /** Makes sure that a time is well inside of what is shown, and a lane too. */
  reveal(t, slowly = true, lane = -1) {
    const [from, to] = this.target ? this.target.to : [this.t0, this.t1], edge = (to - from) * 0.06;
    if (t < from + edge || t > to - edge) this.show(t - (to - from) * 0.35, t + (to - from) * 0.65, slowly);
    if (lane >= 0) {
      const top = lane * this.row, bottom = top + this.row, room = this.height - this.top;
      this.scroll = Math.max(0, Math.min(this.scrollMax, Math.max(Math.min(this.scroll, top), bottom - room)));
    }
    this.redraw();
  }

  /** What is under a point of the lanes. */
  hit(px, py) {
    const { model } = this, y = py + this.scroll;
    if (px < this.gutter || py < AXIS) return null;
    for (const m of model.marks) {
      if (!m.show || !this.inView(m)) continue;
      const x = this.x(m.at), to = Math.max(this.x(m.end), x + 4);
      if (m.lane < 0) {
        if (py < this.top && px >= x - 4 && px <= Math.max(to, x + 9)) return m;
      } else if (m.kind === "fault") {
        for (const l of model.lanesOf(m)) {
          const top = this.lanes[l].bar - 13 * (Math.min(m.stack, this.faultRows - 1) + 1);
          if (px >= x - 2 && px <= to + 2 && y >= top && y < top + 13) return m;
        }
      } else if (m.kind === "violation" && Math.abs(px - x) < 9 && Math.abs(y - this.lanes[m.lane].bar) < 13) return m;
    }
    let best = null, near = 6.5;
    const nearer = (e, distance) => { if (distance < near) { best = e; near = distance; } };
    for (let i = firstWhere(model.events, (e) => e.at >= this.t(px - 7)), to = this.t(px + 7); i < model.events.length && model.events[i].at <= to; i++) {
      const e = model.events[i];
      if (e.type !== "mark" || e.lane < 0 || !e.show || e.kind === "fault") continue;
      const top = this.lanes[e.lane].bar;
      if (y > top - 11 && y < top + (e.kind === "input" ? this.bar : 4)) nearer(e, Math.abs(px - this.x(e.at)) - 2 - e.level / 4);
    }
    if (best) return best;
    this.visible((m) => {
      if (m.show === 2) nearer(m, distance(px, y, ...this.line(m)));
    });
    if (best) return best;
    const lane = this.lanes.findIndex((l) => y >= l.bar - 1 && y <= l.under);
    if (lane < 0) return null;
    const t = this.t(px), l = this.lanes[lane];
    let top = l.bar, aspect = "role";
    for (const [name, height] of [["role", this.bar], ...this.strips]) {
      if (y >= top) aspect = name;
      top += height;
    }
    const band = model.stateAt(lane, "process", t) ?? model.stateAt(lane, aspect, t);
    return band?.show ? band : null;
  }

  listen() {
    const { canvas, map, hooks } = this, pointers = new Map();
    const place = (e, of) => { const box = of.getBoundingClientRect(); return [e.clientX - box.left, e.clientY - box.top]; };
    let moved = 0, pinch = null, select = null;
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      canvas.setPointerCapture(e.pointerId);
      pointers.set(e.pointerId, place(e, canvas));
      moved = 0;
      pinch = null;
      select = e.shiftKey && pointers.size === 1 ? place(e, canvas)[0] : null;
      this.hooks.touched();
    });
    canvas.addEventListener("pointermove", (e) => {
      const [x, y] = place(e, canvas), old = pointers.get(e.pointerId);
      if (!old) { this.pointAt(x, y); return; }
      pointers.set(e.pointerId, [x, y]);
      moved += Math.abs(x - old[0]) + Math.abs(y - old[1]);
      if (moved < 4) return;
      this.tip.hidden = true;
      if (pointers.size === 2) {
        const [a, b] = [...pointers.values()], apart = Math.max(20, Math.abs(a[0] - b[0])), middle = (a[0] + b[0]) / 2;
        if (pinch) {
          const at = this.t(pinch.middle);
          this.zoom(pinch.apart / apart, at);
          const by = ((pinch.middle - middle) * (this.t1 - this.t0)) / (this.width - this.gutter);
          this.show(this.t0 + by, this.t1 + by);
        }
        pinch = { apart, middle };
      } else if (select !== null) {
        this.range = [select, x];
        this.redraw();
      } else {
        const by = ((old[0] - x) * (this.t1 - this.t0)) / (this.width - this.gutter);
        this.scroll = Math.max(0, Math.min(this.scrollMax, this.scroll + old[1] - y));
        this.show(this.t0 + by, this.t1 + by);
        canvas.style.cursor = "grabbing";
      }
    });
    const up = (e) => {
      const at = pointers.get(e.pointerId);
      if (!at) return;
      pointers.delete(e.pointerId);
      canvas.style.cursor = "";
      if (this.range) {
        const [a, b] = this.range.map((x) => this.t(x)).sort((p, q) => p - q);
        this.range = null;
        this.show(a, b, true);
      } else if (moved < 4 && e.type === "pointerup") {
        const [x, y] = at, lane = this.laneAt(x, y);
        if (lane >= 0) { hooks.lane(lane, e.shiftKey || e.ctrlKey || e.metaKey); return; }
        const hit = this.hit(x, y);
        if (hit) hooks.select(hit);
        else if (x >= this.gutter) hooks.seek(Math.max(0, Math.min(this.model.end, this.t(x))));
      }
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { this.point(null); this.hoverLane = -1; });
    canvas.addEventListener("dblclick", (e) => {
      const [x, y] = place(e, canvas);
      if (x >= this.gutter && !this.hit(x, y)) this.zoom(0.25, this.t(x), true);
    });
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const [x] = place(e, canvas), unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? 300 : 1;
      if (x < this.gutter || e.altKey) {
        this.scroll = Math.max(0, Math.min(this.scrollMax, this.scroll + e.deltaY * unit));
        this.redraw();
      } else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        this.pan((((e.deltaX || e.deltaY) * unit) / (this.width - this.gutter)), false);
      } else {
        this.zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY * unit * (e.ctrlKey ? 0.01 : 0.0022)))), this.t(x));
      }
    }, { passive: false });
    let grip = null;
    map.addEventListener("pointerdown", (e) => {
      const [x] = place(e, map), x0 = this.mapX(this.t0), x1 = this.mapX(this.t1), t = this.mapT(x);
      map.setPointerCapture(e.pointerId);
      const side = Math.min(8, 4 + (x1 - x0) / 6);
      grip = Math.abs(x - x0) < side ? { edge: 0 } : Math.abs(x - x1) < side ? { edge: 1 } : { by: x > x0 && x < x1 ? t - this.t0 : (this.t1 - this.t0) / 2 };
      move(e);
    });
    const move = (e) => {
      const [x] = place(e, map), t = this.mapT(x), length = this.t1 - this.t0;
      if (!grip) {
        const near = Math.min(Math.abs(x - this.mapX(this.t0)), Math.abs(x - this.mapX(this.t1)));
        map.style.cursor = near < 6 ? "ew-resize" : "grab";
      } else if (grip.edge === 0) this.show(Math.min(t, this.t1 - SHORTEST), this.t1);
      else if (grip.edge === 1) this.show(this.t0, Math.max(t, this.t0 + SHORTEST));
      else this.show(t - grip.by, t - grip.by + length);
    };
    map.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) map.addEventListener(end, () => (grip = null));
    map.addEventListener("dblclick", () => this.show(...this.whole, true));
    map.addEventListener("wheel", (e) => {
      e.preventDefault();
      this.zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY * 0.0022))), this.mapT(place(e, map)[0]));
    }, { passive: false });
  }

  laneAt(x, y) {
    return x < this.gutter && y > this.top ? this.lanes.findIndex((l) => y + this.scroll >= l.top && y + this.scroll < l.top + this.row) : -1;
  }

  pointAt(x, y) {
    const lane = this.laneAt(x, y);
    if (lane !== this.hoverLane) { this.hoverLane = lane; this.redraw(); }
    this.point(this.hit(x, y), x, y);
    this.canvas.style.cursor = this.hover || lane >= 0 ? "pointer" : "";
  }

  /** Shows what is pointed at, and a few words beside the pointer. */
  point(e, x, y) {
    if (e !== this.hover) { this.hover = e; this.redraw(); }
    this.tip.hidden = !e;
    if (!e) return;
    this.tip.replaceChildren(...this.hooks.words(e));
    const wide = this.tip.offsetWidth, high = this.tip.offsetHeight;
    this.tip.style.left = Math.max(4, Math.min(x + 14, this.width - wide - 6)) + "px";
    this.tip.style.top = (y + 18 + high > this.height ? y - high - 10 : y + 18) + "px";
  }
}

/** How far a point is from a line. */
function distance(px, py, x0, y0, x1, y1) {
  const dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;
  const part = square ? Math.max(0, Math.min(1, ((px - x0) * dx + (py - y0) * dy) / square)) : 0;
  return Math.hypot(px - x0 - part * dx, py - y0 - part * dy);
}
