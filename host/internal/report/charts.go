package report

import (
	"html/template"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
)

// chart is a chart of the page and the figures that show the same. It is drawn by
// web/charts/NAME.js. A new chart needs only that file and a row below.
type chart struct {
	name    string
	section string // of the page
	caption func(r *Report) template.HTML
	label   func(r *Report) string // description for readers who cannot see it
	note    string                 // above it
	applies func(r *Report) bool
	figures func(r *Report, first []*trial) []*figure // nil: none; first is what [Report.first] returns
}

// charts are all charts, in the order of their sections.
var charts = []chart{
	{
		name: "axis", section: "scores", caption: html(`Score by setting <span class="pick"></span>`),
		label:   text("Score of every filter against the values of an axis, with standard errors; the numbers are in the tables of scores"),
		applies: func(r *Report) bool { return len(r.axes) > 0 },
		figures: func(r *Report, _ []*trial) (list []*figure) {
			for at := range r.axes {
				for _, metric := range r.losses() {
					list = append(list, r.axisFigure(at, metric))
				}
			}
			return list
		},
	},
	{
		name: "heat", section: "scores", caption: html(`Score over two axes <span class="pick"></span>`),
		label:   text("A score of one filter over two axes of the sweep; the best setting is framed; the numbers are in the tables of scores"),
		applies: func(r *Report) bool { return len(r.axes) > 1 },
	},
	{
		name: "lags", section: "scores", applies: smooths,
		caption: func(r *Report) template.HTML {
			if r.truthful() {
				return "Smoothed states by lag: RMSE (solid) and spread (dashed)"
			}
			return "Smoothed states by lag: spread"
		},
		label:   text("Error and spread of the states of earlier times by lag, the number of cycles of later observations that have changed them; plume compare with --lag has the numbers"),
		note:    "The lag is the number of cycles of later observations that have changed the states; 0 is the analysis. Bands are one standard error.",
		figures: func(r *Report, _ []*trial) []*figure { return []*figure{r.lagsFigure()} },
	},
	{
		name: "differences", section: "differences", caption: html(`Difference to the baseline, with 95 % intervals <span class="pick"></span>`),
		label:   text("Differences of filters to the baseline with 95 % intervals; the numbers are in the table of differences"),
		applies: func(r *Report) bool { return len(r.comparisons) > 0 },
		figures: func(r *Report, _ []*trial) []*figure { return []*figure{r.differencesFigure()} },
	},
	{
		name: "rmse", section: "time", applies: (*Report).scored,
		caption: func(r *Report) template.HTML {
			if r.truthful() {
				return "RMSE (solid) and spread (dashed)"
			}
			return "Spread"
		},
		label: func(r *Report) string {
			if r.truthful() {
				return "RMSE and spread of the filters over time; their time means are in the table of scores"
			}
			return "Spread of the filters over time; its time means are in the table of scores"
		},
		figures: func(r *Report, first []*trial) []*figure {
			name, label, scores := "rmse", "RMSE (solid), spread (dashed)", []string{"rmse", "spread"}
			if !r.truthful() {
				name, label, scores = "spread", "spread", scores[1:]
			}
			of := func(t *trial) (*sampled, []string) { return t.scores[archive.Analysis], scores }
			return []*figure{r.timeFigure(name, "", withUnit(label, r.scoreUnit("spread")), first, of)}
		},
	},
	{
		name: "score", section: "time", caption: html(`Score <span class="pick"></span>`), applies: (*Report).scored,
		label: text("A score of the filters over time; its time means are in the table of scores"),
	},
	{
		name: "innovations", section: "time", caption: html("Innovations: root mean square (solid) and its expected value (dashed)"),
		label: text("Root mean square innovation of the filters over time and its expected value"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return t.innovations != nil })
		},
		figures: func(r *Report, first []*trial) []*figure {
			of := func(t *trial) (*sampled, []string) { return t.innovations, []string{"rms", "expected"} }
			return []*figure{r.timeFigure("innovations", "dashed: expected", withUnit("RMS innovation", r.scoreUnit("innovation_rms")), first, of)}
		},
	},
	{
		name: "nis", section: "time", caption: html("Normalised innovations squared, with the band of a calibrated filter"),
		label: text("Normalised innovation squared of the filters over time; its time mean is in the table of scores"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool {
				return t.innovations != nil && t.innovations.column("nis").there > 0
			})
		},
		figures: func(r *Report, first []*trial) []*figure {
			of := func(t *trial) (*sampled, []string) { return t.innovations, []string{"nis"} }
			return []*figure{r.timeFigure("nis", "", "normalised innovation squared", first, of)}
		},
	},
	{
		name: "ess", section: "time", caption: html("Effective sample size of the weights"),
		label: text("Effective sample size of the filters' weights over time; its time mean is in the table of scores"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return slices.ContainsFunc(stages, t.weighted) })
		},
		figures: func(r *Report, first []*trial) []*figure {
			return []*figure{r.timeFigure("ess", "", "effective sample size", first, func(t *trial) (*sampled, []string) {
				if !t.weighted(archive.Analysis) {
					return nil, nil
				}
				return t.scores[archive.Analysis], []string{"weights_ess"}
			})}
		},
	},
	{
		name: "diagnostics", section: "time", caption: html(`Reported by the filters <span class="pick"></span>`),
		label: text("A number that the filters report, over time"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return t.reports != nil })
		},
	},
	{
		name: "parameters", section: "parameters", caption: html(`Estimated parameter, with bands of 90 % of the members <span class="pick"></span>`),
		label: text("Estimates of a parameter over time: means of the filters, bands of 90 % of the members, and the true value if it is known"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.shown, func(c component) bool { return slices.Contains(r.setup.Parameters, c.variable) })
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.parametersFigure(first)} },
	},
	{
		name: "unknowns", section: "record", caption: html(`Prior and posterior, with bands of 90 % of the members <span class="pick"></span>`), applies: matches,
		label:   text("An unknown at the start of the record by pass, from prior to posterior: means of the filters, bands of 90 % of the members, and the true value if it is known"),
		figures: ofEach((*Report).recordFigure),
	},
	{
		name: "misfit", section: "record", caption: html("Misfit by pass"), applies: matches,
		label: text("Mean square of observation minus prediction by pass, in units of the error variance"),
		note:  "Mean square of observation minus prediction, in units of the error variance: 1 if model and errors are right. One that stays large says that the posterior cannot be believed.",
	},
	{
		name: "fitted", section: "record", caption: html("Predicted against observed, of the first filter"), applies: matches,
		label: text("What the means of prior and posterior predict of every observed value, against the value"),
	},
	{
		name: "trajectory", section: "trajectories", applies: func(r *Report) bool { return len(r.shown) > 0 },
		caption: keyed(`<span class="pick"></span>`, `<span class="k half">50 %</span><span class="k most">90 %</span><span class="k observed">observations</span><span class="k held">held out</span><span class="k rejected">rejected</span>`),
		label:   text("Trajectory of the ensemble mean, bands of 50 and 90 % of the members, and the truth and observations if they are known"),
		figures: ofEach((*Report).trajectoryFigure),
	},
	{
		name: "latest", section: "trajectories", caption: html(`Members over the last cycles <span class="pick"></span>`),
		label:   text("A value of the members of every filter and of the reference over the last cycles, with the truth if it is known"),
		note:    "Each dot is a member. Two bands of dots are two modes; a filter that has kept both has dots in both.",
		applies: hasMembers,
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.latestFigure(first)} },
	},
	{
		name: "phase", section: "trajectories", caption: keyed(`Phase plane <span class="pick"></span>`, ""),
		label: text("Truth and ensemble mean in the plane of two variables"),
		applies: func(r *Report) bool {
			return r.field == nil && len(r.shown) >= 2 && !slices.ContainsFunc(r.shown, func(c component) bool { return !c.scalar })
		},
		figures: ofEach((*Report).phaseFigure),
	},
	{
		name: "marginals", section: "trajectories", caption: html(`Distribution of the members <span class="pick"></span>`),
		label:   text("Distribution of a value over the members of every filter and of the reference at a cycle, with the truth if it is known"),
		note:    "Two peaks are two modes. A filter that has both has both peaks of the reference; one broad peak over both is a Gaussian in their place.",
		applies: hasMembers,
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.marginalsFigure(first)} },
	},
	{
		name: "members", section: "trajectories", caption: html(`Members in the plane <span class="pick"></span>`),
		label:   text("Members of the ensembles in the plane of two variables at a cycle, with the truth and the reference if they are known"),
		applies: func(r *Report) bool { return hasMembers(r) && len(r.shown) > 1 },
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.membersFigure(first)} },
	},
	{
		name: "maps", section: "trajectories", caption: html(`Maps <span class="pick"></span>`),
		label:   text("Maps of a variable of two dimensions at a cycle: truth, ensemble mean, error of the mean, spread and a member"),
		applies: func(r *Report) bool { return hasMembers(r) && len(r.members.grids) > 0 },
		figures: ofEach((*Report).mapsFigure),
	},
	{
		name: "field", section: "trajectories", caption: html("Field over time: truth, mean, error of the mean, and spread"),
		label:   text("Hovmöller diagrams of the true field, its ensemble mean and the error of the mean"),
		applies: func(r *Report) bool { return r.field != nil },
		figures: ofEach((*Report).fieldFigure),
	},
	{
		name: "profile", section: "trajectories", caption: html("Error (solid) and spread (dashed) by place"),
		label: text("Root mean square error of the mean and spread of the filters by place, over the cycles after burn-in"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return len(t.profiles) > 0 })
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.profileFigure(first)} },
	},
	{
		name: "fan", section: "forecasts", applies: predicts,
		caption: html(`Free forecast <span class="pick"></span> <span class="key" aria-hidden="true"><span class="k half">50 %</span><span class="k most">90 %</span></span>`),
		label:   text("Free forecasts from an analysis: mean, bands of 50 and 90 % of the members, and what came, if it has come"),
		note:    "From the vertical line on nothing is assimilated. Bands hold 50 and 90 % of the members; those of what is observed include its errors.",
		figures: ofEach((*Report).fansFigure),
	},
	{
		name: "leads", section: "forecasts", applies: verified, caption: html(`Skill by lead time <span class="pick"></span>`),
		label:   text("A score of the free forecasts of every filter by lead time, with persistence and climatology; the numbers are in the table of scores by lead time"),
		note:    "Persistence is the last value observed by the time of the analysis, or of the state the true one at that time, which nobody has; climatology is all values that came, as a distribution or by their mean. A forecast above them is of no use at that lead time.",
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.leadsFigure(first)} },
	},
	{
		name: "exceed", section: "forecasts", caption: html(`Reliability of probabilities <span class="pick"></span>`),
		label: text("How often values exceeded a threshold against the forecast probability of it"),
		note:  "Each point is a tenth of the probabilities, larger for more forecasts. On the dashed line what was forecast with a probability of 30 % happened in 30 % of the cases.",
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return len(t.reliability) > 0 })
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.exceedFigure(first)} },
	},
	{
		name: "ranks", section: "calibration", caption: html("Rank histograms of the truth among the members"),
		label: text("Rank histograms of the filters with the band of a flat histogram; p-values are in the table of scores"),
		note: "Frequency relative to a flat histogram; if there are many ranks, neighbours are pooled. A bar of a calibrated ensemble is in the grey band 19 times out of 20" +
			"; it is wider than for as many independent ranks, because neighbours in space and time are alike.",
		applies: func(r *Report) bool {
			return r.truthful() && slices.ContainsFunc(r.trials, func(t *trial) bool { return len(t.Ranks) > 0 })
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.ranksFigure(first)} },
	},
	{
		name: "coverage", section: "calibration", caption: html("Reliability: coverage of central intervals"),
		label: text("Share of truths inside central intervals of the members against the share that a calibrated ensemble has"),
		note:  "On the dashed line the intervals contain as many truths as those of a calibrated ensemble of that size. Below it the spread is too small, above it too large.",
		applies: func(r *Report) bool {
			return r.truthful() && slices.ContainsFunc(r.trials, func(t *trial) bool {
				return slices.ContainsFunc(stages, func(stage string) bool { return len(t.Ranks[stage]) > 3 })
			})
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.coverageFigure(first)} },
	},
	{
		name: "decomposition", section: "calibration", caption: html("CRPS: reliability (dark) and potential (light)"), applies: decomposed,
		label: text("Parts of the CRPS by filter: reliability and potential; the numbers are in the table of scores"),
		note: "Reliability is what probabilities cost that are not observed frequencies: a wrong spread or a bias. Potential is what would be left if they were corrected. " +
			"Uncertainty is the CRPS of the climatology (dashed, if it is near); uncertainty minus potential is the resolution.",
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.decompositionFigure(first)} },
	},
	{
		name: "skill", section: "calibration", caption: html("Error against spread"),
		label: text("Root mean square error of the mean against spread, in bins of cycles with similar spread"),
		note:  "Each point is a tenth of the cycles after burn-in, those of similar spread. Points below the dashed line have more spread than error, points above it less.",
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return len(t.skill) > 0 })
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.skillFigure(first)} },
	},
	{
		name: "residuals", section: "calibration", caption: html(`Distribution of the innovations <span class="pick"></span>`),
		label: text("Histogram of the normalised innovations with the standard normal density, and their autocorrelation by lag"),
		note: "Innovations are divided by the standard deviation that members and observation error give them. Those of a calibrated filter follow the line on the left and, " +
			"on the right, are in the grey band 19 times out of 20; bars that decay slowly are errors that the filter does not remove.",
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return len(t.residuals) > 0 })
		},
		figures: ofEach((*Report).innovationsFigure),
	},
	{
		name: "cost", section: "timing", caption: html(`Cost against score <span class="pick"></span>`),
		label: text("A score of every setting against the median wall time of its cycles; the numbers are in the tables of scores and timings"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.rows, func(w *row) bool { return r.cost(w) > 0 && w.cells[r.metric(r.opening)].OK > 0 })
		},
		figures: func(r *Report, _ []*trial) []*figure { return []*figure{r.costFigure()} },
	},
	{
		name: "timings", section: "timing",
		caption: html(`Wall time of a cycle <span class="key" aria-hidden="true"><span class="k t0">forecast</span><span class="k t1">observe</span><span class="k t2">analyse</span></span>`),
		label:   text("Median wall time of the parts of a cycle by filter; the numbers are in the table of timings"),
		applies: func(r *Report) bool {
			return slices.ContainsFunc(r.trials, func(t *trial) bool { return t.seconds[2] > 0 })
		},
		figures: func(r *Report, first []*trial) []*figure { return []*figure{r.timingsFigure(first)} },
	},
	{
		name: "busy", section: "timing", caption: html("Busy replicas and workers on other machines"), applies: used,
		label: text("Number of replicas and workers on other machines that were busy over the time of the run; the share of each is in the table"),
	},
}

