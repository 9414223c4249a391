package filterdiffusion

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// record leaves what f analysed and what that gave in the folder PLUME_BENCH, as
// little-endian float64, for bench/filters to compute the same. The latents there
// have standard deviation 1.
func record(b *testing.B, f *filter, p *sdk.Problem) {
	dir := os.Getenv("PLUME_BENCH")
	if dir == "" {
		return
	}
	a := analyse(b, f, p)
	if steps, found := a.Metrics["steps_mean"]; found {
		b.ReportMetric(steps, "steps")
	}
	write := func(name string, values []float64) {
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
	result := mat.DenseCopyOf(p.Into)
	latents(p, 1)
	for name, m := range map[string]*mat.Dense{"ensemble": p.Ensemble, "simulated": p.Simulated, "latents": p.Into, "analysis": result} {
		if m != nil {
			write(name, m.RawMatrix().Data)
		}
	}
	write("observation", p.Observation)
}

func BenchmarkAnalyse(b *testing.B) {
	for _, sampler := range []string{"ode", "heun", "sde", "exact"} {
		f := configure(b, map[string]any{"sampler": sampler})
		for _, members := range []int{100, 250} {
			for _, n := range []int{3, 40} {
				p := twinProblem(members, n, n)
				b.Run(fmt.Sprintf("%s/N=%d/n=%d", sampler, members, n), func(b *testing.B) {
					for b.Loop() {
						analyse(b, f, p)
					}
					if sampler == "ode" {
						record(b, f, p)
					}
				})
			}
		}
	}
}

// BenchmarkJoint measures an analysis of scheme joint with defaults, with many
// members of few values and with few of many.
func BenchmarkJoint(b *testing.B) {
	for _, size := range []struct{ members, n, m int }{{100, 3, 1}, {100, 40, 40}, {40, 40, 40}, {40, 100_000, 1000}} {
		b.Run(fmt.Sprintf("%dx%d", size.members, size.n), func(b *testing.B) {
			f, p := configure(b, joint(nil)), twinProblem(size.members, size.n, size.m)
			for b.Loop() {
				analyse(b, f, p)
			}
		})
	}
}

// BenchmarkLocal measures an analysis of scheme joint with a cutoff, every second value seen.
func BenchmarkLocal(b *testing.B) {
	for _, n := range []int{40, 10_000} {
		b.Run(fmt.Sprintf("20x%d", n), func(b *testing.B) {
			p := twinProblem(20, n, n/2)
			f := mustLocal(b, map[string]any{"cutoff": 10.0}, p, float64(n))
			for b.Loop() {
				analyse(b, f, p)
			}
		})
	}
}

// ringProblem is that of the benchmarks of filter-enkf: every so many sites of a ring are observed, and the members' spread
// of 0.3, correlated over a few sites, is that of Lorenz-96 in the set-up of Sakov and Oke (2008).
func ringProblem(members, n, every int) *sdk.Problem {
	e, predicted, y := mat.NewDense(members, n, nil), mat.NewDense(members, n/every, nil), make([]float64, n/every)
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
	}
	return &sdk.Problem{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(1)}, Ensemble: e, Predicted: predicted,
		Observation: y, ErrorVariance: slices.Repeat([]float64{1}, n/every), Into: mat.NewDense(members, n, nil),
	}
}

// BenchmarkLocalRing measures an analysis of scheme joint with a cutoff, with 25 components near every place and with two or
// none. bench/filters compares it with the benchmark of the same name in filter-enkf, that of the LETKF. With kernels as wide as
// the ensemble the two have the same analysis, which bench/filters checks first.
func BenchmarkLocalRing(b *testing.B) {
	const n = 10_000
	for _, members := range []int{20, 40} {
		for _, every := range []int{1, 4, 20} {
			for name, params := range map[string]map[string]any{
				"joint": {"cutoff": 14.56},
				"letkf": {"cutoff": 14.56, "bandwidth": 1.0, "finite_size": false},
			} {
				b.Run(fmt.Sprintf("N=%d/every=%d/%s", members, every, name), func(b *testing.B) {
					p := ringProblem(members, n, every)
					f := mustLocal(b, params, p, n)
					for b.Loop() {
						analyse(b, f, p)
					}
					if name == "letkf" {
						record(b, f, p)
					}
				})
			}
		}
	}
}

// BenchmarkSpan measures the ODE for few members of many values, in the span of
// the ensemble and directly.
func BenchmarkSpan(b *testing.B) {
	const members, n = 100, 100_000
	f, p := configure(b, map[string]any{"rtol": 4e-5, "atol": 4e-5}), twinProblem(members, n, 100)
	b.Run("span", func(b *testing.B) {
		for b.Loop() {
			analyse(b, f, p)
		}
		record(b, f, p)
	})
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			denoiseDirectly(b, f, p)
		}
	})
}
