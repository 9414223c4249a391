package score

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Mean is a time mean with its standard error.
type Mean struct {
	Value float64
	SE    float64 // NaN for fewer than three values
	Count int
}

// Text returns a mean and its standard error, both to the second digit of the standard
// error: 0.504 ± 0.048. Without one it returns four digits, and for NaN a dash.
func (m Mean) Text() string {
	switch {
	case math.IsNaN(m.Value):
		return "–"
	case math.IsNaN(m.SE) || math.IsInf(m.SE, 0) || math.IsInf(m.Value, 0):
		return fmt.Sprintf("%.4g", m.Value)
	case m.SE == 0:
		return fmt.Sprintf("%.4g ± 0", m.Value)
	}
	_, exponent, _ := strings.Cut(fmt.Sprintf("%.1e", m.SE), "e")
	power, _ := strconv.Atoi(exponent) // Sprintf wrote it
	digits := max(0, 1-power)
	if digits > 8 || math.Abs(m.Value) >= 1e8 || m.SE >= 1e8 {
		return fmt.Sprintf("%.4g ± %.2g", m.Value, m.SE)
	}
	return fmt.Sprintf("%.*f ± %.*f", digits, m.Value, digits, m.SE)
}

// Series is what the time means of a series need of it: sums, whose memory does not grow with
// its length. The zero value is an empty series.
type Series struct{ Values, Squares Sums }

// Add appends a value.
func (s *Series) Add(v float64) {
	s.Values.add(v)
	s.Squares.add(v * v)
}

// Sums are the sums of a series that its mean and the standard error of it need.
type Sums struct {
	Count                     int
	Sum, First, Last          float64
	Mean, Variance, Neighbour float64 // running mean, and the sums of squares and of products of neighbours around it
}

// add appends a value. The running mean m moves by d, and with it the sums: around the mean
// the values add up to zero, so that
//
//	sum of (x[t] - m - d) (x[t-1] - m - d) = sum of (x[t] - m) (x[t-1] - m) + d (x[0] - m + x[T-1] - m) + (T - 1) d^2
//
// without a difference of large numbers.
func (s *Sums) add(v float64) {
	from := v - s.Mean
	if s.Count++; s.Count == 1 {
		s.First, s.Last, s.Sum, s.Mean = v, v, v, v
		return
	}
	d := from / float64(s.Count)
	s.Neighbour += d*(s.First-s.Mean+s.Last-s.Mean) + float64(s.Count-2)*d*d
	s.Mean += d
	s.Variance += from * (v - s.Mean)
	s.Neighbour += (v - s.Mean) * (s.Last - s.Mean)
	s.Sum, s.Last = s.Sum+v, v
}

// TimeMean returns the mean of a series and a standard error that allows for
// autocorrelation, by fitting an autoregressive process of order one:
//
//	se = s / sqrt(T) sqrt((1 + r) / (1 - r))
//
// with the sample standard deviation s and the lag-1 autocorrelation r, corrected
// for its small-sample bias, r + (1 + 4 r) / T, and kept in [0, 0.99] (Zwiers and
// von Storch 1995, doi:10.1175/1520-0442(1995)008<0336:TSCIAC>2.0.CO;2; Kendall
// 1954, doi:10.1093/biomet/41.3-4.403). At r = 0.8 that is three times the naive
// one. Cost: O(T).
func TimeMean(series []float64) Mean {
	var s Series
	for _, v := range series {
		s.Add(v)
	}
	return s.TimeMean()
}

// TimeMean returns the [TimeMean] of the series.
func (s *Series) TimeMean() Mean { return s.Values.timeMean() }

func (s *Sums) timeMean() Mean {
	n := float64(s.Count)
	m := Mean{Value: math.NaN(), SE: math.NaN(), Count: s.Count}
	if s.Count == 0 {
		return m
	}
	m.Value = s.Sum / n
	if s.Count < 3 {
		return m
	}
	if s.Variance == 0 {
		m.SE = 0
		return m
	}
	r := s.Neighbour / s.Variance
	r = min(max(r+(1+4*r)/n, 0), 0.99)
	m.SE = math.Sqrt(s.Variance/(n-1)/n) * math.Sqrt((1+r)/(1-r))
	return m
}

