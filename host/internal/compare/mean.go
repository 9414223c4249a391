package compare

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// Mean is a score of a group: for a single trial its time mean, and for several trials the
// mean of their time means, with a standard error from the differences between them.
type Mean struct {
	score.Mean      // Value is NaN if there is none
	OK         int  // number of trials that it is taken over
	Trials     int  // number of trials of the group
	Applies    bool // a trial that has ended well has such a score, or none has ended well
}

// Mean returns a score of a group. For p-values, whose mean is meaningless, it returns the
// p-value of the sum of the rank histograms of the trials.
func (r *Run) Mean(g *Group, m Metric) (Mean, error) {
	trials, ok := g.scored(m)
	mean := Mean{Trials: len(g.Trials), OK: len(trials), Applies: len(trials) > 0 || !ok}
	switch {
	case len(trials) == 1 && len(g.Trials) == 1:
		mean.Mean = trials[0].means[m]
	case m.Name == flatness && len(trials) > 0:
		if err := r.ReadRanks(); err != nil {
			return Mean{}, err
		}
		mean.Mean = flatnessOf(trials, m.Stage)
	default:
		mean.Mean = score.IndependentMean(values(trials, m))
	}
	return mean, nil
}

// Comparable returns a key of the truths that the mean of the row is over: means of rows with the same key
// can be compared. It is empty if they cannot, because a trial was lost, stopped early or has not ended, or
// because the row is not one of a filter.
func (w *Row) Comparable() string {
	if w.Size == 0 || len(w.Trials) == 0 {
		return ""
	}
	truths := make([]string, len(w.Trials))
	for i, t := range w.Trials {
		if t.Status != archive.OK {
			return ""
		}
		truths[i] = fmt.Sprintf("%d/%d", t.Replicate, t.Truth)
	}
	slices.Sort(truths)
	return strings.Join(truths, " ") + w.Run.truthsKey()
}

// truthsKey is the same for runs with the same truths, see [Run.SameTruths].
func (r *Run) truthsKey() string {
	if r.key == "" {
		sums, h := r.truths(), sha256.New()
		for _, path := range slices.Sorted(maps.Keys(sums)) {
			fmt.Fprintln(h, path, sums[path])
		}
		r.key = fmt.Sprintf(" %x", h.Sum(nil))
	}
	return r.key
}

// Best returns the index of the row with the lowest mean, of those that can be compared, see
// [Row.Comparable]; -1 if there are fewer than two of these, or none is lower than the others. why
// says why numbers that there are cannot be compared; it is empty if they can, or if there is one
// at most. Best is for scores of which less is better.
func Best(rows []Row) (best int, why string) {
	best = -1
	keys, numbers, same := []string{}, 0, false
	for i := range rows {
		m := rows[i].Mean
		if m.OK == 0 || rows[i].Size == 0 || math.IsNaN(m.Value) {
			continue
		}
		numbers++
		key := rows[i].Comparable()
		if key == "" || m.OK < m.Trials {
			continue
		}
		keys = append(keys, key)
		switch {
		case best < 0 || m.Value < rows[best].Mean.Value:
			best, same = i, false
		case m.Value == rows[best].Mean.Value:
			same = true
		}
	}
	switch {
	case len(keys) < 2 && numbers > 1:
		return -1, "trials were lost, stopped early or have not ended"
	case slices.ContainsFunc(keys, func(key string) bool { return key != keys[0] }):
		return -1, "the settings have different truths, or observations"
	case len(keys) < 2 || same:
		return -1, ""
	}
	return best, ""
}

// flatness is the score that is a p-value.
const flatness = "rank_flatness_p"

// flatnessOf returns the p-value of the sum of the rank histograms of all trials, which is
// worth as many independent ranks as those of the trials together.
func flatnessOf(trials []*Trial, stage string) score.Mean {
	var counts []float64
	independent := 0.0
	for _, t := range trials {
		ranks := t.Ranks[stage]
		counts = append(counts, make([]float64, max(0, len(ranks)-len(counts)))...)
		for i, c := range ranks {
			counts[i] += c
		}
		independent += t.IndependentRanks(stage)
	}
	return score.Mean{Value: score.FlatnessOf(counts, independent).P, SE: math.NaN(), Count: len(trials)}
}

// scored returns the trials of g that a mean is taken over: those that have ended well and
// have the score. If no trial of the group has ended, running trials are taken instead.
// ok reports whether any trial has ended well.
func (g *Group) scored(m Metric) (trials []*Trial, ok bool) {
	var underWay []*Trial
	for _, t := range g.Trials {
		_, has := t.means[m]
		switch {
		case t.Status == archive.OK:
			ok = true
			if has {
				trials = append(trials, t)
			}
		case has && !t.lost():
			underWay = append(underWay, t)
		}
	}
	if !ok {
		trials = underWay
	}
	return trials, ok
}

// Each returns the time means of the trials that the mean of m is taken over.
func (g *Group) Each(m Metric) []float64 {
	trials, _ := g.scored(m)
	return values(trials, m)
}

func values(trials []*Trial, m Metric) []float64 {
	list := make([]float64, len(trials))
	for i, t := range trials {
		list[i] = t.means[m].Value
	}
	return list
}

// Text returns a mean and its standard error as text. It always shows how many trials the
// mean excludes: 0.31 (8/10) is that of eight of ten.
func (m Mean) Text() string {
	switch {
	case !m.Applies:
		return ""
	case m.OK == 0:
		return "–" + m.Of()
	}
	return m.Mean.Text() + m.Of()
}

// Of returns the number of trials that a mean is taken over as text, if it excludes some.
func (m Mean) Of() string {
	if m.OK == m.Trials || !m.Applies {
		return ""
	}
	return fmt.Sprintf(" (%d/%d)", m.OK, m.Trials)
}

// statuses holds the statuses in the order in which they are listed.
var statuses = []archive.Status{
	archive.OK, archive.Diverged, archive.Failed, archive.Interrupted, archive.Stopped, archive.Running, archive.Waiting,
}

// Status says how the trials of a group have ended: with one word if there is one trial or
// all are ok, otherwise with the number of trials by status.
func (g *Group) Status() string {
	counts := map[archive.Status]int{}
	for _, t := range g.Trials {
		counts[t.Status]++
	}
	if len(g.Trials) == 0 { // see Published
		return ""
	}
	if len(g.Trials) == 1 || counts[archive.OK] == len(g.Trials) {
		return string(g.Trials[0].Status)
	}
	var parts []string
	for _, s := range statuses {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprint(counts[s], " ", s))
		}
	}
	return strings.Join(parts, ", ")
}

// Lost reports whether any trial of the group has diverged or failed.
func (g *Group) Lost() bool { return slices.ContainsFunc(g.Trials, (*Trial).lost) }
