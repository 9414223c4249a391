package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Window is how a filter is called with the observations of several cycles.
type Window struct {
	Length   int  // cycles from the states that are moved to the newest observations; at most so many with Auto
	Auto     bool // the length follows from how fast the spread grows
	Multiple bool // observations count in parts, at each shift of the window
	Whole    bool // the window is the whole record, and does not shift; Length is then 0
	Passes   int  // calls of the filter, each with an equal fraction of the likelihood; 0: by a rule
	Local    bool // the filter localizes
	// Noise says that the shocks of the noise of the forecasts within the window are moved along with its start, so
	// that both together are what the observations say of them. Otherwise a member has the noise that it was given.
	Noise bool
	// GaussNewton says that passes over the whole record are steps of Gauss-Newton, each with all of the
	// likelihood.
	GaussNewton bool
}

// Whole reports whether the window of t is the whole record.
func (t *Trial) Whole() bool { return t.Window != nil && t.Window.Whole }

// Runs returns the number of model runs over a whole record, or the largest number if it is not
// known: one more than there are passes.
func (w *Window) Runs() (runs int, most bool) {
	if w.Passes > 0 {
		return w.Passes + 1, false
	}
	return MostPasses + 1, true
}

// MeanRuns returns the number of model runs in a cycle, on average over so many cycles: J passes over a
// window of L cycles take J L + 1, and the first windows are shorter. Passes that follow a rule are as many as
// those of a cycle that was tried; it is not known if there are none of it. A length that follows a rule is
// taken for the longest, which a probe of some cycles does not reach: in docs/results/windows.csv, where the
// model is right and passes are about one, that is from 0 to 33 % more runs than there were.
func (w *Window) MeanRuns(cycles, tried int) (runs float64, known bool) {
	if w == nil || w.Whole {
		return 0, false
	}
	passes := cmp.Or(w.Passes, tried)
	if passes == 0 {
		return 0, false
	}
	short := min(w.Length, cycles)
	missing := passes * (short*(short-1)/2 + (w.Length-short)*cycles)
	return float64(passes*w.Length+1) - float64(missing)/float64(cycles), true
}

// MostPasses bounds the passes over a whole record that plume chooses.
const MostPasses = 20

// states returns how many more ensembles a trial with w holds: those of the other times, the
// forecast and, of the two ways to look at its end, the analyses; over a whole record the forecasts
// of all cycles.
func (w *Window) states(cycles int) float64 {
	switch {
	case w.GaussNewton: // and copies of those at the start
		return float64(cycles + 12)
	case w.Whole:
		return float64(cycles + 3)
	case w.Length > 0:
		return float64(w.Length + 3)
	case w.Passes != 1:
		return 1
	}
	return 0
}

// stacked returns how many matrices the filter gets of the observations of all times, if it gets
// so many of one.
func (w *Window) stacked(sent float64, cycles int) float64 {
	switch {
	case w.GaussNewton: // and what the linear model predicts
		return 2 * sent * float64(cycles)
	case w.Whole:
		return sent * float64(cycles)
	}
	return sent * float64(max(1, w.Length))
}

// longestByRule bounds the length of a window that plume chooses, in cycles.
const longestByRule = 3

// window returns the window of filter index. It reports what the filter or the operators do
// not allow. What the workflow leaves to plume is chosen so that it is allowed.
func (m *maker) window(manifest *sdk.Manifest, f *workflow.Filter, needs []sdk.Capability, index int) *Window {
	given, offers := f.Window, m.plan.Space.Offers
	w := &Window{Length: given.Length.N, Auto: !given.Length.Given, Passes: given.Passes.N, Whole: given.Length.All, Local: slices.Contains(needs, sdk.HasPositions)}
	if w.Auto {
		w.Length = longestByRule
	}
	w.Noise = m.plan.Noise.Shocks(1) != nil && w.Length > 0 && !w.Local && !slices.Contains(needs, sdk.Gradient)
	refuse := func(key, why, help string) {
		m.add(codeWindow, []any{"filter", index, "window", key}, "%s cannot be used with this window: %s", f.Plugin, why).WithHelp("%s", help)
	}
	whyNot := "" // fractions
	switch {
	case !manifest.Fractions:
		whyNot = "it does not take fractions of the likelihood"
	case slices.Contains(needs, sdk.Simulated) && !slices.Contains(offers, sdk.Predicted):
		whyNot = "it needs simulated observations, whose errors can only be made larger where the operator also predicts"
	}
	w.Multiple = given.Scheme == "mda" || cmp.Or(given.Scheme, "auto") == "auto" && whyNot == "" && !w.Whole
	if whyNot != "" {
		if given.Scheme == "mda" {
			refuse("scheme", whyNot, `write scheme = "sda"`)
		}
		if w.Passes > 1 && given.Scheme != gaussNewton {
			refuse("passes", whyNot, "write passes = 1")
		}
	}
	known := slices.Contains(needs, sdk.LogLikelihood) || slices.Contains(offers, sdk.Predicted) && slices.Contains(offers, sdk.ErrorVariance)
	if w.Passes == 0 && (whyNot != "" || !known) && given.Scheme != gaussNewton {
		w.Passes = 1
	}
	if slices.Contains(needs, sdk.Gradient) && (w.Length > 0 || w.Whole) {
		refuse("length", "it needs gradients, which are those of the states at the time of the observation", "write length = 0")
	}
	if w.Whole {
		m.whole(given, index)
	}
	if m.diagnoses() && !w.Whole && w.Length == 0 && w.Passes != 1 {
		if w.Passes > 1 {
			m.add(codeDiagnostic, []any{"filter", index, "window", "passes"}, "passes at one time observe states that no forecast leads to, which have no diagnostics of %s", m.w.Model.Plugin).
				WithLabel("must be 1").WithHelp("write passes = 1, or a window of at least one cycle, which runs the model again; %s", m.withoutThem())
		}
		w.Passes = 1
	}
	if given.Scheme == gaussNewton {
		w.GaussNewton = true
		why, help := m.whyNotGaussNewton(w, needs, known)
		if why != "" {
			refuse("scheme", why, help)
		}
	}
	return w
}

