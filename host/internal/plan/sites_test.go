package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
)

// Up to 100,000 values all are scored; of more, as many at even distances in each variable, and at
// least one of a small one.
func TestSites(t *testing.T) {
	of := func(sizes ...int) *Plan {
		l := &sdk.Layout{}
		for i, size := range sizes {
			v := sdk.Variable{Name: string(rune('a' + i))}
			if size > 1 {
				v.Shape = []int{size}
			}
			l.Variables = append(l.Variables, v)
		}
		return &Plan{State: l}
	}
	if got := of(mostSites).Sites(); got != nil || Evenly(mostSites) != nil {
		t.Errorf("%d of %d values", len(got), mostSites)
	}
	if notes := of(mostSites).ScoreNotes(); len(notes) != 0 {
		t.Errorf("%d values: %v", mostSites, notes)
	}
	p := of(3*mostSites, 1, mostSites)
	sites := p.Sites()
	if !slices.IsSorted(sites) || len(sites) < mostSites || len(sites) > mostSites+3 || !slices.Contains(sites, 3*mostSites) {
		t.Errorf("%d sites", len(sites))
	}
	for k, j := range sites[:1000] {
		if j != 4*k {
			t.Fatalf("site %d is value %d, want %d", k, j, 4*k)
		}
	}
	if notes := p.ScoreNotes(); len(notes) != 1 || !strings.Contains(notes[0], "The state has 400001 values") {
		t.Errorf("%v", notes)
	}
}
