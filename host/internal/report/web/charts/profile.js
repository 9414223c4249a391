  charts.profile = (div) => {
    const list = trials().filter(t => t.profiles?.[state.stage]), error = list.some(t => t.profiles[state.stage].error.some(finite));
    if (!list.length) return nothing(div, "No field for this choice.");
    const kinds = error ? ["error", "spread"] : ["spread"], parts = list.flatMap(t => kinds.map(kind => [t, kind]));
    uplot(div, {
      data: [D.field.rows, ...parts.map(([t, kind]) => t.profiles[state.stage][kind])], xLabel: D.field.dim, yLabel: withUnit(error ? "RMSE, spread" : "spread", D.field.unit), cursor: { drag: { x: false, y: false } },
      at: i => `${D.field.dim} ${D.field.rows[i]}`, y: { range: (u, low, high) => [0, high * 1.05] },
      series: parts.map(([t, kind]) => ({ label: kind === "error" ? name(t) : name(t) + " spread", stroke: ofFilter(t.filter), dash: error && kind === "spread" ? [4, 3] : dashOf(t.filter), width: kind === "error" ? 1.6 : 1 })),
    });
  };

