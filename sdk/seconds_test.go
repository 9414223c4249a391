package sdk

import (
	"math"
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]time.Duration{
		0: 0, 1.5: 1500 * time.Millisecond, -2: -2 * time.Second, 9e9: 9e9 * time.Second,
		9.3e9: math.MaxInt64, 1e300: math.MaxInt64, math.Inf(1): math.MaxInt64, math.Inf(-1): math.MinInt64, math.NaN(): 0,
	} {
		if got := Seconds(s); got != want {
			t.Errorf("%v s: got %v, want %v", s, got, want)
		}
	}
}
