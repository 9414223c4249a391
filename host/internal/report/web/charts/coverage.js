  charts.coverage = (div) => {
    const list = trials().filter(t => t.ranks?.[state.stage]?.share?.some(finite));
    if (!list.length) return nothing(div, "No rank histograms for this choice.");
    const place = make("div", { className: "narrow" });
    div.append(place);
    uplot(place, {
      data: uPlot.join(list.map(t => [t.ranks[state.stage].expected, t.ranks[state.stage].share])), height: 330, xLabel: "expected share of the truths", yLabel: "share inside the interval",
      x: { range: () => [0, 1] }, y: { range: () => [0, 1] }, cursor: { drag: { x: false, y: false } }, at: (_, x) => `expected ${short(x)}`, hooks: { draw: [diagonal] },
      series: list.map(t => ({ label: name(t), stroke: ofFilter(t.filter), dash: dashOf(t.filter), width: 1.8, spanGaps: true, points: { show: true, size: 4, fill: ofFilter(t.filter) } })),
    });
  };

