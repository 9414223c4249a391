package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// Mean is a score of a group: of a single trial its time mean, and of several the mean of
// theirs with the standard error that follows from how they differ.
type Mean struct {
	score.Mean      // Value is NaN when there is none
	OK         int  // trials that it is taken over
	Trials     int  // of the group
	Applies    bool // some trial that has ended well has such a score, or none has ended well
}

// Mean returns a score of a group. Of p-values it is not the mean, which means nothing, but
// the p-value of the trials' rank histograms together.
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

// flatness is the score that is a p-value.
const flatness = "rank_flatness_p"

// flatnessOf returns the p-value of the rank histograms of all trials together, which are
// worth as many independent ranks as they have cycles that are scored.
func flatnessOf(trials []*Trial, stage string) score.Mean {
	var counts []float64
	cycles := 0
	for _, t := range trials {
		ranks := t.Ranks[stage]
		counts = append(counts, make([]float64, max(0, len(ranks)-len(counts)))...)
		for i, c := range ranks {
			counts[i] += c
		}
		cycles += t.means[Metric{flatness, stage}].Count
	}
	return score.Mean{Value: score.FlatnessOf(counts, float64(cycles)).P, SE: math.NaN(), Count: len(trials)}
}

// scored returns the trials of g that a mean is taken over: those that have ended well and
// have the score. In a group in which none has ended those under way stand in.
// ok reports whether some trial has ended well.
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

func values(trials []*Trial, m Metric) []float64 {
	list := make([]float64, len(trials))
	for i, t := range trials {
		list[i] = t.means[m].Value
	}
	return list
}

// Text writes a mean with four digits and its standard error with two. It never hides how
// many trials the mean leaves out: 0.31 (8/10) is that of eight of ten.
func (m Mean) Text() string {
	switch {
	case !m.Applies:
		return ""
	case m.OK == 0:
		return "-" + m.Of()
	}
	return withError("%.4g", m.Mean) + m.Of()
}

// Of says how many trials a mean is taken over, when it leaves some out.
func (m Mean) Of() string {
	if m.OK == m.Trials || !m.Applies {
		return ""
	}
	return fmt.Sprintf(" (%d/%d)", m.OK, m.Trials)
}

func withError(verb string, m score.Mean) string {
	if math.IsNaN(m.SE) {
		return fmt.Sprintf(verb, m.Value)
	}
	return fmt.Sprintf(verb+" ± %.2g", m.Value, m.SE)
}

// statuses is the order in which they are counted.
var statuses = []archive.Status{
	archive.OK, archive.Diverged, archive.Failed, archive.Interrupted, archive.Stopped, archive.Running, Waiting,
}

// Status says how the trials of a group have ended: in a word when there is one of them or
// all are ok, else how many in which way.
func (g *Group) Status() string {
	counts := map[archive.Status]int{}
	for _, t := range g.Trials {
		counts[t.Status]++
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

// Lost reports whether some trial of the group has diverged or failed.
func (g *Group) Lost() bool { return slices.ContainsFunc(g.Trials, (*Trial).lost) }
