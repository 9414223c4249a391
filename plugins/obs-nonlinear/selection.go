package obsnonlinear

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// run is some values of one state variable: first, first + stride, and so on.
type run struct {
	variable             sdk.Variable
	first, stride, count int
}

// selectValues returns the state values that are observed: of the named variables, one
// after the other, those of indices or of start, stop and stride.
func (o *operator) selectValues(state *sdk.Layout) ([]run, error) {
	candidates, total, err := o.candidates(state)
	if err != nil {
		return nil, err
	}
	if len(o.Indices) > 0 {
		if o.Start != 0 || o.Stop != 0 || o.Stride != 1 {
			return nil, sdk.Errorf(sdk.KindConfig, "indices", "cannot be combined with start, stop or stride").WithHint("remove one or the other")
		}
		return pick(candidates, total, o.Indices)
	}
	stop := cmp.Or(o.Stop, total)
	if stop > total {
		return nil, sdk.Errorf(sdk.KindConfig, "stop", "got %d, want at most %d, the number of values", stop, total)
	}
	if o.Start >= stop {
		return nil, sdk.Errorf(sdk.KindConfig, "start", "got %d, want less than stop, which is %d", o.Start, stop)
	}
	var runs []run
	from := o.Start // relative to the first value of c
	for _, c := range candidates {
		if count := (min(c.count, stop) - from + o.Stride - 1) / o.Stride; count > 0 {
			runs = append(runs, run{c.variable, c.first + from, o.Stride, count})
			from += count * o.Stride
		}
		from, stop = from-c.count, stop-c.count
	}
	return runs, nil
}

// candidates returns the values of the named variables, and how many there are.
func (o *operator) candidates(state *sdk.Layout) (runs []run, total int, err error) {
	names := o.Variables
	if len(names) == 0 {
		for _, v := range state.Variables {
			names = append(names, v.Name)
		}
	}
	seen := map[string]bool{}
	for _, name := range names {
		first, ok := state.Offset(name)
		if !ok {
			return nil, 0, sdk.Errorf(sdk.KindConfig, "variables", "the state has no variable %q; it has %s", name, variableNames(state))
		}
		if seen[name] {
			return nil, 0, sdk.Errorf(sdk.KindConfig, "variables", "%q is named twice", name)
		}
		seen[name] = true
		i := slices.IndexFunc(state.Variables, func(v sdk.Variable) bool { return v.Name == name })
		v := state.Variables[i]
		runs, total = append(runs, run{v, first, 1, v.Size()}), total+v.Size()
	}
	return runs, total, nil
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

// pick returns the values of total candidates that have indices, each a run of its own.
func pick(candidates []run, total int, indices []int) ([]run, error) {
	runs := make([]run, len(indices))
	seen := map[int]bool{}
	for k, i := range indices {
		if i >= total {
			return nil, sdk.Errorf(sdk.KindConfig, "indices", "item %d is %d, want at most %d", k+1, i, total-1)
		}
		if seen[i] {
			return nil, sdk.Errorf(sdk.KindConfig, "indices", "%d is listed twice", i)
		}
		seen[i] = true
		for _, c := range candidates {
			if i < c.count {
				runs[k] = run{c.variable, c.first + i, 1, 1}
				break
			}
			i -= c.count
		}
	}
	return runs, nil
}

// observedLayout describes the observations: one variable for runs of one state variable
// that follow each other, with its name and the positions of their values. Several variables
// for one state variable are numbered: u, u_2, u_3. They have the unit of the state variable
// or, if that is not sameUnit, none.
func observedLayout(state *sdk.Layout, runs []run, sameUnit bool) *sdk.Layout {
	l := &sdk.Layout{}
	last, taken := "", map[string]bool{}
	for _, v := range state.Variables {
		taken[v.Name] = true // variables that are not observed count too
	}
	times := map[string]int{}
	for _, r := range runs {
		v := r.variable
		if v.Name != last {
			unit := "1"
			if sameUnit {
				unit = v.Unit
			}
			l.Variables = append(l.Variables, sdk.Variable{Name: runName(v.Name, times, taken), Unit: unit})
			last = v.Name
			if len(v.Shape) > 0 {
				current := &l.Variables[len(l.Variables)-1]
				current.Shape, current.Dims = []int{0}, []string{"observation"}
			}
		}
		if current := &l.Variables[len(l.Variables)-1]; len(current.Shape) > 0 {
			current.Shape[0] += r.count
		}
	}
	if c := state.Coordinates; c != nil {
		l.Coordinates = &sdk.Coordinates{Dims: c.Dims, Period: c.Period, Points: positions(c.Points, runs, l.Size())}
	}
	return l
}

// positions returns those of the size values of runs: by rule where all are by rule, unless
// the runs are single values, for which a rule would take more memory.
func positions(all mat.Matrix, runs []run, size int) mat.Matrix {
	if grid, ok := all.(sdk.Grid); ok && 2*len(runs) <= size {
		var part sdk.Grid
		for _, r := range runs {
			part = append(part, grid.Part(r.first, r.stride, r.count)...)
		}
		return part
	}
	_, axes := all.Dims()
	points, k := mat.NewDense(size, axes, nil), 0
	for _, r := range runs {
		for i := range r.count {
			mat.Row(points.RawRowView(k), r.first+i*r.stride, all)
			k++
		}
	}
	return points
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
