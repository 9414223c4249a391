package compare

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/score"
)

// ErrChoice is the error of a choice that does not exist in a run.
var ErrChoice = errors.New("it has")

// Comparison is a score of all groups of runs, each with its difference from a partner.
type Comparison struct {
	Metric
	Against string // the filter whose groups are partners; empty: the same filter of the first run
	Rows    []Row

	differences map[*Group]*Difference
}

// Of returns the difference of a group from its partner, or nil.
func (c *Comparison) Of(g *Group) *Difference { return c.differences[g] }

// Row is a group of a run.
type Row struct {
	*Group
	Run        *Run
	Mean       Mean
	Published  *float64    // what others published for it; nil if that is not known
	Difference *Difference // nil if it has no partner, or no pair
	// Divergences is the score divergences, which qualifies all others; it applies only to runs
	// that restart trials.
	Divergences Mean
}

// Published is a score that others published for a filter, or a baseline without
// observations, or for a method that is not part of the run.
type Published struct {
	Filter string
	Size   int // 0 for a baseline
	Metric string
	Value  float64
	Absent bool // not part of the run
}

// Difference is the difference of a group from its partner on the same truths and
// observations. If both groups have one trial, the pairs are cycles and the standard error
// is corrected for autocorrelation; otherwise the pairs are the time means of trials.
type Difference struct {
	score.Mean         // Count is the number of pairs
	Wins       float64 // pairs in which the score is smaller, a tie is half; NaN if less is not better
	Cycles     bool    // the pairs are cycles
	Partner    *Group
}

// WinsText returns the wins as text: a share if the pairs are cycles.
func (d *Difference) WinsText() string {
	switch {
	case math.IsNaN(d.Wins):
		return ""
	case d.Cycles:
		return fmt.Sprintf("%.0f %%", 100*d.Wins/float64(d.Count))
	}
	return fmt.Sprintf("%g/%d", d.Wins, d.Count)
}

// Text returns the difference with its sign and its standard error as text.
func (d *Difference) Text() string {
	if d.Value > 0 {
		return "+" + d.Mean.Text()
	}
	return d.Mean.Text()
}

// Compare compares every group of runs with its partner in the first run. The partner is a
// group of the filter against, with the same values of the axes that apply to both and, if
// there is one, with as many members. If there are several such groups it is the best one,
// which itself has no partner. If against is empty, it is the baseline that the workflow
// names or else the first filter for one run, and the filter of the group for several.
func Compare(runs []*Run, m Metric, against string) (*Comparison, error) {
	first := runs[0]
	for _, r := range runs {
		if !first.SameTruths(r) {
			return nil, fmt.Errorf("%s and %s have different truths; their scores cannot be paired", first.Dir, r.Dir)
		}
		if err := r.has(m); err != nil {
			return nil, err
		}
	}
	if against == "" && len(runs) == 1 {
		against = first.Baseline()
	}
	if against != "" && !first.runs(against) {
		return nil, fmt.Errorf("against: %s has no filter %q; %w %s",
			first.Dir, against, ErrChoice, strings.Join(first.Filters(), ", "))
	}
	c := &Comparison{Metric: m, Against: against, differences: map[*Group]*Difference{}}
	candidates, err := first.candidates(m)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		for i, g := range slices.Concat(r.Groups, r.Baselines) {
			row := Row{Group: g, Run: r}
			if row.Mean, err = r.Mean(g, m); err != nil {
				return nil, err
			}
			if row.Divergences, err = r.Mean(g, divergences); err != nil {
				return nil, err
			}
			row.Published = r.published(g, m)
			if i < len(r.Groups) {
				row.Difference, err = r.minus(g, first, r.partner(g, first, candidates, against), m)
			}
			if err != nil {
				return nil, err
			}
			c.Rows, c.differences[g] = append(c.Rows, row), row.Difference
		}
		for _, p := range r.setup.Published {
			if p.Absent && shown(p.Metric) == m {
				none := Mean{Mean: score.IndependentMean(nil)}
				g := &Group{Filter: p.Filter, Size: p.Size, Values: make([]string, len(r.Axes))}
				c.Rows = append(c.Rows, Row{Group: g, Run: r, Mean: none, Published: &p.Value, Divergences: none})
			}
		}
	}
	return c, nil
}

