package filterenkf

import (
	"math"

	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
)

// serial is the ensemble adjustment Kalman filter, one observation after the other. After
// the observations before it, observation k has anomalies S_k (N), variance v = S_k'S_k and
// innovation d_k, in units of its error. Its mean moves by v d_k / (1 + v), its anomalies
// shrink by q = sqrt(1 + v), and a value with anomalies a follows by regression, times the
// taper rho:
//
//	the mean grows by rho a'S_k d_k / ((1 + v) sqrt(N-1))
//	a falls by rho a'S_k S_k / (q (1 + q))
//
// The state does not affect the observed side, so the observed side is updated once, here,
// and every state value by itself after that. Without a taper the result is that of the
// Kalman filter for any order of the observations; with a taper it depends slightly on the
// order. No randomness.
//
// Sources: Anderson 2003, doi:10.1175/1520-0493(2003)131<0634:ALLSFF>2.0.CO;2; for
// the shrinking of all anomalies by one product, Whitaker and Hamill 2002,
// doi:10.1175/1520-0493(2002)130<1913:EDAWPO>2.0.CO;2, equation 13.
type serial struct {
	*locals
	meanGain    []float64 // d_k / ((1 + v) sqrt(N-1))
	anomalyLoss []float64 // 1 / (q (1 + q))
}

// newSerial overwrites the anomalies and innovations of s by those before each observation
// is assimilated. Cost: 4 N for every pair of observations within the cutoff.
func newSerial(s *locals, present []int) *serial {
	m, members := s.anomalies.Dims()
	f := &serial{locals: s, meanGain: make([]float64, m), anomalyLoss: make([]float64, m)}
	var near []taper.Neighbour
	for k := range m {
		row := s.anomalies.RawRowView(k)
		v := floats.Dot(row, row)
		q := math.Sqrt(1 + v)
		f.anomalyLoss[k] = 1 / (q * (1 + q))
		f.meanGain[k] = s.innovation[k] / (1 + v) / math.Sqrt(float64(members-1))
		near = s.nearObservation(near, present[k])
		for _, p := range near {
			if p.Index > k {
				other := s.anomalies.RawRowView(p.Index)
				covariance := p.Weight * floats.Dot(other, row)
				s.innovation[p.Index] -= covariance * s.innovation[k] / (1 + v)
				floats.AddScaled(other, -covariance*f.anomalyLoss[k], row)
			}
		}
	}
	return f
}

// serialSweep is the part of one goroutine.
type serialSweep struct {
	*serial
	placed []taper.Neighbour
}

func (f *serialSweep) place(near []taper.Neighbour) { f.placed = near }

func (f *serialSweep) update(a []float64) float64 {
	growth := 0.0
	for _, p := range f.placed {
		row := f.anomalies.RawRowView(p.Index)
		covariance := p.Weight * floats.Dot(a, row)
		growth += covariance * f.meanGain[p.Index]
		floats.AddScaled(a, -covariance*f.anomalyLoss[p.Index], row)
	}
	return growth
}
