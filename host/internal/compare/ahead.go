package compare

import (
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// LeadScores says how good the free forecasts of a trial were at one lead time.
type LeadScores struct {
	Trial        int
	Filter       string
	Of, Variable string // as in [archive.ForecastScores]
	Lead         float64
	Count        int // number of forecasts, of the score with the most
	Scores       map[string]score.Mean
}

// ForecastScores returns the scores of the free forecasts of a run, in the order of their table:
// by trial, then the state before what is observed, by variable and lead time.
func ForecastScores(r *archive.Reader) (list []LeadScores, err error) {
	type key struct {
		trial        int32
		of, variable string
		lead         float64
	}
	at := map[key]int{}
	for b, err := range r.ForecastScores() {
		if err != nil {
			return nil, err
		}
		for i, trial := range b.Trial {
			k, known := at[key{trial, b.Of[i], b.Variable[i], b.Lead[i]}]
			if !known {
				k = len(list)
				at[key{trial, b.Of[i], b.Variable[i], b.Lead[i]}] = k
				list = append(list, LeadScores{Trial: int(trial), Filter: b.Filter[i], Of: b.Of[i], Variable: b.Variable[i], Lead: b.Lead[i], Scores: map[string]score.Mean{}})
			}
			list[k].Scores[b.Metric[i]] = score.Mean{Value: b.Value[i], SE: b.SE[i], Count: int(b.Count[i])}
			list[k].Count = max(list[k].Count, int(b.Count[i]))
		}
	}
	return list, nil
}

// ForecastKind returns what forecasts are shown of if nobody chooses: the truth, if any was compared
// with it, and otherwise observations.
func ForecastKind(list []LeadScores) string {
	if len(list) == 0 || slices.ContainsFunc(list, func(s LeadScores) bool { return s.Of == archive.State }) {
		return archive.State
	}
	return archive.Observed
}
