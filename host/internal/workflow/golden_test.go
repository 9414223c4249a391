package workflow

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the expected texts of testdata/bad anew")

// TestBad refuses every file of testdata/bad with the exact text beside it. A
// first line "#! --profile NAME --set KEY=VALUE --sweep KEY=LIST" holds the options.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	t.Chdir("testdata/bad") // included files lie beside
	for _, file := range files {
		file = filepath.Base(file)
		t.Run(strings.TrimSuffix(file, ".toml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w, found := Parse(file, text, options(string(text)))
			if w != nil || len(found) == 0 {
				t.Fatal("was not refused")
			}
			compare(t, strings.TrimSuffix(file, ".toml")+".txt", found.Text(false))
		})
	}
}

func options(text string) Options {
	var opt Options
	line, _, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(line, "#!") {
		return opt
	}
	for pair := range slices.Chunk(strings.Fields(line)[1:], 2) {
		switch pair[0] {
		case "--profile":
			opt.Profile = pair[1]
		case "--sweep":
			opt.Sweep = append(opt.Sweep, pair[1])
		default:
			opt.Set = append(opt.Set, pair[1])
		}
	}
	return opt
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
