package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// Metric is a score of one stage.
type Metric struct{ Name, Stage string }

// LagStage returns the stage of smoothed states that so many cycles of later observations have changed.
func LagStage(lag int) string { return fmt.Sprintf("lag %d", lag) }

// shown returns the metric of a score for the stage for which the score is shown.
func shown(name string) Metric { return Metric{name, score.StageOf(name)} }

// StageOf returns the stage for which a score is shown in tables of runs. It is the forecast if a trial has the score
// for no other, such as those of held-out values with a model whose diagnostics exist in forecasts alone: only
// forecasts of all trials can then be compared.
func StageOf(name string, runs ...*Run) string {
	for _, r := range runs {
		if r.stageOf(name) == archive.Forecast {
			return archive.Forecast
		}
	}
	return score.StageOf(name)
}

// stageOf is [StageOf] of r alone, which looks at its trials once.
func (r *Run) stageOf(name string) string {
	if r.stages == nil {
		r.stages = map[string]string{}
	}
	if _, known := r.stages[name]; !known {
		r.stages[name] = stageOf(name, r.Trials)
	}
	return r.stages[name]
}

// StageOf is [StageOf] of the trials of g alone.
func (g *Group) StageOf(name string) string { return stageOf(name, g.Trials) }

func stageOf(name string, trials []*Trial) string {
	own := score.StageOf(name)
	if slices.ContainsFunc(trials, func(t *Trial) bool {
		_, has := t.means[Metric{name, own}]
		_, ofForecast := t.means[Metric{name, archive.Forecast}]
		return ofForecast && !has
	}) {
		return archive.Forecast
	}
	return own
}

// Label returns the name of the score, with its stage if that is not the one for which the score is shown elsewhere.
func (m Metric) Label() string {
	if m.Stage == score.StageOf(m.Name) {
		return m.Name
	}
	return fmt.Sprintf("%s (%s)", m.Name, m.Stage)
}

// Metrics returns the metrics that trials of the run have, in the order of the catalogue of
// scores.
func (r *Run) Metrics() []Metric {
	there := map[Metric]bool{}
	for _, t := range r.Trials {
		for m := range t.means {
			there[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(there), func(a, b Metric) int {
		return cmp.Or(score.Order(a.Name, b.Name), cmp.Compare(a.Stage, b.Stage))
	})
}

// Opening returns the metric that a comparison shows first. It is the first of these that
// the run has: the distance to the reference, because an experiment with a reference is
// about that; the scores that are shown by default, in their order; any other. It is one of a
// stage, unless stage is empty.
func (r *Run) Opening(stage string) Metric {
	all := r.Metrics()
	of := func(name string) Metric { return Metric{name, cmp.Or(stage, StageOf(name, r))} }
	for _, name := range append([]string{"w2_reference"}, usual(all)...) {
		if m := of(name); slices.Contains(all, m) {
			return m
		}
	}
	all = slices.DeleteFunc(all, func(m Metric) bool { return stage != "" && m.Stage != stage })
	return append(all, of("rmse"))[0]
}

// Shown returns the metrics that the table of a run shows: the error and the chosen ones, or
// the usual ones.
func (r *Run) Shown(chosen []string) []Metric {
	all := r.Metrics()
	names := append([]string{"rmse"}, chosen...)
	if len(chosen) == 0 {
		names = usual(all)
	}
	var list []Metric
	for _, name := range names {
		if m := (Metric{name, StageOf(name, r)}); slices.Contains(all, m) && !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// usual returns the scores that are shown by default for a run with the given metrics.
func usual(all []Metric) []string {
	var names []string
	truth := slices.ContainsFunc(all, func(m Metric) bool { return m.Name == "rmse" })
	for _, s := range score.Shown(truth) {
		if !s.ByVariable {
			names = append(names, s.Name)
			continue
		}
		for _, m := range all {
			if of, _ := score.Find(m.Name); of.ByVariable && of.About == s.About && m.Stage == archive.Analysis {
				names = append(names, m.Name)
			}
		}
	}
	return names
}
