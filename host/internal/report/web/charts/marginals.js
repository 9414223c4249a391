  charts.marginals = (div, figure) => {
    const list = trials().filter(t => t.members?.[state.stage]), [at, slider] = atCycle(figure), k = Math.min(state.marginal, D.shown.length - 1);
    pick(figure, select("of", D.shown.map((c, i) => [i, c.label]), k, v => { state.marginal = +v; redraw(figure); }), slider);
    if (!list.length) return nothing(div, "No members for this choice.");
    const clouds = list.map(t => [D.members.references[t.reference], t.members[state.stage], D.members.truths[t.truth]].map(s => s?.cycles[at]));
    const bins = Math.max(...clouds.flat().map(c => c?.values[k].length || 0)) < 60 ? 12 : 36, reach = padded(clouds.flat().filter(Boolean).flatMap(c => c.values[k]), 0), step = (reach[1] - reach[0]) / bins;
    const shares = c => {
      const h = Array(bins).fill(0), weights = c.values[k].map((v, m) => finite(v) ? c.weights ? c.weights[m] : 1 : 0), all = weights.reduce((a, b) => a + b, 0) || 1;
      c.values[k].forEach((v, m) => { if (weights[m]) h[Math.min(bins - 1, Math.floor((v - reach[0]) / step))] += weights[m] / all; });
      return h;
    };
    const found = clouds.map(([reference, own, truth]) => [reference && shares(reference), own && shares(own), truth?.values[k][0]]);
    const many = make("div", { className: "many" });
    div.append(many);
    list.forEach((t, n) => {
      const cell = make("div", {}, make("h3", { textContent: `${name(t)}, ${t.sized}` })), plot = make("div");
      cell.append(plot); many.append(cell);
      const width = cell.clientWidth, g = sheet(plot, width, 190), box = { left: 62, top: 6, width: width - 72, height: 142 }, [reference, own, truth] = found[n];
      const top = 1.05 * Math.max(...reference || [], ...own || [], 0.1); // of its own: members that are all alike would make the others low
      const [X, Y] = frame(g, box, reach, [0, top], withUnit(D.shown[k].label, D.shown[k].unit), "share");
      const fill = (h, paint) => h?.forEach((v, b) => { g.fillStyle = paint; const x = X(reach[0] + b * step); g.fillRect(x, Y(v), X(reach[0] + (b + 1) * step) - x, Y(0) - Y(v)); });
      fill(reference, colour("--band"));
      fill(own, ofFilter(t.filter) + "99");
      if (reference) { // its outline, which the members must not hide
        g.strokeStyle = colour("--soft"); g.lineWidth = 1.2;
        path(g, reference.flatMap((_, b) => [reach[0] + b * step, reach[0] + (b + 1) * step]), reference.flatMap(v => [v, v]), X, Y);
      }
      if (finite(truth)) { g.strokeStyle = colour("--ink"); g.lineWidth = 1.4; g.setLineDash([5, 4]); line(g, X(truth), box.top, X(truth), box.top + box.height); g.setLineDash([]); }
      const marks = (own || []).map((v, b) => [X(reach[0] + (b + 0.5) * step), Y(v), `${D.shown[k].label} ${short(reach[0] + b * step)} to ${short(reach[0] + (b + 1) * step)}: ${short(100 * v)} % of the members` + (reference ? `, ${short(100 * reference[b])} % of the reference` : "")]);
      probe(g, marks.filter((_, b) => own[b] || reference?.[b]));
    });
    const said = ["coloured: the members, with their weights", found.some(f => f[0]) && "grey: the reference", found.some(f => finite(f[2])) && "dashed: the truth"];
    div.append(make("p", { className: "note", textContent: said.filter(Boolean).join("; ") + "." }));
  };