// gaussNewton is the scheme in which the filter is asked for the analysis of the prior by a linear
// model, which is that of the members of the last run.
const gaussNewton = "gauss-newton"

// whyNotGaussNewton says why a filter cannot have this scheme in a window, and what helps; empty: it can.
func (m *maker) whyNotGaussNewton(w *Window, needs []sdk.Capability, known bool) (why, help string) {
	help = "remove scheme, or choose an ensemble Kalman filter without a cutoff"
	switch {
	case slices.Contains(needs, sdk.HasPositions):
		return "it localizes, and steps of Gauss-Newton are those of whole members", help
	case slices.ContainsFunc(needs, func(c sdk.Capability) bool { return c != sdk.Predicted && c != sdk.ErrorVariance }):
		return "steps of Gauss-Newton are those of a linear model, which gives `predicted` alone, and it needs " + join(needs), help
	case !known:
		return "steps of Gauss-Newton need `predicted` and `error_variance`, which " + m.observers("does", "do") + " not offer here", "remove scheme"
	case !w.Whole:
		return "steps of Gauss-Newton are for whole records", "write length = \"all\", or remove scheme"
	}
	return "", ""
}

// whole reports what cannot be combined with a window that is the whole record.
func (m *maker) whole(given *workflow.Window, index int) {
	if s := cmp.Or(given.Scheme, "auto"); s != "auto" && s != gaussNewton {
		m.add(codeWhole, []any{"filter", index, "window", "scheme"}, "`scheme = %q` has no meaning with `length = \"all\"`: it says how often observations count while a window shifts, and this one does not", s).
			WithLabel("must be \"auto\" or \"gauss-newton\"").WithHelp("remove scheme; passes says in how many parts the observations count")
	}
	if on := m.w.Ensemble.OnDivergence; on != "" && on != "fail" && !m.reported([]any{"ensemble", "on_divergence"}) {
		m.add(codeWhole, []any{"ensemble", "on_divergence"}, "`on_divergence = %q` cannot be combined with `length = \"all\"`: members can begin again in a cycle, but not in a record", on).
			WithLabel("must be \"fail\"").WithHelp("remove on_divergence; members that fail can be dropped, see model.on_failure")
	}
}

// repeatedSpace is the space of the observations of several cycles, one after the other. Names
// of variables end with the number of the cycle, from 1.
func repeatedSpace(s *sdk.ObservationSpace, cycles int) *sdk.ObservationSpace {
	l := &sdk.Layout{}
	var cutoffs []float64
	for k := range cycles {
		cutoffs = append(cutoffs, s.Cutoffs...)
		for _, v := range s.Layout.Variables {
			v.Name = fmt.Sprintf("%s@%d", v.Name, k+1)
			l.Variables = append(l.Variables, v)
		}
	}
	if c := s.Layout.Coordinates; c != nil {
		rows, cols := c.Points.Dims()
		points := mat.NewDense(rows*cycles, cols, nil)
		for k := range cycles {
			points.Slice(k*rows, (k+1)*rows, 0, cols).(*mat.Dense).Copy(c.Points)
		}
		l.Coordinates = &sdk.Coordinates{Dims: c.Dims, Period: c.Period, Points: points}
	}
	return &sdk.ObservationSpace{Layout: l, Offers: s.Offers, Cutoffs: cutoffs}
}

// repeatedBlocks are the blocks of the observations of several cycles of m components, one after
// the other.
func repeatedBlocks(blocks []block, m, cycles int) (all []block) {
	for k := range cycles {
		for _, b := range blocks {
			b.first += k * m
			all = append(all, b)
		}
	}
	return all
}
