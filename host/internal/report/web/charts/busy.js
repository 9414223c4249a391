  charts.busy = (div) => {
    const { every: [every], busy, of } = D.usage, long = every * busy.length > 600, unit = long ? 60 : 1;
    uplot(div, {
      data: [busy.map((_, i) => every * (i + 0.5) / unit), busy, busy.map(() => of)], xLabel: long ? "minutes" : "seconds", yLabel: "busy", y: { range: [0, of * 1.08] }, at: (i, x) => `${short(x)} ${long ? "min" : "s"}`,
      series: [{ label: "busy", stroke: colour("--c0"), fill: colour("--c0") + "22", width: 1.6 }, { label: "there are", stroke: colour("--ink"), dash: [5, 4], width: 1 }],
    });
  };

