package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
)

func BenchmarkMillionMembers(b *testing.B) {
	var csv strings.Builder
	csv.WriteString("level,u[0],u[1]\n")
	for k := range 1_000_000 {
		fmt.Fprintf(&csv, "%.3f,%.6f,%d\n", float64(k%977)/31, float64(k)/7, k)
	}
	path := filepath.Join(b.TempDir(), "m.csv")
	if err := os.WriteFile(path, []byte(csv.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, faults := readMembers(path, tabular.Dialect{}, workflow.Choice{}, wanted); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
