package names

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
)

func TestFault(t *testing.T) {
	for name, want := range map[string]string{
		"x": "", "_x": "", "2m_temperature": "", "ψ": "", "der(body.v[1])": "", "a/b": "", "zarr": "", "a b": "", "c": "",
		".": "begin", "..": "begin", "-x": "begin", "(x)": "begin", "/x": "begin", " x": "begin", "x ": "blank", "x\u00a0": "blank", "x\ty": "control", "x\x7f": "control",
		"zarr.json": "Zarr", "__x": "Zarr", "x\xff": "UTF-8", strings.Repeat("x", 101): "bytes", strings.Repeat("x", 100): "",
	} {
		if got := Fault(name); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// Two variables share a name exactly where a table with a column for each value has it twice.
func TestShared(t *testing.T) {
	var all []sdk.Variable
	for _, name := range []string{"x", "x_0", "x_1", "x_2", "x_00", "x_-1", "x_1_0", "x_0_1", "x_", "x_a", "y/0", "y_0", "y"} {
		for _, shape := range [][]int{nil, {2}, {3}, {2, 2}} {
			all = append(all, sdk.Variable{Name: name, Shape: shape})
		}
	}
	columns := func(v sdk.Variable) map[string]bool {
		names := []string{v.Name}
		for _, n := range v.Shape {
			var longer []string
			for _, name := range names {
				for i := range n {
					longer = append(longer, fmt.Sprintf("%s_%d", name, i))
				}
			}
			names = longer
		}
		set := map[string]bool{}
		for _, name := range names {
			set[name] = true
		}
		return set
	}
	some := 0
	for _, a := range all {
		for _, b := range all {
			if a.Name == b.Name {
				continue
			}
			want := Array(a.Name) == Array(b.Name)
			for name := range columns(a) {
				want = want || columns(b)[name]
			}
			_, _, name, got := Shared(&sdk.Layout{Variables: []sdk.Variable{a, b}})
			if got != want {
				t.Errorf("%s %v and %s %v: got %v, want %v", a.Name, a.Shape, b.Name, b.Shape, got, want)
			}
			if got && Array(a.Name) != Array(b.Name) && !(columns(a)[name] && columns(b)[name]) {
				t.Errorf("%s %v and %s %v: both are said to have %s", a.Name, a.Shape, b.Name, b.Shape, name)
			}
			if got {
				some++
			}
		}
	}
	if some < 10 {
		t.Errorf("%d pairs share a name", some)
	}
}

// Python's reader gives no dimension and no coordinate a name that is taken either.
func TestPythonKnowsTheNames(t *testing.T) {
	text, err := os.ReadFile("../../../sdk/python/src/plume/_arrays.py")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n_TAKEN = (")
	list, _, _ := strings.Cut(after, "\n)")
	if got, want := strings.Fields(strings.NewReplacer(`"`, "", ",", " ").Replace(list)), Taken(); !slices.Equal(got, want) {
		t.Errorf("_TAKEN of _arrays.py is %q, want %q", got, want)
	}
}
