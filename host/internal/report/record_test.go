package report

import (
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

// Unknowns are those that have a spread, parameters first; a value of a variable with several is
// named by its index.
func TestUnknownsOfRecord(t *testing.T) {
	m := &matching{observed: map[string]*predictions{archive.Analysis: {make([]float64, 1500), make([]float64, 1500)}}}
	for i := range 1500 {
		m.observed[archive.Analysis].value[i] = float64(i)
	}
	for pass := range int32(3) {
		for _, v := range []struct {
			name  string
			index int32
			sd    float64
		}{{"known", 0, 0}, {"head", 0, 1}, {"head", 1, 1}, {"k", 0, 2}, {"scalar", 0, 1}} {
			u := m.unknown(v.name, v.index, pass, v.name == "k")
			u.everMoving = u.everMoving || v.sd > 0
			u.mean = append(u.mean, float64(pass))
		}
	}
	m.shorten()
	var labels []string
	for _, u := range m.unknowns {
		if labels = append(labels, u.label); len(u.mean) != 3 {
			t.Errorf("%s has %d passes", u.label, len(u.mean))
		}
	}
	if want := []string{"k", "head[0]", "head[1]", "scalar"}; !slices.Equal(labels, want) {
		t.Errorf("got %v, want %v", labels, want)
	}
	if p := m.observed[archive.Analysis]; len(p.value) != mostFitted || len(p.mean) != mostFitted || p.value[mostFitted-1] < 1490 {
		t.Errorf("%d values, the last %v", len(p.value), p.value[len(p.value)-1])
	}
}
