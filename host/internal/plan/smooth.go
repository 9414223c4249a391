package plan

import (
	"fmt"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// lag returns that of the smoother of filter index, whose trial is t. It reports why the filter cannot be one.
func (m *maker) lag(manifest *sdk.Manifest, f *workflow.Filter, t *Trial, index int) int {
	refuse := func(why, help string) {
		m.add(codeSmooth, []any{"filter", index, "smooth"}, "%s cannot smooth: %s", f.Plugin, why).WithHelp("%s", help)
	}
	switch {
	case t.Whole():
		m.add(codeWhole, []any{"filter", index, "smooth"}, "`smooth` cannot be combined with `length = \"all\"`: all states have all observations").
			WithLabel("no later observations").WithHelp("remove smooth")
	case !manifest.Smooths:
		refuse("it does not move states of earlier times", "remove smooth, or choose a filter whose manifest says smooths = true")
	case slices.Contains(t.Filter.Needs(), sdk.Gradient):
		refuse("it needs gradients, which are those of the states at the time of the observation", "remove smooth")
	default:
		if _, err := t.Resize(m.ctx, t.Size, Extent{Cycles: 1, Past: 1}); err != nil {
			m.refused(manifest, err, "filter", index)
		}
	}
	return f.Smooth.Lag
}

// tooLate says of a trial that there are too few cycles for the score of a state with its whole lag; empty if
// there are enough.
func (p *Plan) tooLate(t *Trial) string {
	scored := p.Clock.Cycles - p.Clock.BurnIn
	if t.Smooth == 0 || t.Smooth < scored {
		return ""
	}
	return fmt.Sprintf("filter %s: smooth.lag: the stage smoothed has no scores: it has those of states that %d later cycles have changed, and cycles after burn-in are %d; "+
		"write a lag below that, or raise time.cycles; lags.arrow has the scores of shorter lags", t.Label, t.Smooth, scored)
}

// besides returns how many more ensembles a trial of p holds that smooths, or moves shocks: these, the past, the last answer about it,
// and what a call of the filter gets and answers, side by side. wide says how many the plugin gets in place of one.
func (t *Trial) besides(p *Plan) (states, wide float64) {
	lag, shocks := float64(t.Smooth), 0.0
	if w := t.Window; w != nil && w.Noise {
		for _, values := range p.Noise.noisy() {
			shocks += float64(w.Length*values) / float64(p.State.Size())
		}
	}
	wide = (1 + lag) * (1 + shocks)
	if wide == 1 {
		return 0, 1
	}
	return 2*wide + 2*lag + shocks, wide
}

// repeatedBounds are the variables with bounds of states of n values at several times, side by side.
func repeatedBounds(variables []bounded, n, past int) (all []bounded) {
	for k := range 1 + past {
		for _, v := range variables {
			v.first += k * n
			all = append(all, v)
		}
	}
	return all
}
