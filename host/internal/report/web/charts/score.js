  charts.score = (div, figure) => {
    const names = D.overTime.filter(m => D.trials.some(t => t.scores[state.stage]?.values[m]));
    if (!names.length) return nothing(div, "No other score.");
    if (!names.includes(state.score)) state.score = names.includes(D.opening) ? D.opening : names[0];
    pick(figure, select("", names.map(n => [n, n]), state.score, v => { state.score = v; redraw(figure); }, "score over time"));
    overTime(div, ofScore(state.score), scoreParts(state.score));
  };

