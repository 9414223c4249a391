package process

import (
	"fmt"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// What programs leave that were not written for plume: the three of a new user, and the
// habits of others.
func TestRead(t *testing.T) {
	const (
		seir = "# SEIR run for Oberdorf\n#    day          S           E           I\n     0.000  4.99E+04  6.0E+01  4.0E+01\n     1.000  4.98E+04  6.9E+01  4.6E+01\n"
		rod  = "rod: 6000 steps, t = 600.00 s\ncell   x[m]   T[C]\n   1  0.0050    20.9\n   2  0.0150    21.8\n   3  0.0250    22.7\n"
		prey = "# predator-prey, 200 steps, T = 5\nday = 2.000\nS = 3.061692\nI: 1.5,\nratio = 2.04\n"
		cars = "\"\",\"I\",\"S\"\n\"1\",2,1\n\"2\",4,3\n"
	)
	scalars := params{"variables": []string{"S", "I"}}
	field := params{"variables": []string{"T(x)"}, "dimensions": []string{"x = 3"}}
	for name, tt := range map[string]struct {
		layout     params
		file, text string
		read, rows string
		want       string
	}{
		"last row by names in a comment": {scalars, "seir.dat", seir, "S I", "last", "[49800 46]"},
		"last row by numbers":            {scalars, "seir.dat", seir, "2 4", "last", "[49800 46]"},
		"column of a field":              {field, "profile.txt", rod, "T[C]", "all", "[20.9 21.8 22.7]"},
		"column by number":               {field, "profile.txt", rod, "3", "all", "[20.9 21.8 22.7]"},
		"block after block":              {field, "profile.txt", strings.Replace(rod, "20.9", "1", 1) + rod, "T[C]", "last", "[20.9 21.8 22.7]"},
		"lines with names":               {scalars, "stdout.txt", prey, "S I", "all", "[3.061692 1.5]"},
		"names in one line":              {scalars, "stdout.txt", "day 1 S=1.25, I=2.5\nday 2 S=3.5, I=4.5\n", "S I", "last", "[3.5 4.5]"},
		"namelist of Fortran":            {scalars, "out.nml", "&STATE\n S=  0.125D+02     ,\n I=  3.0000000000000000     ,\n /\n", "S I", "all", "[12.5 3]"},
		"csv with another column":        {scalars, "a.csv", "time,S,I\n1,3,4\n", "", "all", "[3 4]"},
		"csv in another order":           {scalars, "a.csv", "I,S\n4,3\n", "", "all", "[3 4]"},
		"csv with other names":           {scalars, "a.csv", "time,sus,inf\n1,3,4\n2,5,6\n", "sus inf", "last", "[5 6]"},
		"csv by numbers":                 {scalars, "a.csv", "1,3,4\n2,5,6\n", "2 3", "last", "[5 6]"},
		"csv of R":                       {scalars, "a.csv", cars, "", "last", "[3 4]"},
		"csv with comments and a mark":   {scalars, "a.csv", "\ufeff# made by a logger\r\nS, I\r\n3, 4\r\n", "", "all", "[3 4]"},
		"csv with a comment for header":  {scalars, "a.csv", "# S,I\n3,4\n", "", "all", "[3 4]"},
		"numbers of the last line":       {scalars, "a.txt", "\ufeff# S I\n1 2\n3 4\n", "", "last", "[3 4]"},
		"numbers of the last lines":      {field, "a.txt", "9 9 9\n1 2\n3\n", "", "last", "[1 2 3]"},
		"a field in one row":             {params{"variables": []string{"d", "T(x)"}, "dimensions": []string{"x = 3"}}, "a.txt", "day T1 T2 T3 q\n1 2 3 4 5\n6 7 8 9 10\n", "1 2-4", "last", "[6 7 8 9]"},
		"a field in two dimensions":      {params{"variables": []string{"h(y, x)"}, "dimensions": []string{"y = 2", "x = 2"}}, "a.txt", "y h1 h2\n0 1 2\n1 3 4\n", "2-3", "all", "[1 2 3 4]"},

		"a row too many":          {scalars, "seir.dat", seir, "S I", "all", `holds 2 rows, want 1; rows = "last" takes the last`},
		"a value too many":        {scalars, "a.txt", "S = 1\nI = 2\nS = 3\nI = 4\n", "S I", "all", `S has 2 values, want 1; rows = "last" takes the last`},
		"numbers besides":         {scalars, "a.txt", "1 2\n0.5 3 4\n", "", "last", "its last lines hold 3 numbers, want 2; columns can be given in read"},
		"too few rows":            {field, "profile.txt", "cell T\n1 2\n2 3\n", "T", "last", "holds 2 rows, want 3"},
		"overflow of the last":    {scalars, "seir.dat", seir + "     2.000  ******  7.0E+01  4.6E+01\n", "S I", "last", `line 5: column 2: got "******", want a number`},
		"commas":                  {scalars, "stdout.txt", "S,I\n1,2\n", "S I", "all", `no line has the names S, I with blanks between them; line 1 is "S,I"; ` + commasHint},
		"no such name":            {scalars, "seir.dat", seir, "S J", "last", `no line has the names S, J with blanks between them; line 1 is "SEIR run for Oberdorf"`},
		"no such column":          {scalars, "seir.dat", seir, "2 9", "last", "line 4: has 4 columns, want column 9"},
		"columns run together":    {scalars, "seir.dat", "day S I\n1 2-3\n", "S I", "last", "line 2: has 2 columns, and the header, in line 1, 3"},
		"text after the table":    {scalars, "seir.dat", "day S I\n1 2 3\nend of run\n", "S I", "last", `line 3: column 2: got "of"`},
		"decimal comma":           {scalars, "a.txt", "S = 3,06\nI = 4\n", "S I", "all", `S: got "3,06", want a number with a decimal point`},
		"semicolons":              {scalars, "a.csv", "S;I\n1;2\n", "", "all", `no line has the names S, I with commas between them; line 1 is "S;I"`},
		"half a line of a matrix": {field, "a.txt", "1 2\n3 4\n", "", "last", "its last lines hold 4 numbers, want 3"},
	} {
		p := params{"command": []string{"true"}, "output": tt.file, "rows": tt.rows}
		for k, v := range tt.layout {
			p[k] = v
		}
		if tt.read != "" {
			p["read"] = strings.Fields(tt.read)
		}
		m := configured(t, p)
		into := mat.NewDense(1, m.layout.Size(), nil)
		err := m.outputs[0].codec.decode(strings.NewReader(tt.text), m.tasks(request(m, 1))[0], into)
		got := fmt.Sprint(into.RawRowView(0))
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (tt.want[0] == '[' || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// In batch mode the rows of all members follow each other.
func TestReadOfSeveralMembers(t *testing.T) {
	for _, tt := range []struct{ file, text, rows string }{
		{"a.txt", "x T\n9 9\n1 1\n2 2\n1 3\n2 4\n", "last"},
		{"a.csv", "T,x\n1,1\n2,2\n3,1\n4,2\n", "all"},
	} {
		m := configured(t, params{"command": []string{"true"}, "variables": []string{"T(x)"}, "dimensions": []string{"x = 2"}, "mode": "batch",
			"output": tt.file, "read": []string{"T"}, "rows": tt.rows})
		into := mat.NewDense(2, 2, nil)
		if err := m.outputs[0].codec.decode(strings.NewReader(tt.text), m.tasks(request(m, 2))[0], into); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(into.RawMatrix().Data); got != "[1 2 3 4]" {
			t.Errorf("got %s", got)
		}
	}
}

func TestReadIsChecked(t *testing.T) {
	for want, p := range map[string]params{
		"read: got 1, want one for each of 2 variables":                               {"read": []string{"a"}, "output": "a.txt"},
		"read: is set, but a.npy has a format of its own":                             {"read": []string{"a", "b"}, "output": "a.npy"},
		"rows: is set, but a.json has a format of its own":                            {"rows": "last", "output": "a.json"},
		`read: got "3-2", want as many columns as x has values`:                       {"read": []string{"3-2", "b"}, "output": "a.txt"},
		`read: got "2-3", want as many columns as x has values, or a part of them: 1`: {"read": []string{"2-3", "4"}, "output": "a.txt"},
		`read: T needs 3 rows of "T", and x 1; write several columns as in "2-31"`:    {"variables": []string{"x", "T(i)"}, "dimensions": []string{"i = 3"}, "read": []string{"x", "T"}, "output": "a.txt"},
	} {
		p["command"] = []string{"true"}
		if _, err := configure(t, scalars(p)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
