  charts.heat = (div, figure) => {
    const filters = D.filters.map((f, i) => [i, f]).filter(([i]) => D.points.some(p => p.filter === i && p.setting.filter(v => v >= 0).length > 1));
    if (!filters.length) return nothing(div, "No filter has settings on two axes.");
    const f = filters.some(([i]) => i === state.heat) ? state.heat : filters[0][0];
    const axes = D.axes.map((_, i) => i).filter(i => D.points.some(p => p.filter === f && p.setting[i] >= 0));
    const x = axes.includes(state.heatX) ? state.heatX : axes[0], others = axes.filter(i => i !== x), y = others.includes(state.heatY) ? state.heatY : others[0];
    const label = i => [i, D.axes[i].label];
    const picks = [select("score", D.metrics.map(m => [m, m]), state.metric, v => { state.metric = v; draw(); }), select("of", filters, f, v => { state.heat = +v; redraw(figure); })];
    if (axes.length > 2) picks.push(select("across", axes.map(label), x, v => { state.heatX = +v; redraw(figure); }), select("up", others.map(label), y, v => { state.heatY = +v; redraw(figure); }));
    pick(figure, ...picks);
    const stage = [state.stage, "analysis", "forecast"].find(s => D.points.some(p => p.scores[s]?.[state.metric])) || state.stage;
    const cells = D.points.filter(p => p.filter === f && p.setting[x] >= 0 && p.setting[y] >= 0 && p.setting.every((v, i) => i === x || i === y || v < 0 || v === state.setting[i]))
      .map(p => ({ i: p.setting[x], k: p.setting[y], s: p.scores[stage][state.metric], comparable: p.comparable })).filter(c => c.s);
    const known = cells.filter(c => finite(c.s[0])), values = known.map(c => c.s[0]);
    if (!known.length) return nothing(div, "No such values for this choice.");
    const low = Math.min(...values), high = Math.max(...values), X = D.axes[x], Y = D.axes[y];
    const width = div.clientWidth, box = { left: 90, top: 26, width: Math.min(width - 90 - 84, 96 * X.values.length), height: 34 * Y.values.length };
    const g = sheet(div, width, box.height + 72), w = box.width / X.values.length, h = box.height / Y.values.length;
    const top = k => box.top + box.height - (k + 1) * h;
    for (const c of cells) {
      const all = c.s[2] === c.s[3];
      if (finite(c.s[0])) {
        const rgb = sequential((high - c.s[0]) / (high - low || 1));
        g.fillStyle = `rgb(${rgb.join(" ")})`; g.fillRect(box.left + c.i * w, top(c.k), w - 1, h - 1);
        g.fillStyle = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#000" : "#fff";
      } else g.fillStyle = colour("--soft");
      g.textAlign = "center"; g.fillText(fit(g, short(c.s[0]) + (all ? "" : ` (${c.s[2]}/${c.s[3]})`), w - 4), box.left + (c.i + 0.5) * w, top(c.k) + h / 2);
    }
    const whole = known.filter(c => c.comparable >= 0), alike = whole.every(c => c.comparable === whole[0].comparable), best = D.losses.includes(state.metric) && whole.length && alike ? whole.reduce((a, b) => b.s[0] < a.s[0] ? b : a) : null;
    if (best) { g.strokeStyle = colour("--c1"); g.lineWidth = 3; g.strokeRect(box.left + best.i * w + 1, top(best.k) + 1, w - 3, h - 3); }
    probe(g, cells.map(c => [box.left + (c.i + 0.5) * w, top(c.k) + h / 2, `${X.label} ${X.values[c.i]}, ${Y.label} ${Y.values[c.k]}: ${short(c.s[0])}` + (finite(c.s[1]) ? ` ± ${short(c.s[1])}` : "")]));
    g.fillStyle = colour("--soft");
    g.textAlign = "center"; X.values.forEach((v, i) => g.fillText(fit(g, v, w - 4), box.left + (i + 0.5) * w, box.top + box.height + 12));
    g.fillText(X.label, box.left + box.width / 2, box.top + box.height + 30);
    g.textAlign = "right"; Y.values.forEach((v, k) => g.fillText(fit(g, v, 50), box.left - 6, top(k) + h / 2));
    g.save(); g.translate(11, box.top + box.height / 2); g.rotate(-Math.PI / 2); g.textAlign = "center"; g.fillText(fit(g, Y.label, box.height + 50), 0, 0); g.restore();
    bar(g, { left: box.left + box.width + 12, top: box.top, width: 12, height: box.height }, low, high, v => sequential(1 - v), D.units[state.metric] || "");
    div.append(make("p", { className: "note", textContent: `${state.metric} of the ${stage}, ${D.filters[f]}` + (best ? `; framed: the lowest of the settings of which all trials ended well, ${short(best.s[0])}.` : alike ? "." : "; none is framed, because the settings have different truths, or observations.") }));
  };

