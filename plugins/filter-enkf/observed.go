package filterenkf

import (
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// observed is the observed side of an analysis with N members and m components
// that are not missing, in units of s, the standard deviation of the observation
// error:
//
//	S = (HE - mean) diag(1/s) / sqrt(N-1),  d = (y - mean) / s
//
// For a black box, whose error is known only from simulated observations, S holds these
// and s is their spread.
type observed struct {
	present    []int      // indices of the components in the observation
	anomalies  *mat.Dense // S, N x m; for local schemes S', so that the members of a component lie together
	transposed bool       // whether it is S'
	innovation []float64  // d, m values
	blackBox   bool
}

// observedBlock is the number of components that are brought into units of their error at a
// time where S is stored transposed, so that it is the only matrix of its size.
const observedBlock = 1024

// observed collects the components that are not missing. It returns nil if there are none.
func (f *filter) observed(p *sdk.Problem) (*observed, error) {
	given, what := p.Predicted, "predicted observation"
	if f.blackBox() {
		given, what = p.Simulated, "simulated observation"
	}
	present, err := presentComponents(p.Observation)
	if len(present) == 0 || err != nil {
		return nil, err
	}
	if i, j, found := nonFinite(given, present); found {
		return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("%s of member %d", what, p.Member(i)), "component %d is %v, want a finite number", j, given.At(i, j))
	}
	members, _ := given.Dims()
	m, width := len(present), len(present)
	o := &observed{present: present, transposed: f.local(), innovation: make([]float64, m), blackBox: f.blackBox()}
	if o.transposed {
		o.anomalies, width = mat.NewDense(m, members, nil), min(m, observedBlock)
	}
	for k, j := range present {
		o.innovation[k] = p.Observation[j]
	}
	block, size := mat.NewDense(members, width, nil), 0.0
	for from := 0; from < m; from += width {
		to := min(from+width, m)
		s := chosen(columns(block, 0, to-from), given, present[from:to])
		squares, err := o.normalise(s, p, from)
		if err != nil {
			return nil, err
		}
		if size += squares; !o.transposed {
			o.anomalies = s
			continue
		}
		for k := from; k < to; k++ {
			mat.Col(o.anomalies.RawRowView(k), k-from, s)
		}
	}
	if !(size < largest) {
		return nil, sdk.Errorf(sdk.KindDiverged, "observed anomalies", "they or the innovation are too large to compute with, in units of the observation error").
			WithHint("the forecast has left the range of the observations; check inflation and time step")
	}
	return o, nil
}

// nonFinite returns the member and the first of the listed columns of e with a value that is
// NaN or infinite, or false.
func nonFinite(e *mat.Dense, which []int) (member, column int, found bool) {
	rows, _ := e.Dims()
	for i := range rows {
		row := e.RawRowView(i)
		for _, j := range which {
			if math.IsNaN(row[j] - row[j]) {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// errorVariance stores the error variances of the present components.
func errorVariance(dst []float64, p *sdk.Problem, present []int) error {
	for k, j := range present {
		dst[k] = p.ErrorVariance[j]
		if !(dst[k] > 0) || math.IsInf(dst[k], 1) {
			return sdk.Errorf(sdk.KindContract, "error variance", "component %d is %v, want a finite number above 0", j, dst[k])
		}
	}
	return nil
}

func presentComponents(y []float64) ([]int, error) {
	present := make([]int, 0, len(y))
	for j, v := range y {
		if math.IsInf(v, 0) {
			return nil, sdk.Errorf(sdk.KindConfig, "observation", "component %d is %v, want a finite number, or NaN if it is missing", j, v)
		}
		if !math.IsNaN(v) {
			present = append(present, j)
		}
	}
	return present, nil
}

// chosen returns the listed columns of e, in out.
func chosen(out, e *mat.Dense, which []int) *mat.Dense {
	rows, _ := e.Dims()
	for i := range rows {
		from, to := e.RawRowView(i), out.RawRowView(i)
		for k, j := range which {
			to[k] = from[j]
		}
	}
	return out
}

// largest bounds the sum of squares of anomalies and innovations, in units of the
// observation error, so that their products do not overflow.
const largest = 1e300

// normalise makes s, what the members predict of the components from one on, their anomalies
// in units of the error, and the observations of these, in o.innovation, their innovations
// likewise. It returns the sum of all squares. A component without variance, which only a black
// box can have, has no information about the state: its innovation is set to 0.
func (o *observed) normalise(s *mat.Dense, p *sdk.Problem, from int) (squares float64, err error) {
	members, m := s.Dims()
	mean, scale, innovation := ensemble.Mean(nil, s, nil), make([]float64, m), o.innovation[from:from+m]
	if o.blackBox {
		ensemble.Variance(scale, s, mean, nil)
	} else if err := errorVariance(scale, p, o.present[from:from+m]); err != nil {
		return 0, err
	}
	for k, v := range scale {
		if v > 0 {
			scale[k] = 1 / math.Sqrt(v)
		}
	}
	floats.Sub(innovation, mean)
	floats.Mul(innovation, scale)
	squares = floats.Dot(innovation, innovation)
	floats.Scale(1/math.Sqrt(float64(members-1)), scale)
	ensemble.Anomalies(s, s, mean)
	for i := range members {
		row := s.RawRowView(i)
		floats.Mul(row, scale)
		squares += floats.Dot(row, row)
	}
	return squares, nil
}

// variance returns the ensemble's variance of every component in units of the
// error's, the diagonal of S'S. Cost: N m.
func (o *observed) variance() []float64 {
	v := make([]float64, len(o.innovation))
	rows, _ := o.anomalies.Dims()
	for i := range rows {
		for k, s := range o.anomalies.RawRowView(i) {
			if o.transposed {
				k = i
			}
			v[k] += s * s
		}
	}
	return v
}

// nis returns the normalised innovation squared, component by component,
//
//	nis = 1/m sum_k d_k^2 / (prior^2 v_k + 1)
//
// with v the ensemble's variances and prior the factor on its anomalies. It is 1 on
// average if spread and error variance are right. Unlike that of [decomposed.metrics] it
// does not use the covariances of the ensemble, which localization does not trust.
func (o *observed) nis(prior float64) float64 {
	sum := 0.0
	for k, v := range o.variance() {
		sum += o.innovation[k] * o.innovation[k] / (1 + prior*prior*v)
	}
	return sum / float64(len(o.innovation))
}
