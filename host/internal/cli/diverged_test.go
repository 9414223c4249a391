package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

// A run whose trials diverged is ok, and every status of one line says how many did.
func TestDivergedTrialsAreInTheStatus(t *testing.T) {
	root := t.TempDir()
	dir := diverged().Write(t, root)
	const want = "ok, 9 of 18 trials diverged"
	var stdout, stderr strings.Builder
	if code := Main([]string{"runs", "--run-dir", root}, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), "  "+want+"  ") {
		t.Errorf("runs: exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	stdout.Reset()
	if code := Main([]string{"runs", "--run-dir", root, "--json"}, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), `"status":"ok","trials":{"diverged":9,"ok":9}`) {
		t.Errorf("runs --json: exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	if code := Main([]string{"report", dir, "--quiet"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("report: exit code %d\n%s", code, stderr.String())
	}
	page, err := os.ReadFile(filepath.Join(dir, archive.ReportFile))
	if err != nil || !strings.Contains(string(page), `<span class="status">`+want+`</span>`) {
		t.Errorf("the page does not say %q (%v)", want, err)
	}
}
