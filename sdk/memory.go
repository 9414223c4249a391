package sdk

import (
	"fmt"
	"math"
	"slices"
)

// Memory says how much memory a call takes in addition to the matrices of its request and
// its answer, so that plume can tell before a run what it needs.
type Memory struct {
	State    float64 `toml:"state"`    // as a multiple of an N x n matrix of states
	Observed float64 `toml:"observed"` // as a multiple of an N x m matrix of observations
	Members  float64 `toml:"members"`  // as a multiple of an N x N matrix, or of N x n or N x m, the larger of them, if that is less
	Core     float64 `toml:"core"`     // as a multiple of an N x N matrix, for each processor core

	// InPlace says that a model or a filter may be given one matrix for the ensemble and for the
	// answer: it reads what it needs of a value or a member before it writes it. It then gets one,
	// unless a filter moves states of earlier times, too.
	InPlace bool `toml:"in_place"`

	// When lists, by the names of parameters, the choices with which this applies, as for
	// [Param]. Without When it always applies.
	When map[string][]string `toml:"when"`
}

// MemoryWith returns the first memory in the manifest that applies with params, whose
// defaults are filled in; the zero value if none does.
func (m *Manifest) MemoryWith(params Params) Memory {
	for _, memory := range m.Memory {
		applies := true
		for name, choices := range memory.When {
			value, _ := params[name].(string)
			applies = applies && slices.Contains(choices, value)
		}
		if applies {
			return memory
		}
	}
	return Memory{}
}

// memoryFaults returns the faults of the memory in the manifest.
func (m *Manifest) memoryFaults() []string {
	var faults []string
	for i, memory := range m.Memory {
		for _, factor := range []float64{memory.State, memory.Observed, memory.Members, memory.Core} {
			if !(factor >= 0) || math.IsInf(factor, 1) {
				faults = append(faults, fmt.Sprintf("memory %d: want numbers >= 0, got %g", i+1, factor))
			}
		}
		for _, f := range whenFaults(memory.When, m.Params) {
			faults = append(faults, fmt.Sprintf("memory %d: %s", i+1, f))
		}
	}
	return faults
}
