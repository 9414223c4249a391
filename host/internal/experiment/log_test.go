package experiment

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/launch"
)

// What a plugin says has a bound, for one record and for all together, before the run has
// a directory and afterwards; other plugins are heard all the same.
func TestLogIsBounded(t *testing.T) {
	l := &logFile{room: map[string]int{}}
	path := filepath.Join(t.TempDir(), "log.jsonl")
	l.record(launch.Record{Plugin: "long", Level: "info", Message: strings.Repeat("\x1b", 10<<20), Fields: map[string]string{"k": strings.Repeat("v", 10<<20)}})
	flood := launch.Record{Plugin: "flood", Level: launch.LevelStderr, Message: strings.Repeat("x", 1000)}
	for range 10_000 {
		l.record(flood)
	}
	if err := l.open(path); err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		l.record(flood)
	}
	l.record(launch.Record{Plugin: "calm", Level: "info", Message: "still heard"})
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(text) > logBytes+2*lineBytes || len(text) < logBytes/2 {
		t.Errorf("%d bytes", len(text))
	}
	for i, line := range lines {
		var got logLine
		if err := json.Unmarshal([]byte(line), &got); err != nil || len(line) > lineBytes {
			t.Fatalf("line %d, of %d bytes: %v", i, len(line), err)
		}
	}
	first, last, before := lines[0], lines[len(lines)-1], lines[len(lines)-2]
	if !strings.Contains(first, `\u001b... (`) || !strings.Contains(last, "still heard") || !strings.Contains(before, "the log of this plugin has reached 16 MiB") {
		t.Errorf("got %.100s\n%s\n%s", first, before, last)
	}
}
