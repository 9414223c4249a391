  charts.fitted = (div) => {
    const t = trials().find(t => t.record?.fit.analysis);
    if (!t) return nothing(div, "No trial over the whole record for this choice.");
    const width = Math.min(div.clientWidth, 560), height = width * 0.75, box = { left: 62, top: 8, width: width - 74, height: height - 50 };
    const g = sheet(div, width, height), { forecast, analysis } = t.record.fit, xs = padded(analysis[0]), ys = padded([...forecast[1], ...analysis[1]]);
    const [X, Y] = frame(g, box, xs, ys, ofScore("innovation_rms", "observed"), ofScore("innovation_rms", "predicted, mean of the members"));
    const low = Math.max(xs[0], ys[0]), high = Math.min(xs[1], ys[1]);
    g.strokeStyle = colour("--ink"); g.setLineDash([5, 4]); line(g, X(low), Y(low), X(high), Y(high)); g.setLineDash([]);
    const paints = [[forecast, colour("--soft") + "66"], [analysis, ofFilter(t.filter)]];
    for (const [points, paint] of paints) {
      g.fillStyle = paint;
      points[0].forEach((y, i) => { g.beginPath(); g.arc(X(y), Y(points[1][i]), 2.2, 0, 7); g.fill(); });
    }
    probe(g, analysis[0].map((y, i) => [X(y), Y(analysis[1][i]), `${name(t)}: observed ${short(y)}, posterior ${short(analysis[1][i])}, prior ${short(forecast[1][i])}`]));
    div.append(keyOf([[`${name(t)}, posterior`, ofFilter(t.filter)], ["prior", colour("--soft")]]));
  };

