package filterenkf

import (
	"fmt"
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// sides returns the observed side of a problem with N members and m observations, for which the trace
// of S S' is as given, decomposed from products and by singular values.
func sides(t *testing.T, members, m int, trace float64) (products, values *decomposed, accepted bool) {
	t.Helper()
	var both [2]*decomposed
	for i := range both {
		o, err := configured(t, members, nil).(*filter).observed(newLinear(m, m).problem(forecast(members, m, 3), 1))
		if err != nil {
			t.Fatal(err)
		}
		o.anomalies.Scale(math.Sqrt(trace)/mat.Norm(o.anomalies, 2), o.anomalies)
		both[i] = &decomposed{observed: o}
	}
	accepted = both[0].fromProducts()
	var svd mat.SVD
	if !svd.Factorize(both[1].anomalies, mat.SVDThin) {
		t.Fatal("no singular values")
	}
	both[1].u, both[1].v, both[1].sigma = new(mat.Dense), new(mat.Dense), svd.Values(nil)
	svd.UTo(both[1].u)
	svd.VTo(both[1].v)
	return both[0], both[1], accepted
}

// The products of the anomalies give what their singular values give, S S' with the relative error of
// mostLost and gains alike, or they are not used.
func TestProductsOfAnomalies(t *testing.T) {
	used := 0
	for _, size := range [][2]int{{8, 3}, {8, 8}, {8, 40}, {40, 20}} {
		for _, trace := range []float64{1e-6, 1, 1e4, 1e8, 1e16} {
			name := fmt.Sprintf("N = %d, m = %d, trace = %g", size[0], size[1], trace)
			a, b, accepted := sides(t, size[0], size[1], trace)
			if accepted != (trace <= 1e4) {
				t.Errorf("%s: used: %v", name, accepted)
			}
			if !accepted {
				continue
			}
			used++
			largest := b.sigma[0] * b.sigma[0]
			for what, f := range map[string]func(d *decomposed) *mat.Dense{
				"S S'": func(d *decomposed) *mat.Dense {
					return along(d.u, d.u, d.sigma, func(s float64) float64 { return s * s / largest })
				},
				"gain": func(d *decomposed) *mat.Dense {
					return along(d.u, d.v, d.sigma, func(s float64) float64 { return s / (1 + s*s) })
				},
			} {
				near(t, name+": "+what, f(a).RawMatrix().Data, f(b).RawMatrix().Data, mostLost)
			}
		}
	}
	if used != 12 {
		t.Errorf("used in %d cases", used)
	}
}

// along returns U diag(f(sigma)) V'.
func along(u, v *mat.Dense, sigma []float64, f func(float64) float64) *mat.Dense {
	scaled, product := mat.DenseCopyOf(u), new(mat.Dense)
	scaled.Apply(func(_, j int, x float64) float64 { return x * f(sigma[j]) }, scaled)
	product.Mul(scaled, v.T())
	return product
}

// Observations that see the same, y_j = 1 + s r_j with an error s and r_j = ±1 of sum 0, of members that predict
// -1, 0 and 1, have NIS 1/(s² + m) + 1, however small s is.
func TestNISOfSmallErrors(t *testing.T) {
	for _, m := range []int{2, 6} {
		for power := 0; power <= 40; power += 5 {
			s := math.Ldexp(1, -power)
			p := &sdk.Problem{Ensemble: mat.NewDense(3, 1, []float64{-1, 0, 1}), Predicted: mat.NewDense(3, m, nil), Into: mat.NewDense(3, 1, nil)}
			for j := range m {
				p.Predicted.Set(0, j, -1)
				p.Predicted.Set(2, j, 1)
				p.Observation, p.ErrorVariance = append(p.Observation, 1+s*float64(1-2*(j%2))), append(p.ErrorVariance, s*s)
			}
			a := analyse(t, configured(t, 3, nil), p)
			near(t, fmt.Sprintf("%d observations with an error of 2^-%d", m, power), []float64{a.Metrics["nis"]}, []float64{1/(s*s+float64(m)) + 1}, 1e-3)
		}
	}
}
