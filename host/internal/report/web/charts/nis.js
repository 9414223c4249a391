  charts.nis = (div) => {
    const list = trials().filter(t => t.innovations), t = list[0];
    overTime(div, "nis", list.map(t => ({ trial: t, label: name(t), series: smooth(t.innovations), values: smooth(t.innovations).values.nis })),
      t && t.nis[state.smooth && t.innovations.means ? 1 : 0]);
  };

