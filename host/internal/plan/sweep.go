package plan

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// Sweep is everything that a workflow asks for: scenarios, each with the plans of its
// trials.
type Sweep struct {
	Axes      []string    // keys of the axes, sorted
	Scenarios []*Scenario // in the order of their first trials
	Inputs    []Input     // but for the files of the workflow itself
}

// Scenario is a truth with its observations and the plans that share it: those of one
// replicate that agree in everything that the truth depends on.
type Scenario struct {
	Replicate int // from 1
	Number    int // among the truths of the replicate, from 0
	Plans     []*Plan

	record *observations.Record // with the values that this replicate holds out
	whole  *observations.Record // before it holds them out
	files  []workflow.Observations
}

// Grow reads rows that have been appended to the observations of a sweep of one trial, which then
// has more cycles; see [observations.Record.Grow].
func (s *Sweep) Grow(bytes []int64) bool { return s.read((*observations.Record).Grow, bytes) }

// Reread reads all observations again of a sweep that has grown; see [observations.Record.Reread].
func (s *Sweep) Reread(bytes []int64) bool { return s.read((*observations.Record).Reread, bytes) }

func (s *Sweep) read(do func(*observations.Record, []int64) bool, bytes []int64) bool {
	t := s.Scenarios[0]
	if !do(t.whole, bytes) {
		return false
	}
	p := t.Plans[0]
	*t.record = *t.whole.HoldOut(t.files, p.Seed)
	p.Clock.Times, p.Clock.Cycles = t.record.Times, len(t.record.Times)
	return true
}

// Size returns the number of trials and the number of cycles of all of them.
func (s *Sweep) Size() (trials, cycles int) {
	for _, t := range s.Scenarios {
		for _, p := range t.Plans {
			trials, cycles = trials+len(p.Trials), cycles+len(p.Trials)*p.Clock.Cycles
		}
	}
	return trials, cycles
}

// Make configures every part of w, with every value of its axes, with the plugins
// that open returns and checks that the parts fit together. The parameters and the
// time step of w are replaced by the resolved ones, defaults filled in, so that w
// says what will run.
//
// All findings of one part are reported; a part that depends on another is
// checked only if that one is sound. Make does not integrate any model.
//
// Trials are numbered by replicate, then by the values of the axes for all filters,
// then by filter, then by the values of the filter's own axes. Parts that are the
// same for several trials are configured once.
//
// Of a run that is continued, known is what had arrived of its observations.
func Make(ctx context.Context, w *workflow.Workflow, open Open, known observations.Known) (*Sweep, diag.Findings) {
	m := &maker{ctx: ctx, open: once(open), known: known, manifests: map[string]*sdk.Manifest{}}
	var plans []*setting
	for _, s := range w.Settings() {
		if p := m.setting(s); p != nil {
			plans = append(plans, p)
		}
	}
	if len(m.found) > 0 {
		m.found = m.found.Distinct()
		m.found.Sort()
		return nil, m.found
	}
	m.resolve(w)
	s := assemble(w, plans)
	if m.numbers(w, s.plans()); len(m.found) > 0 {
		return nil, m.found
	}
	s.Inputs = m.inputs
	return s, nil
}

// plans returns those of all truths.
func (s *Sweep) plans() (list []*Plan) {
	for _, of := range s.Scenarios {
		list = append(list, of.Plans...)
	}
	return list
}

// setting is the plan of one setting, without its seed, and the keys that decide which
// settings share its truth and its reference.
type setting struct {
	*Plan
	seed             int64
	truth, reference string
	observed         []workflow.Observations
}

// assemble repeats plans for every replicate and numbers trials and truths.
func assemble(w *workflow.Workflow, settings []*setting) *Sweep {
	s := &Sweep{Axes: w.Axes()}
	trial := 0
	for _, r := range w.Replicates() {
		scenarios, references := map[string]*Scenario{}, map[string]*Trial{}
		for _, from := range settings {
			p := *from.Plan
			p.Seed = rng.New(from.seed).Child("replicate", r)
			p.Trials = make([]Trial, len(from.Trials))
			for i, t := range from.Trials {
				trial++
				t.Number = trial
				p.Trials[i] = t
			}
			scenario := scenarios[from.truth]
			if scenario == nil {
				scenario = &Scenario{Replicate: r, Number: len(scenarios)}
				if p.Record != nil {
					scenario.whole, scenario.files = p.Record, from.observed
					scenario.record = p.Record.HoldOut(from.observed, p.Seed)
				}
				scenarios[from.truth] = scenario
				s.Scenarios = append(s.Scenarios, scenario)
			}
			p.Record = scenario.record
			if p.Reference != nil {
				shared := references[from.reference]
				if shared == nil {
					c := *p.Reference
					c.Number, shared = len(references), &c
					references[from.reference] = shared
				}
				p.Reference = shared
			}
			scenario.Plans = append(scenario.Plans, &p)
		}
	}
	return s
}

