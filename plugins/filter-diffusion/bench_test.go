package main

import (
	"fmt"
	"testing"
)

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

// BenchmarkSpan measures the ODE for few members of many values, in the span of
// the ensemble and directly.
func BenchmarkSpan(b *testing.B) {
	const members, n = 100, 100_000
	f, p := configure(b, map[string]any{"rtol": 1e-3, "atol": 1e-3}), twinProblem(members, n, 100)
	b.Run("span", func(b *testing.B) {
		for b.Loop() {
			analyse(b, f, p)
		}
	})
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			denoiseDirectly(b, f, p)
		}
	})
}
