package plan

import (
	"slices"
	"testing"
)

// Ensembles of cycles that a run does not reach are warned of.
func TestEnsemblesThatAreNotStored(t *testing.T) {
	for every, want := range map[int][]string{
		0:  nil,
		12: nil,
		13: {"output.ensemble_every: no ensemble is stored: got 13, but the last cycle is 12; lower it, or omit it to store every cycle"},
	} {
		if got := (&Plan{Clock: Clock{Cycles: 12}, stores: every}).Warnings(); !slices.Equal(got, want) {
			t.Errorf("every %d: got %q, want %q", every, got, want)
		}
	}
}
