package obsnonlinear

import (
	"fmt"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// selectValues returns the state values that are observed: of the named
// variables, one after the other, those of indices or of start, stop and stride.
func (o *operator) selectValues(state *sdk.Layout) ([]int, error) {
	candidates, err := o.candidates(state)
	if err != nil {
		return nil, err
	}
	if len(o.Indices) > 0 {
		if o.Start != 0 || o.Stop != 0 || o.Stride != 1 {
			return nil, sdk.Errorf(sdk.KindConfig, "indices", "cannot be combined with start, stop or stride").WithHint("remove one or the other")
		}
		return pick(candidates, o.Indices)
	}
	stop := o.Stop
	if stop == 0 {
		stop = len(candidates)
	}
	if stop > len(candidates) {
		return nil, sdk.Errorf(sdk.KindConfig, "stop", "got %d, want at most %d, the number of values", stop, len(candidates))
	}
	if o.Start >= stop {
		return nil, sdk.Errorf(sdk.KindConfig, "start", "got %d, want less than stop, which is %d", o.Start, stop)
	}
	var at []int
	for j := o.Start; j < stop; j += o.Stride {
		at = append(at, candidates[j])
	}
	return at, nil
}

// candidates returns the state values of the named variables.
func (o *operator) candidates(state *sdk.Layout) ([]int, error) {
	names := o.Variables
	if len(names) == 0 {
		for _, v := range state.Variables {
			names = append(names, v.Name)
		}
	}
	var at []int
	seen := map[string]bool{}
	for _, name := range names {
		first, ok := state.Offset(name)
		if !ok {
			return nil, sdk.Errorf(sdk.KindConfig, "variables", "the state has no variable %q; it has %s", name, variableNames(state))
		}
		if seen[name] {
			return nil, sdk.Errorf(sdk.KindConfig, "variables", "%q is named twice", name)
		}
		seen[name] = true
		for j := range sizeOf(state, name) {
			at = append(at, first+j)
		}
	}
	return at, nil
}

func variableNames(l *sdk.Layout) string {
	s := ""
	for i, v := range l.Variables {
		if i > 0 {
			s += ", "
		}
		s += v.Name
	}
	return s
}

func sizeOf(l *sdk.Layout, name string) int {
	for _, v := range l.Variables {
		if v.Name == name {
			return v.Size()
		}
	}
	return 0
}

func pick(candidates, indices []int) ([]int, error) {
	at := make([]int, len(indices))
	seen := map[int]bool{}
	for k, i := range indices {
		if i >= len(candidates) {
			return nil, sdk.Errorf(sdk.KindConfig, "indices", "item %d is %d, want at most %d", k+1, i, len(candidates)-1)
		}
		if seen[i] {
			return nil, sdk.Errorf(sdk.KindConfig, "indices", "%d is listed twice", i)
		}
		seen[i] = true
		at[k] = candidates[i]
	}
	return at, nil
}

// observedLayout describes the observations: one variable for every run of values of one
// state variable, with its name and the positions of those values. The runs of a variable
// with several runs are numbered: u, u_2, u_3. They have the unit of the variable or, if
// that is not sameUnit, none.
func observedLayout(state *sdk.Layout, at []int, sameUnit bool) *sdk.Layout {
	l := &sdk.Layout{}
	last, taken := "", map[string]bool{}
	for _, v := range state.Variables {
		taken[v.Name] = true // variables that are not observed count too
	}
	runs := map[string]int{}
	for _, j := range at {
		v := variableAt(state, j)
		if v.Name != last {
			unit := "1"
			if sameUnit {
				unit = v.Unit
			}
			l.Variables = append(l.Variables, sdk.Variable{Name: runName(v.Name, runs, taken), Unit: unit})
			last = v.Name
			if len(v.Shape) > 0 {
				current := &l.Variables[len(l.Variables)-1]
				current.Shape, current.Dims = []int{0}, []string{"observation"}
			}
		}
		if current := &l.Variables[len(l.Variables)-1]; len(current.Shape) > 0 {
			current.Shape[0]++
		}
	}
	if c := state.Coordinates; c != nil {
		points := mat.NewDense(len(at), len(c.Dims), nil)
		for k, j := range at {
			points.SetRow(k, c.Points.RawRowView(j))
		}
		l.Coordinates = &sdk.Coordinates{Dims: c.Dims, Period: c.Period, Points: points}
	}
	return l
}

// runName returns a name for the next run of values of a variable that no other run and no
// state variable has.
func runName(variable string, runs map[string]int, taken map[string]bool) string {
	for {
		runs[variable]++
		name := fmt.Sprintf("%s_%d", variable, runs[variable])
		if runs[variable] == 1 {
			return variable
		}
		if !taken[name] {
			taken[name] = true
			return name
		}
	}
}

// variableAt returns the variable that state value j belongs to.
func variableAt(l *sdk.Layout, j int) sdk.Variable {
	for _, v := range l.Variables {
		if j < v.Size() {
			return v
		}
		j -= v.Size()
	}
	return sdk.Variable{}
}
