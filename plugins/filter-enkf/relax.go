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
// where e is the forecast and target the factor between its anomalies and those that the
// analysis would have without observations. A value without spread is not changed. Both
// matrices are processed in blocks of columns, in parallel. Cost: 6 N n.
//
// Source: RTPS, Whitaker and Hamill 2012, doi:10.1175/MWR-D-11-00276.1.
func relaxSpread(into, e *mat.Dense, share, target float64) {
	members, n := e.Dims()
	width := blockWidth(members, n)
	ensemble.InBlocks(n, width, func() func(from, to int) {
		mean, before, after := make([]float64, width), make([]float64, width), make([]float64, width)
		return func(from, to int) {
			e, into := columns(e, from, to), columns(into, from, to)
			k := to - from
			ensemble.Variance(before[:k], e, ensemble.Mean(mean[:k], e, nil), nil)
			ensemble.Variance(after[:k], into, ensemble.Mean(mean[:k], into, nil), nil)
			for j := range k {
				before[j] = 1 - share + share*target*math.Sqrt(before[j]/after[j])
				if after[j] == 0 {
					before[j] = 1
				}
			}
			for i := range members {
				row := into.RawRowView(i)
				for j := range row {
					row[j] = mean[j] + before[j]*(row[j]-mean[j])
				}
			}
		}
	})
}
