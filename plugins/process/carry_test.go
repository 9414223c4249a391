package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
	"gonum.org/v1/gonum/mat"
)

// remembering is a program that adds to x what it has added up so far in total, and leaves
// that, with the number of its runs in a second file. As a server it gets the state in a file.
const remembering = `
run() {
  awk -F, -v total="$(cat total 2>/dev/null)" -v runs="$(cat log/runs 2>/dev/null)" '
    NR == 1 { print }
    NR == 2 { total += $1 * 0.5; printf "%.17g,%.17g\n", $1 + total, runs + 1
              printf "%.17g", total > "total"; system("mkdir -p log"); printf "%s", runs + 1 > "log/runs" }' state.csv > result.csv
}
`

const asServer = remembering + `while read -r line; do run; echo '{}'; done`

func TestCarry(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "total"), []byte("100"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, command := range map[string]string{"member": remembering + "run", "server": asServer} {
		p := scalars(params{"command": shell(command), "mode": mode, "carry": []string{"total", "log/runs"}, "copies": []string{"total"}, "parallel": 2,
			"input": "state.csv", "output": "result.csv"})
		var m *model
		var err error
		var carry [][]byte
		states, total := mat.NewDense(5, 2, nil), make([]float64, 5)
		for i := range 5 {
			total[i] = 100
			states.Set(i, 0, float64(i))
		}
		for cycle := 1; cycle <= 4; cycle++ {
			if cycle%2 == 1 { // another process knows nothing of the first one's files
				if m, err = configureIn(dir, p); err != nil {
					t.Fatal(err)
				}
			}
			r := request(m, 5)
			r.Cycle, r.Carry = cycle, carry
			r.Ensemble.Copy(states)
			res, err := m.Forecast(t.Context(), r)
			if err != nil || len(res.Failures) > 0 || len(res.Carry) != 5 {
				t.Fatalf("%s: %+v, %v", mode, res, err)
			}
			for i := range 5 {
				total[i] += 0.5 * states.At(i, 0)
				if got, want := r.Into.At(i, 0), states.At(i, 0)+total[i]; got != want || r.Into.At(i, 1) != float64(cycle) {
					t.Errorf("%s, cycle %d, member %d: got %v in run %v, want %v", mode, cycle, i, got, r.Into.At(i, 1), want)
				}
			}
			states.Copy(r.Into)
			carry = res.Carry
			if cycle == 2 { // member 4 becomes a copy of member 1
				carry = slices.Clone(carry)
				carry[4], total[4] = carry[1], total[1]
				states.SetRow(4, states.RawRowView(1))
			}
		}
	}
}

// A run that leaves no file that is carried has failed; bytes that are not those files are
// refused.
func TestCarryThatIsMissing(t *testing.T) {
	m := configured(t, scalars(params{"command": shell("cp state.csv result.csv; touch other"), "carry": []string{"restart.nc"}}))
	res, err := m.Forecast(t.Context(), request(m, 2))
	if err != nil || len(res.Failures) != 2 || !strings.Contains(res.Failures[0].Reason, "left no restart.nc, which is in carry: it left other, result.csv") {
		t.Errorf("got %+v, %v", res, err)
	}
	r := request(m, 2)
	r.Carry = [][]byte{[]byte("x"), []byte("yyyyyyyyyyyyyyyyyy")}
	if _, err := m.Forecast(t.Context(), r); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), "do not hold the files [restart.nc]") {
		t.Errorf("got %v of kind %s", err, sdk.KindOf(err))
	}
}

func TestConformanceOfCarry(t *testing.T) {
	plugin, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := sdk.ParseManifest(plugin.Manifest.Text)
	if err != nil {
		t.Fatal(err)
	}
	manifest.Example = sdk.Example{State: []float64{1}, Interval: 1, Params: params{
		"command": shell(remembering + "run"), "variables": []string{"x", "y"}, "carry": []string{"total", "log/runs"}, "env": []string{"LC_ALL=C"},
	}}
	other := *plugin
	other.Manifest = manifest
	if err := plugintest.Check(&other, nil); err != nil {
		t.Error(err)
	}
}
