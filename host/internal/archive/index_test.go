package archive

import (
	"reflect"
	"slices"
	"testing"
)

// The index of a cycle is its place among those that are there.
func TestCycleIndex(t *testing.T) {
	var c CycleIndex
	there := []int32{3, 4, 5, 9, 12, 13}
	for _, cycle := range there {
		c.add(cycle)
		c.add(cycle) // another row
	}
	for cycle := range int32(16) {
		at, ok := c.Of(cycle)
		if want := slices.Index(there, cycle); ok != (want >= 0) || ok && at != want {
			t.Errorf("cycle %d: %d, %v, want %d", cycle, at, ok, want)
		}
	}
	if c.N != len(there) {
		t.Errorf("%d cycles", c.N)
	}
}

// The rows of a batch are put together by stage, also where stages of a trial alternate.
func TestByStage(t *testing.T) {
	b := &CycleScores{Trial: []int32{1, 1, 1, 1, 2, 2}, Stage: []string{"forecast", "analysis", "forecast", "analysis", "forecast", "analysis"}}
	want := []StageRows{{1, "forecast", []int{0, 2}}, {1, "analysis", []int{1, 3}}, {2, "forecast", []int{4}}, {2, "analysis", []int{5}}}
	if got := b.ByStage(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
