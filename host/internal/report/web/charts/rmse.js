  charts.rmse = (div) => {
    const known = s => s.values.rmse?.some(finite);
    overTime(div, ofScore("spread", scored().some(t => known(t.scores[state.stage])) ? "RMSE, spread" : "spread"), scored().flatMap(t => {
      const s = scoresOf(t);
      if (!known(s)) return [{ trial: t, label: name(t), series: s, values: s.values.spread }];
      return [{ trial: t, label: name(t), series: s, values: s.values.rmse }, { trial: t, label: name(t) + " spread", series: s, values: s.values.spread, dash: [4, 3] }];
    }));
  };

