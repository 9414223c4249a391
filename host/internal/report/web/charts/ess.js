  charts.ess = (div) => { overTime(div, "effective sample size", scoreParts("weights_ess").filter(p => p.values?.some(v => v !== p.values[0]))); };

