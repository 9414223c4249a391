package cli

import (
	"slices"
	"strings"
	"testing"
)

// With bounds, analyses of the concentrations in workflows/tracer-lorenz96.toml are positive, with any
// filter; without, the same filters make negative ones.
func TestTracerStaysPositive(t *testing.T) {
	negative := func(options ...string) (n int) {
		var stdout, stderr strings.Builder
		args := append([]string{"run", "-q", "../../../workflows/tracer-lorenz96.toml", "--run-dir", t.TempDir(), "--set", "time.cycles=60", "--set", "time.burn_in=20"}, options...)
		if code := Main(args, &stdout, &stderr); code != exitOK {
			t.Fatalf("exit code %d: %s", code, &stderr)
		}
		dir := strings.TrimSpace(stdout.String())
		for _, trial := range []string{"trial=0001", "trial=0002"} {
			members := read(t, dir, "ensemble", trial, "part-00000.arrow")
			for _, member := range members.Column("c").([][]float64) {
				n += len(member) - len(slices.DeleteFunc(member, func(c float64) bool { return c <= 0 }))
			}
		}
		return n
	}
	if n := negative(); n > 0 {
		t.Errorf("%d concentrations are not positive", n)
	}
	if n := negative("--set", "model.bounds.c.lower=-1000.0"); n == 0 {
		t.Error("without bounds no concentration is negative: the test cannot fail")
	}
}
