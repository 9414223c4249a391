  charts.misfit = (div) => {
    const list = trials().filter(t => t.record?.misfit.some(finite));
    if (!list.length) return nothing(div, "No trial over the whole record for this choice.");
    const longest = list.map(t => t.record.passes).reduce((a, b) => b.length > a.length ? b : a);
    uplot(div, {
      data: [longest, ...list.map(t => longest.map((_, i) => t.record.misfit[i] ?? null)), longest.map(() => 1)], xLabel: "pass", yLabel: "misfit", y: { distr: 3 }, at: i => i ? `pass ${i}` : "prior",
      yAxis: { filter: (_, splits) => splits.map(v => Math.abs(Math.log10(v) % 1) < 1e-9 ? v : null) },
      series: [...list.map(t => ({ label: name(t), stroke: ofFilter(t.filter), dash: dashOf(t.filter), width: 1.8, points: { show: true, size: 5, fill: ofFilter(t.filter) } })), { stroke: colour("--ink"), dash: [5, 4], width: 1 }],
    });
  };

