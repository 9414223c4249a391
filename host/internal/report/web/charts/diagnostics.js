  charts.diagnostics = (div, figure) => {
    const list = trials().filter(t => t.reports), names = [...new Set(list.flatMap(t => Object.keys(t.reports.values)))].sort();
    if (!names.length) return nothing(div, "Nothing for this choice.");
    if (!names.includes(state.report)) state.report = names[0];
    pick(figure, select("", names.map(n => [n, n]), state.report, v => { state.report = v; redraw(figure); }, "reported number"));
    overTime(div, state.report, list.map(t => ({ trial: t, label: name(t), series: smooth(t.reports), values: smooth(t.reports).values[state.report] })));
  };

