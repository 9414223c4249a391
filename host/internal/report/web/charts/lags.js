  charts.lags = (div) => {
    const list = D.lags.filter(l => state.filters[l.filter] && chosen(l.setting));
    if (!list.length) return nothing(div, "No filter that smooths for this choice.");
    const longest = list.map(l => l.scores.spread).reduce((a, b) => b.length > a.length ? b : a), scored = list.some(l => l.scores.rmse), clear = { stroke: "transparent", width: 0 };
    const data = [longest.map((_, lag) => lag)], series = [], bands = [], of = (l, name) => longest.map((_, lag) => l.scores[name]?.[lag] ?? null);
    for (const l of list) {
      const drawn = { label: D.filters[l.filter], stroke: ofFilter(l.filter), dash: dashOf(l.filter), width: 1.6, points: { show: true, size: 5, fill: ofFilter(l.filter) } };
      if (!scored) { data.push(of(l, "spread")); series.push(drawn); continue; }
      const rmse = of(l, "rmse"), se = of(l, "rmse_se");
      data.push(rmse.map((v, lag) => v === null ? null : v + se[lag]), rmse.map((v, lag) => v === null ? null : v - se[lag]), rmse, of(l, "spread"));
      bands.push({ series: [series.length + 1, series.length + 2], fill: ofFilter(l.filter) + "33" });
      series.push(clear, clear, drawn, { label: drawn.label + " spread", stroke: drawn.stroke, dash: [4, 3], width: 1 });
    }
    uplot(div, {
      data, series, bands, xLabel: "lag, cycles of later observations", yLabel: ofScore("spread", scored ? "RMSE, spread" : "spread"), at: lag => lag ? `lag ${lag}` : "analysis",
      y: { range: (u, low, high) => [0, high * 1.05] }, cursor: { drag: { x: false, y: false } },
    });
  };

