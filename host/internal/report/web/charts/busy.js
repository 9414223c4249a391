  charts.busy = (div) => {
    const runs = D.usage, long = runs.some(r => r.every[0] * r.busy.length > 600), unit = long ? 60 : 1, most = Math.max(...runs.map(r => r.of)), alone = runs.length === 1;
    const times = r => r.busy.map((_, i) => r.every[0] * (i + 0.5) / unit), line = (r, i) => ({ label: r.run ? `${r.run}, of ${r.of}` : "busy", stroke: colour("--c" + i % 7), dash: i < 7 ? [] : [4, 3], width: 1.6, spanGaps: true });
    const there = { label: "there are", stroke: colour("--ink"), dash: [5, 4], width: 1 };
    uplot(div, {
      data: uPlot.join(runs.map(r => [times(r), r.busy, ...(alone ? [r.busy.map(() => r.of)] : [])])), xLabel: long ? "minutes" : "seconds", yLabel: "busy", y: { range: [0, most * 1.08] }, at: (i, x) => `${short(x)} ${long ? "min" : "s"}`,
      series: alone ? [{ ...line(runs[0], 0), fill: colour("--c0") + "22" }, there] : runs.map(line),
    });
  };

