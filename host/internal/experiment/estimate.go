package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// Estimate says what a run would do, how long it would take with one worker, how much
// memory it would need, and how much it would store.
type Estimate struct {
	Experiment string         `json:"experiment"`
	Trials     int            `json:"trials"`
	Truths     int            `json:"truths"`
	Replicates int            `json:"replicates"`
	Rows       []EstimatedRow `json:"rows"` // of the first replicate; the others take as long
	Cost
	Each   Cost    `json:"-"`      // replicate
	Memory *Memory `json:"memory"` // here
	// Workers is the number of workers on other machines that run the trials, see
	// [Experiment.RunElsewhere]; Worker is the memory of each. TooLarge says why a trial cannot
	// be tried here; its row has no time then.
	Workers  int     `json:"workers,omitempty"`
	Worker   *Memory `json:"worker_memory,omitempty"`
	TooLarge string  `json:"too_large_to_try,omitempty"`
	// Savings are settings with which the run would store less, if it stores much; see
	// [Experiment.Save].
	Savings []Saving `json:"savings,omitempty"`
	// Warnings are about what makes scores misleading although nothing fails.
	Warnings []string `json:"warnings,omitempty"`
}

// Cost is the time and the storage that something takes.
type Cost struct {
	Seconds float64 `json:"seconds"`
	Bytes   float64 `json:"bytes"`
}

// Time returns how long it takes.
func (c Cost) Time() time.Duration { return sdk.Seconds(c.Seconds) }

func (c Cost) times(n int) Cost { return Cost{c.Seconds * float64(n), c.Bytes * float64(n)} }

func (c *Cost) add(o Cost) { c.Seconds, c.Bytes = c.Seconds+o.Seconds, c.Bytes+o.Bytes }

// TimeWith returns how long the run takes with several trials at a time. It cannot take less
// than the longest trial after what has to be made first, the truth and the reference.
func (e *Estimate) TimeWith(workers int) time.Duration {
	first, longest := map[string]float64{}, 0.0
	for _, r := range e.Rows {
		if r.Trial == 0 {
			first[r.Filter] = max(first[r.Filter], r.Seconds)
		} else {
			longest = max(longest, r.Seconds)
		}
	}
	for _, seconds := range first {
		longest += seconds
	}
	return Cost{Seconds: max(longest, e.Seconds/float64(workers))}.Time()
}

// EstimatedRow is a trial or, with number 0, a truth or a reference.
type EstimatedRow struct {
	Trial   int            `json:"trial,omitempty"`
	Filter  string         `json:"filter"`
	Plugin  string         `json:"plugin"`
	Members int            `json:"members"`
	Axes    map[string]any `json:"axes,omitempty"`
	// Runs is the number of model runs of the ensemble in a cycle; more than 1 with a window, see
	// [plan.Window.MeanRuns]. UpTo says that there are at most so many: the number of
	// passes over a whole record is not known before.
	Runs int  `json:"model_runs,omitempty"`
	UpTo bool `json:"model_runs_at_most,omitempty"`
	// Untried says that the time is that of an earlier row of its kind.
	Untried bool `json:"untried,omitempty"`
	Cost
}

// tryFor is how long every trial is tried. After that, a trial of a kind that has been tried is
// not: a sweep over large states would take hours.
const tryFor = 30 * time.Second

// Estimate tries the first cycles of all trials of the first replicate, or the first one if
// that takes more than a second. It writes nothing. After half a minute it tries one trial only
// of each [kind]. After the first trial it says to left how
// long the others will take. If a run needs more memory than there is the error is a
// [*FindingsError].
func (e *Experiment) Estimate(ctx context.Context, left func(time.Duration)) (*Estimate, error) {
	return e.estimate(ctx, left, tryFor)
}

