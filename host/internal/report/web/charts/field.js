  charts.field = (div) => {
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
    panels.push([f.spread, "spread", 0, f.spread.high ?? 1, sequential, unit]);
    const rows = D.field.rows.length, width = div.clientWidth, one = Math.max(168, Math.min(300, rows));
    panels.forEach(([h, title, lo, hi, map, label], i) => {
      const g = sheet(div, width, one + (i === panels.length - 1 ? 14 : 0)), box = { left: 48, top: 24, width: width - 48 - 78, height: one - 42 };
      g.fillStyle = colour("--ink"); g.textAlign = "left"; g.fillText(fit(g, title, width - 50), box.left, box.top - 11);
      const value = raster(g, h, box, rows, h.time.length, (i, k) => k * rows + i, lo, hi, map);
      const last = i === panels.length - 1, times = h.time.length > 1 ? [h.time[0], h.time[h.time.length - 1]] : [0, 1];
      frame(g, box, times, [D.field.rows[0], D.field.rows[D.field.rows.length - 1] + 1], last ? TIME : "", D.field.dim, false, !!D.dates);
      bar(g, { left: box.left + box.width + 12, top: box.top, width: 12, height: box.height }, lo, hi, map, label);
      probe(g, { box, cols: h.time.length, rows, text: (k, j) => `${timeText(h.time[k])}, ${D.field.dim} ${D.field.rows[rows - 1 - j]}: ${value(rows - 1 - j, k)}` });
    });
  };

