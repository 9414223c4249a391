  charts.ranks = (div) => {
    const list = trials().filter(t => t.ranks?.[state.stage]);
    if (!list.length) return nothing(div, "No rank histograms for this choice.");
    const many = make("div", { className: "many" });
    div.append(many);
    for (const t of list) {
      const r = t.ranks[state.stage], cell = make("div", {}, make("h3", { textContent: `${name(t)}, N = ${r.members}` })), plot = make("div");
      cell.append(plot); many.append(cell);
      if (!r.heights.some(h => h > 0)) { nothing(plot, "No rank after burn-in yet."); continue; }
      const top = Math.max(1.5, ...r.heights, r.high || 0) * 1.05;
      uplot(plot, {
        data: [r.centres, r.heights], height: 190, at: (i, x) => `rank ${short(x)}`, xLabel: "rank of the truth", yLabel: "relative frequency", cursor: { drag: { x: false, y: false } },
        x: { range: () => [-0.5, r.members + 0.5] }, y: { range: () => [0, top] },
        series: [{ label: "frequency", stroke: ofFilter(t.filter), fill: ofFilter(t.filter) + "b0", width: 0, paths: uPlot.paths.bars({ size: [1, 100], gap: 1 }) }],
        hooks: {
          drawClear: [u => between(u, r.low, r.high)],
          draw: [u => {
            u.ctx.save(); u.ctx.strokeStyle = colour("--ink"); u.ctx.lineWidth = window.devicePixelRatio || 1; u.ctx.setLineDash([5, 4]);
            const y = u.valToPos(1, "y", true); line(u.ctx, u.bbox.left, y, u.bbox.left + u.bbox.width, y); u.ctx.restore();
          }],
        },
      });
    }
  };

