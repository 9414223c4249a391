package filterenkf

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// ring places n values at the sites of a ring.
func ring(n int) *sdk.Layout {
	points := mat.NewDense(n, 1, nil)
	for j := range n {
		points.Set(j, 0, float64(j))
	}
	return &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "x", Shape: []int{n}}},
		Coordinates: &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{float64(n)}, Points: points},
	}
}

// onRing returns a filter for a ring whose sites are all observed.
func onRing(t testing.TB, members, n int, params map[string]any) sdk.Filter {
	t.Helper()
	return placed(t, members, ring(n), ring(n), params)
}

func placed(t testing.TB, members int, state, observations *sdk.Layout, params map[string]any) sdk.Filter {
	t.Helper()
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: members, State: state, Observations: &sdk.ObservationSpace{Layout: observations}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ringProblem observes every so many sites of members whose spread of 0.3, correlated over a few
// sites, is that of Lorenz-96 in the set-up of Sakov and Oke (2008).
func ringProblem(members, n, every int) *sdk.Problem {
	e, predicted := mat.NewDense(members, n, nil), mat.NewDense(members, n/every, nil)
	y, variance := make([]float64, n/every), make([]float64, n/every)
	draws := make([]float64, n+4)
	for i := range members {
		rng.Normals(rng.New(2).Member(i), draws)
		for j := range n {
			sum := 0.0
			for _, v := range draws[j : j+5] {
				sum += v
			}
			e.Set(i, j, 8*math.Sin(float64(j))+0.3/math.Sqrt(5)*sum)
		}
		for k := range y {
			predicted.Set(i, k, e.At(i, k*every))
		}
	}
	rng.Normals(rng.New(3).Rand(), y)
	for k := range y {
		y[k] += 8 * math.Sin(float64(k*every))
		variance[k] = 1
	}
	return &sdk.Problem{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(1)}, Ensemble: e, Predicted: predicted,
		Observation: y, ErrorVariance: variance, Into: mat.NewDense(members, n, nil),
	}
}

// record leaves the problem and its analysis in the folder PLUME_BENCH, as
// little-endian float64, for bench/filters to compute the same.
func record(b *testing.B, p *sdk.Problem) {
	dir := os.Getenv("PLUME_BENCH")
	if dir == "" {
		return
	}
	for name, values := range map[string][]float64{
		"ensemble": p.Ensemble.RawMatrix().Data, "observation": p.Observation, "analysis": p.Into.RawMatrix().Data,
	} {
		file, err := os.Create(filepath.Join(dir, name+".f64"))
		if err != nil {
			b.Fatal(err)
		}
		if err := binary.Write(file, binary.LittleEndian, values); err != nil {
			b.Fatal(err)
		}
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// 10,000 sites, all observed, 24 members.
func BenchmarkLargeRing(b *testing.B) {
	for _, tt := range []struct {
		name   string
		params map[string]any
	}{
		{"letkf", map[string]any{"scheme": "letkf", "cutoff": 14.56}},
		{"letkf-rotation", map[string]any{"scheme": "letkf", "cutoff": 14.56, "rotation": true}},
		{"serial", map[string]any{"scheme": "serial", "cutoff": 14.56}},
		{"etkf", map[string]any{"scheme": "etkf"}},
		{"denkf", map[string]any{"scheme": "denkf"}},
		{"enkf-n", map[string]any{"scheme": "enkf-n"}},
		{"stochastic", map[string]any{"scheme": "stochastic"}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			p, f := ringProblem(24, 10_000, 1), onRing(b, 24, 10_000, tt.params)
			b.ReportAllocs()
			for b.Loop() {
				analyse(b, f, p)
			}
			if tt.name == "letkf" {
				record(b, p)
			}
		})
	}
}

// BenchmarkLocalRing measures the LETKF alone. bench/filters compares the local form of filter-diffusion with it.
func BenchmarkLocalRing(b *testing.B) {
	const n = 10_000
	for _, members := range []int{20, 40} {
		for _, every := range []int{1, 4, 20} {
			b.Run(fmt.Sprintf("N=%d/every=%d", members, every), func(b *testing.B) {
				p, observed := ringProblem(members, n, every), ring(n/every)
				floats.Scale(float64(every), observed.Coordinates.Points.(*mat.Dense).RawMatrix().Data)
				observed.Coordinates.Period[0] = n
				f := placed(b, members, ring(n), observed, map[string]any{"scheme": "letkf", "cutoff": 14.56})
				for b.Loop() {
					analyse(b, f, p)
				}
				record(b, p)
			})
		}
	}
}

// The pass of the global schemes over the state, with as many observations as members and
// with few.
func BenchmarkUpdate(b *testing.B) {
	for _, size := range [][3]int{{20, 40, 20}, {100, 40, 40}, {100, 100_000, 20}, {100, 100_000, 100}} {
		members, n, k := size[0], size[1], size[2]
		b.Run(fmt.Sprintf("%dx%d/%d", members, n, k), func(b *testing.B) {
			normal := func(rows, columns int) *mat.Dense {
				m := mat.NewDense(rows, columns, nil)
				rng.Normals(rng.New(int64(rows)).Rand(), m.RawMatrix().Data)
				return m
			}
			e, into := normal(members, n), mat.NewDense(members, n, nil)
			u := &update{left: normal(members, k), mean: make([]float64, k), anomalies: normal(members, k)}
			b.ReportAllocs()
			for b.Loop() {
				u.apply(into, e, 1, 1)
			}
		})
	}
}
