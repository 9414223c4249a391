"use strict";
(() => {
  const root = document.documentElement, body = document.body;
  const D = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const e = Object.assign(document.createElement(tag), properties);
    e.append(...children);
    return e;
  };
  const said = document.getElementById("said");
  const colour = name => getComputedStyle(root).getPropertyValue(name).trim();
  const ofFilter = i => colour("--c" + i % 7);
  const dashOf = i => [[], [7, 3], [2, 3], [9, 3, 2, 3]][Math.floor(i / 7) % 4];
  const finite = v => typeof v === "number";
  const short = v => !finite(v) ? "–" : Math.abs(v) >= 1e5 || v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential(1) : String(+v.toPrecision(4)).replace("-", "−");
  const withUnit = (name, unit) => unit && unit !== "1" ? `${name} (${unit})` : name;
  // ofScore returns the label of an axis of a score
  const ofScore = (metric, text = metric) => withUnit(text, D.units[metric]);
  // Axes of time show dates if the run has some.
  const TIME = D.clock;
  const dateOf = t => new Date(1000 * (D.dates.start + t * D.dates.unit));
  const DAY = 86400, dateSteps = [[0, 1, 19], [0, 10, 19], [0, 60, 16], [0, 300, 16], [0, 900, 16], [0, 3600, 16], [0, 10800, 16], [0, 43200, 16],
    [0, DAY, 10], [0, 2 * DAY, 10], [0, 7 * DAY, 10], [0, 14 * DAY, 10], [1, 0, 7], [3, 0, 7], [6, 0, 7], ...[12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12000].map(m => [m, 0, 4])];
  // dateTicks returns round dates between two times, as pairs of time and text
  const dateTicks = (low, high, most) => {
    const first = dateOf(low), last = dateOf(high);
    for (const [months, seconds, length] of dateSteps) {
      const list = [], month = 12 * first.getUTCFullYear() + first.getUTCMonth(), second = Math.floor(first / 1000);
      for (let k = 0; list.length <= most; k++) {
        const at = new Date(1000 * (second - (second % seconds + seconds) % seconds + k * seconds) || 0);
        if (months) at.setUTCFullYear(0, month - month % months + k * months, 1);
        if (at > last) break;
        if (at >= first) list.push([(at / 1000 - D.dates.start) / D.dates.unit, at.toISOString().replace("T", " ").slice(length === 16 || length === 19 ? 5 : 0, length)]);
      }
      if (list.length <= most) return list;
    }
    return [];
  };
  const timeText = t => D.dates ? new Date(1000 * Math.round(D.dates.start + t * D.dates.unit)).toISOString().replace("T", " ").slice(0, D.dates.clock ? 16 : 10) : `${TIME} ${short(t)}`;

  // What the reader has chosen; it survives the page's loading itself again.
  const memory = "plume " + body.dataset.run;
  const stages = ["analysis", "forecast"].filter(s => D.trials.some(t => t.scores[s]));
  const replicates = [...new Set(D.trials.map(t => t.replicate))];
  const state = {
    stage: stages[0], replicate: replicates[0], setting: D.axes.map(() => 0), filters: D.filters.map(() => true),
    axis: 0, metric: D.opening, score: "", difference: D.opening, component: 0, plane: "0,1", trial: -1, across: 0, up: 1, cycle: -1, latest: 0, marginal: 0, map: 0, observed: "", parameter: 0,
    heat: 0, heatX: 0, heatY: 1, report: "", smooth: true, log: false, ahead: 0, issue: -1, leadScore: "rmse", leadOf: "", above: "", lead: -1,
  };
  try { Object.assign(state, JSON.parse(sessionStorage.getItem(memory) || "{}")); } catch { /* without it all is as at first */ }
  const remember = () => { try { sessionStorage.setItem(memory, JSON.stringify(state)); } catch { /* a page without storage forgets */ } };

  const chosen = (setting, except = -1) => setting.every((v, i) => i === except || v < 0 || v === state.setting[i]);
  const trials = () => D.trials.filter(t => t.replicate === state.replicate && state.filters[t.filter] && chosen(t.setting));
  const name = t => D.filters[t.filter];

  // ---- controls

  // select returns a choice; unseen is its name where no label is shown
  const select = (label, options, value, change, unseen) => {
    const s = make("select");
    if (unseen) s.setAttribute("aria-label", unseen);
    s.append(...options.map(([v, text]) => make("option", { value: v, textContent: text })));
    s.value = String(value);
    if (s.selectedIndex < 0) s.selectedIndex = 0;
    s.addEventListener("change", () => { change(s.value); remember(); });
    return make("label", {}, label + " ", s);
  };

  const controls = document.getElementById("controls");
  const buildControls = () => {
    if (!D.trials.length) return;
    if (stages.length > 1) controls.append(select("stage", stages.map(s => [s, s]), state.stage, v => { state.stage = v; draw(); }));
    if (replicates.length > 1) controls.append(select("replicate", replicates.map(r => [r, r]), state.replicate, v => { state.replicate = v; draw(); }));
    D.axes.forEach((a, i) => controls.append(select(a.label, a.values.map((v, k) => [k, v]), state.setting[i], v => { state.setting[i] = +v; draw(); })));
    const toggle = (label, key) => {
      const box = make("input", { type: "checkbox", checked: state[key] });
      box.addEventListener("change", () => { state[key] = box.checked; draw(); remember(); });
      return make("label", {}, box, label);
    };
    const overTimeControls = document.getElementById("time-controls");
    if (overTimeControls) {
      if (D.block) overTimeControls.append(toggle(`means over ${D.block} cycles`, "smooth"));
      overTimeControls.append(toggle("logarithmic", "log"));
    }
    const set = make("fieldset", {}, make("legend", { textContent: "filters" }));
    D.filters.forEach((f, i) => {
      const box = make("input", { type: "checkbox", checked: state.filters[i] });
      box.addEventListener("change", () => { state.filters[i] = box.checked; remember(); draw(); });
      const swatch = make("span", { className: "swatch" });
      swatch.dataset.filter = i;
      const status = make("span", { className: "flag" });
      status.dataset.status = i;
      set.append(make("label", {}, box, swatch, f, status));
    });
    controls.append(set);
    controls.addEventListener("submit", e => e.preventDefault());
    controls.hidden = false;
  };
  const paintSwatches = () => all(".swatch").forEach(s => {
    const i = +s.dataset.filter, c = ofFilter(i);
    s.style.background = dashOf(i).length ? `repeating-linear-gradient(90deg, ${c} 0 4px, transparent 4px 6px)` : c;
  });

  // sayStatuses says next to its name when the trial of a filter has not ended well: charts of what it lacks leave it out
  const sayStatuses = () => all("[data-status]").forEach(s => {
    const t = D.trials.find(t => t.filter === +s.dataset.status && t.replicate === state.replicate && chosen(t.setting));
    s.textContent = !t ? "not run" : t.status === "ok" ? "" : t.status;
  });

  // ---- canvas charts with axes of their own

  const ticks = (low, high, most) => {
    const raw = (high - low) / Math.max(1, most), power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find(k => k * power >= raw) * power, list = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) list.push(+(k * step).toPrecision(12));
    return list;
  };
  const padded = (values, share = 0.04) => {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (finite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (low > high) return [0, 1];
    const pad = high > low ? (high - low) * share : Math.abs(high) * 0.1 || 1;
    return [low - pad, high + pad];
  };
  const FONT = '12px system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';

  // canvas of a size in CSS pixels, sharp on dense screens
  const sheet = (div, width, height) => {
    const c = make("canvas"), dense = window.devicePixelRatio || 1, g = c.getContext("2d");
    c.width = Math.round(width * dense); c.height = Math.round(height * dense);
    c.style.width = width + "px"; c.style.height = height + "px";
    g.scale(dense, dense); g.font = FONT; g.textBaseline = "middle";
    div.append(make("div", { className: "sheet" }, c));
    return g;
  };
  const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  // reachable makes an element one that the keyboard reaches, and tells what its arrow keys show
  const reachable = (e, move) => {
    e.tabIndex = 0;
    e.setAttribute("role", "img");
    e.setAttribute("aria-label", e.closest(".plot").getAttribute("aria-label") + ". Arrow keys show values.");
    e.addEventListener("keydown", event => {
      const to = KEYS[event.key];
      if (!to) return;
      event.preventDefault();
      said.textContent = move(...to);
    });
  };
  // probe shows the value under the cursor or, with the arrow keys, one value after the other.
  // It is given marks, as [x, y, text], or the cells of a raster.
  const probe = (g, from) => {
    const canvas = g.canvas, dot = make("span", { className: "dot", hidden: true }), readout = make("p", { className: "readout" });
    const cells = Array.isArray(from) ? null : from, count = cells ? cells.cols * cells.rows : from.length;
    if (!count) return;
    const mark = k => {
      if (!cells) return from[k];
      const i = k % cells.cols, j = Math.floor(k / cells.cols), b = cells.box;
      return [b.left + (i + 0.5) * b.width / cells.cols, b.top + (j + 0.5) * b.height / cells.rows, cells.text(i, j)];
    };
    const near = (x, y) => {
      if (!cells) {
        let best = -1, least = 40 ** 2;
        from.forEach(([a, b], k) => { const d = (a - x) ** 2 + (b - y) ** 2; if (d < least) [best, least] = [k, d]; });
        return best;
      }
      const i = Math.floor((x - cells.box.left) / cells.box.width * cells.cols), j = Math.floor((y - cells.box.top) / cells.box.height * cells.rows);
      return i < 0 || j < 0 || i >= cells.cols || j >= cells.rows ? -1 : i + cells.cols * j;
    };
    let at = -1;
    const show = k => {
      at = k;
      dot.hidden = k < 0;
      const [x, y, text] = k < 0 ? [0, 0, ""] : mark(k);
      dot.style.left = x + "px"; dot.style.top = y + "px";
      return readout.textContent = text;
    };
    canvas.parentNode.append(dot); canvas.parentNode.after(readout);
    canvas.addEventListener("mousemove", e => show(near(e.offsetX, e.offsetY)));
    canvas.addEventListener("mouseleave", () => show(-1));
    canvas.addEventListener("blur", () => show(-1));
    reachable(canvas, (across, down) => show(at < 0 ? 0 : Math.max(0, Math.min(count - 1, at + across + down * (cells ? cells.cols : 1)))));
  };
  // frame draws axes around a box and returns how values become positions
  const frame = (g, box, xs, ys, xLabel, yLabel, grid = true, dated = false) => {
    const X = v => box.left + (v - xs[0]) / (xs[1] - xs[0]) * box.width;
    const Y = v => box.top + box.height - (v - ys[0]) / (ys[1] - ys[0]) * box.height;
    g.lineWidth = 1; g.setLineDash([]);
    g.fillStyle = colour("--soft"); g.strokeStyle = colour("--grid");
    g.textAlign = "center";
    for (const [t, text] of dated ? dateTicks(xs[0], xs[1], box.width / 90) : ticks(xs[0], xs[1], box.width / 80).map(t => [t, short(t)])) {
      if (grid) line(g, X(t), box.top, X(t), box.top + box.height);
      g.fillText(text, X(t), box.top + box.height + 12);
    }
    g.textAlign = "right";
    for (const t of ys.length > 2 ? [] : ticks(ys[0], ys[1], box.height / 40)) {
      if (grid) line(g, box.left, Y(t), box.left + box.width, Y(t));
      g.fillText(short(t), box.left - 6, Y(t));
    }
    g.strokeStyle = colour("--line");
    g.strokeRect(box.left, box.top, box.width, box.height);
    g.textAlign = "center";
    if (xLabel) g.fillText(xLabel, box.left + box.width / 2, box.top + box.height + 29);
    if (yLabel) {
      g.save(); g.translate(11, box.top + box.height / 2); g.rotate(-Math.PI / 2); g.fillText(yLabel, 0, 0); g.restore();
    }
    return [X, Y];
  };
  const line = (g, x0, y0, x1, y1) => { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); };
  const path = (g, xs, ys, X, Y) => {
    g.beginPath();
    let pen = false;
    xs.forEach((x, i) => {
      if (!finite(x) || !finite(ys[i])) { pen = false; return; }
      pen ? g.lineTo(X(x), Y(ys[i])) : g.moveTo(X(x), Y(ys[i]));
      pen = true;
    });
    g.stroke();
  };
  // fit shortens a text to a width
  const fit = (g, text, width) => {
    if (g.measureText(text).width <= width) return text;
    while (text.length > 1 && g.measureText(text + "…").width > width) text = text.slice(0, -1);
    return text + "…";
  };

  // keyOf returns the key of lines and points, each with room for a value
  const keyOf = lines => {
    const key = make("p", { className: "readout" });
    key.setAttribute("aria-hidden", "true");
    for (const [label, paint, dash, points] of lines) {
      const kind = points ? points.width > 0 ? "ring" : "point" : dash?.length ? dash[0] < 3 ? "dotted" : "dashed" : "";
      const k = make("span", { className: "k " + kind }, label + " ", make("b"));
      k.style.setProperty("--k", paint);
      key.append(k);
    }
    return key;
  };

  // ---- lines over an axis, by uPlot

  let plots = [];
  const uplot = (div, o) => {
    const width = div.clientWidth, height = o.height || Math.max(220, Math.min(300, width * 0.45));
    const soft = colour("--soft"), grid = { stroke: colour("--grid"), width: 1 }, tick = { ...grid, size: 4 };
    const named = o.series.map((x, k) => [x, k + 1]).filter(([x]) => x.label && !o.quiet);
    const readout = keyOf(named.map(([x]) => [x.label, x.stroke, x.dash, x.width === 0 && !x.fill && x.points])), where = make("span", { className: "at" }), values = all(".k b", readout);
    readout.append(where);
    const axis = more => ({ stroke: soft, font: FONT, labelFont: FONT, grid, ticks: tick, ...more });
    const u = new uPlot({
      width, height,
      legend: { show: false },
      focus: { alpha: 0.25 },
      cursor: { drag: { x: true, y: false }, points: { size: 6 }, focus: { prox: named.length > 1 && !o.bands ? 14 : -1 }, ...(o.sync ? { sync: { key: o.sync, scales: ["x", null] } } : {}), ...o.cursor },
      scales: { x: { time: false, ...o.x }, y: { ...o.y } },
      axes: [
        axis({ label: o.xLabel, labelSize: 18, size: 30, values: (_, list) => list.map(v => v === null ? "" : short(v)), ...o.xAxis }),
        axis({ label: o.yLabel, labelSize: 18, size: (_, values) => Math.max(40, 14 + 7 * Math.max(...(values || []).map(v => v?.length || 0))), values: (_, list) => list.map(v => v === null ? "" : short(v)), ...o.yAxis }),
      ],
      series: [{}, ...o.series.map(s => ({ points: { show: false }, width: 1.4, spanGaps: false, ...s }))],
      bands: o.bands,
      hooks: {
        ...o.hooks,
        setCursor: [u => {
          const i = u.cursor.idx, on = i !== null && i !== undefined;
          where.textContent = on ? o.at ? o.at(i, u.data[0][i]) : short(u.data[0][i]) : "";
          named.forEach(([, k], n) => { values[n].textContent = on && finite(u.data[k][i]) ? short(u.data[k][i]) : ""; });
        }],
      },
    }, o.data, div);
    if (!o.quiet) div.append(readout);
    reachable(u.over, across => {
      const [first, last] = u.series[0].idxs, i = u.cursor.idx ?? (across > 0 ? first - 1 : last + 1), next = Math.max(first, Math.min(last, i + across)); // of those in sight
      u.setCursor({ left: u.valToPos(u.data[0][next], "x"), top: u.over.clientHeight / 2 });
      return [where.textContent, ...named.map(([x], n) => values[n].textContent && `${x.label} ${values[n].textContent}`)].filter(Boolean).join(", ");
    });
    plots.push(u);
    return u;
  };
  const nothing = (div, why) => div.append(make("p", { className: "nothing", textContent: why }));

  // burnIn shades the time that no mean is taken over
  const burnIn = u => {
    if (!finite(D.burnIn)) return;
    const x = Math.min(u.valToPos(D.burnIn, "x", true), u.bbox.left + u.bbox.width);
    if (x <= u.bbox.left) return;
    u.ctx.fillStyle = colour("--sheet");
    u.ctx.fillRect(u.bbox.left, u.bbox.top, x - u.bbox.left, u.bbox.height);
  };

  // between shades what lies between two values
  const between = (u, low, high) => {
    if (!finite(low) || !finite(high)) return;
    const end = u.bbox.top + u.bbox.height, at = v => Math.max(u.bbox.top, Math.min(end, u.valToPos(v, "y", true) || end)); // no place on a logarithmic axis: below it
    u.ctx.fillStyle = colour("--band"); u.ctx.fillRect(u.bbox.left, at(high), u.bbox.width, at(low) - at(high));
  };
  // diagonal draws the line on which both axes are equal
  const diagonal = u => {
    const low = Math.max(u.scales.x.min, u.scales.y.min), high = Math.min(u.scales.x.max, u.scales.y.max), at = v => [u.valToPos(v, "x", true), u.valToPos(v, "y", true)];
    u.ctx.save(); u.ctx.strokeStyle = colour("--ink"); u.ctx.lineWidth = window.devicePixelRatio || 1; u.ctx.setLineDash([5, 4]);
    line(u.ctx, ...at(low), ...at(high)); u.ctx.restore();
  };

  // timeAxis is the horizontal axis of a plot over time
  const timeAxis = !D.dates ? {} : {
    splits: (u, _, low, high) => dateTicks(low, high, u.bbox.width / (window.devicePixelRatio || 1) / 90).map(([t]) => t),
    values: (u, splits) => { const known = new Map(dateTicks(u.scales.x.min, u.scales.x.max, u.bbox.width / (window.devicePixelRatio || 1) / 90)); return splits.map(t => known.get(t) ?? ""); },
  };

  // overTime draws series of trials, of which each has its own times
  const overTime = (div, label, parts, band) => {
    parts = parts.filter(p => p.series && p.values && p.values.some(finite));
    if (!parts.length) return nothing(div, "No such values for this choice.");
    const logarithmic = state.log && parts.every(p => p.values.every(v => !finite(v) || v > 0));
    const data = uPlot.join(parts.map(p => [p.series.time, p.values]));
    uplot(div, {
      data, xLabel: TIME, yLabel: label, sync: "time", hooks: { drawClear: [burnIn, ...(band ? [u => between(u, ...band)] : [])] }, at: (_, t) => timeText(t), xAxis: timeAxis, y: logarithmic ? { distr: 3 } : {},
      series: parts.map(p => ({ label: p.label, stroke: ofFilter(p.trial.filter), dash: p.dash || dashOf(p.trial.filter), width: p.dash ? 1 : 1.4 })),
    });
  };
  const scored = () => trials().filter(t => t.scores[state.stage]);
  // smooth returns a series or, if they are wanted, its means over blocks of cycles
  const smooth = s => state.smooth && s.means || s;
  const scoresOf = t => smooth(t.scores[state.stage]);
  const scoreParts = metric => scored().map(t => ({ trial: t, label: name(t), series: scoresOf(t), values: scoresOf(t).values[metric] }));

  const pick = (figure, ...labels) => figure.querySelector(".pick").replaceChildren(...labels);
  const redraw = figure => { drawOne(figure); remember(); };

  // slide returns the control of state[key], an index into so many values that is at now
  const slide = (figure, text, key, at, length) => {
    const slider = make("input", { type: "range", min: 0, max: length - 1, value: at });
    slider.addEventListener("input", () => { state[key] = +slider.value; redraw(figure); figure.querySelector("input").focus(); });
    return make("label", {}, text + " ", slider);
  };

  // atCycle returns the cycle at which members are shown, and its control
  const atCycle = figure => {
    const cycles = D.members.cycles, at = state.cycle < 0 ? D.members.opening : Math.min(state.cycle, cycles.length - 1);
    return [at, slide(figure, `after cycle ${cycles[at]}${D.dates ? ", " + timeText(D.members.at[at]) : ""}`, "cycle", at, cycles.length)];
  };

  // ---- the charts

  const charts = {}; // by name: (div, figure) => draws the chart into div

  // CHARTS
  // ---- colours of fields: viridis and a blue-white-red, by their corner colours

  const ramp = corners => {
    const rgb = corners.map(c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16)));
    return share => {
      const at = Math.max(0, Math.min(1, share)) * (rgb.length - 1), i = Math.min(rgb.length - 2, Math.floor(at));
      return rgb[i].map((v, k) => Math.round(v + (rgb[i + 1][k] - v) * (at - i)));
    };
  };
  const sequential = ramp(["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"]);
  const diverging = ramp(["#053061", "#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b", "#67001f"]);
  // valueOf returns the value of a byte of a field, or null
  const valueOf = (h, bytes, at) => { const b = bytes.charCodeAt(at); return b === 255 || Number.isNaN(b) ? null : h.low + (h.high - h.low) * b / 254; };
  // raster draws a field, whose value of row i from below and column k is the byte at place(i, k)
  const raster = (g, h, box, rows, cols, place, low, high, map) => {
    const bytes = atob(h.data), c = make("canvas", { width: cols, height: rows }), p = c.getContext("2d"), image = p.createImageData(cols, rows);
    for (let k = 0; k < cols; k++) for (let i = 0; i < rows; i++) {
      const v = valueOf(h, bytes, place(i, k));
      if (v !== null) image.data.set([...map((v - low) / (high - low || 1)), 255], 4 * ((rows - 1 - i) * cols + k));
    }
    p.putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(c, box.left, box.top, box.width, box.height);
    return (i, k) => short(valueOf(h, bytes, place(i, k)));
  };
  const bar = (g, box, low, high, map, label) => {
    for (let i = 0; i < box.height; i++) {
      g.fillStyle = `rgb(${map(1 - i / box.height).join(" ")})`;
      g.fillRect(box.left, box.top + i, box.width, 1.5);
    }
    g.fillStyle = colour("--soft"); g.textAlign = "left";
    for (const t of ticks(low, high, 4)) g.fillText(short(t), box.left + box.width + 4, box.top + box.height * (1 - (t - low) / (high - low || 1)));
    g.textAlign = "center"; g.fillText(fit(g, label, 76), box.left + box.width, box.top - 11);
  };

  // ---- drawing

  const drawOne = figure => {
    const div = figure.querySelector(".plot");
    plots = plots.filter(u => !div.contains(u.root) || u.destroy());
    div.replaceChildren();
    charts[figure.dataset.chart](div, figure);
  };
  const draw = () => { paintSwatches(); sayStatuses(); all("figure[data-chart]").forEach(drawOne); };

  // ---- tables: sorting, and copies for papers

  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // where the clipboard is closed to pages
      const area = make("textarea", { value: text });
      body.append(area); area.select(); document.execCommand("copy"); area.remove();
    }
    const before = button.textContent;
    button.textContent = "copied"; said.textContent = "copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  };
  const grid = table => all("tr", table).map(tr => [...tr.cells].map(c => c.textContent.trim()));
  const numeric = (table, i) => table.tHead.rows[0].cells[i].classList.contains("number");
  const texts = {
    "copy as Markdown": table => {
      const [head, ...rows] = grid(table).map(r => r.map(c => c.replaceAll("|", "\\|")));
      return [head, head.map((_, i) => numeric(table, i) ? "---:" : "---"), ...rows].map(r => `| ${r.join(" | ")} |`).join("\n") + "\n";
    },
    "copy as LaTeX": table => {
      const special = { "\\": "\\textbackslash{}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "−": "$-$", "Δ": "$\\Delta$", "–": "--" };
      const [head, ...rows] = grid(table).map(r => r.map(c => c.replace(/[\\_%&#${}~^±−Δ–]/g, x => special[x])));
      const align = head.map((_, i) => numeric(table, i) ? "r" : "l").join("");
      return `% needs \\usepackage{booktabs}\n\\begin{tabular}{${align}}\n\\toprule\n${head.join(" & ")} \\\\\n\\midrule\n${rows.map(r => r.join(" & ") + " \\\\\n").join("")}\\bottomrule\n\\end{tabular}\n`;
    },
  };
  const sort = (table, column, th) => {
    const down = th.getAttribute("aria-sort") === "ascending";
    all("th[aria-sort]", table).forEach(t => t.removeAttribute("aria-sort"));
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => {
      const cell = row.cells[column], text = cell.dataset.key ?? cell.textContent.trim();
      return { text, number: text === "" ? NaN : Number(text) };
    };
    const rows = [...table.tBodies[0].rows].map(row => ({ row, ...value(row) }));
    rows.sort((a, b) => {
      if ((a.text === "") !== (b.text === "")) return a.text === "" ? 1 : -1; // what is empty stays at the end
      const order = Number.isNaN(a.number) || Number.isNaN(b.number) ? a.text.localeCompare(b.text, "en") : a.number - b.number;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows.map(r => r.row));
  };
  const buildTables = () => all("table").forEach(table => {
    [...table.tHead.rows[0].cells].forEach((th, i) => {
      const button = make("button", { type: "button" }, ...th.childNodes);
      button.addEventListener("click", () => sort(table, i, th));
      th.replaceChildren(button);
    });
    const tools = make("p", { className: "tools" });
    for (const [label, text] of Object.entries(texts)) {
      const button = make("button", { type: "button", textContent: label });
      button.setAttribute("aria-label", `${label}: ${table.caption.textContent}`);
      button.addEventListener("click", () => copy(text(table), button));
      tools.append(button);
    }
    const region = table.closest(".table"), note = region.nextElementSibling;
    (note?.classList.contains("note") ? note : region).after(tools);
  });

  buildControls();
  buildTables();
  draw();
  let width = body.clientWidth, later;
  new ResizeObserver(() => {
    if (body.clientWidth === width) return;
    width = body.clientWidth;
    clearTimeout(later); later = setTimeout(draw, 80);
  }).observe(body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { root.dataset.print = ""; draw(); });
  addEventListener("afterprint", () => { delete root.dataset.print; draw(); });
  if (body.dataset.reload) setTimeout(() => location.reload(), 1000 * body.dataset.reload);
})();
