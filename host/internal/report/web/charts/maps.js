  charts.maps = (div, figure) => {
    const list = trials().filter(t => t.members?.[state.stage]?.maps), grids = D.members.grids, v = Math.min(state.map, grids.length - 1), grid = grids[v], [at, slider] = atCycle(figure);
    pick(figure, ...(grids.length > 1 ? [select("of", grids.map((x, i) => [i, x.name]), v, x => { state.map = +x; redraw(figure); })] : []), slider);
    if (!list.length) return nothing(div, "No maps for this choice.");
    const unit = withUnit(grid.name, grid.unit), rows = [], fields = [], errors = [], spreads = [];
    for (const t of list) {
      const m = t.members[state.stage].maps[v], truth = D.members.truths[t.truth]?.maps?.[v].mean[at];
      rows.push([["truth", truth, fields], ["mean", m.mean?.[at], fields], ["mean minus truth", m.error?.[at], errors], ["spread", m.spread?.[at], spreads], ["first member", m.member?.[at], fields]]
        .filter(([, h]) => h).map(([title, h, group]) => { group.push(h); return [title === "truth" ? title : `${name(t)}: ${title}`, h, group]; }));
    }
    const span = group => [Math.min(...group.map(h => h.low)), Math.max(...group.map(h => h.high))];
    for (const panels of rows) {
      const many = make("div", { className: "many small" });
      div.append(many);
      for (const panel of panels) many.append(make("div", {}, make("h3", { textContent: panel[0] }), make("div")));
    }
    rows.flat().forEach(([, h, group], n) => {
      const plot = all(".small > div > div", div)[n], cell = plot.parentNode;
      let [low, high] = span(group);
      if (group === errors) { high = Math.max(Math.abs(low), Math.abs(high)) || 1; low = -high; }
      if (group === spreads) low = 0;
      const ramp = group === errors ? diverging : sequential, width = cell.clientWidth, inner = width - 48 - 72, height = Math.max(40, Math.min(260, inner * grid.rows / grid.cols));
      const g = sheet(plot, width, height + 56), box = { left: 48, top: 20, width: Math.min(inner, height * grid.cols / grid.rows), height };
      const value = raster(g, h, box, grid.rows, grid.cols, (i, k) => i * grid.cols + k, low, high, ramp);
      frame(g, box, [0, grid.cols], [0, grid.rows], grid.dims[1], grid.dims[0], false);
      bar(g, { left: box.left + box.width + 10, top: box.top, width: 10, height }, low, high, ramp, unit);
      probe(g, { box, cols: grid.cols, rows: grid.rows, text: (k, j) => `${grid.dims[0]} ${grid.rows - 1 - j}, ${grid.dims[1]} ${k}: ${value(grid.rows - 1 - j, k)}` });
    });
  };

