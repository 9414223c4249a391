  charts.differences = (div, figure) => {
    const there = new Set(D.differences.flatMap(d => Object.keys(d.scores))), names = D.metrics.filter(m => there.has(m));
    if (!there.has(state.difference)) state.difference = names[0];
    if (names.length > 1) pick(figure, select("score", names.map(n => [n, n]), state.difference, v => { state.difference = v; redraw(figure); }));
    const all = D.differences.filter(d => d.scores[state.difference] && finite(d.scores[state.difference][0]) && state.filters[d.filter]), rows = all.slice(0, 60);
    if (!rows.length) return nothing(div, "No differences for this choice.");
    const partners = new Set(rows.map(d => d.against[state.difference])), against = partners.size > 1 ? D.filters.includes(D.baseline) ? `the best ${D.baseline}` : D.baseline : [...partners][0];
    const width = div.clientWidth, labels = Math.min(width * 0.36, 240), height = 26 * rows.length + 52;
    const g = sheet(div, width, height), box = { left: labels + 8, top: 6, width: width - labels - 20, height: 26 * rows.length };
    const reach = padded([0, ...rows.flatMap(d => { const [m, se] = d.scores[state.difference]; return [m - 1.96 * (se || 0), m + 1.96 * (se || 0)]; })], 0.06);
    const [X] = frame(g, box, reach, [0, 1, 0], ofScore(state.difference, `${state.difference} minus that of ${against}`), "");
    g.strokeStyle = colour("--soft"); g.setLineDash([4, 3]); line(g, X(0), box.top, X(0), box.top + box.height); g.setLineDash([]);
    const marks = rows.map((d, i) => { const [m, se, , n] = d.scores[state.difference]; return [X(m), box.top + 26 * i + 13, `${d.label}: ${short(m)}` + (finite(se) ? ` ± ${short(1.96 * se)}` : "") + `, ${n} pairs, to ${d.against[state.difference]}`]; });
    rows.forEach((d, i) => {
      const [m, se] = d.scores[state.difference], y = box.top + 26 * i + 13;
      g.fillStyle = colour("--ink"); g.textAlign = "right"; g.fillText(fit(g, d.label, labels), labels, y);
      g.strokeStyle = g.fillStyle = ofFilter(d.filter); g.lineWidth = 2;
      if (finite(se)) line(g, X(m - 1.96 * se), y, X(m + 1.96 * se), y);
      g.beginPath(); g.arc(X(m), y, 4.5, 0, 7); g.fill();
    });
    probe(g, marks);
    if (all.length > rows.length) div.append(make("p", { className: "note", textContent: `The first ${rows.length} of ${all.length}; all are in the table.` }));
  };

