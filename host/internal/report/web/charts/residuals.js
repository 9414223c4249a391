  charts.residuals = (div, figure) => {
    const list = trials().filter(t => t.residuals), names = [...new Set(list.flatMap(t => Object.keys(t.residuals)))].sort();
    if (!names.includes(state.observed)) state.observed = names[0];
    pick(figure, ...(names.length > 1 ? [select("of", names.map(n => [n, n]), state.observed, v => { state.observed = v; redraw(figure); })] : []));
    const shown = list.filter(t => t.residuals[state.observed]);
    if (!shown.length) return nothing(div, "No innovations for this choice.");
    const many = make("div", { className: "many wide" });
    div.append(many);
    for (const t of shown) {
      const r = t.residuals[state.observed], cell = make("div", {}, make("h3", { textContent: `${name(t)}: mean ${short(r.mean)}, standard deviation ${short(r.sd)}` })), pair = make("div", { className: "pair" });
      cell.append(pair); many.append(cell);
      const parts = [make("div"), make("div")], bins = r.density.map((_, i) => -4 + (i + 0.5) * 8 / r.density.length), lags = r.correlation.map((_, i) => i + 1);
      pair.append(...parts);
      const bars = { stroke: ofFilter(t.filter), fill: ofFilter(t.filter) + "b0", width: 0, paths: uPlot.paths.bars({ size: [1, 100], gap: 1 }) };
      const top = Math.max(0.42, ...r.density) * 1.05, reach = Math.max(0.5, ...r.correlation.map(Math.abs)) * 1.05, still = { drag: { x: false, y: false } };
      uplot(parts[0], {
        data: [bins, r.density, bins.map(z => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI))], height: 170, xLabel: "normalised innovation", yLabel: "density", cursor: still,
        x: { range: () => [-4, 4] }, y: { range: () => [0, top] }, series: [{ label: "found", ...bars }, { label: "normal", stroke: colour("--ink"), width: 1.4 }],
      });
      uplot(parts[1], {
        data: [lags, r.correlation], height: 170, xLabel: "lag in cycles", yLabel: "autocorrelation", cursor: still, at: i => `lag ${lags[i]}`,
        x: { range: () => [0.5, lags.length + 0.5] }, y: { range: () => [-reach, reach] }, series: [{ label: "autocorrelation", ...bars }], hooks: { drawClear: [u => between(u, -r.band, r.band)] },
      });
    }
  };