// divergences is the score that counts restarts.
var divergences = shown("divergences")

// published returns the published score of a group, or nil. The published experiment is that
// of the workflow: a group at values of axes is another one, but for the number of members.
func (r *Run) published(g *Group, m Metric) *float64 {
	for _, p := range r.setup.Published {
		if r.isPublished(g, p, m) {
			return &p.Value
		}
	}
	return nil
}

// isPublished reports whether p is a published score of a group.
func (r *Run) isPublished(g *Group, p Published, m Metric) bool {
	for k, value := range g.Values {
		if value != "" && !IsSize(r.Axes[k]) {
			return false
		}
	}
	return !p.Absent && p.Filter == g.Filter && p.Size == g.Size && shown(p.Metric) == m
}

// Unshown returns the published scores that no group of the run has, so that nothing shows them: of another number
// of members, or of a filter or a baseline that is not there.
func (r *Run) Unshown() (list []Published) {
	for _, p := range r.setup.Published {
		if p.Size == 0 && r.reader.Info.Unended() != "" {
			continue // scores of baselines are written at the end
		}
		there := func(g *Group) bool { return r.isPublished(g, p, shown(p.Metric)) }
		if !p.Absent && !slices.ContainsFunc(r.Groups, there) && !slices.ContainsFunc(r.Baselines, there) {
			list = append(list, p)
		}
	}
	return list
}

// Text names a published score.
func (p Published) Text() string {
	if p.Size > 0 {
		return fmt.Sprintf("%s of %s with %d members", p.Metric, p.Filter, p.Size)
	}
	return p.Metric + " of " + p.Filter
}

// IsSize reports whether an axis is that of the number of members, of all filters or of one.
func IsSize(axis string) bool {
	return axis == "ensemble.size" || ofFilter(axis) && strings.Count(axis, ".") == 2 && strings.HasSuffix(axis, ".size")
}

// SameTruths reports whether the scores of two runs can be paired: they are of the same truths.
func (r *Run) SameTruths(other *Run) bool { return maps.Equal(r.truths(), other.truths()) }

// truths returns the checksums of the truths of a run by path.
func (r *Run) truths() map[string]string {
	sums := maps.Clone(r.reader.Info.Files)
	maps.DeleteFunc(sums, func(name, _ string) bool { return !strings.HasPrefix(name, "truth/") })
	return sums
}

// has returns an error if no trial has a score.
func (r *Run) has(m Metric) error {
	all := r.Metrics()
	if slices.Contains(all, m) {
		return nil
	}
	var names []string
	for _, there := range all {
		if there.Stage == m.Stage {
			names = append(names, there.Name)
		}
	}
	if len(names) == 0 && len(all) > 0 {
		return fmt.Errorf("stage: %s has no scores of the stage %s; filters with smooth have those of the stage smoothed, if their lag is below the number of cycles after burn-in", r.Dir, m.Stage)
	}
	if len(names) == 0 && r.reader.Info.Error != "" {
		return fmt.Errorf("%s: there is nothing to compare: no trial has finished; %s", r.Dir, r.reader.Info.Error)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: there is nothing to compare: no trial has finished", r.Dir)
	}
	slices.Sort(names)
	return fmt.Errorf("metric: %s has no score %s of the %s; %w %s", r.Dir, m.Name, m.Stage, ErrChoice, strings.Join(names, ", "))
}

// Filters returns the labels of the filters in the order of the trials.
func (r *Run) Filters() []string {
	labels := []string{}
	for _, t := range r.Trials {
		if !slices.Contains(labels, t.Filter) {
			labels = append(labels, t.Filter)
		}
	}
	return labels
}

func (r *Run) runs(filter string) bool { return slices.Contains(r.Filters(), filter) }

// Baseline returns the label of the filter that others are compared with by default.
func (r *Run) Baseline() string {
	if len(r.Groups) > 0 && !r.runs(r.setup.Baseline) {
		return r.Groups[0].Filter
	}
	return r.setup.Baseline
}
