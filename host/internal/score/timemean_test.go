package score

import (
	"math"
	"testing"
)

func TestMeanText(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, m := range map[string]Mean{
		"0.504 ± 0.048": {Value: 0.50379, SE: 0.0481}, "0.310 ± 0.020": {Value: 0.31, SE: 0.02}, "0.50 ± 0.10": {Value: 0.5, SE: 0.0996},
		"-12.3 ± 1.5": {Value: -12.34, SE: 1.52}, "123 ± 45": {Value: 123.4, SE: 45.4}, "12346 ± 340": {Value: 12345.6, SE: 340},
		"1.235e+12 ± 1.2e+10": {Value: 1.2346e12, SE: 1.23e10}, "3.1e-09 ± 1.2e-10": {Value: 3.1e-9, SE: 1.2e-10},
		"0.5041": {Value: 0.50412, SE: nan}, "–": {Value: nan, SE: nan}, "100 ± 0": {Value: 100}, "+Inf": {Value: inf, SE: nan},
		"2": {Value: 2, SE: inf},
	} {
		if got := m.Text(); got != want {
			t.Errorf("%+v: got %q, want %q", m, got, want)
		}
	}
}
