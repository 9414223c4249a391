  charts.decomposition = (div) => {
    const parts = p => [p.scores[state.stage]?.crps_reliability?.[0], p.scores[state.stage]?.crps_potential?.[0]];
    const list = D.points.filter(p => state.filters[p.filter] && chosen(p.setting) && parts(p).every(finite));
    if (!list.length) return nothing(div, "No such values for this choice.");
    const width = div.clientWidth, labels = Math.min(width * 0.36, 240), g = sheet(div, width, 26 * list.length + 52);
    const box = { left: labels + 8, top: 6, width: width - labels - 20, height: 26 * list.length }, sum = p => parts(p)[0] + parts(p)[1];
    const most = Math.max(...list.map(sum)), climatology = list.map(p => p.uncertainty).filter(u => finite(u) && u < 1.5 * most);
    const [X] = frame(g, box, [0, Math.max(most, ...climatology) * 1.05 || 1], [0, 1, 0], ofScore("crps", `CRPS of the ${state.stage}`), "");
    list.forEach((p, i) => {
      const y = box.top + 26 * i + 5, [reliability] = parts(p), label = D.filters[p.filter];
      g.fillStyle = colour("--ink"); g.textAlign = "right"; g.fillText(fit(g, label, labels), labels, y + 8);
      g.fillStyle = ofFilter(p.filter); g.fillRect(X(0), y, X(reliability) - X(0), 16);
      g.fillStyle = ofFilter(p.filter) + "55"; g.fillRect(X(reliability), y, X(sum(p)) - X(reliability), 16);
      if (finite(p.uncertainty) && p.uncertainty < 1.5 * most) { g.strokeStyle = colour("--ink"); g.setLineDash([5, 4]); line(g, X(p.uncertainty), y - 5, X(p.uncertainty), y + 21); g.setLineDash([]); }
    });
    probe(g, list.map((p, i) => {
      const [reliability, potential] = parts(p), more = finite(p.uncertainty) ? `; uncertainty ${short(p.uncertainty)}, resolution ${short(p.uncertainty - potential)}` : "";
      return [X(sum(p)), box.top + 26 * i + 13, `${D.filters[p.filter]}: CRPS ${short(sum(p))} = reliability ${short(reliability)} + potential ${short(potential)}${more}`];
    }));
  };

