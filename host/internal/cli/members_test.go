//go:build linux

package cli

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

// The members in a page are those in the tables of the run, to the five digits of the page.
func TestMembersOfThePage(t *testing.T) {
	path := reported(t, reportedTwin)
	var page struct {
		Members struct{ Cycles, Latest []int32 }
		Trials  []struct {
			Members map[string]struct {
				Cycles, Latest []struct{ Values [][]float64 }
			}
		}
	}
	readPageData(t, path, &page)
	if want := []int32{5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60}; !slices.Equal(page.Members.Cycles, want) {
		t.Fatalf("cycles %v, want %v", page.Members.Cycles, want)
	}
	reader, err := archive.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i, trial := range page.Trials {
		row := 0
		for b, err := range reader.States(fmt.Sprintf("ensemble/trial=%04d/part-00000", i+1)) {
			if err != nil {
				t.Fatal(err)
			}
			for k, cycle := range b.Cycle {
				of := trial.Members[b.Stage[k]]
				for v, f := range b.Fields { // x, y, z
					got := []float64{of.Latest[slices.Index(page.Members.Latest, cycle)].Values[v][row%10]}
					if at := slices.Index(page.Members.Cycles, cycle); at >= 0 {
						got = append(got, of.Cycles[at].Values[v][row%10])
					}
					for _, x := range got {
						if want := f.Row(k)[0]; math.Abs(x-want) > 5e-5*math.Abs(want) {
							t.Errorf("trial %d, cycle %d, %s: got %v, want %v", i+1, cycle, f.Name, x, want)
						}
						compared++
					}
				}
				row++
			}
		}
	}
	if compared != 2*(12+60)*10*3 {
		t.Errorf("%d values compared", compared)
	}
}
