package plan

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// ofRun writes the members of two cycles and of the given stages as a run does: member i of
// cycle k has the level 100 s + 10 k + i in stage s, and the weight (i + 1) / 3.
func ofRun(t *testing.T, stages ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "part-00000.arrow")
	w, err := table.Create(path, append([]table.Column{{Name: "cycle", Type: table.Int32}, {Name: "time", Type: table.Float64}, {Name: "stage", Type: table.Text},
		{Name: "member", Type: table.Int32}, {Name: "log_weight", Type: table.Float64}, {Name: "parent", Type: table.Int32, Nullable: true}}, table.Variables(state)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= 2; k++ {
		for s, stage := range stages {
			e := mat.NewDense(2, 3, nil)
			for i := range 2 {
				e.Set(i, 0, float64(100*s+10*k+i))
			}
			cycle, time := int32(k), float64(k)
			if err := w.Append(2, []int32{cycle, cycle}, []float64{time, time}, []string{stage, stage}, []int32{0, 1}, []float64{math.Log(1. / 3), math.Log(2. / 3)},
				table.Nullable[int32]{Values: []int32{0, 1}, Valid: []bool{false, false}}, table.Block{Matrix: e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Of a file of a run one cycle and one stage are taken, with their weights.
func TestChoice(t *testing.T) {
	both, one := ofRun(t, "forecast", "analysis"), ofRun(t, "analysis")
	for _, c := range []struct {
		path   string
		choice workflow.Choice
		level  float64 // of the first member
		fault  string
	}{
		{one, workflow.Choice{Cycle: 1}, 10, ""},
		{one, workflow.Choice{Cycle: -1}, 20, ""},
		{both, workflow.Choice{Cycle: 2, Stage: "forecast"}, 20, ""},
		{both, workflow.Choice{Cycle: -1, Stage: "analysis"}, 120, ""},
		{one, workflow.Choice{}, 0, "has the members of several cycles, 1 to 2"},
		{both, workflow.Choice{Cycle: 1}, 0, "has the members of forecast and analysis"},
		{one, workflow.Choice{Cycle: 3}, 0, "has no members of cycle 3, only of 1 to 2"},
		{one, workflow.Choice{Cycle: 1, Stage: "forecast"}, 0, `has no members of stage "forecast", only of analysis`},
	} {
		r, faults := readMembers(c.path, tabular.Dialect{}, c.choice, wanted)
		if c.fault != "" {
			if r != nil || len(faults) != 1 || faults[0].Error() != c.fault {
				t.Errorf("%+v: got %v, want %s", c.choice, faults, c.fault)
			}
			continue
		}
		if len(faults) > 0 {
			t.Errorf("%+v: %v", c.choice, faults)
			continue
		}
		if want := []float64{c.level, 0, 0, c.level + 1, 0, 0}; !slices.Equal(r.values, want) {
			t.Errorf("%+v: got %v, want %v", c.choice, r.values, want)
		}
		if w := r.weights(); len(w) != 2 || math.Abs(w[0]-1./3) > 1e-15 || math.Abs(w[1]-2./3) > 1e-15 { // an exponential and a division, each within an ulp or two
			t.Errorf("%+v: weights %v", c.choice, w)
		}
	}
}

// A column that nothing uses is a fault, in any file, unless it is ignored.
func TestUnusedColumns(t *testing.T) {
	path := ofRun(t, "analysis")
	for _, c := range []struct {
		names  []string
		ignore []string
		want   string
	}{
		{[]string{"level"}, nil, "[the column u is of no variable, and not used]"},
		{[]string{"level"}, []string{"u"}, "[]"},
		{[]string{"u[0]", "u[1]"}, nil, "[the column level is of no variable, and not used]"},
	} {
		_, faults := readMembers(path, tabular.Dialect{}, workflow.Choice{Cycle: 1, Ignore: c.ignore}, c.names)
		if got := fmt.Sprint(faults); got != c.want {
			t.Errorf("%v, ignoring %v: got %s, want %s", c.names, c.ignore, got, c.want)
		}
	}
	if _, _, faults := members(t, "m.csv", "level,u[0],u[1],rho\n1,2,3,4\n", tabular.Dialect{}); fmt.Sprint(faults) != "[the column rho is of no variable, and not used]" {
		t.Errorf("got %v", faults)
	}
	if _, faults := readMembers(filepath.Join(filepath.Dir(path), "part-00000.arrow"), tabular.Dialect{}, workflow.Choice{Cycle: 1}, append([]string{"cycle"}, wanted...)); len(faults) != 1 {
		t.Errorf("a variable has the name of a column of a run: got %v", faults)
	}
}

// Equal weights are none.
func TestEqualWeights(t *testing.T) {
	for _, c := range []struct {
		log  []float64
		want []float64
	}{{nil, nil}, {[]float64{-3, -3, -3}, nil}, {[]float64{0, math.Inf(-1)}, []float64{1, 0}}} {
		if got := (&read{logWeights: c.log}).weights(); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.log, got, c.want)
		}
	}
}

// Where only some cycles are stored, -1 is the last of them, and of another one it is said which is the nearest.
func TestCyclesThatAreNotStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "part-00000.arrow")
	w, err := table.Create(path, append([]table.Column{{Name: "cycle", Type: table.Int32}, {Name: "stage", Type: table.Text}, {Name: "member", Type: table.Int32},
		{Name: "log_weight", Type: table.Float64}}, table.Variables(state)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []int32{6, 12, 18} {
		e := mat.NewDense(1, 3, []float64{float64(k), 0, 0})
		if err := w.Append(1, []int32{k}, []string{"analysis"}, []int32{0}, []float64{0}, table.Block{Matrix: e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for cycle, want := range map[int][2]string{
		-1: {}, 12: {},
		11: {"has no members of cycle 11, only of some from 6 to 18", "write cycle = 12, the nearest one, or cycle = -1 for the last one, which is 18; "},
		20: {"has no members of cycle 20, only of 6 to 18", "write cycle = 18, "},
	} {
		r, faults := readMembers(path, tabular.Dialect{}, workflow.Choice{Cycle: cycle}, wanted)
		if want[0] == "" {
			if len(faults) > 0 || r.values[0] != map[int]float64{-1: 18, 12: 12}[cycle] {
				t.Errorf("cycle %d: got %v, %v", cycle, r, faults)
			}
			continue
		}
		var e *tabular.Error
		if len(faults) != 1 || !errors.As(faults[0], &e) || e.What != want[0] || !strings.HasPrefix(e.Hint, want[1]) {
			t.Errorf("cycle %d: got %+v", cycle, faults)
		}
	}
}
