  charts.cost = (div, figure) => {
    pick(figure, select("score", D.metrics.map(m => [m, m]), state.metric, v => { state.metric = v; draw(); }));
    const stage = [state.stage, "analysis", "forecast"].find(s => D.points.some(p => p.scores[s]?.[state.metric])) || state.stage;
    const points = D.points.filter(p => state.filters[p.filter] && p.cost > 0 && finite(p.scores[stage][state.metric]?.[0])).sort((a, b) => a.cost - b.cost);
    if (!points.length) return nothing(div, "No such values for this choice.");
    const xs = points.map(p => 1e3 * p.cost), logarithmic = xs[xs.length - 1] > 8 * xs[0], filters = [...new Set(points.map(p => p.filter))];
    const reach = padded(points.map(p => p.scores[stage][state.metric][0]), 0.08), room = 1.3;
    const place = make("div", { className: "narrow" });
    div.append(place);
    uplot(place, {
      data: [xs, ...filters.map(f => points.map(p => p.filter === f ? p.scores[stage][state.metric][0] : null))], xLabel: "milliseconds a cycle, medians", yLabel: ofScore(state.metric, `${state.metric} of the ${stage}`),
      x: { distr: logarithmic ? 3 : 1, range: () => logarithmic ? [xs[0] / room, xs[xs.length - 1] * room] : [0, xs[xs.length - 1] * 1.08] }, y: { range: () => reach },
      xAxis: logarithmic ? { filter: (_, splits) => splits.map(v => [1, 2, 5].includes(+(v / 10 ** Math.floor(Math.log10(v) + 1e-9)).toPrecision(3)) ? v : null) } : {},
      cursor: { drag: { x: false, y: false } }, at: i => `${points[i].label}: ${short(xs[i])} ms`,
      series: filters.map(f => ({ label: D.filters[f], stroke: ofFilter(f), width: 0, paths: () => null, points: { show: true, size: 8, fill: ofFilter(f), stroke: colour("--ground") } })),
    });
  };

