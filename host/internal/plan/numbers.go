package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
)

// Baselines returns the scores of the estimates that do not use observations, by name: none of real
// observations that are not held out, and of the climatology of a single cycle, which is not defined.
func (p *Plan) Baselines() map[string][]string {
	switch {
	case p.Record != nil && p.Record.HoldsOut():
		return map[string][]string{workflow.Climatology: {"held_out_rmse"}, workflow.Persistence: {"held_out_rmse"}}
	case p.Record != nil:
		return nil
	case p.Clock.Cycles-p.Clock.BurnIn == 1:
		return map[string][]string{workflow.Persistence: {"rmse"}}
	}
	return map[string][]string{workflow.Climatology: {"rmse", "crps"}, workflow.Persistence: {"rmse"}}
}

// numbers reports scores that are expected although no trial can have them, and published ones that no
// table can show.
func (m *maker) numbers(w *workflow.Workflow, plans []*Plan) {
	m.w = w
	if w.Expect != nil && len(w.Axes()) == 0 { // of sweeps they are not checked
		for i, s := range w.Expect.Scores {
			why, help := plans[0].lacks(s.Filter, s.Metric, s.Stage)
			if why != "" {
				m.add(codeExpect, []any{"expect", "score", i, "metric"}, "there will be no %s of %s: %s", s.Metric, s.Filter, why).
					WithLabel("never known").WithHelp("%s", help)
			}
		}
	}
	if w.Published == nil {
		return
	}
	for i, s := range w.Published.Scores {
		why, key := plans[0].unshown(s)
		if why != "" {
			m.add(codePublished, []any{"published", "score", i, key}, "this published score cannot be shown: %s", why).
				WithLabel("not in this experiment").WithHelp("remove it, or give `method`, a name of your own, instead of `filter`")
		}
	}
}

// lacks says why no trial can have a score of a filter, or of what stands for one, at a stage, and what
// to do; empty if one may have it.
func (p *Plan) lacks(filter, metric, stage string) (why, help string) {
	s, _ := score.Find(metric)
	if filter == workflow.TheReference {
		return "the reference has no scores of its own", "expect w2_reference of filters, their distance to it"
	}
	if isBaseline(filter) {
		own := p.Baselines()[filter]
		switch {
		case len(own) == 0 && p.Record == nil:
			return "one cycle is scored, of which a climatology is not defined", "run more cycles, or remove it"
		case len(own) == 0:
			return "no observations are held out", "add hold_out to [observations], or remove it"
		case !slices.Contains(own, metric):
			return filter + " is one estimate without members", fmt.Sprintf("it has %s", strings.Join(own, " and "))
		case stage == score.Smoothed || stage == score.Forecast && p.Record == nil:
			return filter + " has no forecasts, and is not smoothed", "remove stage"
		}
		return "", ""
	}
	at := slices.IndexFunc(p.Trials, func(t Trial) bool { return t.Label == filter })
	if at < 0 {
		return "", "" // it is not part of the sweep
	}
	t, needs := p.Trials[at], func(n score.Need) bool { return s.Needs&n != 0 }
	switch stage = cmp.Or(stage, s.Stage); {
	case needs(score.FewMembers) && t.Size > score.MostPaired:
		return fmt.Sprintf("it is of at most %d members, and there are %d", score.MostPaired, t.Size), "remove it, or run fewer members"
	case stage == score.Smoothed && t.Smooth == 0:
		return "the filter does not smooth", "add smooth = { lag = 10 } to the filter, or remove stage"
	case needs(score.Predicted) && stage != score.Forecast:
		return "innovations are those of forecasts", "write stage = \"forecast\", or remove stage"
	case needs(score.Reference|score.Parents) && stage != score.Analysis:
		return "it is of analyses", "write stage = \"analysis\", or remove stage"
	case needs(score.HeldOut|score.Restarts) && stage == score.Smoothed:
		return "it is not of smoothed states", "remove stage"
	}
	return "", ""
}

// unshown says why no table shows a published score, whatever the filters and their members, and which key
// says so; empty if one may.
func (p *Plan) unshown(s workflow.PublishedScore) (why, key string) {
	switch {
	case s.Method != "":
		return "", ""
	case s.Filter == workflow.TheReference:
		return "the reference has no scores of its own", "filter"
	case isBaseline(s.Filter) && p.Baselines() == nil:
		return fmt.Sprintf("there is no %s, because no observations are held out", s.Filter), "filter"
	case isBaseline(s.Filter) && s.Size > 0:
		return fmt.Sprintf("%s has no members", s.Filter), "size"
	}
	return "", ""
}

// isBaseline reports whether a name is that of an estimate that does not use observations.
func isBaseline(name string) bool {
	return name == workflow.Climatology || name == workflow.Persistence
}