// hasMembers reports whether the page shows members.
func hasMembers(r *Report) bool {
	return slices.ContainsFunc(r.trials, func(t *trial) bool { return t.members != nil })
}

func html(s template.HTML) func(*Report) template.HTML {
	return func(*Report) template.HTML { return s }
}

func text(s string) func(*Report) string { return func(*Report) string { return s } }

// keyed returns a caption with a key of the lines: truth if it is known, mean, and more.
func keyed(caption, more template.HTML) func(*Report) template.HTML {
	return func(r *Report) template.HTML {
		truth := template.HTML("")
		if r.truthful() {
			truth = `<span class="k truth">truth</span>`
		}
		return caption + ` <span class="key" aria-hidden="true">` + truth + `<span class="k mean">mean</span>` + more + `</span>`
	}
}

// ofEach makes a figure of each trial.
func ofEach(of func(*Report, *trial) *figure) func(*Report, []*trial) []*figure {
	return func(r *Report, first []*trial) (list []*figure) {
		for _, t := range first {
			list = append(list, of(r, t))
		}
		return list
	}
}

// scored reports whether any cycle has scores.
func (r *Report) scored() bool {
	return slices.ContainsFunc(r.trials, func(t *trial) bool {
		return slices.ContainsFunc(stages, func(stage string) bool { return t.scores[stage] != nil })
	})
}

// weighted reports whether the members of a stage have weights that change.
func (t *trial) weighted(stage string) bool {
	s := t.scores[stage]
	return s != nil && s.columns["weights_ess"].varies()
}

// shownChart is a chart for the template of the page.
type shownChart struct {
	Name, Label, Note string
	Caption           template.HTML
}

// charts returns the charts that apply, by section.
func (r *Report) charts() map[string][]shownChart {
	by := map[string][]shownChart{}
	for _, c := range charts {
		if c.applies(r) {
			by[c.section] = append(by[c.section], shownChart{c.name, c.label(r), c.note, c.caption(r)})
		}
	}
	return by
}

// figures makes all figures that apply.
func (r *Report) figures() (list []*figure) {
	first := r.first()
	for _, c := range charts {
		if c.figures != nil {
			list = append(list, c.figures(r, first)...)
		}
	}
	return slices.DeleteFunc(list, func(f *figure) bool { return f == nil })
}
