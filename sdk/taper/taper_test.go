package taper

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// The values at 0, c and 2c are given with equation 4.10; on the way the rounding of
// a polynomial with terms of size 5 leaves a few ulps.
func TestGaspariCohnValues(t *testing.T) {
	for _, cutoff := range []float64{2, 14.56, 1e-200, 1e200} {
		for _, tt := range []struct{ z, want float64 }{{0, 1}, {1, 5.0 / 24}, {2, 0}, {3, 0}} {
			if got := GaspariCohn(tt.z*cutoff/2, cutoff); math.Abs(got-tt.want) > 4*0x1p-52 {
				t.Errorf("cutoff %g: at %g c it is %v, want %v", cutoff, tt.z, got, tt.want)
			}
		}
	}
}

// The second branch is the polynomial as printed, whose terms of size 8 cancel to
// 10 ulps, and it falls without end to the cutoff.
func TestGaspariCohnSecondBranch(t *testing.T) {
	last := math.Inf(1)
	for z := 1.0; z < 2; z += 1.0 / 512 {
		want := 4 - 5*z + 5.0/3*z*z + 5.0/8*math.Pow(z, 3) - math.Pow(z, 4)/2 + math.Pow(z, 5)/12 - 2/(3*z)
		got := GaspariCohn(z, 2)
		if math.Abs(got-want) > 80*0x1p-52 {
			t.Errorf("at %v c it is %v, printed %v", z, got, want)
		}
		if !(got > 0 && got < last) {
			t.Errorf("at %v c it is %v after %v", z, got, last)
		}
		last = got
	}
}

// It is a correlation: on any points in space its matrix has no negative
// eigenvalue. Rounding leaves n ulps.
func TestGaspariCohnIsPositiveDefinite(t *testing.T) {
	const n = 60
	r := rand.New(rand.NewPCG(1, 2))
	points := mat.NewDense(n, 3, nil)
	for i := range points.RawMatrix().Data {
		points.RawMatrix().Data[i] = r.Float64()
	}
	c := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			var d mat.VecDense
			d.SubVec(points.RowView(i), points.RowView(j))
			c.SetSym(i, j, GaspariCohn(mat.Norm(&d, 2), 0.9))
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(c, false) || slices.Min(eigen.Values(nil)) < -n*0x1p-52 {
		t.Errorf("eigenvalues %v", eigen.Values(nil))
	}
}

func scattered(count int, period []float64, seed uint64) *sdk.Coordinates {
	r := rand.New(rand.NewPCG(seed, 3))
	points := mat.NewDense(count, len(period), nil)
	for i := range points.RawMatrix().Data {
		points.RawMatrix().Data[i] = 40*r.Float64() - 15 // periods are below 40: some points are not in their first
	}
	if count > 3 {
		points.SetRow(1, points.RawRowView(3)) // two in one place
	}
	return &sdk.Coordinates{Dims: make([]string, len(period)), Period: period, Points: points}
}

// bruteForce tries seven images of each point. Points and positions are less than 40
// apart and periods above 17, so that the closest is among them.
func bruteForce(c *sdk.Coordinates, cutoff float64, at []float64) []Neighbour {
	count, _ := c.Points.Dims()
	var near []Neighbour
	for i := range count {
		square := 0.0
		for k, v := range mat.Row(nil, i, c.Points) {
			best := math.Abs(v - at[k])
			for image := -3.0; image <= 3; image++ {
				best = min(best, math.Abs(v-at[k]+image*c.Period[k]))
			}
			square += best * best
		}
		if w := GaspariCohn(math.Sqrt(square), cutoff); w >= 1e-3 {
			near = append(near, Neighbour{i, w})
		}
	}
	return near
}

// Against all pairs, in one to three dimensions, with and without periods, from cells
// that are many to one, and cutoffs beyond half a period and beyond all. Weights have
// slope below 2/cutoff and distances are off by a few ulps of 100, 1e-14 each.
func TestNearFindsAll(t *testing.T) {
	periods := [][]float64{{0}, {25}, {17.3}, {0, 0}, {25, 25}, {17.3, 0}, {0, 31.9}, {25, 0, 21}}
	for _, period := range periods {
		for _, cutoff := range []float64{0.01, 1, 3.7, 8.65, 12.4, 30, 200} {
			for _, count := range []int{1, 2, 60, 500} {
				t.Run(fmt.Sprint(period, cutoff, count), func(t *testing.T) {
					c := scattered(count, period, uint64(count))
					before := mat.DenseCopyOf(c.Points)
					x, err := NewIndex(c, cutoff)
					if err != nil {
						t.Fatal(err)
					}
					queries := scattered(60, period, 99).Points.(*mat.Dense)
					var got []Neighbour
					for q := range 60 + min(count, 20) {
						at := mat.Row(nil, max(0, q-60), c.Points)
						if q < 60 {
							at = queries.RawRowView(q)
						}
						got = x.Near(got, at)
						expect(t, got, bruteForce(c, cutoff, at), 1e-15+2/cutoff*5e-14)
					}
					if !mat.Equal(before, c.Points) {
						t.Error("the points are modified")
					}
				})
			}
		}
	}
}