func (e *Experiment) estimate(ctx context.Context, left func(time.Duration), tryFor time.Duration) (*Estimate, error) {
	memory, err := e.checkRoom(0)
	if err != nil {
		return nil, err
	}
	est := &Estimate{Experiment: e.Workflow.Experiment.Name, Truths: len(e.Sweep.Scenarios), Replicates: len(e.Workflow.Replicates()), Memory: memory}
	est.Trials, _ = e.Sweep.Size()
	if e.remote > 0 {
		est.Workers, est.Worker = e.remote, e.workerMemory()
		est.TooLarge = est.Worker.tooLarge(launch.Machine())
	}
	var tried *probe
	parts, begun, known := e.parts(), time.Now(), map[kind]EstimatedRow{}
	for i, part := range parts {
		start := time.Now()
		if row, ok := known[part.kind()]; ok && start.Sub(begun) > tryFor {
			est.Rows = append(est.Rows, part.like(row))
			continue
		}
		if est.TooLarge != "" && part.elsewhere() {
			est.Rows = append(est.Rows, part.like(EstimatedRow{Filter: part.trial.Label, Plugin: part.trial.Plugin, Members: part.trial.Size}))
			continue
		}
		if tried == nil || tried.of != part.plan {
			var err error
			if tried, err = newProbe(ctx, part.plan, e.Workflow.Output.Variables); err != nil {
				return nil, err
			}
		}
		row, err := e.try(ctx, tried, part)
		if err != nil {
			return nil, err
		}
		known[part.kind()] = row
		if est.Rows = append(est.Rows, row); i == 1 { // part 0 is the truth
			took := time.Since(start)
			left(min(took*time.Duration(len(parts)-2), max(tryFor, took*time.Duration(kinds(parts)-2))))
		}
	}
	if e.carried > 0 { // what is known only now
		if est.Memory, err = e.checkRoom(0); err != nil {
			return nil, err
		}
		if e.remote > 0 {
			est.Worker = e.workerMemory()
		}
	}
	for _, r := range est.Rows {
		est.Each.add(r.Cost)
	}
	est.Cost, est.Warnings = est.Each.times(est.Replicates), e.Warnings()
	return est, nil
}

// part is a truth, a trial or a reference of the first replicate.
type part struct {
	planned *plan.Scenario
	plan    *plan.Plan
	trial   *plan.Trial // nil: the truth
	bytes   float64     // that it stores
}

// elsewhere reports whether p runs on a worker if there are workers on other machines.
func (p *part) elsewhere() bool { return p.trial != nil && p.trial != p.plan.Reference }

// kind is what parts have in common that take about as long.
type kind struct {
	filter                            string // empty: a truth
	members, values, observed, cycles int
	every, smooth                     int
	window                            plan.Window
}

func (p *part) kind() kind {
	k := kind{members: 1, values: p.plan.State.Size(), observed: p.plan.Space.Layout.Size(), cycles: p.plan.Clock.Cycles}
	if t := p.trial; t != nil {
		k.filter, k.members, k.every, k.smooth = t.Label, t.Size, t.Every, t.Smooth
		if t.Window != nil {
			k.window = *t.Window
		}
	}
	return k
}

// kinds returns the number of kinds of parts.
func kinds(parts []part) int {
	found := map[kind]bool{}
	for _, p := range parts {
		found[p.kind()] = true
	}
	return len(found)
}

// like returns the row of p, which is of the kind of row and has not been tried.
func (p *part) like(row EstimatedRow) EstimatedRow {
	row.Untried, row.Bytes = true, p.bytes
	if p.elsewhere() {
		row.Trial, row.Axes = p.trial.Number, p.trial.Values
	}
	return row
}

// parts lists what the first replicate consists of.
func (e *Experiment) parts() []part {
	var list []part
	grows := e.mayGrow()
	references := map[*plan.Trial]bool{}
	for _, planned := range e.Sweep.Scenarios {
		if planned.Replicate != e.Workflow.Replicates()[0] {
			break
		}
		for i, p := range planned.Plans {
			if i == 0 && p.Record == nil {
				list = append(list, part{planned, p, nil, archive.TruthBytes(p)})
			}
			for j := range p.Trials {
				t := &p.Trials[j]
				stored := archive.TrialBytes(e.keepOf(p, t), p, t)
				if grows {
					checkpoints, tables := archive.PassingBytes(e.keepOf(p, t), p, t)
					stored += checkpoints + tables
				}
				list = append(list, part{planned, p, t, stored})
			}
			if p.Reference != nil && !references[p.Reference] {
				references[p.Reference] = true
				list = append(list, part{planned, p, p.Reference, float64(p.Clock.Cycles) * archive.MemberBytes(p, p.Keep)})
			}
		}
	}
	return list
}

// stores returns how many bytes a run stores.
func (e *Experiment) stores() float64 {
	var sum float64
	for _, part := range e.parts() {
		sum += part.bytes
	}
	return sum * float64(len(e.Workflow.Replicates()))
}

// mayGrow reports whether rows may be added to the observations, so that a run keeps checkpoints
// and the parts of its tables.
func (e *Experiment) mayGrow() bool { return e.arrivals(nil) != nil }

