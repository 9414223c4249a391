  charts.timings = (div) => {
    const list = D.trials.filter(t => state.filters[t.filter] && t.replicate === state.replicate && chosen(t.setting) && t.seconds.some(finite));
    if (!list.length) return nothing(div, "No timings for this choice.");
    const width = div.clientWidth, labels = Math.min(width * 0.36, 240), g = sheet(div, width, 26 * list.length + 52);
    const box = { left: labels + 8, top: 6, width: width - labels - 20, height: 26 * list.length };
    const sum = t => 1e3 * t.seconds.reduce((a, b) => a + (b || 0), 0);
    const [X] = frame(g, box, [0, Math.max(...list.map(sum)) * 1.05 || 1], [0, 1, 0], "milliseconds a cycle", "");
    const parts = ["forecast", "observe", "analyse"], marks = list.map((t, i) => [X(sum(t)), box.top + 26 * i + 13, `${name(t)}: ` + t.seconds.map((s, p) => `${parts[p]} ${short(1e3 * s)}`).join(", ") + " ms"]);
    list.forEach((t, i) => {
      const y = box.top + 26 * i + 5;
      g.fillStyle = colour("--ink"); g.textAlign = "right"; g.fillText(fit(g, name(t), labels), labels, y + 8);
      let from = 0;
      t.seconds.forEach((s, part) => {
        g.fillStyle = colour(["--c0", "--c3", "--c1"][part]);
        g.fillRect(X(from), y, X(from + 1e3 * (s || 0)) - X(from), 16);
        from += 1e3 * (s || 0);
      });
    });
    probe(g, marks);
  };

