  charts.axis = (div, figure) => {
    const a = D.axes[state.axis] || D.axes[0], at = D.axes.indexOf(a);
    const picks = [select("score", D.metrics.map(m => [m, m]), state.metric, v => { state.metric = v; redraw(figure); })];
    if (D.axes.length > 1) picks.push(select("against", D.axes.map((x, i) => [i, x.label]), at, v => { state.axis = +v; redraw(figure); }));
    pick(figure, ...picks);
    const stage = [state.stage, "analysis", "forecast"].find(s => D.points.some(p => p.scores[s]?.[state.metric])) || state.stage;
    const xs = a.numbers || a.values.map((_, i) => i);
    const lines = D.filters.map((_, f) => {
      const means = xs.map(() => null), errors = xs.map(() => null), each = xs.map(() => []), notes = xs.map(() => "");
      let constant = false;
      for (const p of D.points) {
        const s = p.scores[stage][state.metric];
        if (p.filter !== f || !s || !chosen(p.setting, at)) continue;
        const where = p.setting[at] < 0 ? xs.map((_, i) => i) : [p.setting[at]];
        constant = constant || p.setting[at] < 0;
        for (const i of where) { means[i] = s[0]; errors[i] = s[1]; notes[i] = s[2] < s[3] ? ` (${s[2]}/${s[3]})` : ""; each[i] = p.each[stage][state.metric] || []; }
      }
      return { f, means, errors, each, notes, constant };
    }).filter(l => state.filters[l.f] && l.means.some(finite));
    if (!lines.length) return nothing(div, "No such values for this choice.");
    const logarithmic = a.numbers && xs[0] > 0 && xs[xs.length - 1] / xs[0] >= 8;
    const reach = padded(lines.flatMap(l => l.means.flatMap((m, i) => finite(m) ? [m - (l.errors[i] || 0), m + (l.errors[i] || 0), ...l.each[i]] : [])), 0.06);
    const room = (xs[xs.length - 1] - xs[0]) * 0.04 || 1, spare = (xs[xs.length - 1] / xs[0]) ** 0.05;
    uplot(div, {
      data: [xs, ...lines.map(l => l.means)], xLabel: a.label, yLabel: ofScore(state.metric, `${state.metric} of the ${stage}`), height: Math.max(260, Math.min(380, div.clientWidth * 0.5)),
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
            g.globalAlpha = 0.35;
            for (const v of l.each[i]) if (finite(v)) { g.beginPath(); g.arc(x, u.valToPos(v, "y", true), 2 * dense, 0, 7); g.fillStyle = ofFilter(l.f); g.fill(); }
            g.globalAlpha = 1; g.fillStyle = colour("--soft");
            if (l.notes[i]) g.fillText(l.notes[i], x + 3 * dense, u.valToPos(m, "y", true) - 8 * dense);
          });
          g.restore();
        })],
      },
    });
  };

