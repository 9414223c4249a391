package filterdiffusion

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/sdk"
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
	b.ReportMetric(a.Metrics["steps_mean"], "steps")
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
		write(name, m.RawMatrix().Data)
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
