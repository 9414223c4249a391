  charts.parameters = (div, figure) => {
    const at = Math.min(state.parameter, D.parameters.length - 1), k = D.parameters[at], list = trials().filter(t => t.curves?.[state.stage]?.[k]?.time.length);
    pick(figure, select("", D.parameters.map((i, n) => [n, D.shown[i].label]), at, v => { state.parameter = +v; redraw(figure); }, "parameter"));
    if (!list.length) return nothing(div, "No estimates for this choice.");
    const clear = { stroke: "transparent", width: 0 }, tables = [], series = [], bands = [];
    list.forEach((t, i) => {
      const { time, values } = t.curves[state.stage][k], paint = ofFilter(t.filter);
      tables.push([time, values.q95, values.q05, values.mean]);
      series.push(clear, clear, { label: name(t), stroke: paint, dash: dashOf(t.filter), width: 1.6 });
      bands.push({ series: [3 * i + 1, 3 * i + 2], fill: paint + "33" });
    });
    const truth = list[0].curves[state.stage][k];
    if (truth.values.truth.some(finite)) {
      tables.push([truth.time, truth.values.truth]);
      series.push({ label: "truth", stroke: colour("--ink"), width: 1.4 });
    }
    uplot(div, {
      data: uPlot.join(tables), series, bands, xLabel: TIME, yLabel: withUnit(D.shown[k].label, D.shown[k].unit), height: Math.max(240, Math.min(340, div.clientWidth * 0.4)),
      at: (_, t) => timeText(t), xAxis: timeAxis, hooks: { drawClear: [burnIn] },
    });
  };

