package report

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// Mean and spread of maps are the weighted ones of the scores, and their error is that of the mean.
func TestMaps(t *testing.T) {
	values, weights := [][]float64{{1e8 + 1, 5}, {1e8 + 2, 5}, {1e8 + 6, 8}}, []float64{0.5, 0.25, 0.25}
	s := &snapshots{maps: [][]*fieldSums{make([]*fieldSums, 1)}}
	truth := &snapshots{maps: [][]*fieldSums{{{members: 1, weight: 1, sum: []float64{0, 0}, square: []float64{0, 0}, first: []float64{1e8, 6}}}}}
	for m, row := range values {
		s.addMap(0, 0, row, weights[m])
	}
	mean, spread := s.maps[0][0].moments()
	if math.Abs(mean[0]-(1e8+2.5)) > 1e-6 || mean[1] != 5.75 {
		t.Errorf("mean %v", mean)
	}
	variance := (0.5*1.5*1.5 + 0.25*0.5*0.5 + 0.25*3.5*3.5) / (1 - 0.25 - 2*0.0625)
	if want := score.Spread([]float64{variance}); math.Abs(spread[0]-want) > 1e-6 {
		t.Errorf("spread %v, want %v", spread[0], want)
	}
	d := s.mapsData(truth)[0]
	if got := float64(d.Error[0].High); math.Abs(got-2.5) > 1e-6 || float64(d.Error[0].Low) != -0.25 {
		t.Errorf("error from %v to %v", d.Error[0].Low, d.Error[0].High)
	}
	if of := truth.mapsData(nil)[0]; of.Spread != nil || of.Error != nil || len(of.Mean) != 1 {
		t.Errorf("maps of a truth: %+v", of)
	}
}

// The profile is over the cycles after burn-in alone.
func TestProfile(t *testing.T) {
	p := &profile{error: make([]float64, 2), spread: make([]float64, 2)}
	for _, e := range []float64{3, -4} {
		p.add(0, e, 1)
		p.add(1, 0, 2)
	}
	error, spread := p.rms()
	if error[0] != math.Sqrt(12.5) || !slices.Equal(spread, []float64{1, 2}) {
		t.Errorf("error %v, spread %v", error, spread)
	}
}

// Charts of members open at the cycle in which the reference is widest.
func TestOpeningCycle(t *testing.T) {
	r := &Report{trajectories: trajectories{shown: []component{{variable: "x", scalar: true}}}}
	r.members.cycles = []int32{1, 2, 3}
	if at := r.openingCycle(); at != 2 {
		t.Errorf("without a reference at %d", at)
	}
	of := func(values ...float64) *cloud { return &cloud{[][]float64{values}, []float64{1, 1}} }
	r.members.references = map[int]*snapshots{0: {cycles: clouds{of(0, 1), of(-9, 9), nil}}}
	if at := r.openingCycle(); at != 1 {
		t.Errorf("opens at %d, want where the modes are apart", at)
	}
}

// An estimated parameter has a chart even if there are more values than trajectories.
func TestParametersAreShown(t *testing.T) {
	run := sweep()
	dir := run.Write(t, t.TempDir())
	r := mustOpen(t, dir, &Setup{Setup: compare.Setup{BurnIn: 1}, Parameters: []string{"x"}})
	d := r.data()
	if len(d.Parameters) != 1 || d.Shown[d.Parameters[0]].Label != "x" || d.Shown[d.Parameters[0]].Unit != archivetest.State.Variables[0].Unit {
		t.Errorf("parameters %v of %v", d.Parameters, d.Shown)
	}
	if !slices.ContainsFunc(r.charts()["parameters"], func(c shownChart) bool { return c.Name == "parameters" }) {
		t.Error("no chart of parameters")
	}
	if d := mustOpen(t, dir, &Setup{}).data(); d.Parameters != nil {
		t.Errorf("without estimates there are %v", d.Parameters)
	}
}

