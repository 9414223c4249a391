package main

import (
	"math/rand/v2"

	"github.com/plume-da/plume/sdk/resample"
)

// draw returns an ancestor for every member, in ascending order.
func (f *filter) draw(weights []float64, r *rand.Rand) []int {
	dst := make([]int, len(weights))
	switch f.Resampling {
	case "stratified":
		return resample.Stratified(dst, weights, r)
	case "residual":
		return resample.Residual(dst, weights, r)
	case "multinomial":
		return resample.Multinomial(dst, weights, r)
	}
	return resample.Systematic(dst, weights, r)
}

// unique counts the different ancestors of an ascending list.
func unique(ancestors []int) int {
	n := 1
	for i := 1; i < len(ancestors); i++ {
		if ancestors[i] != ancestors[i-1] {
			n++
		}
	}
	return n
}
