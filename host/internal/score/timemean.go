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
	n := float64(len(series))
	m := Mean{Value: math.NaN(), SE: math.NaN(), Count: len(series)}
	if len(series) == 0 {
		return m
	}
	var sum float64
	for _, v := range series {
		sum += v
	}
	m.Value = sum / n
	if len(series) < 3 {
		return m
	}
	var variance, lagged float64
	for t, v := range series {
		d := v - m.Value
		variance += d * d
		if t > 0 {
			lagged += d * (series[t-1] - m.Value)
		}
	}
	if variance == 0 {
		m.SE = 0
		return m
	}
	r := lagged / variance
	r = min(max(r+(1+4*r)/n, 0), 0.99)
	m.SE = math.Sqrt(variance/(n-1)/n) * math.Sqrt((1+r)/(1-r))
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
	squares := make([]float64, len(series))
	for i, v := range series {
		squares[i] = v * v
	}
	m := TimeMean(squares)
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

// Diverged reports whether a series of errors is that of a filter that has lost the
// truth: an error is not finite, or the errors are above the climatological one for 50
// cycles in a row.
func Diverged(rmse []float64, climatology float64) bool {
	run := 0
	for _, v := range rmse {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return true
		case v > climatology:
			run++
		default:
			run = 0
		}
		if run == divergedCycles {
			return true
		}
	}
	return false
}

// divergedRatio is the limit of [DivergedInnovations]. Forecasts that know nothing, the mean
// of the observations for example, have 1, and those of a filter that follows another
// trajectory of the same model have 2.
const divergedRatio = 1.5

// DivergedInnovations is [Diverged] without a truth. squares holds the mean square
// innovation of every cycle with observations, divided by the variance of the observations
// in time. The filter has lost track if one is not finite, or if their mean over 50 cycles
// in a row is above 1.5. The mean counts because a cycle may have a single observation, which
// may be near a forecast that knows nothing.
func DivergedInnovations(squares []float64) bool {
	var sum float64
	for k, v := range squares {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return true
		}
		if sum += v; k < divergedCycles-1 {
			continue
		}
		if k >= divergedCycles {
			sum -= squares[k-divergedCycles]
		}
		if sum > divergedRatio*divergedCycles {
			return true
		}
	}
	return false
}