// Central intervals of a flat histogram contain the share that is expected of them; those of one
// whose truths are all outside contain none.
func TestCoverageOfIntervals(t *testing.T) {
	expected, share := coverage(slices.Repeat([]float64{2}, 11))
	if !slices.EqualFunc(expected, share, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) || len(share) != 5 || math.Abs(expected[4]-9.0/11) > 1e-12 {
		t.Errorf("expected %v, share %v", expected, share)
	}
	outside := make([]float64, 101)
	outside[0], outside[100] = 5, 5
	expected, share = coverage(outside)
	if len(share) > 2*mostLevels || slices.Max(share) > 0 || !slices.IsSorted(expected) {
		t.Errorf("expected %v, share %v", expected, share)
	}
}

// Members that have no weight together are left out, in clouds and maps, and the page says so.
func TestMembersWithoutWeight(t *testing.T) {
	of := func(weights ...float64) *cloud { return &cloud{[][]float64{{1, 2}}, weights} }
	r := &Report{members: members{cycles: []int32{4, 8}, latest: []int32{7, 8}}}
	one := &trial{Trial: &compare.Trial{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Trial: 3, Filter: "pf"}, Size: 20}}, stored: 2, members: map[string]*snapshots{
		archive.Forecast: {cycles: clouds{of(0, 0), nil}, latest: clouds{nil, of(0, 0)}},
		archive.Analysis: {cycles: clouds{of(0, 0), of(0, 1)}, latest: clouds{of(0, 0), of(1, 0)}, maps: [][]*fieldSums{{{weight: 0}, {weight: 1}}}},
	}}
	r.weigh(one)
	s := one.members[archive.Analysis]
	if s.cycles[0] != nil || s.cycles[1] == nil || s.latest[0] != nil || s.latest[1] == nil || s.maps[0][0] != nil || s.maps[0][1] == nil {
		t.Errorf("kept %+v", s)
	}
	if one.members[archive.Forecast] != nil {
		t.Error("a stage without members is kept")
	}
	want := "Members of trial 3, pf, are not shown at 3 cycles, the first of them 4: the members that are stored have no weight; store more: output.ensemble_members."
	if !slices.Equal(r.omitted, []string{want}) {
		t.Errorf("got %q, want %q", r.omitted, want)
	}
}

// A map of spread needs two members with weight.
func TestSpreadOfOneMember(t *testing.T) {
	weight := math.Exp(-math.Log(20)) // with which rounding leaves a little of the other members' weight
	for n, wanted := range map[int]int{1: 1, 2: 2} {
		s := &snapshots{maps: [][]*fieldSums{make([]*fieldSums, 1)}}
		for m := range n {
			s.addMap(0, 0, []float64{float64(m), 2}, weight)
		}
		r := &Report{members: members{cycles: []int32{1}, grids: []grid{{Name: "h", Rows: 1, Cols: 2, Dims: [2]string{"y", "x"}}}}}
		one := &trial{Trial: &compare.Trial{}, members: map[string]*snapshots{archive.Analysis: s}}
		panels := 0
		for _, row := range r.mapsFigure(one).panels {
			for _, p := range row {
				if panels++; strings.Contains(p.Title.Text, "Inf") || strings.Contains(p.Title.Text, "-0") {
					t.Errorf("%d members: %q", n, p.Title.Text)
				}
			}
		}
		if panels != wanted {
			t.Errorf("%d members: got %d panels, want %d", n, panels, wanted)
		}
	}
	s := &snapshots{maps: [][]*fieldSums{make([]*fieldSums, 1)}}
	s.addMap(0, 0, []float64{1}, 1)
	s.addMap(0, 0, []float64{2}, 0)
	if d := s.mapsData(nil)[0]; d.Mean[0] == nil || d.Spread[0] != nil {
		t.Errorf("one member with weight: %+v", d)
	}
}

// Titles say how many members of an ensemble are stored.
func TestSizeText(t *testing.T) {
	for stored, want := range map[int]string{0: "N = 20", 1: "1 of N = 20", 20: "N = 20", 30: "N = 20"} {
		if got := (&trial{Trial: &compare.Trial{TrialRow: archive.TrialRow{Size: 20}}, stored: stored}).sizeText(); got != want {
			t.Errorf("%d stored: got %q, want %q", stored, got, want)
		}
	}
}
