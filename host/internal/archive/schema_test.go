package archive

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite docs/reference/run-directory.md")

func TestRunDirectoryIsDocumented(t *testing.T) {
	const path = "../../../docs/reference/run-directory.md"
	if *update {
		if err := os.WriteFile(path, []byte(Markdown()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != Markdown() {
		t.Errorf("%s is not what schema.go says (%v); run go test ./host/internal/archive -run Documented -update", path, err)
	}
	for _, f := range files {
		for _, c := range f.columns {
			if c.About == "" {
				t.Errorf("%s: column %s is not documented", f.path, c.Name)
			}
		}
	}
}

// A unit of model time is written in the largest unit of CF in which it is a whole number.
func TestDates(t *testing.T) {
	start := time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	for seconds, want := range map[float64]string{86400: "days 1", 7 * 86400: "days 7", 3600: "hours 1", 600: "minutes 10", 90: "seconds 90", 0.5: "seconds 0.5"} {
		units, each := (&Dates{Start: start, Seconds: seconds}).Units()
		if got := fmt.Sprintf("%s %g", units, each); got != strings.Replace(want, " ", " since 2026-01-01T00:00:00Z ", 1) {
			t.Errorf("%g s: got %s, want %s", seconds, got, want)
		}
	}
}
