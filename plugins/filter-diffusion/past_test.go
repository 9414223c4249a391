package filterdiffusion

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// pastProblem is a problem whose members also have a past: their states, noise, and what follows from neither.
func pastProblem(members, n, m int) *sdk.Problem {
	p := twinProblem(members, n, m)
	var all mat.Dense
	before := mat.NewDense(members, n, nil)
	before.Apply(func(i, j int, _ float64) float64 {
		return p.Ensemble.At(i, j)/2 - p.Ensemble.At(i, (j+1)%n) + math.Sin(float64(7*i+j))
	}, before)
	all.Augment(p.Ensemble, before)
	p.Ensemble, p.Into = &all, mat.NewDense(members, 2*n, nil)
	return p
}

// With kernels as wide as the ensemble the mean of the past is that of the Kalman smoother for the moments of the
// members, to rounding, and its covariance up to the noise of the draws; the analysis is what it is without a past.
func TestPastOfWidthOneIsTheKalmanSmoother(t *testing.T) {
	const members, n, m = 400, 3, 2
	p := pastProblem(members, n, m)
	params := joint(map[string]any{"bandwidth": 1.0, "tempering": 1.0, "finite_size": false, "adaptive_inflation": false, "sampler": "exact", "observations": "predicted"})
	f := configure(t, params)
	f.past = 1
	analyse(t, f, p)
	without := p.Now(1)
	without.Ensemble = mat.DenseCopyOf(without.Ensemble)
	without.Into = mat.NewDense(members, n, nil)
	analyse(t, configure(t, params), without)
	if !mat.Equal(without.Into, p.Into.Slice(0, members, 0, n)) {
		t.Error("the analysis differs")
	}
	var both mat.Dense
	both.Augment(p.Ensemble, p.Predicted)
	mean, c := ensemble.Mean(nil, &both, nil), covarianceOf(&both)
	s, d := mat.NewSymDense(m, nil), mat.NewVecDense(m, nil)
	for i := range m {
		for j := i; j < m; j++ {
			s.SetSym(i, j, c.At(2*n+i, 2*n+j))
		}
		s.SetSym(i, i, s.At(i, i)+p.ErrorVariance[i])
		d.SetVec(i, p.Observation[i]-mean[2*n+i])
	}
	var inverse mat.Dense
	if err := inverse.Inverse(s); err != nil {
		t.Fatal(err)
	}
	var gain, move, taken mat.Dense
	cross := mat.DenseCopyOf(c).Slice(n, 2*n, 2*n, 2*n+m)
	gain.Mul(cross, &inverse)
	move.Mul(&gain, d)
	taken.Mul(&gain, cross.T())
	got := mat.DenseCopyOf(p.Into.Slice(0, members, n, 2*n))
	gotMean, gotC := ensemble.Mean(nil, got, nil), covarianceOf(got)
	for j := range n {
		if want := mean[n+j] + move.At(j, 0); math.Abs(gotMean[j]-want) > 1e-9 {
			t.Errorf("mean %d: got %v, want %v", j, gotMean[j], want)
		}
		for k := range n {
			// Draws and what they do not explain of the past are independent: their sample covariance is one of 400.
			want, noise := c.At(n+j, n+k)-taken.At(j, k), math.Sqrt(c.At(n+j, n+j)*c.At(n+k, n+k)/members)
			if math.Abs(gotC.At(j, k)-want) > 5*noise {
				t.Errorf("covariance %d, %d: got %v, want %v", j, k, gotC.At(j, k), want)
			}
		}
	}
}

// With narrow kernels, and with those of the paper, a member has the past of its ancestor.
func TestPastOfNarrowKernels(t *testing.T) {
	const members, n, m = 40, 3, 2
	for name, params := range map[string]map[string]any{
		"joint": joint(map[string]any{"bandwidth": 1e-9, "second_order": false, "finite_size": false, "adaptive_inflation": false, "sampler": "exact", "observations": "predicted"}),
		"kde":   {"scheme": "kde", "sampler": "exact", "observations": "predicted"},
	} {
		p := pastProblem(members, n, m)
		f := configure(t, params)
		f.past = 1
		a := analyse(t, f, p)
		for i, from := range a.Ancestors {
			for j := n; j < 2*n; j++ {
				if got, want := p.Into.At(i, j), p.Ensemble.At(from, j); math.Abs(got-want) > 1e-6 {
					t.Fatalf("%s: member %d, value %d: got %v, want %v of member %d", name, i, j, got, want, from)
				}
			}
		}
	}
}
