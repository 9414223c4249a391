package workflow

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/diag"
)

var update = flag.Bool("update", false, "rewrite the expected texts of testdata/bad")

// TestBad refuses every file of testdata/bad with the exact text next to it. A
// first line "#! --profile NAME --set KEY=VALUE --sweep KEY=LIST" holds the options.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	t.Chdir("testdata/bad") // included files are here
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
			checkFormats(t, found)
		})
	}
}

// checkFormats holds the formats for programs to what people read, and wants a place
// and a remedy of every finding.
func checkFormats(t *testing.T, found diag.Findings) {
	t.Helper()
	objects, commands := strings.Split(strings.TrimSuffix(found.JSON(), "\n"), "\n"), strings.Split(strings.TrimSuffix(found.GitHub(), "\n"), "\n")
	if len(objects) != len(found) || len(commands) != len(found) {
		t.Fatalf("%d findings are %d objects and %d commands", len(found), len(objects), len(commands))
	}
	for i, d := range found {
		var again diag.Finding
		if err := json.Unmarshal([]byte(objects[i]), &again); err != nil {
			t.Fatal(err)
		}
		shown := *d
		shown.Span = diag.Span{File: d.File, Layer: d.Layer, Line: d.Line, Column: d.Column, Width: d.Width}
		if !reflect.DeepEqual(again, shown) {
			t.Errorf("as JSON it is %s", objects[i])
		}
		place := "::error::"
		if d.File != "" {
			place = fmt.Sprintf("::error file=%s,line=%d,col=%d,endColumn=%d,title=%s::", d.File, d.Line, d.Column, d.Column+d.Width, d.Code)
		}
		if !strings.HasPrefix(commands[i], place+strings.ReplaceAll(d.Message, "%", "%25")) || !strings.Contains(commands[i], "%0Ahelp: ") {
			t.Errorf("for GitHub it is %s", commands[i])
		}
		if d.Help == "" || d.Line < 1 || d.Column < 1 {
			t.Errorf("no remedy or no place: %s", d.Message)
		}
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
