package process

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Parameters reach a program in templates, the environment, JSON and the line of a server, for
// each member, in batches, or with the value of all.
func TestParameters(t *testing.T) {
	const awk = `awk -F, 'NR == 1 {print} NR > 1 {printf "%.17g,%.17g\n", $1*'$K', $2*'$L'}' state.csv > result.csv`
	const batch = `awk -F'[, ]' 'NR > 1 {printf "%.17g %.17g\n", $1*$3, $2*$4}' in.txt > result.txt`
	const server = `while read -r line; do
		k=$(echo "$line" | sed 's/.*"k":\([^,}]*\).*/\1/'); l=$(echo "$line" | sed 's/.*"l":\([^,}]*\).*/\1/')
		x=$(echo "$line" | sed 's/.*"x":\([^,}]*\).*/\1/'); y=$(echo "$line" | sed 's/.*"y":\([^,}]*\).*/\1/')
		awk -v k=$k -v l=$l -v x=$x -v y=$y 'BEGIN { printf "{\"state\": {\"x\": %.17g, \"y\": %.17g}}\n", k*x, l*y }'; done`
	for name, p := range map[string]params{
		"env": {"command": shell(awk), "env": []string{"K={{.param.k}}", "L={{.param.l}}"}},
		"batch": {"command": shell(batch), "mode": "batch", "input": "in.txt", "output": "result.txt",
			"template": "x y k l\n{{range .members}}{{.state.x}} {{.state.y}} {{.param.k}} {{.param.l}}\n{{end}}"},
		"server": {"command": shell(server), "mode": "server"},
	} {
		p["parameters"] = []string{"k = 2.5", "l = -3"}
		for _, perMember := range [][]string{nil, {"l"}, {"l", "k"}} {
			plugin, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			m, err := plugin.NewModel(t.Context(), sdk.ModelConfig{Params: scalars(p), Dir: t.TempDir(), PerMember: perMember})
			if err != nil {
				t.Fatal(name, err)
			}
			r := request(m.(*model), 3)
			if len(perMember) > 0 {
				r.Parameters = mat.NewDense(3, len(perMember), nil)
			}
			for i := range 3 {
				for j := range perMember {
					r.Parameters.Set(i, j, float64(i+10*j))
				}
			}
			if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
				t.Fatal(name, res, err)
			}
			for i := range 3 {
				k, l := 2.5, -3.0
				if len(perMember) > 0 {
					l = float64(i)
				}
				if len(perMember) > 1 {
					k = float64(i + 10)
				}
				if x, y := r.Ensemble.At(i, 0)*k, r.Ensemble.At(i, 1)*l; r.Into.At(i, 0) != x || r.Into.At(i, 1) != y {
					t.Errorf("%s, by member %v, member %d: got %v, want %v, %v", name, perMember, i, r.Into.RawRowView(i), x, y)
				}
			}
		}
		plugin, err := Plugin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plugin.NewModel(t.Context(), sdk.ModelConfig{Params: scalars(p), Dir: t.TempDir(), PerMember: []string{"q"}}); sdk.KindOf(err) != sdk.KindConfig {
			t.Errorf("%s: a parameter that is not declared: %v", name, err)
		}
	}
}
