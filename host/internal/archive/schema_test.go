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

// Times are written in the largest unit of CF in which all of them are whole.
func TestDates(t *testing.T) {
	start := time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	for want, tt := range map[string]struct {
		seconds float64
		times   []float64
	}{
		"days [1 2]":         {86400, []float64{1, 2}},
		"hours [24 36]":      {86400, []float64{1, 1.5}},
		"minutes [5 10]":     {600, []float64{0.5, 1}},
		"seconds [0 90]":     {90, []float64{0, 1}},
		"seconds [0.25 0.5]": {0.5, []float64{0.5, 1}},
		"days [28 10000]":    {365.25 * 86400, []float64{28 / 365.25, 10000 / 365.25}}, // numbers of this unit are not exact
	} {
		units, values := (&Dates{Start: start, Seconds: tt.seconds}).Since(tt.times)
		if got := fmt.Sprintf("%s %v", units, values); got != strings.Replace(want, " ", " since 2026-01-01T00:00:00Z ", 1) {
			t.Errorf("%g s: got %s, want %s", tt.seconds, got, want)
		}
	}
}
