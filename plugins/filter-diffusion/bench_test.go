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
