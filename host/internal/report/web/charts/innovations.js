  charts.innovations = (div) => {
    overTime(div, ofScore("innovation_rms", "innovation"), trials().filter(t => t.innovations).flatMap(t => [
      { trial: t, label: name(t), series: smooth(t.innovations), values: smooth(t.innovations).values.rms },
      { trial: t, label: name(t) + " expected", series: smooth(t.innovations), values: smooth(t.innovations).values.expected, dash: [4, 3] },
    ]));
  };