// IndependentMean returns the mean of independent values, such as the scores of
// replicates, and its standard error s / sqrt(R), with the sample standard deviation s;
// NaN for fewer than two. Of equal values the mean is exactly that value, and the standard
// error 0. Cost: O(R).
func IndependentMean(values []float64) Mean {
	n := float64(len(values))
	m := Mean{Value: math.NaN(), SE: math.NaN(), Count: len(values)}
	if n == 0 {
		return m
	}
	var sum, squares float64 // of the differences from the first value, which are exact if all are equal
	for _, v := range values {
		sum += v - values[0]
	}
	m.Value = values[0] + sum/n
	for _, v := range values {
		squares += (v - m.Value) * (v - m.Value)
	}
	if n > 1 {
		m.SE = math.Sqrt(squares / (n - 1) / n)
	}
	return m
}

// RootTimeMean returns the root of the time mean of the squares of a series. Applied to
// the errors of cycles it gives rmse_total, in which a bad cycle counts more than in the
// mean of the errors. Its standard error is that of the mean square, divided by twice the
// root.
func RootTimeMean(series []float64) Mean {
	var s Series
	for _, v := range series {
		s.Add(v)
	}
	return s.RootTimeMean()
}

// RootTimeMean returns the [RootTimeMean] of the series.
func (s *Series) RootTimeMean() Mean {
	m := s.Squares.timeMean()
	m.Value = math.Sqrt(m.Value)
	if m.SE > 0 {
		m.SE /= 2 * m.Value
	}
	return m
}

// SpreadSkill returns the ratio of spread to error of an ensemble of N members, which
// is 1 for a calibrated ensemble:
//
//	sqrt((N + 1) / N) spread / rmse
//
// (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1, equation 15.) Both are time means.
func SpreadSkill(spread, rmse float64, members int) float64 {
	n := float64(members)
	return math.Sqrt((n+1)/n) * spread / rmse
}

// divergedCycles is the number of cycles in a row that a filter may be worse than
// climatology before it counts as diverged.
const divergedCycles = 50

// Track follows the errors of a filter, cycle by cycle. The zero value is that of a filter that
// has not started.
type Track struct {
	Diverged bool

	Worse   int       // cycles in a row with an error above the climatological one
	Squares []float64 // the last ones, at most 50
	Sum     float64   // of these
}

// Error adds the error of a cycle. A filter has lost the truth if an error is not finite, or if
// the errors are above the climatological one for 50 cycles in a row.
func (t *Track) Error(rmse, climatology float64) {
	if rmse > climatology {
		t.Worse++
	} else {
		t.Worse = 0
	}
	t.Diverged = t.Diverged || math.IsNaN(rmse) || math.IsInf(rmse, 0) || t.Worse >= divergedCycles
}

// divergedRatio is the limit of [Track.Innovation]. Forecasts that know nothing, the mean
// of the observations for example, have 1, and those of a filter that follows another
// trajectory of the same model have 2.
const divergedRatio = 1.5

// Innovation is [Track.Error] without a truth, for a cycle with observations: square is its mean
// square innovation, divided by the variance of the observations in time. The filter has lost
// track if one is not finite, or if their mean over 50 cycles in a row is above 1.5. The mean
// counts because a cycle may have a single observation, which may be near a forecast that knows
// nothing.
func (t *Track) Innovation(square float64) {
	t.Diverged = t.Diverged || math.IsNaN(square) || math.IsInf(square, 0)
	t.Squares, t.Sum = append(t.Squares, square), t.Sum+square
	if len(t.Squares) > divergedCycles {
		t.Sum, t.Squares = t.Sum-t.Squares[0], t.Squares[1:]
	}
	t.Diverged = t.Diverged || len(t.Squares) == divergedCycles && t.Sum > divergedRatio*divergedCycles
}
