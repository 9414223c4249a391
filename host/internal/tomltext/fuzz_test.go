package tomltext

import (
	"math"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/diag"
)

// FuzzRead holds reading to its promises on any text: it does not panic, it returns a
// tree or findings and not both, findings point into the text, the scanner agrees with
// the decoder, and every value is placed in the text.
func FuzzRead(f *testing.F) {
	for _, text := range odd {
		f.Add(text, `a."b c".d = [1, {x = "y"}]`)
	}
	for _, text := range []string{"a = ", "a = [1", "[a", "a = 1\na = 2", "a = 01", "\xff", "under = []"} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		r := newReader()
		r.Rule = alone{r.Rule}
		n := r.File("f", []byte(text))
		if (n == nil) == (len(*r.Found) == 0) {
			t.Fatalf("tree %v, findings %s", n != nil, r.Found.Text(false))
		}
		text = strings.TrimPrefix(text, "\ufeff")
		if n != nil {
			values, err := decode(text)
			if err == nil {
				err = checkMarks(text, values)
			}
			if err != nil {
				t.Fatal(err)
			}
			checkPlaces(t, n, strings.Count(text, "\n")+1)
		}
		if vs := r.Values(Flag{"--key", "--key a=1"}, []string{value}, nil, 1); len(vs) == 1 {
			Merge(r.Rule, n, vs[0])
		}
		for _, d := range *r.Found {
			if d.Line < 1 || d.Column < 1 || d.Width < 1 || d.File != "" && d.Line > strings.Count(text, "\n")+1 || d.Message == "" {
				t.Fatalf("misplaced: %+v", d)
			}
		}
	})
}

// alone is a rule under which no file includes others.
type alone struct{ Rule }

func (alone) Prepare(*Node) []*Node { return nil }

func checkPlaces(t *testing.T, n *Node, lines int) {
	t.Helper()
	for _, at := range []diag.Span{n.Place(), n.KeyPlace()} {
		if at.Line < 1 || at.Line > lines || at.Column < 1 || at.Width < 1 {
			t.Fatalf("misplaced: %+v", at)
		}
	}
	for _, c := range n.Table {
		checkPlaces(t, c, lines)
	}
	for _, c := range n.Items {
		checkPlaces(t, c, lines)
	}
}

// FuzzArithmetic: no expression panics or gives anything but a finite number,
// and spaces around it and parentheses do not change its value.
func FuzzArithmetic(f *testing.F) {
	for _, s := range []string{"8/3", "-(1 + 2) * sqrt(4)", "2*pi", "1e-3", "1_000.5", "log(exp(1))", "--1", ")", "1..2", "sin", "é", strings.Repeat("(", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Arithmetic(s)
		if err != nil {
			if err.Offset < 0 || err.Offset > len(s) || err.What == "" {
				t.Fatalf("%q: %+v", s, err)
			}
			return
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%q is %v", s, v)
		}
		if again, err := Arithmetic(" ( " + s + " ) "); err == nil && again != v {
			t.Fatalf("%q is %v, in parentheses %v", s, v, again)
		}
	})
}