// truthKey returns a text that two settings share if they have the same truth and
// observations. Everything that is not known to be irrelevant is part of it.
func truthKey(w workflow.Workflow) string {
	if w.Real() {
		w.Model = workflow.Model{}
	}
	if w.Truth != nil {
		truth := *w.Truth
		if w.Truth = &truth; truth.Plugin != "" {
			w.Model = workflow.Model{Estimate: w.Model.Estimate}
		} else {
			w.Model.Params, w.Model.Noise, truth.Params = overlaid(w.Model.Params, truth.Params), nil, nil
		}
		estimated := map[string]workflow.Estimate{} // their names are those of values of the truth
		for name := range w.Model.Estimate {
			estimated[name] = workflow.Estimate{}
		}
		w.Model.Estimate, w.Model.Bounds, w.Model.Precision = estimated, nil, ""
	}
	w.Ensemble, w.Reference = workflow.Ensemble{}, nil
	return conditions(w)
}

// referenceKey returns a text that two settings of one truth share if they have the
// same reference.
func referenceKey(w workflow.Workflow) string {
	w.Ensemble.Size = 0
	return conditions(w)
}

// conditions is the fingerprint of w without the parts for single filters and scores.
func conditions(w workflow.Workflow) string {
	w.Filters, w.Verify, w.Sweep, w.Output, w.Expect = nil, workflow.Verify{}, nil, workflow.Output{}, nil
	w.Time.BurnIn, w.Forecast = 0, nil
	return w.Fingerprint()
}

// once returns open with its results remembered: it opens every plugin once, and the
// plugins return the same object for the same configuration.
func once(open Open) Open {
	type answer struct {
		plugin *sdk.Plugin
		err    error
	}
	answers := map[string]answer{}
	return func(ctx context.Context, c workflow.Component, s Replication) (*sdk.Plugin, error) {
		c.Params = nil
		r := fmt.Sprintf("%#v %v", c, s)
		a, ok := answers[r]
		if !ok {
			if a.plugin, a.err = open(ctx, c, s); a.err == nil {
				a.plugin = &sdk.Plugin{
					Manifest:    a.plugin.Manifest,
					NewModel:    remembered(a.plugin.NewModel),
					NewOperator: remembered(a.plugin.NewOperator),
					NewFilter:   remembered(a.plugin.NewFilter),
				}
			}
			answers[r] = a
		}
		return a.plugin, a.err
	}
}

// remembered returns configure with its results remembered: it is called once for each
// configuration. Layouts in a configuration are the same if they are one object.
func remembered[C, T any](configure func(context.Context, C) (T, error)) func(context.Context, C) (T, error) {
	if configure == nil {
		return nil
	}
	type answer struct {
		part T
		err  error
	}
	var mu sync.Mutex // trials that run at the same time configure filters for windows
	answers := map[string]answer{}
	return func(ctx context.Context, c C) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		key := fmt.Sprintf("%#v", c)
		a, ok := answers[key]
		if !ok {
			a.part, a.err = configure(ctx, c)
			answers[key] = a
		}
		return a.part, a.err
	}
}

// resolve fills the defaults of the plugins into w itself, as far as possible: a
// required parameter may be given only by an axis.
func (m *maker) resolve(w *workflow.Workflow) {
	axes := w.Axes()
	fill := func(path string, c *workflow.Component) {
		manifest := m.manifests[c.Plugin]
		if manifest == nil || slices.Contains(axes, path+".plugin") {
			return // no trial has it, or other plugins have other parameters
		}
		if params, err := manifest.Resolve(c.Params); err == nil {
			c.Params = maps.Clone(params)
		}
	}
	fill("model", &w.Model.Component)
	if w.Truth != nil && w.Truth.Plugin != "" {
		truth := workflow.Component{Plugin: w.Truth.Plugin, Params: w.Truth.Params}
		fill("truth", &truth)
		w.Truth.Params = truth.Params
	}
	for i := range w.Observations {
		if o := &w.Observations[i]; o.File != "" { // so that the resolved workflow runs from anywhere
			if abs, err := filepath.Abs(w.Path(o.File)); err == nil {
				o.File = abs
			}
		}
		fill(strings.TrimSuffix("observations."+w.Observations[i].Label, "."), &w.Observations[i].Component)
	}
	for i := range w.Filters {
		fill("filter."+w.Filters[i].Label, &w.Filters[i].Component)
	}
	if w.Reference != nil {
		fill("reference", &w.Reference.Component)
	}
	if slices.Contains(axes, "model.plugin") {
		return
	}
	if slices.ContainsFunc(m.manifests[w.Model.Plugin].Params, func(p sdk.Param) bool { return p.Path != "" }) {
		w.Model.Dir = w.ModelDir() // so that the resolved workflow runs from anywhere
	}
	if step, err := m.manifests[w.Model.Plugin].ResolveStep(w.Time.Step); err == nil {
		w.Time.Step = step
	}
}
