package plan

import (
	"strings"
	"testing"
)

// A smoother whose lag no scored state has in full is warned of.
func TestSmoothersWithoutScores(t *testing.T) {
	for _, c := range []struct{ lag, burnIn, warnings int }{{0, 0, 0}, {4, 0, 0}, {5, 0, 1}, {10, 0, 1}, {2, 2, 0}, {3, 2, 1}} {
		p := &Plan{Clock: Clock{Cycles: 5, BurnIn: c.burnIn}, Trials: []Trial{{Label: "f", Smooth: c.lag}}}
		got := p.Warnings()
		if len(got) != c.warnings || len(got) == 1 && !strings.HasPrefix(got[0], "filter f: smooth.lag: the stage smoothed has no scores: ") {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}
