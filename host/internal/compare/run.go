// Package compare says which filter is better. It groups the trials of a run that differ
// only in the replicate or the seed, takes means of their scores, and pairs groups with
// those of a baseline on the same truths and observations. All scores that plume run,
// compare, verify and report show come from here.
//
// The rule for every mean: a trial that has not ended well, because it diverged, failed or
// was interrupted, is not part of it.
package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// Setup is what a comparison takes from the workflow of a run.
type Setup struct {
	BurnIn    int                // number of first cycles, which no time mean includes
	Baseline  string             // label of the filter that others are compared with; empty: the first
	Axes      []string           // keys of the axes of the sweep
	Published []Published        // numbers that others published
	Trials    []archive.TrialRow // all that were asked for: no table lists them while a run is running
}

// Run is the scores of a run.
type Run struct {
	Dir       string
	Axes      []string // keys of the axes that make settings: all but that of seeds
	Trials    []*Trial // in the order of their numbers
	Groups    []*Group // in the order of their first trials
	Baselines []*Group // estimates that do not use observations

	reader   *archive.Reader
	setup    Setup
	byNumber map[int]*Trial
	read     map[string]bool   // scores whose series have been read; "": all
	ranked   bool              // the rank histograms have been read
	stages   map[string]string // by score, see [StageOf]; filled as they are asked for
	key      string            // see truthsKey, likewise
}

// Trial is one trial, or a baseline for one truth.
type Trial struct {
	archive.TrialRow
	Ranks map[string][]float64 // counts by stage; see [Run.ReadRanks]

	means  map[Metric]score.Mean
	series [3]*series // by stage; see [stages]
}

// Group is the trials that differ only in the replicate or the seed.
type Group struct {
	Filter string
	Size   int      // number of members; 0 for a baseline
	Values []string // by axis; empty if the axis does not apply to the filter
	Trials []*Trial
}

// SizeText returns the number of members as text; empty for a baseline without members.
func (g *Group) SizeText() string {
	if g.Size == 0 {
		return ""
	}
	return strconv.Itoa(g.Size)
}

// Read reads the trials of a run and their time means.
func Read(reader *archive.Reader, setup Setup) (*Run, error) {
	r := &Run{Dir: reader.Dir, reader: reader, setup: setup, byNumber: map[int]*Trial{}, read: map[string]bool{}}
	rows, axes, err := reader.Trials()
	if err != nil {
		return nil, err
	}
	planned := rows == nil
	if planned {
		rows, axes = setup.Trials, setup.Axes
	}
	r.Axes = slices.DeleteFunc(slices.Clone(axes), func(axis string) bool { return axis == archive.SeedAxis })
	for _, row := range rows {
		r.add(row)
	}
	if planned {
		err = r.findBegun()
	}
	if err != nil {
		return nil, err
	}
	var baselines []*Trial
	size := 0 // of the trial with the most
	for m, err := range reader.Metrics() {
		if err != nil {
			return nil, err
		}
		t := r.byNumber[m.Trial]
		if m.Trial == 0 {
			t = baselineOf(&baselines, m)
		}
		if t == nil {
			continue
		}
		if t.means == nil {
			t.means = make(map[Metric]score.Mean, size)
		}
		t.means[Metric{m.Metric, m.Stage}] = score.Mean{Value: m.Value, SE: m.SE, Count: m.Cycles}
		size = max(size, len(t.means))
	}
	for b, err := range reader.Lags() {
		if err != nil {
			return nil, err
		}
		for i, number := range b.Trial {
			if t := r.byNumber[int(number)]; t != nil && t.means != nil {
				t.means[Metric{b.Metric[i], LagStage(int(b.Lag[i]))}] = score.Mean{Value: b.Value[i], SE: b.SE[i], Count: int(b.Cycles[i])}
			}
		}
	}
	r.group(baselines)
	return r, nil
}

func (r *Run) add(row archive.TrialRow) *Trial {
	t := &Trial{TrialRow: row}
	r.byNumber[t.Trial], r.Trials = t, append(r.Trials, t)
	return t
}

