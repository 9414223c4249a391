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
  const colour = name => getComputedStyle(root).getPropertyValue(name).trim();
  const ofFilter = i => colour("--c" + i % 7);
  const dashOf = i => [[], [7, 3], [2, 3], [9, 3, 2, 3]][Math.floor(i / 7) % 4];
  const finite = v => typeof v === "number";
  const short = v => !finite(v) ? "–" : Math.abs(v) >= 1e5 || v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential(1) : String(+v.toPrecision(4)).replace("-", "−");
  const withUnit = (name, unit) => unit && unit !== "1" ? `${name} (${unit})` : name;
  const TIME = "model time";

  // What the reader has chosen; it survives the page's loading itself again.
  const memory = "plume " + body.dataset.run;
  const stages = ["analysis", "forecast"].filter(s => D.trials.some(t => t.scores[s]));
  const replicates = [...new Set(D.trials.map(t => t.replicate))];
  const state = {
    stage: stages[0], replicate: replicates[0], setting: D.axes.map(() => 0), filters: D.filters.map(() => true),
    axis: 0, metric: D.opening, score: "", difference: D.opening, component: 0, plane: "0,1", trial: -1,
  };
  try { Object.assign(state, JSON.parse(sessionStorage.getItem(memory) || "{}")); } catch { /* without it all is as at first */ }
  const remember = () => { try { sessionStorage.setItem(memory, JSON.stringify(state)); } catch { /* a page without storage forgets */ } };

  const chosen = (setting, except = -1) => setting.every((v, i) => i === except || v < 0 || v === state.setting[i]);
  const trials = () => D.trials.filter(t => t.replicate === state.replicate && state.filters[t.filter] && chosen(t.setting));
  const name = t => D.filters[t.filter];

  // ---- controls

  const select = (label, options, value, change) => {
    const s = make("select");
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
    const set = make("fieldset", {}, make("legend", { textContent: "filters" }));
    D.filters.forEach((f, i) => {
      const box = make("input", { type: "checkbox", checked: state.filters[i] });
      box.addEventListener("change", () => { state.filters[i] = box.checked; remember(); draw(); });
      const swatch = make("span", { className: "swatch" });
      swatch.dataset.filter = i;
      set.append(make("label", {}, box, swatch, f));
    });
    controls.append(set);
    controls.addEventListener("submit", e => e.preventDefault());
    controls.hidden = false;
  };
  const paintSwatches = () => all(".swatch").forEach(s => {
    const i = +s.dataset.filter, c = ofFilter(i);
    s.style.background = dashOf(i).length ? `repeating-linear-gradient(90deg, ${c} 0 4px, transparent 4px 6px)` : c;
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
    const pad = (high - low) * share || Math.abs(high) * 0.1 || 1;
    return [low - pad, high + pad];
  };
  const FONT = '12px system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';

  // canvas of a size in CSS pixels, sharp on dense screens
  const sheet = (div, width, height) => {
    const c = make("canvas"), dense = window.devicePixelRatio || 1, g = c.getContext("2d");
    c.width = Math.round(width * dense); c.height = Math.round(height * dense);
    c.style.width = width + "px"; c.style.height = height + "px";
    g.scale(dense, dense); g.font = FONT; g.textBaseline = "middle";
    div.append(c);
    return g;
  };
  // frame draws axes around a box and returns how values become positions
  const frame = (g, box, xs, ys, xLabel, yLabel, grid = true) => {
    const X = v => box.left + (v - xs[0]) / (xs[1] - xs[0]) * box.width;
    const Y = v => box.top + box.height - (v - ys[0]) / (ys[1] - ys[0]) * box.height;
    g.lineWidth = 1; g.setLineDash([]);
    g.fillStyle = colour("--soft"); g.strokeStyle = colour("--grid");
    g.textAlign = "center";
    for (const t of ticks(xs[0], xs[1], box.width / 80)) {
      if (grid) line(g, X(t), box.top, X(t), box.top + box.height);
      g.fillText(short(t), X(t), box.top + box.height + 12);
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

  // ---- lines over an axis, by uPlot

  let plots = [];
  const uplot = (div, o) => {
    const width = div.clientWidth, height = o.height || Math.max(220, Math.min(300, width * 0.45));
    const soft = colour("--soft"), grid = { stroke: colour("--grid"), width: 1 }, tick = { ...grid, size: 4 };
    const readout = make("p", { className: "readout" });
    readout.setAttribute("aria-hidden", "true");
    const axis = more => ({ stroke: soft, font: FONT, labelFont: FONT, grid, ticks: tick, ...more });
    const u = new uPlot({
      width, height,
      legend: { show: false },
      cursor: { drag: { x: true, y: false }, points: { size: 6 }, ...(o.sync ? { sync: { key: o.sync, scales: ["x", null] } } : {}), ...o.cursor },
      scales: { x: { time: false, ...o.x }, y: { ...o.y } },
      axes: [
        axis({ label: o.xLabel, labelSize: 18, size: 30, values: (_, list) => list.map(v => v === null ? "" : short(v)), ...o.xAxis }),
        axis({ label: o.yLabel, labelSize: 18, size: 54, values: (_, list) => list.map(v => v === null ? "" : short(v)), ...o.yAxis }),
      ],
      series: [{}, ...o.series.map(s => ({ points: { show: false }, width: 1.4, spanGaps: false, ...s }))],
      bands: o.bands,
      hooks: {
        ...o.hooks,
        setCursor: [u => {
          const i = u.cursor.idx;
          if (i === null || i === undefined) { readout.textContent = ""; return; }
          const parts = u.series.slice(1).map((s, k) => [s.label, u.data[k + 1][i]]).filter(([l, v]) => l && finite(v)).map(([l, v]) => `${l} ${short(v)}`);
          readout.textContent = `${o.at ? o.at(i, u.data[0][i]) : short(u.data[0][i])}:  ${parts.join("   ")}`;
        }],
      },
    }, o.data, div);
    if (!o.quiet) div.append(readout);
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

  // overTime draws series of trials, of which each has its own times
  const overTime = (div, label, parts) => {
    parts = parts.filter(p => p.series && p.values && p.values.some(finite));
    if (!parts.length) return nothing(div, "No such values for this choice.");
    const data = uPlot.join(parts.map(p => [p.series.time, p.values]));
    uplot(div, {
      data, xLabel: TIME, yLabel: label, sync: "time", hooks: { drawClear: [burnIn] }, at: (_, t) => `t ${short(t)}`,
      series: parts.map(p => ({ label: p.label, stroke: ofFilter(p.trial.filter), dash: p.dash || dashOf(p.trial.filter), width: p.dash ? 1 : 1.4 })),
    });
  };
  const scored = () => trials().filter(t => t.scores[state.stage]);
  const scoreParts = metric => scored().map(t => ({ trial: t, label: name(t), series: t.scores[state.stage], values: t.scores[state.stage].values[metric] }));

  const pick = (figure, ...labels) => figure.querySelector(".pick").replaceChildren(...labels);
  const redraw = figure => { drawOne(figure); remember(); };

  // ---- the charts

  const charts = {
    rmse(div) {
      const known = s => s.values.rmse?.some(finite);
      overTime(div, scored().some(t => known(t.scores[state.stage])) ? "RMSE, spread" : "spread", scored().flatMap(t => {
        const s = t.scores[state.stage];
        if (!known(s)) return [{ trial: t, label: name(t), series: s, values: s.values.spread }];
        return [{ trial: t, label: name(t), series: s, values: s.values.rmse }, { trial: t, label: name(t) + " spread", series: s, values: s.values.spread, dash: [4, 3] }];
      }));
    },

    score(div, figure) {
      const names = D.overTime.filter(m => D.trials.some(t => t.scores[state.stage]?.values[m]));
      if (!names.length) return nothing(div, "No other score.");
      if (!names.includes(state.score)) state.score = names.includes(D.opening) ? D.opening : names[0];
      pick(figure, select("", names.map(n => [n, n]), state.score, v => { state.score = v; redraw(figure); }));
      overTime(div, state.score, scoreParts(state.score));
    },

    innovations(div) {
      overTime(div, "innovation", trials().filter(t => t.innovations).flatMap(t => [
        { trial: t, label: name(t), series: t.innovations, values: t.innovations.values.rms },
        { trial: t, label: name(t) + " expected", series: t.innovations, values: t.innovations.values.expected, dash: [4, 3] },
      ]));
    },

    ess(div) { overTime(div, "effective sample size", scoreParts("weights_ess").filter(p => p.values?.some(v => v !== p.values[0]))); },

    axis(div, figure) {
      const a = D.axes[state.axis] || D.axes[0], at = D.axes.indexOf(a);
      const picks = [select("score", D.metrics.map(m => [m, m]), state.metric, v => { state.metric = v; redraw(figure); })];
      if (D.axes.length > 1) picks.push(select("against", D.axes.map((x, i) => [i, x.label]), at, v => { state.axis = +v; redraw(figure); }));
      pick(figure, ...picks);
      const stage = [state.stage, "analysis", "forecast"].find(s => D.points.some(p => p.scores[s]?.[state.metric])) || state.stage;
      const xs = a.numbers || a.values.map((_, i) => i);
      const lines = D.filters.map((_, f) => {
        const means = xs.map(() => null), errors = xs.map(() => null), notes = xs.map(() => "");
        let constant = false;
        for (const p of D.points) {
          const s = p.scores[stage][state.metric];
          if (p.filter !== f || !s || !chosen(p.setting, at)) continue;
          const where = p.setting[at] < 0 ? xs.map((_, i) => i) : [p.setting[at]];
          constant = constant || p.setting[at] < 0;
          for (const i of where) { means[i] = s[0]; errors[i] = s[1]; notes[i] = s[2] < s[3] ? ` (${s[2]}/${s[3]})` : ""; }
        }
        return { f, means, errors, notes, constant };
      }).filter(l => state.filters[l.f] && l.means.some(finite));
      if (!lines.length) return nothing(div, "No such values for this choice.");
      const logarithmic = a.numbers && xs[0] > 0 && xs[xs.length - 1] / xs[0] >= 8;
      const reach = padded(lines.flatMap(l => l.means.flatMap((m, i) => finite(m) ? [m - (l.errors[i] || 0), m + (l.errors[i] || 0)] : [])), 0.06);
      const room = (xs[xs.length - 1] - xs[0]) * 0.04 || 1, spare = (xs[xs.length - 1] / xs[0]) ** 0.05;
      uplot(div, {
        data: [xs, ...lines.map(l => l.means)], xLabel: a.label, yLabel: `${state.metric} of the ${stage}`, height: Math.max(260, Math.min(380, div.clientWidth * 0.5)),
        x: { distr: logarithmic ? 3 : 1, range: () => logarithmic ? [xs[0] / spare, xs[xs.length - 1] * spare] : [xs[0] - room, xs[xs.length - 1] + room] },
        y: { range: () => reach },
        xAxis: { splits: () => xs, filter: (_, splits) => splits, values: () => a.values },
        cursor: { drag: { x: false, y: false } }, at: i => `${a.label} ${a.values[i]}`,
        series: lines.map(l => ({ label: D.filters[l.f], stroke: ofFilter(l.f), dash: l.constant ? [2, 4] : dashOf(l.f), width: 1.6, spanGaps: true, points: { show: !l.constant, size: 7, fill: ofFilter(l.f) } })),
        hooks: {
          draw: [u => lines.forEach(l => {
            const g = u.ctx, dense = window.devicePixelRatio || 1;
            g.save(); g.strokeStyle = ofFilter(l.f); g.fillStyle = colour("--soft"); g.lineWidth = 1.4 * dense; g.setLineDash([]);
            g.font = FONT.replace("12px", 11 * dense + "px"); g.textAlign = "left";
            l.means.forEach((m, i) => {
              if (!finite(m) || l.constant) return;
              const x = u.valToPos(xs[i], "x", true);
              if (finite(l.errors[i])) {
                const low = u.valToPos(m - l.errors[i], "y", true), high = u.valToPos(m + l.errors[i], "y", true), w = 4 * dense;
                line(g, x, low, x, high); line(g, x - w, low, x + w, low); line(g, x - w, high, x + w, high);
              }
              if (l.notes[i]) g.fillText(l.notes[i], x + 3 * dense, u.valToPos(m, "y", true) - 8 * dense);
            });
            g.restore();
          })],
        },
      });
    },

    differences(div, figure) {
      const there = new Set(D.differences.flatMap(d => Object.keys(d.scores))), names = D.metrics.filter(m => there.has(m));
      if (!there.has(state.difference)) state.difference = names[0];
      if (names.length > 1) pick(figure, select("score", names.map(n => [n, n]), state.difference, v => { state.difference = v; redraw(figure); }));
      const all = D.differences.filter(d => d.scores[state.difference] && finite(d.scores[state.difference][0]) && state.filters[d.filter]), rows = all.slice(0, 60);
      if (!rows.length) return nothing(div, "No differences for this choice.");
      const partners = new Set(rows.map(d => d.against[state.difference])), against = partners.size > 1 ? `the best ${D.baseline}` : [...partners][0];
      const width = div.clientWidth, labels = Math.min(width * 0.36, 240), height = 26 * rows.length + 52;
      const g = sheet(div, width, height), box = { left: labels + 8, top: 6, width: width - labels - 20, height: 26 * rows.length };
      const reach = padded([0, ...rows.flatMap(d => { const [m, se] = d.scores[state.difference]; return [m - 1.96 * (se || 0), m + 1.96 * (se || 0)]; })], 0.06);
      const [X] = frame(g, box, reach, [0, 1, 0], `${state.difference} minus that of ${against}`, "");
      g.strokeStyle = colour("--soft"); g.setLineDash([4, 3]); line(g, X(0), box.top, X(0), box.top + box.height); g.setLineDash([]);
      rows.forEach((d, i) => {
        const [m, se] = d.scores[state.difference], y = box.top + 26 * i + 13;
        g.fillStyle = colour("--ink"); g.textAlign = "right"; g.fillText(fit(g, d.label, labels), labels, y);
        g.strokeStyle = g.fillStyle = ofFilter(d.filter); g.lineWidth = 2;
        if (finite(se)) line(g, X(m - 1.96 * se), y, X(m + 1.96 * se), y);
        g.beginPath(); g.arc(X(m), y, 4.5, 0, 7); g.fill();
      });
      if (all.length > rows.length) div.append(make("p", { className: "note", textContent: `The first ${rows.length} of ${all.length}; all are in the table.` }));
    },

    trajectory(div, figure) {
      const list = trials().filter(t => t.curves?.[state.stage]);
      const t = list.find(t => t.number === state.trial) || list.find(t => t.filter === D.trials.find(x => x.number === state.trial)?.filter) || list[0];
      pick(figure,
        select("value", D.shown.map((c, i) => [i, c.label]), state.component, v => { state.component = +v; redraw(figure); }),
        select("filter", list.map(t => [t.number, name(t)]), t?.number, v => { state.trial = +v; draw(); }));
      if (!t) return nothing(div, "No trajectories for this choice.");
      const k = Math.min(state.component, D.shown.length - 1), c = t.curves[state.stage][k], v = c.values, mine = ofFilter(t.filter), clear = "transparent";
      figure.style.setProperty("--k", mine);
      figure.querySelector(".key .truth")?.style.setProperty("--k", colour("--ink"));
      figure.querySelector(".key .observed").hidden = !v.observed;
      const mix = share => mine + Math.round(255 * share).toString(16).padStart(2, "0");
      const series = [
        { stroke: clear, width: 0 }, { stroke: clear, width: 0 }, { stroke: clear, width: 0 }, { stroke: clear, width: 0 },
        { label: "truth", stroke: colour("--ink"), width: 1.2 }, { label: "mean", stroke: mine, width: 1.6 },
      ];
      const data = [c.time, v.q95, v.q05, v.q75, v.q25, v.truth, v.mean];
      if (v.observed) {
        series.push({ label: "observed", stroke: colour("--soft"), width: 0, paths: () => null, points: { show: true, size: 4.5, width: 0, fill: colour("--soft") } });
        data.push(v.observed);
      }
      const u = uplot(div, {
        data, series, xLabel: TIME, yLabel: withUnit(D.shown[k].label, D.shown[k].unit), height: Math.max(260, Math.min(360, div.clientWidth * 0.4)), at: (_, t) => `t ${short(t)}`,
        bands: [{ series: [1, 2], fill: mix(0.2) }, { series: [3, 4], fill: mix(0.35) }], hooks: { drawClear: [burnIn] },
      });
      const n = c.time.length;
      if (!D.thinned && n > 150) u.setScale("x", { min: c.time[n - 101], max: c.time[n - 1] });
    },

    phase(div, figure) {
      const pairs = [];
      D.shown.forEach((a, i) => D.shown.forEach((b, k) => { if (i < k && k < 3) pairs.push([`${i},${k}`, `${a.label}, ${b.label}`]); }));
      const wanted = pairs.some(p => p[0] === state.plane) ? state.plane : pairs[0][0];
      pick(figure, select("of", pairs, wanted, v => { state.plane = v; redraw(figure); }));
      const list = trials().filter(t => t.phase?.[state.stage]);
      const t = list.find(t => t.number === state.trial) || list.find(t => t.filter === D.trials.find(x => x.number === state.trial)?.filter) || list[0];
      if (!t) return nothing(div, "No trajectories for this choice.");
      const [i, k] = wanted.split(",").map(Number), p = t.phase[state.stage];
      figure.style.setProperty("--k", ofFilter(t.filter));
      figure.querySelector(".key .truth")?.style.setProperty("--k", colour("--ink"));
      const width = Math.min(div.clientWidth, 560), height = width * 0.8;
      const g = sheet(div, width, height), box = { left: 52, top: 8, width: width - 64, height: height - 50 };
      const [X, Y] = frame(g, box, padded([...p.truth[i], ...p.mean[i]]), padded([...p.truth[k], ...p.mean[k]]), withUnit(D.shown[i].label, D.shown[i].unit), withUnit(D.shown[k].label, D.shown[k].unit));
      g.lineJoin = "round";
      g.strokeStyle = colour("--ink"); g.lineWidth = 0.8; g.globalAlpha = 0.7; path(g, p.truth[i], p.truth[k], X, Y);
      g.strokeStyle = ofFilter(t.filter); g.lineWidth = 1; g.globalAlpha = 0.8; path(g, p.mean[i], p.mean[k], X, Y);
      g.globalAlpha = 1;
      div.append(make("p", { className: "note", textContent: `${name(t)}, the ${state.stage} of the last ${p.mean[i].length} cycles; straight lines join the cycles.` }));
    },

    field(div) {
      const list = trials().filter(t => t.fields?.[state.stage]);
      const t = list.find(t => t.number === state.trial) || list.find(t => t.filter === D.trials.find(x => x.number === state.trial)?.filter) || list[0];
      if (!t) return nothing(div, "No field for this choice.");
      const f = t.fields[state.stage], truth = D.field.truths[t.truth], panels = [];
      const low = Math.min(f.mean.low ?? Infinity, truth?.low ?? Infinity), high = Math.max(f.mean.high ?? -Infinity, truth?.high ?? -Infinity);
      const unit = withUnit(D.field.name, D.field.unit);
      if (truth?.low !== null && truth) panels.push([truth, "truth", low, high, sequential, unit]);
      panels.push([f.mean, `mean of ${name(t)}, ${state.stage}`, low, high, sequential, unit]);
      if (f.error.low !== null) {
        const most = Math.max(Math.abs(f.error.low), Math.abs(f.error.high)) || 1;
        panels.push([f.error, "mean minus truth", -most, most, diverging, unit]);
      }
      const width = div.clientWidth, one = 168, height = one * panels.length + 34;
      const g = sheet(div, width, height);
      panels.forEach(([h, title, lo, hi, map, label], i) => {
        const box = { left: 48, top: one * i + 24, width: width - 48 - 78, height: one - 42 };
        g.fillStyle = colour("--ink"); g.textAlign = "left"; g.fillText(fit(g, title, width - 50), box.left, box.top - 11);
        raster(g, h, box, lo, hi, map);
        const last = i === panels.length - 1, times = h.time.length > 1 ? [h.time[0], h.time[h.time.length - 1]] : [0, 1];
        frame(g, box, times, [D.field.rows[0], D.field.rows[D.field.rows.length - 1] + 1], last ? TIME : "", D.field.dim, false);
        bar(g, { left: box.left + box.width + 12, top: box.top, width: 12, height: box.height }, lo, hi, map, label);
      });
    },

    ranks(div) {
      const list = trials().filter(t => t.ranks?.[state.stage]);
      if (!list.length) return nothing(div, "No rank histograms for this choice.");
      const many = make("div", { className: "many" });
      div.append(many);
      for (const t of list) {
        const r = t.ranks[state.stage], cell = make("div", {}, make("h3", { textContent: `${name(t)}, N = ${r.members}` })), plot = make("div");
        cell.append(plot); many.append(cell);
        if (!r.heights.some(h => h > 0)) { nothing(plot, "No rank after burn-in yet."); continue; }
        const top = Math.max(1.5, ...r.heights, r.high || 0) * 1.05;
        uplot(plot, {
          data: [r.centres, r.heights], quiet: true, height: 190, xLabel: "rank of the truth", yLabel: "relative frequency", cursor: { show: false },
          x: { range: () => [-0.5, r.members + 0.5] }, y: { range: () => [0, top] },
          series: [{ label: "frequency", stroke: ofFilter(t.filter), fill: ofFilter(t.filter) + "b0", width: 0, paths: uPlot.paths.bars({ size: [1, 100], gap: 1 }) }],
          hooks: {
            drawClear: [u => {
              if (!finite(r.low) || !r.high) return;
              const a = u.valToPos(r.high, "y", true), b = u.valToPos(r.low, "y", true);
              u.ctx.fillStyle = colour("--band"); u.ctx.fillRect(u.bbox.left, a, u.bbox.width, b - a);
            }],
            draw: [u => {
              u.ctx.save(); u.ctx.strokeStyle = colour("--ink"); u.ctx.lineWidth = window.devicePixelRatio || 1; u.ctx.setLineDash([5, 4]);
              const y = u.valToPos(1, "y", true); line(u.ctx, u.bbox.left, y, u.bbox.left + u.bbox.width, y); u.ctx.restore();
            }],
          },
        });
      }
    },

    timings(div) {
      const list = D.trials.filter(t => state.filters[t.filter] && t.replicate === state.replicate && chosen(t.setting) && t.seconds.some(finite));
      if (!list.length) return nothing(div, "No timings for this choice.");
      const width = div.clientWidth, labels = Math.min(width * 0.36, 240), g = sheet(div, width, 26 * list.length + 52);
      const box = { left: labels + 8, top: 6, width: width - labels - 20, height: 26 * list.length };
      const sum = t => 1e3 * t.seconds.reduce((a, b) => a + (b || 0), 0);
      const [X] = frame(g, box, [0, Math.max(...list.map(sum)) * 1.05 || 1], [0, 1, 0], "milliseconds a cycle", "");
      list.forEach((t, i) => {
        const y = box.top + 26 * i + 5;
        g.fillStyle = colour("--ink"); g.textAlign = "right"; g.fillText(fit(g, name(t), labels), labels, y + 8);
        let from = 0;
        t.seconds.forEach((s, part) => {
          g.fillStyle = colour(["--c0", "--c3", "--c1"][part]);
          g.fillRect(X(from), y, X(from + 1e3 * (s || 0)) - X(from), 16);
          from += 1e3 * (s || 0);
        });
      });
    },
  };

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
  const raster = (g, h, box, low, high, map) => {
    const bytes = atob(h.data), rows = D.field.rows.length, cols = h.time.length;
    const c = make("canvas", { width: cols, height: rows }), p = c.getContext("2d"), image = p.createImageData(cols, rows);
    for (let k = 0; k < cols; k++) for (let i = 0; i < rows; i++) {
      const b = bytes.charCodeAt(k * rows + i), at = 4 * ((rows - 1 - i) * cols + k);
      if (b === 255 || Number.isNaN(b)) continue;
      const v = h.low + (h.high - h.low) * b / 254;
      image.data.set([...map((v - low) / (high - low || 1)), 255], at);
    }
    p.putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(c, box.left, box.top, box.width, box.height);
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
  const draw = () => { paintSwatches(); all("figure[data-chart]").forEach(drawOne); };

  // ---- tables: sorting, and copies for papers

  const said = document.getElementById("said");
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
