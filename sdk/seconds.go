package sdk

import (
	"math"
	"time"
)

// Seconds returns so many seconds, as parameters of plugins give a time, or the longest duration, 292 years, if
// they are more; NaN is none.
func Seconds(s float64) time.Duration {
	if d := s * float64(time.Second); d < math.MaxInt64 {
		return time.Duration(max(d, math.MinInt64))
	} else if math.IsNaN(d) {
		return 0
	}
	return math.MaxInt64
}
