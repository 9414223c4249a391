  charts.fan = (div, figure) => {
    const F = D.forecasts, k = Math.min(state.ahead, F.values.length - 1), v = F.values[k], at = state.issue < 0 ? F.opening : Math.min(state.issue, F.times.length - 1), from = F.times[at];
    const choice = select("value", F.values.map((x, i) => [i, x.label]), k, x => { state.ahead = +x; redraw(figure); });
    const start = `from ${timeText(from)}`;
    pick(figure, choice, F.times.length > 1 ? slide(figure, start, "issue", at, F.times.length) : start);
    const list = trials().filter(t => t.fans);
    if (!list.length) return nothing(div, "No forecasts for this choice.");
    const horizon = F.leads[F.leads.length - 1], span = [from - horizon, from + horizon], inside = t => t >= span[0] - 1e-9 * horizon && t <= span[1] + 1e-9 * horizon;
    const part = (time, wanted, values) => { const there = time.map((t, i) => i).filter(i => inside(time[i]) && wanted(time[i])); return [time, values].map(c => there.map(i => c[i])); };
    const shown = list.map(t => {
      const curve = v.shown >= 0 ? t.curves?.analysis?.[v.shown] : null, came = D.forecasts.came[t.truth]?.[k];
      return { t, fan: t.fans[at]?.[k], came: came && part(came.time, () => true, came.value), analysis: curve && part(curve.time, t => t <= from, curve.values.mean) };
    });
    const observed = v.shown < 0, reach = padded(shown.flatMap(s => [...(s.fan?.q05 || []), ...(s.fan?.q95 || []), ...(s.came?.[1] || []), ...(s.analysis?.[1] || [])]), 0.06);
    const many = make("div", { className: list.length > 1 ? "many wide" : "" });
    div.append(many);
    for (const { t, fan, came, analysis } of shown) {
      const cell = make("div", {}, make("h3", { textContent: name(t) })), mine = ofFilter(t.filter), clear = { stroke: "transparent", width: 0 };
      many.append(cell);
      cell.style.setProperty("--k", mine);
      if (!fan) { nothing(cell, `No forecast from ${timeText(from)}.`); continue; }
      const time = F.leads.map(l => from + l), mix = share => mine + Math.round(255 * share).toString(16).padStart(2, "0");
      const tables = [[time, fan.q95, fan.q05, fan.q75, fan.q25, fan.mean]], series = [clear, clear, clear, clear, { label: "mean", stroke: mine, width: 1.8, points: { show: time.length < 30, size: 4, fill: mine } }];
      if (analysis?.[0].length) { tables.push(analysis); series.push({ label: "analysis", stroke: mine, width: 1.2, dash: [2, 3], spanGaps: true }); }
      if (came?.[0].length) {
        tables.push(came);
        series.push(observed ? { label: "observed", stroke: colour("--ink"), width: 0, paths: () => null, points: { show: true, size: 4.5, width: 0, fill: colour("--ink") } } : { label: "truth", stroke: colour("--ink"), width: 1.3, spanGaps: true });
      }
      const marks = u => {
        const g = u.ctx, dense = window.devicePixelRatio || 1, x = u.valToPos(from, "x", true);
        g.save(); g.strokeStyle = colour("--soft"); g.lineWidth = dense; g.setLineDash([4 * dense, 3 * dense]);
        line(g, x, u.bbox.top, x, u.bbox.top + u.bbox.height);
        g.setLineDash([dense, 3 * dense]);
        for (const a of v.above || []) if (a > reach[0] && a < reach[1]) { const y = u.valToPos(a, "y", true); line(g, u.bbox.left, y, u.bbox.left + u.bbox.width, y); }
        g.restore();
      };
      const say = (_, x) => {
        const i = time.findIndex(y => Math.abs(y - x) <= 1e-9 * horizon), parts = [timeText(x)];
        if (i >= 0) {
          parts.push(`lead ${short(F.leads[i] * F.leadEach)} ${F.leadUnit}`.trim(), `90 %: ${short(fan.q05[i])} to ${short(fan.q95[i])}`);
          (fan.exceed || []).forEach((p, n) => finite(p[i]) && parts.push(`> ${short(v.above[n])}: ${Math.round(100 * p[i])} %`));
        }
        return parts.join(", ");
      };
      uplot(cell, {
        data: uPlot.join(tables), series, bands: [{ series: [1, 2], fill: mix(0.2) }, { series: [3, 4], fill: mix(0.35) }], xLabel: TIME, yLabel: withUnit(v.label, v.unit), height: Math.max(230, Math.min(320, cell.clientWidth * 0.42)),
        x: { range: () => span }, y: { range: () => reach }, cursor: { drag: { x: false, y: false } }, at: say, xAxis: timeAxis, hooks: { draw: [marks] },
      });
    }
    if (v.above?.length) div.append(make("p", { className: "note", textContent: `Dotted: the thresholds ${v.above.map(short).join(", ")}. The probability of being above them is shown under the cursor.` }));
  };