// passing returns how many bytes a run with some trials at a time stores, at most, in
// addition to that until it has ended.
func (e *Experiment) passing(workers int) float64 {
	if e.mayGrow() { // they stay
		return 0
	}
	var sum float64
	var checkpoints []float64
	for _, part := range e.parts() {
		if part.elsewhere() {
			c, tables := archive.PassingBytes(e.keepOf(part.plan, part.trial), part.plan, part.trial)
			checkpoints, sum = append(checkpoints, c), sum+tables
		}
	}
	return sum*float64(len(e.Workflow.Replicates())) + largest(checkpoints, workers)
}

// try tries the first cycles of a part of the plan of probe.
func (e *Experiment) try(ctx context.Context, probe *probe, part part) (EstimatedRow, error) {
	p, t := part.plan, part.trial
	if t == nil {
		seconds := probe.first.Seconds()
		if n := probe.plan.Clock.Cycles; n > 1 {
			seconds += (probe.took - probe.first).Seconds() * float64(p.Clock.Cycles-1) / float64(n-1)
		}
		return EstimatedRow{Filter: "truth", Plugin: e.Workflow.Model.Plugin, Members: 1, Cost: Cost{seconds, part.bytes}}, nil
	}
	pace, err := probe.pace(ctx, t)
	e.carried = max(e.carried, pace.carries(p.Clock.Cycles))
	if mean, known := t.Window.MeanRuns(p.Clock.Cycles, pace.passes); known { // windows are longer than what was tried
		pace.runs = int(math.Round(mean))
	}
	runs, most := pace.runs, false
	seconds := pace.over(p.Clock)
	if t.Whole() {
		runs, most = t.Window.Runs()
		seconds *= float64(runs)
	}
	cost := Cost{seconds, part.bytes}
	if a := p.Ahead; a != nil && t != p.Reference {
		cost.Seconds += pace.lead.Seconds() * float64(a.Issues(p)*a.Leads)
	}
	if t == p.Reference {
		if err != nil {
			err = fmt.Errorf("reference: %w", err)
		}
		return EstimatedRow{0, "reference", t.Plugin, t.Size, nil, runs, false, false, cost}, err
	}
	if err != nil {
		err = &trialError{name: e.trialName(part.planned, t), err: err}
	}
	return EstimatedRow{t.Number, t.Label, t.Plugin, t.Size, t.Values, runs, most, false, cost}, err
}

// probe runs the first cycles of trials to see how long they take.
type probe struct {
	of, plan  *plan.Plan // what is tried, and with the first cycles only
	made      *cycle.Scenario
	took      time.Duration // to make made
	first     time.Duration // of it up to the end of the first cycle: with the spin-up
	described int
	enough    time.Duration // for a cycle; one that takes longer is tried only if it is the first
}

// probeCycles is the number of cycles that a probe runs; the first ones pay for memory
// and caches, so the fastest counts.
const probeCycles = 4

var errLong = errors.New("enough is known")

func newProbe(ctx context.Context, p *plan.Plan, described int) (*probe, error) {
	short := *p
	cycles := probeCycles
	for _, t := range p.Trials {
		if t.Smooth > 0 {
			cycles = max(cycles, t.Smooth+2) // until all of the past is there
		}
		cycles = max(cycles, t.Every) // until there is an analysis
	}
	short.Clock.Cycles = min(cycles, p.Clock.Cycles)
	start := time.Now()
	var first time.Duration
	made, err := cycle.Simulate(ctx, &short, func() error {
		if first == 0 {
			first = time.Since(start)
		}
		return nil
	})
	return &probe{p, &short, made, time.Since(start), first, described, time.Second}, err
}

// trialPace is how long the cycles of a trial take.
type trialPace struct {
	tried    []tried
	every    int           // cycles from one analysis to the next
	analysis time.Duration // of a cycle with one, without its forecasts, if not all have one
	runs     int           // how often the model runs in a cycle
	passes   int           // over the window, in the last cycle that was tried; 0: there is no window
	lead     time.Duration // of a free forecast; 0: there are none
	carried  []int         // bytes of all members after each cycle
}

// carries returns how many bytes the members of a trial carry in its last cycle, if they become
// more as in the last cycle that was tried.
func (p *trialPace) carries(cycles int) float64 {
	n := len(p.carried)
	if n == 0 {
		return 0
	}
	last, more := p.carried[n-1], 0
	if n > 1 {
		more = max(0, last-p.carried[n-2])
	}
	return float64(last) + float64(more)*float64(cycles-n)
}

