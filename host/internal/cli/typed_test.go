package cli

import (
	"os"
	"strings"
	"testing"
)

// A finding about a value that an option has set shows the option as it was typed, not the setting that
// it stands for.
func TestFindingsShowWhatWasTyped(t *testing.T) {
	t.Chdir(t.TempDir())
	twin := `format = 1
experiment = { name = "twin", seed = 11 }
time = { cycles = 15, interval = 0.1 }
model = { plugin = "lorenz63" }
truth = { init = { dist = "normal", mean = 1.0, sd = 0.1 } }
ensemble = { size = 6, init = { dist = "normal", around = "truth", sd = 0.5 } }
observations = { plugin = "obs-nonlinear", error = { sd = 0.5 } }

[[filter]]
label = "etkf"
plugin = "filter-enkf"
`
	for name, text := range map[string]string{"twin.toml": twin, "site.toml": "[executor.bad]\nstart = [\"false\"]\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "twin.toml", "--executor", "bad", "--site", "site.toml"}, "--> --executor bad\n   |\n   | bad\n   | ^^^\n"},
		{[]string{"run", "twin.toml", "--executor", "nowhere"}, "--> --executor nowhere\n   |\n   | nowhere\n   | ^^^^^^^ not an executor\n"},
		{[]string{"plan", "twin.toml", "--executor", "a b"}, "--> --executor a b\n   |\n   | a b\n   | ^^^ lower-case"},
		{[]string{"run", "twin.toml", "--executor", "nowhere", "--workers", "2"}, "--> --executor nowhere\n"},
		{[]string{"run", "twin.toml", "--set", "model.executor=nowhere"}, "--> --set model.executor=nowhere\n   |\n   | model.executor=nowhere\n   |                ^^^^^^^ not an executor\n"},
		{[]string{"run", "twin.toml", "--profile", "quick"}, "--> --profile quick\n   |\n   | quick\n   | ^^^^^\n"},
		{[]string{"bench", "grid-lorenz63-x", "--cycles", "9999999999"}, "--> --cycles 9999999999\n   |\n   | 9999999999\n   | ^^^^^^^^^^ an integer from"},
		{[]string{"bench", "grid-lorenz63-x", "--cycles", "1"}, "= time.cycles is given at --cycles 1\n"},
	} {
		code, _, said := plume(t, c.args...)
		if code == 0 || !strings.Contains(said, c.want) || !strings.Contains(c.want, "--set") && strings.Contains(said, "--set") {
			t.Errorf("%v: code %d, want %q in\n%s", c.args, code, c.want, said)
		}
	}
}
