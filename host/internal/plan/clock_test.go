package plan

import "testing"

// Times that numbers hold are accepted however large they are, and others are not.
func TestTimesAreToldApart(t *testing.T) {
	for _, c := range []struct {
		name              string
		clock             Clock
		tolerance, spinUp float64
		want              string
	}{
		{"seconds since 1970, minutes apart", Clock{Start: 1.7e9, Interval: 60, Cycles: 1000}, 1e-9, 0, ""},
		{"as many cycles as there may be", Clock{Interval: 0.1, Cycles: 10_000_000}, 1e-9, 0, ""},
		{"no step, nearly exact", Clock{Start: 1e8, Interval: 0.1, Cycles: 100}, 1e-6, 0, ""},
		{"observed at the start", Clock{Interval: 0.1, Lead: 0.1, Cycles: 100}, 1e-9, 0, ""},
		{"steps that do not fit", Clock{Start: 1e9, Interval: 0.1, Cycles: 100}, 1e-9, 0, "`interval`: at cycle 1, 0.1 becomes 0.100000024"},
		{"no step, all at one time", Clock{Start: -1e300, Interval: 0.25, Cycles: 30}, 1e-6, 0, "`interval`: at cycle 1, 0.25 becomes 0"},
		{"rounded later", Clock{Start: 1<<53 - 2, Interval: 1, Cycles: 30}, 1e-6, 0, "`interval`: at cycle 3, 1 becomes 0"},
		{"no spin-up", Clock{Start: 1e17, Interval: 64, Cycles: 30}, 1e-6, 0.5, "`spin_up`: at the start, 0.5 becomes 0"},
	} {
		got := c.clock.coarse(c.spinUp, c.tolerance)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
