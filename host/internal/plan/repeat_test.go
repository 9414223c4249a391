package plan

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// reader is a black box: it gives x plus errors of standard deviations 1 and 3.
type reader struct{ seeds []rng.Seed }

var readings = &sdk.Layout{Variables: []sdk.Variable{{Name: "y", Shape: []int{2}}}}

func (o *reader) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: readings, Offers: []sdk.Capability{sdk.Simulated, sdk.LogLikelihood, sdk.HasPositions}}
}

func (o *reader) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	o.seeds = append(o.seeds, r.Seed)
	for i := range r.Ensemble.RawMatrix().Rows {
		of := r.Seed.Member(r.Member(i))
		for j, sd := range []float64{1, 3} {
			r.Simulated.Set(i, j, r.Ensemble.At(i, j)+sd*of.NormFloat64())
		}
	}
	return &sdk.ObserveResult{}, nil
}

func TestRepeatedOffersWhatItCanMake(t *testing.T) {
	got := newRepeated(&reader{}, 2).Space().Offers
	if want := []sdk.Capability{sdk.Simulated, sdk.Predicted, sdk.ErrorVariance, sdk.HasPositions}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The prediction of a member is the mean of its readings, and the error variance what is
// left of the variance of one reading. The first reading is that of an operator that is
// asked once.
func TestRepeatedReadings(t *testing.T) {
	const members, times = 4, 3
	x := mat.NewDense(members, 2, []float64{1, 2, 3, 4, 5, 6, 7, 8})
	request := func(seed rng.Seed) *sdk.ObserveRequest {
		return &sdk.ObserveRequest{Call: sdk.Call{Seed: seed}, Ensemble: x, Simulated: mat.NewDense(members, 2, nil)}
	}
	box := &reader{}
	r := request(rng.New(7))
	r.Predicted = mat.NewDense(members, 2, nil)
	got, err := newRepeated(box, times).Observe(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(box.seeds) != times || box.seeds[0] != rng.New(7) || box.seeds[1] == box.seeds[2] {
		t.Errorf("it was asked with the seeds %v", box.seeds)
	}
	draws := make([]*mat.Dense, times)
	for k, seed := range box.seeds {
		once := request(seed)
		if _, err := (&reader{}).Observe(t.Context(), once); err != nil {
			t.Fatal(err)
		}
		draws[k] = once.Simulated
	}
	if !mat.Equal(r.Simulated, draws[0]) {
		t.Error("the simulated observations are not those of the first call")
	}
	for j := range 2 {
		squares := 0.0
		for i := range members {
			mean := (draws[0].At(i, j) + draws[1].At(i, j) + draws[2].At(i, j)) / times
			if p := r.Predicted.At(i, j); math.Abs(p-mean) > 1e-14*(1+math.Abs(mean)) { // a few roundings
				t.Errorf("member %d: predicted %v, want %v", i, p, mean)
			}
			for _, d := range draws {
				squares += (d.At(i, j) - mean) * (d.At(i, j) - mean)
			}
		}
		want := squares / (members * (times - 1)) * (1 - 1./times)
		if v := got.ErrorVariance[j]; math.Abs(v-want) > 1e-13*want {
			t.Errorf("error variance %v, want %v", v, want)
		}
	}
}

// For any number of readings, the variance of the predictions and the error variance add up
// to the variance of a reading, and the gain has the right expectation: here Var x / (Var x + R)
// with Var x = 4 and R = 1. The bound is four standard errors of a sample covariance of
// normal numbers, sqrt((c² + ab) / N), of which the largest is that of the variance 5.
func TestRepeatedMoments(t *testing.T) {
	const members = 40_000
	bound := 4 * math.Sqrt(2*5*5/float64(members))
	x := mat.NewDense(members, 2, nil)
	random := rng.New(1).Rand()
	for i := range members {
		x.Set(i, 0, 2*random.NormFloat64())
	}
	for _, times := range []int{2, 5, 10} {
		r := &sdk.ObserveRequest{Call: sdk.Call{Seed: rng.New(int64(times))}, Ensemble: x, Predicted: mat.NewDense(members, 2, nil)}
		got, err := newRepeated(&reader{}, times).Observe(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var variance, covariance float64
		for i := range members {
			variance += r.Predicted.At(i, 0) * r.Predicted.At(i, 0) / members
			covariance += r.Predicted.At(i, 0) * x.At(i, 0) / members
		}
		if total := variance + got.ErrorVariance[0]; math.Abs(total-5) > bound {
			t.Errorf("%d readings: the variance of the innovation is %.3f, want 5", times, total)
		}
		if math.Abs(covariance-4) > bound {
			t.Errorf("%d readings: the covariance with the state is %.3f, want 4", times, covariance)
		}
		if r := got.ErrorVariance[0] / (1 - 1/float64(times)); math.Abs(r-1) > bound {
			t.Errorf("%d readings: R is %.3f, want 1", times, r)
		}
	}
}