// tried is how long a cycle took: its forecasts over a model time, and the rest.
type tried struct {
	interval       float64
	forecast, rest time.Duration
}

// pace tries the first cycles of t, with their scores. Only cycles with the most runs and the
// most of the past count: a window is short at first. Over a whole record they are those of a
// single run, and the probe ends after the first call of the filter. The first lead time of a
// free forecast takes as long as any other.
func (p *probe) pace(ctx context.Context, t *plan.Trial) (*trialPace, error) {
	sc, ahead := newScorer(p.plan, t, p.made, nil, p.described), newForecaster(p.plan, p.made, p.described)
	found := &trialPace{every: t.Every}
	start, past := time.Now(), 0
	err := cycle.Assimilate(ctx, p.plan, t, p.made, nil, func(s *cycle.Step) (err error) {
		if !s.Again {
			sc.rows(s)
			sc.innovation(s)
		}
		cycle := tried{p.interval(t, s.Cycle) * float64(s.Runs), s.Timing.Forecast, time.Since(start) - s.Timing.Forecast}
		if t.Every > 1 && s.Cycle%t.Every == 0 {
			found.analysis = cycle.rest
		} else if more := cmp.Or(cmp.Compare(s.Runs, found.runs), cmp.Compare(len(s.Past), past)); more > 0 {
			found.tried, found.runs, past = []tried{cycle}, s.Runs, len(s.Past)
		} else if more == 0 {
			found.tried = append(found.tried, cycle)
		}
		if ahead != nil && !s.Again && found.lead == 0 {
			if found.lead, err = ahead.firstLead(ctx, s); err != nil {
				return err
			}
		}
		found.carried = append(found.carried, s.Carried())
		if lag := s.Lag(); lag > 0 {
			found.passes = (s.Runs - 1) / lag
		}
		start = time.Now()
		next := plan.Clock{Interval: p.interval(t, s.Cycle+1), Cycles: 1}
		if found.over(next) > p.enough.Seconds() || t.Whole() && s.Pass == nil && s.State().Whole.Passes > 0 {
			return errLong
		}
		return nil
	})
	if errors.Is(err, errLong) {
		err = nil
	}
	return found, err
}

// interval returns the model time of a run of the model in a cycle: of a window, the mean.
func (p *probe) interval(t *plan.Trial, cycle int) float64 {
	clock, n := p.of.Clock, 1
	cycle = min(cycle, clock.Cycles)
	if t.Window != nil && !t.Whole() {
		n = max(1, min(t.Window.Length, cycle))
	}
	return (clock.Time(cycle) - clock.Time(cycle-n)) / float64(n)
}

// over returns how many seconds the cycles of a clock take. Forecasts take a time in proportion
// to the model time, as the longest that were tried did, and in each cycle a time of their own,
// as the shortest ones did.
func (p *trialPace) over(c plan.Clock) float64 {
	shortest, longest, rest := math.Inf(1), 0.0, math.Inf(1)
	for _, t := range p.tried {
		rest, longest = min(rest, t.rest.Seconds()), max(longest, t.interval)
		if t.interval > 0 {
			shortest = min(shortest, t.interval)
		}
	}
	if p.analysis > 0 {
		rest += (p.analysis.Seconds() - rest) / float64(p.every)
	}
	if longest == 0 { // the only cycle is at the start
		return rest * float64(c.Cycles)
	}
	perTime, perCycle := math.Inf(1), math.Inf(1)
	for _, t := range p.tried {
		if t.interval >= longest/2 {
			perTime = min(perTime, t.forecast.Seconds()/t.interval)
		}
	}
	for _, t := range p.tried {
		if t.interval > 0 && t.interval <= 2*shortest {
			perCycle = min(perCycle, max(0, t.forecast.Seconds()-perTime*t.interval))
		}
	}
	return (rest+perCycle)*float64(c.Cycles) + perTime*float64(p.runs)*(c.Time(c.Cycles)-c.Start)
}

// firstLead returns how long it takes to make and describe a forecast at the first lead time.
func (f *forecaster) firstLead(ctx context.Context, s *cycle.Step) (time.Duration, error) {
	start, last := time.Now(), f.lastObserved(s.Cycle)
	err := s.Ahead(ctx, func(l *cycle.Lead) error {
		f.await(s, l, last)
		return errLong
	})
	if errors.Is(err, errLong) {
		err = nil
	}
	return time.Since(start), err
}
