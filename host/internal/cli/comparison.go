package cli

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// comparison is what compare prints.
type comparison struct {
	metric string
	axes   []string // of all runs, but for those that say what other columns say
	rows   []comparedRow
}

// comparedRow is one line of it.
type comparedRow struct {
	run        string // empty: there is but one
	filter     string
	size       int32             // 0: a baseline that is no trial
	setting    map[string]string // by axis
	trials, ok int
	status     string     // of the trials that are not ok
	mean       score.Mean // of the trials that are ok; of the trial when there is but one
	baseline   string     // the filter it is compared with
	difference *difference
}

// difference is that of paired scores.
type difference struct {
	mean  score.Mean // Count: of pairs
	wins  float64    // ties are halves; NaN when less is not better
	times bool       // the pairs are cycles, not replicates
}

// compareScores compares every group of every run with one of the first.
func compareScores(runs []*scored, against string) (*comparison, error) {
	first := runs[0]
	for _, r := range runs[1:] {
		if !maps.Equal(first.truths, r.truths) {
			return nil, fmt.Errorf("%s and %s have different truths; their scores cannot be paired", first.dir, r.dir)
		}
	}
	if against == "" && len(runs) == 1 {
		against = first.baseline
		if against == "" && len(first.groups) > 0 {
			against = first.groups[0].filter
		}
	}
	if against != "" && !slices.ContainsFunc(first.groups, func(g *group) bool { return g.filter == against }) {
		return nil, usage("--against: %s has no filter %q", first.dir, against)
	}
	c := &comparison{metric: first.metric}
	for _, r := range runs {
		for _, axis := range r.axes {
			if axis != "ensemble.size" && !slices.Contains(c.axes, axis) { // members says so
				c.axes = append(c.axes, axis)
			}
		}
		for _, g := range slices.Concat(r.groups, r.baselines) {
			row, err := r.compare(g, first, against)
			if err != nil {
				return nil, err
			}
			if len(runs) > 1 {
				row.run = filepath.Base(r.dir)
			}
			c.rows = append(c.rows, row)
		}
	}
	return c, nil
}

// compare returns the line of group g of run r.
func (r *scored) compare(g *group, first *scored, against string) (comparedRow, error) {
	ok := g.ok()
	row := comparedRow{filter: g.filter, size: g.size, setting: map[string]string{}, trials: len(g.trials), ok: len(ok), status: statuses(g.trials)}
	for k, v := range g.values {
		if v != "" {
			row.setting[r.axes[k]] = v
		}
	}
	switch {
	case len(g.trials) == 1:
		row.mean = g.trials[0].mean
	default:
		row.mean = score.IndependentMean(valuesOf(ok))
	}
	if row.mean.Count == 0 {
		row.mean = score.Mean{Value: math.NaN(), SE: math.NaN()}
	}
	if g.size == 0 {
		return row, nil
	}
	base := r.partner(g, first, against)
	if base == nil {
		return row, nil
	}
	row.baseline = base.filter
	var err error
	row.difference, err = r.minus(g, first, base)
	return row, err
}

// statuses counts the trials that are not ok, by status; ok when there are none.
func statuses(trials []scoredTrial) string {
	counts := map[string]int{}
	for _, t := range trials {
		if t.status != string(archive.OK) {
			counts[t.status]++
		}
	}
	if len(counts) == 0 {
		return string(archive.OK)
	}
	if len(trials) == 1 {
		return trials[0].status
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprint(counts[s], " ", s))
	}
	return strings.Join(parts, ", ")
}

// partner returns the group of the first run that g is compared with: of filter
// against, with the same values of the axes that concern both, and with as many members
// where there is one. Of several it is the best, which itself has no partner. With no
// filter against it is the same group of the first run.
func (r *scored) partner(g *group, first *scored, against string) *group {
	own := against == ""
	if own {
		against = g.filter
	}
	var best *group
	for _, b := range first.groups {
		switch {
		case b.filter != against || !r.agree(g, first, b, own):
		case best == nil, b.size == g.size && best.size != g.size, (b.size == g.size) == (best.size == g.size) && b.better(best):
			best = b
		}
	}
	if best == g {
		return nil
	}
	return best
}

// better says whether more trials of g than of o are ok, or as many and g's score is
// smaller.
func (g *group) better(o *group) bool {
	mine, its := g.ok(), o.ok()
	if len(mine) != len(its) {
		return len(mine) > len(its)
	}
	return score.IndependentMean(valuesOf(mine)).Value < score.IndependentMean(valuesOf(its)).Value
}

// agree says whether g and a group of the first run have the same values of the axes
// that concern both; of the filters' own axes only when own is true.
func (r *scored) agree(g *group, first *scored, b *group, own bool) bool {
	for k, axis := range r.axes {
		i := slices.Index(first.axes, axis)
		if i < 0 || g.values[k] == "" || b.values[i] == "" || strings.HasPrefix(axis, "filter.") && !own {
			continue
		}
		if g.values[k] != b.values[i] {
			return false
		}
	}
	return true
}

// minus returns how g of r differs from b of first; nil when no pair is ok.
func (r *scored) minus(g *group, first *scored, b *group) (*difference, error) {
	if len(g.trials) == 1 && len(b.trials) == 1 {
		return r.minusByCycle(g, first, b)
	}
	d := &difference{}
	var differences []float64
	for _, t := range g.ok() {
		for _, o := range b.ok() {
			if t.replicate == o.replicate && t.truth == o.truth {
				differences = append(differences, t.mean.Value-o.mean.Value)
				d.wins += win(t.mean.Value, o.mean.Value)
			}
		}
	}
	if len(differences) == 0 {
		return nil, nil
	}
	d.mean = score.IndependentMean(differences)
	return r.judged(d), nil
}

// minusByCycle returns the time mean of the difference over the cycles that both have.
func (r *scored) minusByCycle(g *group, first *scored, b *group) (*difference, error) {
	t, o := g.ok(), b.ok()
	if len(t) == 0 || len(o) == 0 || t[0].replicate != o[0].replicate || t[0].truth != o[0].truth {
		return nil, nil
	}
	if err := r.readCycles(); err != nil {
		return nil, err
	}
	if err := first.readCycles(); err != nil {
		return nil, err
	}
	d := &difference{times: true}
	others := first.series[o[0].number]
	var differences []float64
	for _, v := range r.series[t[0].number] {
		for len(others) > 0 && others[0].cycle < v.cycle {
			others = others[1:]
		}
		if len(others) > 0 && others[0].cycle == v.cycle {
			differences = append(differences, v.value-others[0].value)
			d.wins += win(v.value, others[0].value)
		}
	}
	if len(differences) == 0 { // the score is none of cycles
		d.mean = score.Mean{Value: t[0].mean.Value - o[0].mean.Value, SE: math.NaN(), Count: 1}
		d.wins = math.NaN()
		return d, nil
	}
	d.mean = score.TimeMean(differences)
	return r.judged(d), nil
}

// judged takes the wins away where less is not better.
func (r *scored) judged(d *difference) *difference {
	if !score.IsLoss(r.metric) {
		d.wins = math.NaN()
	}
	return d
}

// win is 1 when v is smaller, and a half for a tie. What is undefined does not win.
func win(v, other float64) float64 {
	switch {
	case v < other:
		return 1
	case v == other:
		return 0.5
	}
	return 0
}

func valuesOf(trials []scoredTrial) []float64 {
	values := make([]float64, len(trials))
	for i, t := range trials {
		values[i] = t.mean.Value
	}
	return values
}
