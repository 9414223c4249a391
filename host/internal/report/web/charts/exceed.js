  charts.exceed = (div, figure) => {
    const F = D.forecasts, list = trials().filter(t => t.reliability?.length), labels = [...new Set(list.flatMap(t => t.reliability.map(r => r.label)))];
    if (!labels.length) return nothing(div, "No probabilities for this choice.");
    if (!labels.includes(state.above)) state.above = labels[0];
    const leads = [...new Set(list.flatMap(t => t.reliability.filter(r => r.label === state.above).map(r => r.lead)))].sort((a, b) => a - b), lead = leads.includes(state.lead) ? state.lead : leads[0];
    pick(figure, ...(labels.length > 1 ? [select("of", labels.map(l => [l, l]), state.above, v => { state.above = v; redraw(figure); })] : [state.above]),
      ...(leads.length > 1 ? [select(withUnit("lead", F.leadUnit), leads.map(l => [l, short(l * F.leadEach)]), lead, v => { state.lead = +v; redraw(figure); })] : []));
    const shown = list.map(t => ({ t, r: t.reliability.find(r => r.label === state.above && r.lead === lead) })).filter(s => s.r);
    if (!shown.length) return nothing(div, "No probabilities for this choice.");
    const width = Math.min(div.clientWidth, 560), height = width * 0.75, box = { left: 62, top: 8, width: width - 74, height: height - 50 };
    const g = sheet(div, width, height), [X, Y] = frame(g, box, [0, 1], [0, 1], "forecast probability", "frequency");
    g.strokeStyle = colour("--ink"); g.setLineDash([5, 4]); line(g, X(0), Y(0), X(1), Y(1));
    const most = Math.max(...shown.flatMap(s => s.r.count));
    for (const { t, r } of shown) {
      g.strokeStyle = g.fillStyle = ofFilter(t.filter); g.lineWidth = 1; g.globalAlpha = 0.5; g.setLineDash(dashOf(t.filter)); path(g, r.probability, r.frequency, X, Y); g.setLineDash([]); g.globalAlpha = 1;
      r.probability.forEach((p, i) => { g.beginPath(); g.arc(X(p), Y(r.frequency[i]), 1.5 + 5.5 * Math.sqrt(r.count[i] / most), 0, 7); g.fill(); });
    }
    probe(g, shown.flatMap(({ t, r }) => r.probability.map((p, i) => [X(p), Y(r.frequency[i]), `${name(t)}: probability ${short(p)}, happened in ${short(r.frequency[i])} of ${r.count[i]}`])));
    div.append(keyOf(shown.map(({ t, r }) => [`${name(t)}, Brier score ${short(r.brier)}`, ofFilter(t.filter), dashOf(t.filter)])));
  };

