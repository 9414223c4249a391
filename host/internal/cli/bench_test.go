package cli

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/cycle"
)

// BenchmarkCycle runs cycles of 100 x 3 with real processes: the model, the
// operator and one filter. It reports the median beside the mean.
func BenchmarkCycle(b *testing.B) {
	s := &source{path: "../../../workflows/lorenz63-quick.toml", format: "human", set: []string{"time.cycles=2000"}}
	o, err := s.open(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := o.close(); err != nil {
			b.Error(err)
		}
	}()
	twin, err := cycle.Simulate(b.Context(), o.plan, func() {})
	if err != nil {
		b.Fatal(err)
	}
	for i := range o.plan.Trials {
		trial := &o.plan.Trials[i]
		b.Run(trial.Label, func(b *testing.B) {
			var took []time.Duration
			b.ResetTimer()
			for len(took) < b.N {
				start := time.Now()
				err := cycle.Assimilate(b.Context(), o.plan, trial, twin, func(*cycle.Step) error {
					took = append(took, time.Since(start))
					start = time.Now()
					if len(took) >= b.N {
						return errEnough
					}
					return nil
				})
				if err != nil && !errors.Is(err, errEnough) {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms/cycle")
		})
	}
}

var errEnough = errors.New("enough")
