package compare

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/score"
)

// candidate is a group that may be a partner of others.
type candidate struct {
	*Group
	ok    int
	value float64
}

// candidates returns the groups by filter with the mean by which the best is chosen: that of
// the score or, if less is not better for it, that of the run's opening score.
func (r *Run) candidates(m Metric) (map[string][]candidate, error) {
	if !score.IsLoss(m.Name) {
		m = r.Opening("")
	}
	list := map[string][]candidate{}
	for _, g := range r.Groups {
		mean, err := r.Mean(g, m)
		if err != nil {
			return nil, err
		}
		list[g.Filter] = append(list[g.Filter], candidate{g, mean.OK, mean.Value})
	}
	return list, nil
}

// Best returns the group of the run with the best mean of a score, and this mean. If less is
// not better for the score, it returns the first group.
func (r *Run) Best(m Metric) (best *Group, mean Mean, err error) {
	for _, g := range r.Groups {
		its, err := r.Mean(g, m)
		if err != nil {
			return nil, Mean{}, err
		}
		if best == nil || score.IsLoss(m.Name) && (candidate{g, its.OK, its.Value}).better(candidate{best, mean.OK, mean.Value}) {
			best, mean = g, its
		}
	}
	return best, mean, nil
}

// partner returns the group of the first run that g is compared with, or nil; see [Compare].
func (r *Run) partner(g *Group, first *Run, candidates map[string][]candidate, against string) *Group {
	own := against == ""
	if own {
		against = g.Filter
	}
	var best candidate
	for _, b := range candidates[against] {
		switch same := b.Size == g.Size; {
		case !r.agree(g, first, b.Group, own):
		case best.Group == nil, same && best.Size != g.Size, same == (best.Size == g.Size) && b.better(best):
			best = b
		}
	}
	if best.Group == g {
		return nil
	}
	return best.Group
}

// better reports whether c has more trials that are ok, or as many and a smaller score.
func (c candidate) better(than candidate) bool {
	if c.ok != than.ok {
		return c.ok > than.ok
	}
	return c.value < than.value
}

// agree reports whether g and a group of the first run have the same values of the axes that
// apply to both; axes of single filters count only if own is true.
func (r *Run) agree(g *Group, first *Run, b *Group, own bool) bool {
	for k, axis := range r.Axes {
		i := k
		if first != r {
			i = slices.Index(first.Axes, axis)
		}
		if i < 0 || g.Values[k] == "" || b.Values[i] == "" || ofFilter(axis) && !own {
			continue
		}
		if g.Values[k] != b.Values[i] {
			return false
		}
	}
	return true
}

// minus returns the difference of g of r from b of first; nil if there is no b or no pair,
// and for p-values.
func (r *Run) minus(g *Group, first *Run, b *Group, m Metric) (*Difference, error) {
	if b == nil || m.Name == flatness {
		return nil, nil
	}
	mine, _ := g.scored(m)
	its, _ := b.scored(m)
	if len(mine) == 0 || len(its) == 0 {
		return nil, nil
	}
	d := &Difference{Partner: b}
	if len(g.Trials) == 1 && len(b.Trials) == 1 {
		if !mine[0].paired(its[0]) {
			return nil, nil
		}
		if err := r.readSeries(m.Name); err != nil {
			return nil, err
		}
		if err := first.readSeries(m.Name); err != nil {
			return nil, err
		}
		differences := d.byCycle(mine[0].of(m.Stage), r.span(), its[0].of(m.Stage), first.span(), m)
		if len(differences) > 0 {
			d.Cycles, d.Mean = true, score.TimeMean(differences)
			return d.judged(m), nil
		}
	}
	var differences []float64
	for _, t := range mine {
		for _, o := range its {
			if t.paired(o) {
				differences = append(differences, d.pair(t.means[m].Value, o.means[m].Value))
			}
		}
	}
	if len(differences) == 0 {
		return nil, nil
	}
	d.Mean = score.IndependentMean(differences)
	return d.judged(m), nil
}

// paired reports whether two trials have the same truth and observations.
func (t *Trial) paired(o *Trial) bool { return t.Replicate == o.Replicate && t.Truth == o.Truth }

// byCycle returns the differences in the cycles that both series have, which are in order.
func (d *Difference) byCycle(mine *series, in span, its *series, itsSpan span, m Metric) []float64 {
	others, scores := its.scored(m.Name, itsSpan)
	var differences []float64
	cycles, values := mine.scored(m.Name, in)
	k := 0
	for i, cycle := range cycles {
		for k < len(others) && others[k] < cycle {
			k++
		}
		if k < len(others) && others[k] == cycle {
			differences = append(differences, d.pair(values[i], scores[k]))
		}
	}
	return differences
}

// pair counts a pair and returns its difference. The smaller score wins; an undefined score
// does not.
func (d *Difference) pair(v, other float64) float64 {
	switch {
	case v < other:
		d.Wins++
	case v == other:
		d.Wins += 0.5
	}
	return v - other
}

// judged removes the wins if less is not better.
func (d *Difference) judged(m Metric) *Difference {
	if !score.IsLoss(m.Name) {
		d.Wins = math.NaN()
	}
	return d
}
