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
	for b, err := range r.ForecastScores() {
		if err != nil {
			return nil, err
		}
		for i := range b.Trial {
			s := LeadScores{Trial: int(b.Trial[i]), Filter: b.Filter[i], Of: b.Of[i], Variable: b.Variable[i], Lead: b.Lead[i]}
			if n := len(list); n == 0 || !list[n-1].same(s) {
				s.Scores = map[string]score.Mean{}
				list = append(list, s)
			}
			last := &list[len(list)-1]
			last.Scores[b.Metric[i]] = score.Mean{Value: b.Value[i], SE: b.SE[i], Count: int(b.Count[i])}
			last.Count = max(last.Count, int(b.Count[i]))
		}
	}
	return list, nil
}

// same reports whether s and o are of the same forecasts.
func (s LeadScores) same(o LeadScores) bool {
	return s.Trial == o.Trial && s.Of == o.Of && s.Variable == o.Variable && s.Lead == o.Lead
}

// ForecastKind returns what forecasts are shown of if nobody chooses: the truth, if any was compared
// with it, and otherwise observations.
func ForecastKind(list []LeadScores) string {
	if len(list) == 0 || slices.ContainsFunc(list, func(s LeadScores) bool { return s.Of == archive.State }) {
		return archive.State
	}
	return archive.Observed
}
