package experiment

import (
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/score"
)

// byLag are the scores that smoothed states have for every lag.
var byLag = []string{"rmse", "spread", "crps_fair"}

// past scores the past states of step by lag, describes those that are final, the earliest first, and scores those
// of the full lag.
func (s *scorer) past(step *cycle.Step) (rows []archive.CycleRow, descriptions []archive.Description) {
	for _, past := range slices.Backward(step.Past) {
		lag := step.Cycle - past.Cycle
		scored := lag > 0 && s.scored(past.Cycle)
		if !scored && !past.Final {
			continue
		}
		c := s.caseOf(score.Smoothed, step, past.Cycle, past.Ensemble)
		if past.Final {
			descriptions = append(descriptions, s.describe(score.Smoothed, past.Cycle, lag))
		}
		if lag == s.trial.Smooth { // these are final
			rows = append(rows, s.rowOf(c, score.Smoothed, past.Cycle, lag))
		}
		if !scored {
			continue
		}
		c = s.comparable(c.Part(0, modelled(s.plan)))
		for _, sc := range s.scores {
			if !slices.Contains(byLag, sc.Name) {
				continue
			}
			if v, ok := sc.Of(c); ok {
				s.Lags[lag-1].add(sc.Name, v)
			}
		}
	}
	return rows, descriptions
}

// lags returns the numbers of the trial by lag, from those of the analysis on; none if it does not smooth.
func (s *scorer) lags() (list []archive.LagScore) {
	if s.trial.Smooth == 0 {
		return nil
	}
	for lag, scores := range slices.Concat([]series{s.Series[score.Analysis]}, s.Lags) {
		for _, name := range byLag {
			if sums := scores[name]; sums != nil {
				list = append(list, archive.LagScore{Lag: lag, Metric: name, Mean: sums.TimeMean()})
			}
		}
	}
	return list
}
