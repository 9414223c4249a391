package filterenkf

import (
	"math"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// relaxSpread multiplies the anomalies of the analysis, into (N x n), so that the
// standard deviation of every state value becomes a weighted mean of those of analysis and
// forecast:
//
//	(1 - share) analysis + share target forecast
//
// where forecast is what [variances] has returned of the forecast and target the factor between
// its anomalies and those that the analysis would have without observations. A value without
// spread is not changed. Cost: 4 N n, on all processors.
//
// Source: RTPS, Whitaker and Hamill 2012, doi:10.1175/MWR-D-11-00276.1.
func relaxSpread(into *mat.Dense, forecast []float64, share, target float64) {
	members, n := into.Dims()
	width := blockWidth(members, n)
	ensemble.InBlocks(n, width, func() func(from, to int) {
		mean, after, factor := make([]float64, width), make([]float64, width), make([]float64, width)
		return func(from, to int) {
			into := columns(into, from, to)
			ensemble.Variance(after[:to-from], into, ensemble.Mean(mean[:to-from], into, nil), nil)
			for j, before := range forecast[from:to] {
				factor[j] = 1 - share + share*target*math.Sqrt(before/after[j])
				if after[j] == 0 {
					factor[j] = 1
				}
			}
			for i := range members {
				row := into.RawRowView(i)
				for j := range row {
					row[j] = mean[j] + factor[j]*(row[j]-mean[j])
				}
			}
		}
	})
}

// variances returns the variance of every state value of e (N x n). Cost: 3 N n, on all
// processors.
func variances(e *mat.Dense) []float64 {
	members, n := e.Dims()
	width, variance := blockWidth(members, n), make([]float64, n)
	ensemble.InBlocks(n, width, func() func(from, to int) {
		mean := make([]float64, width)
		return func(from, to int) {
			e := columns(e, from, to)
			ensemble.Variance(variance[from:to], e, ensemble.Mean(mean[:to-from], e, nil), nil)
		}
	})
	return variance
}
