package experiment

import (
	"context"
	"fmt"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
)

// Estimate says what a run would do, how long it would take with one worker, and how
// much it would store.
type Estimate struct {
	Experiment string         `json:"experiment"`
	Trials     int            `json:"trials"`
	Truths     int            `json:"truths"`
	Replicates int            `json:"replicates"`
	Rows       []EstimatedRow `json:"rows"` // of the first replicate; the others take as long
	Cost
	Each Cost `json:"-"` // replicate
}

// Cost is the time and the storage that something takes.
type Cost struct {
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"`
}

// Time returns how long it takes.
func (c Cost) Time() time.Duration { return time.Duration(c.Seconds * float64(time.Second)) }

func (c Cost) times(n int) Cost { return Cost{c.Seconds * float64(n), c.Bytes * int64(n)} }

func (c *Cost) add(o Cost) { c.Seconds, c.Bytes = c.Seconds+o.Seconds, c.Bytes+o.Bytes }

// EstimatedRow is a trial or, with number 0, a truth or a reference.
type EstimatedRow struct {
	Trial   int            `json:"trial,omitempty"`
	Filter  string         `json:"filter"`
	Plugin  string         `json:"plugin"`
	Members int            `json:"members"`
	Axes    map[string]any `json:"axes,omitempty"`
	Cost
}

// Estimate tries the first cycles of all trials of the first replicate. It writes nothing.
func (e *Experiment) Estimate(ctx context.Context) (*Estimate, error) {
	est := &Estimate{Experiment: e.Workflow.Experiment.Name, Truths: len(e.Sweep.Scenarios), Replicates: len(e.Workflow.Replicates())}
	est.Trials, _ = e.Sweep.Size()
	for _, planned := range e.Sweep.Scenarios {
		if planned.Replicate != e.Workflow.Replicates()[0] {
			break
		}
		references := map[*plan.Trial]bool{}
		for i, p := range planned.Plans {
			rows, err := e.probe(ctx, planned, p, i == 0, references)
			if err != nil {
				return nil, err
			}
			est.Rows = append(est.Rows, rows...)
		}
	}
	for _, r := range est.Rows {
		est.Each.add(r.Cost)
	}
	est.Cost = est.Each.times(est.Replicates)
	return est, nil
}

// probe tries the trials of p, its reference unless that is among references, and the
// truth if p is the first plan of its truth.
func (e *Experiment) probe(ctx context.Context, planned *plan.Scenario, p *plan.Plan, first bool, references map[*plan.Trial]bool) ([]EstimatedRow, error) {
	start := time.Now()
	probe, err := newProbe(ctx, p, e.Workflow.Output.Variables)
	if err != nil {
		return nil, err
	}
	var rows []EstimatedRow
	if first && p.Record == nil {
		seconds := time.Since(start).Seconds() * float64(p.Clock.Cycles) / float64(probe.plan.Clock.Cycles)
		rows = append(rows, EstimatedRow{Filter: "truth", Plugin: e.Workflow.Model.Plugin, Members: 1, Cost: Cost{seconds, archive.TruthBytes(p)}})
	}
	for i := range p.Trials {
		t := &p.Trials[i]
		each, err := probe.perCycle(ctx, t)
		if err != nil {
			return nil, &trialError{e.trialName(planned, t), err}
		}
		cost := Cost{each.Seconds() * float64(p.Clock.Cycles), archive.TrialBytes(e.keep(p), p, t)}
		rows = append(rows, EstimatedRow{t.Number, t.Label, t.Plugin, t.Size, t.Values, cost})
	}
	if p.Reference == nil || references[p.Reference] {
		return rows, nil
	}
	references[p.Reference] = true
	each, err := probe.perCycle(ctx, p.Reference)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	cost := Cost{each.Seconds(), archive.MemberBytes(p, p.Keep)}.times(p.Clock.Cycles)
	return append(rows, EstimatedRow{0, "reference", p.Reference.Plugin, p.Reference.Size, nil, cost}), nil
}

// probe runs the first cycles of trials to see how long they take.
type probe struct {
	plan      *plan.Plan
	made      *cycle.Scenario
	described int
}

// probeCycles is the number of cycles that a probe runs; the first ones pay for memory
// and caches, so the fastest counts.
const probeCycles = 4

func newProbe(ctx context.Context, p *plan.Plan, described int) (*probe, error) {
	short := *p
	short.Clock.Cycles = min(probeCycles, p.Clock.Cycles)
	made, err := cycle.Simulate(ctx, &short, func() error { return nil })
	return &probe{&short, made, described}, err
}

// perCycle returns how long a cycle of t takes, with its scores.
func (p *probe) perCycle(ctx context.Context, t *plan.Trial) (time.Duration, error) {
	sc := newScorer(p.plan, t, p.made, nil, p.described)
	fastest, start := time.Duration(-1), time.Now()
	err := cycle.Assimilate(ctx, p.plan, t, p.made, nil, func(s *cycle.Step) error {
		sc.rows(s)
		sc.innovation(s)
		if took := time.Since(start); fastest < 0 || took < fastest {
			fastest = took
		}
		start = time.Now()
		return nil
	})
	return fastest, err
}
