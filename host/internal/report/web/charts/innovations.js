  charts.innovations = (div) => {
    overTime(div, "innovation", trials().filter(t => t.innovations).flatMap(t => [
      { trial: t, label: name(t), series: t.innovations, values: t.innovations.values.rms },
      { trial: t, label: name(t) + " expected", series: t.innovations, values: t.innovations.values.expected, dash: [4, 3] },
    ]));
  };

