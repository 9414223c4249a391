package report

import (
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

// Forecasts may be written of trials that started after the trials were read.
func TestForecastsOfLaterTrials(t *testing.T) {
	r := &Report{}
	r.chooseForecasts(forecasts{
		issues: []issue{{1, 1}, {2, 2}}, leads: []float64{1, 2, 3},
		ahead: []aheadValue{{aheadName: aheadName{archive.State, "x", 0}}},
	})
	if len(r.issues) != 2 || len(r.leads) != 3 || r.forecasts.opening != 1 {
		t.Errorf("got %d analyses, %d lead times, opening at %d", len(r.issues), len(r.leads), r.forecasts.opening)
	}
}
