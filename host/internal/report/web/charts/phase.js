  charts.phase = (div, figure) => {
    const pairs = [];
    D.shown.forEach((a, i) => D.shown.forEach((b, k) => { if (i < k && k < 3) pairs.push([`${i},${k}`, `${a.label}, ${b.label}`]); }));
    const wanted = pairs.some(p => p[0] === state.plane) ? state.plane : pairs[0][0];
    pick(figure, select("of", pairs, wanted, v => { state.plane = v; redraw(figure); }));
    const list = trials().filter(t => t.phase?.[state.stage]);
    const t = list.find(t => t.number === state.trial) || list.find(t => t.filter === D.trials.find(x => x.number === state.trial)?.filter) || list[0];
    if (!t) return nothing(div, "No trajectories for this choice.");
    const [i, k] = wanted.split(",").map(Number), p = t.phase[state.stage];
    figure.style.setProperty("--k", ofFilter(t.filter));
    figure.querySelector(".key .truth")?.style.setProperty("--k", colour("--ink"));
    const width = Math.min(div.clientWidth, 560), height = width * 0.8;
    const g = sheet(div, width, height), box = { left: 62, top: 8, width: width - 74, height: height - 50 };
    const [X, Y] = frame(g, box, padded([...p.truth[i], ...p.mean[i]]), padded([...p.truth[k], ...p.mean[k]]), withUnit(D.shown[i].label, D.shown[i].unit), withUnit(D.shown[k].label, D.shown[k].unit));
    g.lineJoin = "round";
    for (const [paint, of] of [[colour("--ink"), p.truth], [ofFilter(t.filter), p.mean]]) {
      g.strokeStyle = g.fillStyle = paint; g.lineWidth = 0.8; g.globalAlpha = 0.5; path(g, of[i], of[k], X, Y); g.globalAlpha = 1;
      of[i].forEach((x, m) => { if (finite(x) && finite(of[k][m])) { g.beginPath(); g.arc(X(x), Y(of[k][m]), 2, 0, 7); g.fill(); } });
    }
    probe(g, p.mean[i].map((x, m) => [X(x), Y(p.mean[k][m]), `${m - p.mean[i].length + 1} cycles: mean ${short(x)}, ${short(p.mean[k][m])}` + (finite(p.truth[i][m]) ? `; truth ${short(p.truth[i][m])}, ${short(p.truth[k][m])}` : "")]));
    div.append(make("p", { className: "note", textContent: `${name(t)}, the ${state.stage} of the last ${p.mean[i].length} cycles; straight lines join the cycles.` }));
  };

