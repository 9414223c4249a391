  charts.latest = (div, figure) => {
    const list = trials().filter(t => t.members?.[state.stage]), k = Math.min(state.latest, D.shown.length - 1), times = D.members.times;
    pick(figure, select("", D.shown.map((c, i) => [i, c.label]), k, v => { state.latest = +v; redraw(figure); }, "value of the members"));
    if (!list.length) return nothing(div, "No members for this choice.");
    const panels = [], references = new Set();
    for (const t of list) {
      const reference = D.members.references[t.reference];
      if (reference && !references.has(t.reference)) {
        references.add(t.reference);
        panels.push(["reference", reference.latest, colour("--soft"), t.truth]);
      }
      panels.push([`${name(t)}, ${t.sized}`, t.members[state.stage].latest, ofFilter(t.filter), t.truth]);
    }
    const reach = padded(panels.flatMap(([, clouds]) => clouds.flatMap(c => c?.values[k] || []))), many = make("div", { className: "many" });
    div.append(many);
    for (const [title, clouds, paint, key] of panels) {
      const cell = make("div", {}, make("h3", { textContent: title + (clouds.some(c => c) ? "" : ": none in these cycles") })), plot = make("div");
      cell.append(plot); many.append(cell);
      const width = cell.clientWidth, g = sheet(plot, width, 170), box = { left: 62, top: 6, width: width - 72, height: 122 };
      const [X, Y] = frame(g, box, [times[0], times[times.length - 1]], reach, TIME, withUnit(D.shown[k].label, D.shown[k].unit), true, !!D.dates);
      const truth = D.members.truths[key]?.latest.map(c => c?.values[k][0] ?? null), marks = [];
      g.fillStyle = paint; g.globalAlpha = 0.6;
      clouds.forEach((c, i) => {
        if (!c) return;
        const most = c.weights ? Math.max(...c.weights) : 1, all = c.weights ? c.weights.reduce((a, b) => a + b, 0) : c.values[k].length;
        let mean = 0;
        c.values[k].forEach((v, m) => {
          mean += v * (c.weights ? c.weights[m] : 1) / all;
          g.beginPath(); g.arc(X(times[i]), Y(v), 1.5 * Math.sqrt(c.weights ? c.weights[m] / most : 1), 0, 7); g.fill();
        });
        marks.push([X(times[i]), Y(mean), `${timeText(times[i])}: members from ${short(Math.min(...c.values[k]))} to ${short(Math.max(...c.values[k]))}, mean ${short(mean)}` + (finite(truth?.[i]) ? `, truth ${short(truth[i])}` : "")]);
      });
      g.globalAlpha = 1;
      if (truth) { g.strokeStyle = colour("--ink"); g.lineWidth = 1.2; path(g, times, truth, X, Y); }
      probe(g, marks);
    }
    div.append(make("p", { className: "note", textContent: Object.keys(D.members.truths).length ? "The line is the truth." : "" }));
  };

