  charts.trajectory = (div, figure) => {
    const list = trials().filter(t => t.curves?.[state.stage]);
    const t = list.find(t => t.number === state.trial) || list.find(t => t.filter === D.trials.find(x => x.number === state.trial)?.filter) || list[0];
    pick(figure,
      select("value", D.shown.map((c, i) => [i, c.label]), state.component, v => { state.component = +v; redraw(figure); }),
      select("filter", list.map(t => [t.number, name(t)]), t?.number, v => { state.trial = +v; draw(); }));
    if (!t) return nothing(div, "No trajectories for this choice.");
    const k = Math.min(state.component, D.shown.length - 1), c = t.curves[state.stage][k], v = c.values, mine = ofFilter(t.filter), clear = "transparent";
    figure.style.setProperty("--k", mine);
    figure.querySelector(".key .truth")?.style.setProperty("--k", colour("--ink"));
    figure.querySelector(".key .observed").hidden = !v.observed;
    figure.querySelector(".key .held").hidden = !v.held_out?.some(finite);
    figure.querySelector(".key .rejected").hidden = !v.rejected?.some(finite);
    const mix = share => mine + Math.round(255 * share).toString(16).padStart(2, "0");
    const series = [
      { stroke: clear, width: 0 }, { stroke: clear, width: 0 }, { stroke: clear, width: 0 }, { stroke: clear, width: 0 },
      { label: v.truth.some(finite) ? "truth" : "", stroke: colour("--ink"), width: 1.2 }, { label: "mean", stroke: mine, width: 1.6 },
    ];
    const data = [c.time, v.q95, v.q05, v.q75, v.q25, v.truth, v.mean];
    if (v.observed) {
      series.push({ label: "observed", stroke: colour("--soft"), width: 0, paths: () => null, points: { show: true, size: 4.5, width: 0, fill: colour("--soft") } });
      data.push(v.observed);
    }
    for (const [key, label] of [["held_out", "held out"], ["rejected", "rejected"]]) {
      if (!v[key]?.some(finite)) continue;
      const cross = (u, at) => {
        const g = u.ctx, r = 4 * (window.devicePixelRatio || 1);
        g.save(); g.strokeStyle = colour("--bad"); g.lineWidth = r / 3;
        u.data[at].forEach((y, i) => {
          const x = u.valToPos(u.data[0][i], "x", true), h = u.valToPos(y, "y", true);
          if (finite(y) && x >= u.bbox.left && x <= u.bbox.left + u.bbox.width) { line(g, x - r, h - r, x + r, h + r); line(g, x - r, h + r, x + r, h - r); }
        });
        g.restore();
        return false;
      };
      series.push({ label, stroke: colour(key === "rejected" ? "--bad" : "--soft"), width: 0, paths: () => null,
        points: key === "rejected" ? { show: cross } : { show: true, size: 6, width: 1.2, stroke: colour("--soft"), fill: colour("--ground") } });
      data.push(v[key]);
    }
    const u = uplot(div, {
      data, series, xLabel: TIME, yLabel: withUnit(D.shown[k].label, D.shown[k].unit), height: Math.max(260, Math.min(360, div.clientWidth * 0.4)), at: (_, t) => timeText(t), xAxis: timeAxis,
      bands: [{ series: [1, 2], fill: mix(0.2) }, { series: [3, 4], fill: mix(0.35) }], hooks: { drawClear: [burnIn] },
    });
    const n = c.time.length;
    if (D.thinned || n <= 150) return;
    const last = () => u.setScale("x", { min: c.time[n - 101], max: c.time[n - 1] }), whole = () => u.setScale("x", { min: c.time[0], max: c.time[n - 1] });
    const toggle = make("button", { type: "button" }), show = part => { part ? last() : whole(); toggle.textContent = part ? `the last 100 of ${n} cycles; show all` : `all ${n} cycles; show the last 100`; };
    let part = true;
    toggle.addEventListener("click", () => show(part = !part));
    div.append(make("p", { className: "note script" }, toggle));
    show(part);
  };

