  charts.skill = (div) => {
    const list = trials().filter(t => t.skill?.[state.stage]);
    if (!list.length) return nothing(div, "Too few cycles for this choice.");
    const width = Math.min(div.clientWidth, 560), height = width * 0.75, box = { left: 62, top: 8, width: width - 74, height: height - 50 };
    const g = sheet(div, width, height), all = list.flatMap(t => t.skill[state.stage].flat()), reach = padded(all);
    const [X, Y] = frame(g, box, reach, reach, ofScore("spread"), ofScore("rmse", "RMSE"));
    g.strokeStyle = colour("--ink"); g.setLineDash([5, 4]); line(g, X(reach[0]), Y(reach[0]), X(reach[1]), Y(reach[1]));
    probe(g, list.flatMap(t => t.skill[state.stage][0].map((s, i) => [X(s), Y(t.skill[state.stage][1][i]), `${name(t)}: spread ${short(s)}, RMSE ${short(t.skill[state.stage][1][i])}`])));
    for (const t of list) {
      const [spread, rmse] = t.skill[state.stage];
      g.strokeStyle = g.fillStyle = ofFilter(t.filter); g.lineWidth = 1.6; g.setLineDash(dashOf(t.filter)); path(g, spread, rmse, X, Y); g.setLineDash([]);
      spread.forEach((s, i) => { g.beginPath(); g.arc(X(s), Y(rmse[i]), 2.5, 0, 7); g.fill(); });
    }
    div.append(keyOf(list.map(t => [name(t), ofFilter(t.filter), dashOf(t.filter)])));
  };

