  charts.members = (div, figure) => {
    const list = trials().filter(t => t.members?.[state.stage]), [at, slider] = atCycle(figure);
    const values = D.shown.map((c, i) => [i, c.label]), valid = i => Math.min(i, D.shown.length - 1);
    const i = valid(state.across), k = valid(state.up);
    pick(figure,
      select("of", values, i, v => { state.across = +v; redraw(figure); }),
      select("and", values, k, v => { state.up = +v; redraw(figure); }), slider);
    if (!list.length) return nothing(div, "No members for this choice.");
    const layers = list.map(t => [[D.members.references[t.reference], colour("--soft"), 0.35, 1.5], [t.members[state.stage], ofFilter(t.filter), 0.75, 2.6]]
      .map(([all, paint, alpha, radius]) => ({ c: all?.cycles[at], paint, alpha, radius })).filter(l => l.c));
    const truths = list.map(t => D.members.truths[t.truth]?.cycles[at]);
    const reach = v => padded([...layers.flat().map(l => l.c), ...truths.filter(Boolean)].flatMap(c => c.values[v]));
    const xs = reach(i), ys = reach(k), many = make("div", { className: "many" });
    div.append(many);
    list.forEach((t, n) => {
      const cell = make("div", {}, make("h3", { textContent: `${name(t)}, ${t.sized}` })), plot = make("div");
      cell.append(plot); many.append(cell);
      const width = cell.clientWidth, height = Math.min(width * 0.85, 320);
      const g = sheet(plot, width, height), box = { left: 62, top: 6, width: width - 72, height: height - 46 };
      const label = v => withUnit(D.shown[v].label, D.shown[v].unit), [X, Y] = frame(g, box, xs, ys, label(i), label(k));
      for (const { c, paint, alpha, radius } of layers[n]) {
        const most = c.weights ? Math.max(...c.weights) : 1;
        g.fillStyle = paint; g.globalAlpha = alpha;
        c.values[i].forEach((x, m) => {
          if (!finite(x) || !finite(c.values[k][m])) return;
          g.beginPath(); g.arc(X(x), Y(c.values[k][m]), radius * Math.sqrt(c.weights ? c.weights[m] / most : 1), 0, 2 * Math.PI); g.fill();
        });
      }
      g.globalAlpha = 1;
      const marks = [], truth = truths[n], own = t.members[state.stage].cycles[at], place = (c, m) => `${D.shown[i].label} ${short(c.values[i][m])}, ${D.shown[k].label} ${short(c.values[k][m])}`;
      own?.values[i].forEach((x, m) => marks.push([X(x), Y(own.values[k][m]), `member ${m}: ${place(own, m)}`]));
      if (truth) {
        const x = X(truth.values[i][0]), y = Y(truth.values[k][0]);
        g.strokeStyle = colour("--ink"); g.lineWidth = 2;
        line(g, x - 6, y, x + 6, y); line(g, x, y - 6, x, y + 6);
        marks.unshift([x, y, `truth: ${place(truth, 0)}`]);
      }
      probe(g, marks);
    });
    const said = ["coloured: the members, larger ones with more weight", layers.some(l => l.length > 1) && "grey: the reference", truths.some(Boolean) && "cross: the truth"];
    div.append(make("p", { className: "note", textContent: said.filter(Boolean).join("; ") + "." }));
  };