// findBegun sets the status of trials that no table lists: those with cycles have started.
// Without a workflow they are the only trials that are known.
func (r *Run) findBegun() error {
	begun, err := r.reader.Begun()
	for _, row := range begun {
		t := r.byNumber[row.Trial]
		if t == nil {
			t = r.add(row)
		}
		t.Status, t.Cycles = r.reader.Info.Status, row.Cycles
	}
	for _, t := range r.Trials {
		t.Status = cmp.Or(t.Status, archive.Waiting)
	}
	slices.SortStableFunc(r.Trials, func(a, b *Trial) int { return a.Trial - b.Trial })
	return err
}

// baselineOf returns the baseline of m, which is the last one in list or is added to it.
func baselineOf(list *[]*Trial, m archive.Metric) *Trial {
	for _, t := range slices.Backward(*list) {
		if t.TrialID == m.TrialID && t.Truth == m.Truth {
			return t
		}
	}
	t := &Trial{TrialRow: archive.TrialRow{TrialID: m.TrialID, Truth: m.Truth, Status: archive.OK}}
	*list = append(*list, t)
	return t
}

// group makes the groups of trials and of baselines. Baselines of truths that differ only in
// the replicate or the seed, as the settings that first use them show, are one group.
func (r *Run) group(baselines []*Trial) {
	type truth struct{ replicate, number int }
	byKey, met := map[string]*Group{}, map[truth][]*Group{}
	for _, t := range r.Trials {
		values := r.values(t)
		key := fmt.Sprintf("%q %d %q", t.Filter, t.Size, values)
		g := byKey[key]
		if g == nil {
			g = &Group{Filter: t.Filter, Size: t.Size, Values: values}
			byKey[key], r.Groups = g, append(r.Groups, g)
		}
		g.Trials = append(g.Trials, t)
		at := truth{t.Replicate, t.Truth}
		met[at] = append(met[at], g)
	}
	type key struct {
		filter string
		first  *Group
	}
	byFirst := map[key]*Group{}
	for _, t := range baselines {
		groups := met[truth{t.Replicate, t.Truth}]
		k := key{filter: t.Filter}
		if len(groups) > 0 {
			k.first = groups[0]
		}
		if byFirst[k] == nil {
			byFirst[k] = &Group{Filter: t.Filter, Values: r.common(groups)}
			r.Baselines = append(r.Baselines, byFirst[k])
		}
		byFirst[k].Trials = append(byFirst[k].Trials, t)
	}
}

// values returns the values of a trial by axis as text.
func (r *Run) values(t *Trial) []string {
	values := make([]string, len(r.Axes))
	for k, axis := range r.Axes {
		if v, ok := t.Values[axis]; ok {
			values[k] = fmt.Sprint(v)
		}
	}
	return values
}

// common returns the values of axes that all groups share, without the axes of single
// filters: the values that a truth was made with, if it has a single value of an axis.
func (r *Run) common(groups []*Group) []string {
	values := make([]string, len(r.Axes))
	for k, axis := range r.Axes {
		others := func(g *Group) bool { return g.Values[k] != groups[0].Values[k] }
		if len(groups) > 0 && !ofFilter(axis) && !slices.ContainsFunc(groups, others) {
			values[k] = groups[0].Values[k]
		}
	}
	return values
}

// ofFilter reports whether an axis applies to a single filter.
func ofFilter(axis string) bool { return strings.HasPrefix(axis, "filter.") }

// IndependentRanks returns the number of independent ranks that the rank histogram of a stage of
// a trial is worth. Runs of versions that did not store it count one for each scored cycle.
func (t *Trial) IndependentRanks(stage string) float64 {
	if m, ok := t.means[Metric{"rank_independent", stage}]; ok {
		return m.Value
	}
	return float64(t.means[Metric{"spread", stage}].Count)
}

// Repetition returns what distinguishes a trial from others of its group: the replicate and,
// if there are several, the seed.
func (t *Trial) Repetition() string {
	seed, ok := t.Values[archive.SeedAxis]
	if !ok {
		return fmt.Sprint(t.Replicate)
	}
	return fmt.Sprintf("%d, seed %v", t.Replicate, seed)
}
