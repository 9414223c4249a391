package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const refusedCutoff = `error[E309]: timid localizes all observations alike, but a stream has a cutoff of its own
  --> cutoff.toml:25:10
   |
25 | plugin = "timid"
   |          ^^^^^^^
   |
   = the cutoff is at cutoff.toml:18:10
   = help: remove the cutoff of the stream, or choose a filter whose manifest says cutoffs = true
`

// A filter that does not say that it uses the cutoffs of streams is never sent one: it is refused where it localizes, and sees all
// observations where it does not.
func TestCutoffOfStreamWithoutSupport(t *testing.T) {
	t.Parallel()
	timid, err := goBuild(t.TempDir(), "./testdata/timid")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cutoff.toml")
	text := fmt.Sprintf(`format = 1
[experiment]
name = "cutoff"
seed = 1
[plugins]
timid = { command = [%q] }
[time]
cycles   = 3
interval = 0.1
[model]
plugin = "lorenz96"
params = { n = 8 }
[truth]
init = { dist = "normal", mean = 2.3, sd = 1 }
[observations]
plugin = "obs-nonlinear"
params = { indices = [0, 4] }
cutoff = 3.0
error  = { sd = 1.0 }
[ensemble]
size = 5
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label  = "f"
plugin = "timid"
`, timid)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := plume(t, "run", file, "--run-dir", t.TempDir()); code != exitOK {
		t.Errorf("without localization: exit code %d\n%s", code, said)
	}
	code, _, said := plume(t, "plan", file, "--set", "filter.f.params.local=true")
	if said = regexp.MustCompile(`(--> |at )\S*/cutoff.toml`).ReplaceAllString(said, "${1}cutoff.toml"); code == exitOK || !strings.HasPrefix(said, refusedCutoff) {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
