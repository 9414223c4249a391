  charts.unknowns = (div, figure) => {
    const list = trials().filter(t => t.record?.unknowns.length);
    if (!list.length) return nothing(div, "No trial over the whole record for this choice.");
    const labels = list[0].record.unknowns.map(u => u.label), k = Math.min(state.unknown || 0, labels.length - 1);
    pick(figure, select("", labels.map((l, i) => [i, l]), k, v => { state.unknown = +v; redraw(figure); }, "unknown"));
    const clear = { stroke: "transparent", width: 0 }, tables = [], series = [], bands = [];
    const of = list.map(t => [t, t.record.unknowns.find(u => u.label === labels[k])]).filter(([, u]) => u);
    of.forEach(([t, u], i) => {
      tables.push([t.record.passes, u.high, u.low, u.mean]);
      series.push(clear, clear, { label: name(t), stroke: ofFilter(t.filter), dash: dashOf(t.filter), width: 1.6, points: { show: true, size: 5, fill: ofFilter(t.filter) } });
      bands.push({ series: [3 * i + 1, 3 * i + 2], fill: ofFilter(t.filter) + "33" });
    });
    if (finite(of[0][1].truth)) {
      const passes = of.map(([t]) => t.record.passes).reduce((a, b) => b.length > a.length ? b : a);
      tables.push([passes, passes.map(() => of[0][1].truth)]);
      series.push({ label: "truth", stroke: colour("--ink"), width: 1.4 });
    }
    uplot(div, { data: uPlot.join(tables), series, bands, xLabel: "pass: the first is the prior, the last the posterior", yLabel: withUnit(labels[k], of[0][1].unit), at: i => i ? `pass ${i}` : "prior" });
  };

