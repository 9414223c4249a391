  charts.leads = (div, figure) => {
    const list = trials().filter(t => t.leads?.length), labels = [...new Set(list.flatMap(t => t.leads.map(l => l.label)))];
    const names = [["rmse", "rmse and spread"], ["crps_fair", "crps_fair"], ["bias", "bias"], ["coverage_90", "coverage_90"], ["coverage_50", "coverage_50"]];
    if (!labels.includes(state.leadOf)) state.leadOf = labels[0];
    pick(figure, select("score", names, state.leadScore, v => { state.leadScore = v; redraw(figure); }), ...(labels.length > 1 ? [select("of", labels.map(l => [l, l]), state.leadOf, v => { state.leadOf = v; redraw(figure); })] : []));
    const metric = state.leadScore, shown = list.map(t => ({ t, l: t.leads.find(l => l.label === state.leadOf) })).filter(s => s.l?.scores[metric].some(finite));
    if (!shown.length) return nothing(div, "No such values for this choice.");
    const F = D.forecasts, most = shown.reduce((a, b) => Math.max(...b.l.count) > Math.max(...a.l.count) ? b : a).l, xs = l => l.lead.map(x => x * F.leadEach);
    const tables = [], series = [], bars = [];
    for (const { t, l } of shown) {
      tables.push([xs(l), l.scores[metric]]);
      series.push({ label: name(t), stroke: ofFilter(t.filter), dash: dashOf(t.filter), width: 1.8, points: { show: l.lead.length < 40, size: 5, fill: ofFilter(t.filter) } });
      bars.push([xs(l), l.scores[metric], l.errors[metric], ofFilter(t.filter)]);
      if (metric === "rmse") { tables.push([xs(l), l.scores.spread]); series.push({ label: name(t) + " spread", stroke: ofFilter(t.filter), dash: [4, 3], width: 1 }); }
    }
    const flat = { rmse: "rmse", crps_fair: "crps" }[metric], level = { coverage_90: 0.9, coverage_50: 0.5, bias: 0 }[metric];
    if (flat) for (const [of, dash] of [["persistence", [8, 4]], ["climatology", [1, 4]]]) {
      if (!most.scores[`${of}_${flat}`].some(finite)) continue;
      tables.push([xs(most), most.scores[`${of}_${flat}`]]); series.push({ label: of, stroke: colour("--soft"), dash, width: 1.6 });
    }
    const reach = padded([...tables.flatMap(t => t[1]), ...(level === undefined ? [0] : [level]), ...bars.flatMap(([, ys, ses]) => ys.flatMap((y, i) => finite(y) && finite(ses[i]) ? [y - ses[i], y + ses[i]] : []))], 0.06);
    const whiskers = u => bars.forEach(([x, ys, ses, paint]) => {
      const g = u.ctx;
      g.save(); g.strokeStyle = paint; g.lineWidth = window.devicePixelRatio || 1; g.globalAlpha = 0.6; g.setLineDash([]);
      ys.forEach((y, i) => { if (finite(y) && finite(ses[i])) { const at = u.valToPos(x[i], "x", true); line(g, at, u.valToPos(y - ses[i], "y", true), at, u.valToPos(y + ses[i], "y", true)); } });
      g.restore();
    });
    const wanted = u => {
      if (level === undefined) return;
      const y = u.valToPos(level, "y", true), g = u.ctx;
      g.save(); g.strokeStyle = colour("--ink"); g.setLineDash([5, 4]); line(g, u.bbox.left, y, u.bbox.left + u.bbox.width, y); g.restore();
    };
    const data = uPlot.join(tables), last = data[0][data[0].length - 1], room = 0.04 * (last - data[0][0]) || 1;
    uplot(div, {
      data, series, xLabel: withUnit("lead time", F.leadUnit), yLabel: withUnit(`${metric} of ${state.leadOf}`, metric.startsWith("coverage") ? "" : most.unit), height: Math.max(260, Math.min(360, div.clientWidth * 0.4)),
      xAxis: { incrs: { hours: [1, 3, 6, 12, 24, 48, 120, 240], minutes: [1, 5, 10, 15, 30, 60], seconds: [1, 5, 10, 15, 30, 60] }[F.leadUnit] || undefined },
      x: { range: () => [data[0][0] - room, last + room] }, y: { range: () => [Math.max(level === 0 ? -Infinity : 0, reach[0]), reach[1]] }, cursor: { drag: { x: false, y: false } },
      at: (i, x) => `lead ${short(x)} ${F.leadUnit}`.trim() + `, ${most.count[most.lead.findIndex(l => Math.abs(l * F.leadEach - x) < 1e-9 * last)] ?? "–"} forecasts`, hooks: { draw: [wanted, whiskers] },
    });
  };