func expect(t *testing.T, got, want []Neighbour, tol float64) {
	t.Helper()
	same := func(a, b Neighbour) bool { return a.Index == b.Index && math.Abs(a.Weight-b.Weight) < tol }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A ring of 40 sites, as Lorenz-96 has: at cutoff 14.56 the sites up to 12 away have
// weights from 1e-3 on, the same 25 from every site and its images.
func TestNearOnARing(t *testing.T) {
	points := mat.NewDense(40, 1, nil)
	for j := range 40 {
		points.Set(j, 0, float64(j))
	}
	c := &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{40}, Points: points}
	x, err := NewIndex(c, 14.56)
	if err != nil {
		t.Fatal(err)
	}
	for j := range 40 {
		for _, turn := range []float64{0, 40, -80} {
			near := x.Near(nil, []float64{float64(j) + turn})
			if len(near) != 25 {
				t.Fatalf("site %d has %d neighbours: %v", j, len(near), near)
			}
			for _, p := range near {
				d := math.Abs(float64(p.Index - j))
				if want := GaspariCohn(min(d, 40-d), 14.56); p.Weight != want {
					t.Errorf("site %d: neighbour %d has weight %v, want %v", j, p.Index, p.Weight, want)
				}
			}
		}
	}
}

func TestNearNothing(t *testing.T) {
	for _, period := range [][]float64{{0, 0}, {20, 20}, {50, 30}} {
		x, err := NewIndex(scattered(30, period, 7), 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			if got := x.Near(nil, []float64{1, bad}); len(got) != 0 {
				t.Errorf("near %v: %v", bad, got)
			}
		}
	}
	x, err := NewIndex(scattered(30, []float64{0, 0}, 7), 5)
	if err != nil {
		t.Fatal(err)
	}
	if got := x.Near(nil, []float64{1e300, -1e300}); len(got) != 0 {
		t.Errorf("far away: %v", got)
	}
}

func TestRefusals(t *testing.T) {
	ok := func() *sdk.Coordinates { return scattered(4, []float64{0, 10}, 1) }
	spoiled := func(spoil func(*sdk.Coordinates)) *sdk.Coordinates {
		c := ok()
		spoil(c)
		return c
	}
	tests := []struct {
		name   string
		points *sdk.Coordinates
		cutoff float64
		kind   sdk.Kind
		want   string
	}{
		{"zero", ok(), 0, sdk.KindConfig, "cutoff: got 0, want a finite distance above 0"},
		{"infinite", ok(), math.Inf(1), sdk.KindConfig, "cutoff: got +Inf"},
		{"not a number", ok(), math.NaN(), sdk.KindConfig, "cutoff: got NaN"},
		{"none", nil, 1, sdk.KindConfig, "coordinates: there are none"},
		{"empty", &sdk.Coordinates{}, 1, sdk.KindConfig, "coordinates: there are none"},
		{"periods", spoiled(func(c *sdk.Coordinates) { c.Period = []float64{0} }), 1, sdk.KindContract, "4 points of 2 axes with 1 periods"},
		{"period", spoiled(func(c *sdk.Coordinates) { c.Period[1] = -1 }), 1, sdk.KindContract, "is -1; want a finite number >= 0"},
		{"point", spoiled(func(c *sdk.Coordinates) { c.Points.(*mat.Dense).Set(2, 1, math.NaN()) }), 1, sdk.KindContract, "point 2 is at  = NaN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewIndex(tt.points, tt.cutoff)
			if err == nil || sdk.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// The time of a search does not grow with the number of points around.
func BenchmarkNear(b *testing.B) {
	for _, count := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			points := mat.NewDense(count, 1, nil)
			for j := range count {
				points.Set(j, 0, float64(j))
			}
			c := &sdk.Coordinates{Period: []float64{float64(count)}, Points: points}
			x, err := NewIndex(c, 14.56)
			if err != nil {
				b.Fatal(err)
			}
			var near []Neighbour
			for k := 0; b.Loop(); k++ {
				near = x.Near(near, mat.Row(nil, k*7919%count, c.Points))
			}
		})
	}
}
