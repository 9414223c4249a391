// Package host_test holds the whole module to its layout.
package host_test

import (
	"bufio"
	"flag"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// law lists, for every room of the house, what its packages may import in addition to
// the standard library and packages of the room itself. The first rule whose
// room holds a package counts. Tests may import more. The rules of depguard in
// .golangci.yml are made from it; see TestLintIsTheLaw.
var law = []struct {
	room  string // import path below the module; a trailing slash means everything below, * one element
	allow []string
}{
	{"plugins/*/cmd/*", []string{"plugins/*", "sdk/serve"}},
	{"plugins/process", []string{"plugins/internal/cdl", "plugins/internal/children", "sdk", "sdk/netcdf", "sdk/number", "sdk/pace", "sdk/wire", "gonum.org/v1/gonum/"}}, // its files are Arrow and netCDF; decisions 13 and 102
	{"plugins/grpc4bmi/bmi", []string{"google.golang.org/grpc", "google.golang.org/grpc/", "google.golang.org/protobuf/"}},                                               // a protocol of others; decision 101
	{"plugins/grpc4bmi", []string{"sdk", "plugins/grpc4bmi/bmi", "plugins/internal/children", "google.golang.org/grpc", "google.golang.org/grpc/", "gonum.org/v1/gonum/"}},
	{"plugins/", []string{"sdk", "sdk/ensemble", "sdk/ode", "sdk/taper", "sdk/resample", "sdk/rng", "sdk/linalg", "plugins/internal/", "gonum.org/v1/gonum/"}},

	{"sdk/wire/", []string{"sdk", "sdk/wire", "github.com/apache/arrow/go/v17/", "github.com/pierrec/lz4/v4", "gonum.org/v1/gonum/"}}, // decisions 12 and 38
	{"sdk/wire", []string{"sdk", "github.com/apache/arrow/go/v17/", "gonum.org/v1/gonum/"}},
	{"sdk/proto/", []string{"google.golang.org/grpc", "google.golang.org/grpc/", "google.golang.org/protobuf/"}},
	{"sdk/rpc", []string{"sdk", "sdk/rng", "sdk/wire", "sdk/proto/", "github.com/hashicorp/go-plugin", "google.golang.org/", "golang.org/x/sys/unix", "gonum.org/v1/gonum/"}}, // decision 95
	{"sdk/serve", []string{"sdk", "sdk/pace", "sdk/rpc", "github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog", "google.golang.org/grpc", "golang.org/x/sys/unix"}},
	{"sdk/plugintest", []string{"sdk", "sdk/rng", "gonum.org/v1/gonum/"}},
	{"sdk/pace", nil},
	{"sdk/netcdf", nil},
	{"sdk/number", nil},
	{"sdk/rng", nil},
	{"sdk/linalg", []string{"gonum.org/v1/gonum/", "golang.org/x/sys/cpu"}}, // it has loops for several kinds of processor; decision 15
	{"sdk/ode", []string{"sdk", "sdk/ensemble", "sdk/rng", "gonum.org/v1/gonum/"}},
	{"sdk/taper", []string{"sdk", "gonum.org/v1/gonum/"}},
	{"sdk/ensemble", []string{"sdk/rng", "sdk/linalg", "sdk/pace", "gonum.org/v1/gonum/"}},
	{"sdk/", []string{"sdk/rng", "sdk/linalg", "sdk/ensemble", "gonum.org/v1/gonum/"}},
	{"sdk", []string{"sdk/rng", "github.com/BurntSushi/toml", "gonum.org/v1/gonum/mat"}},

	{"host/cmd/plume", []string{"host/internal/cli", "host/internal/launch", "sdk", "sdk/serve", "plugins/*"}},
	{"host/internal/cli", []string{"docs", "workflows", "host/internal/", "sdk", "sdk/", "github.com/spf13/cobra", "golang.org/x/"}},
	{"host/internal/report", []string{"host/internal/compare", "host/internal/archive", "host/internal/score", "host/internal/diag",
		"gonum.org/v1/plot", "gonum.org/v1/plot/", "codeberg.org/go-pdf/fpdf"}}, // decision 27
	{"host/internal/why", []string{"host/internal/archive", "host/internal/compare", "host/internal/score"}}, // decision 53
	{"host/internal/compare", []string{"host/internal/archive", "host/internal/score"}},
	{"host/internal/experiment", []string{"host/internal/archive", "host/internal/cycle", "host/internal/launch", "host/internal/plan", "host/internal/score",
		"host/internal/observations", "host/internal/workflow", "host/internal/diag", "sdk", "sdk/ensemble", "sdk/pace", "gonum.org/v1/gonum/mat"}},
	{"host/internal/archive", []string{"host/internal/plan", "host/internal/cycle", "host/internal/observations", "host/internal/score",
		"sdk", "sdk/wire", "sdk/wire/table", "golang.org/x/sync/errgroup", "gonum.org/v1/gonum/"}},
	{"host/internal/archive/archivetest", []string{"host/internal/archive", "host/internal/plan", "host/internal/cycle", "host/internal/score", "sdk", "gonum.org/v1/gonum/mat"}},
	{"host/internal/export", []string{"host/internal/archive", "host/internal/names", "sdk/wire/table", "golang.org/x/sync/errgroup", "github.com/klauspost/compress/zstd"}}, // decision 108
	{"host/internal/cycle", []string{"host/internal/plan", "host/internal/observations", "host/internal/score", "host/internal/response",
		"sdk", "sdk/ensemble", "sdk/pace", "sdk/rng", "sdk/resample", "gonum.org/v1/gonum/mat"}},
	{"host/internal/names", []string{"sdk"}},
	{"host/internal/plan", []string{"host/internal/names", "host/internal/workflow", "host/internal/observations", "host/internal/tabular", "host/internal/score", "host/internal/diag",
		"sdk", "sdk/pace", "sdk/rng", "gonum.org/v1/gonum/mat"}},
	{"host/internal/observations", []string{"host/internal/workflow", "host/internal/tabular", "host/internal/pattern", "host/internal/zone", "host/internal/diag",
		"sdk", "sdk/rng", "gonum.org/v1/gonum/mat", "golang.org/x/text/unicode/norm"}}, // decisions 23, 24 and 50
	{"host/internal/workflow", []string{"host/internal/tomltext", "host/internal/pattern", "host/internal/zone", "host/internal/score", "host/internal/diag"}},
	{"host/internal/tomltext", []string{"host/internal/diag", "github.com/BurntSushi/toml"}},
	{"host/internal/tabular", []string{"host/internal/pattern", "sdk/netcdf", "sdk/number", "sdk/wire/rows", "golang.org/x/text/encoding/unicode", "golang.org/x/text/unicode/norm"}}, // decisions 38 and 50
	{"host/internal/diag", nil},
	{"host/internal/pattern", []string{"golang.org/x/text/unicode/norm"}}, // decision 50
	{"host/internal/zone", nil},
	{"host/internal/scaffold", []string{"host/internal/tabular"}}, // decision 88
	{"host/internal/score", []string{"sdk/ensemble", "gonum.org/v1/gonum/"}},
	{"host/internal/response", []string{"sdk/ensemble", "sdk/linalg", "gonum.org/v1/gonum/"}}, // decision 98
	{"host/internal/launch", []string{"sdk", "sdk/pace", "sdk/rpc", "gonum.org/v1/gonum/mat", "golang.org/x/sync/errgroup",
		"github.com/hashicorp/go-plugin", "github.com/hashicorp/go-plugin/", "github.com/hashicorp/go-hclog", "google.golang.org/grpc"}},
	{"host/internal/remote", []string{"host/internal/launch", "host/internal/workflow", "host/internal/diag", "sdk", "sdk/rpc",
		"github.com/BurntSushi/toml", "github.com/hashicorp/go-plugin"}}, // decision 81
	{"host/internal/launch/", []string{"sdk", "sdk/"}}, // plugins that misbehave, for its tests

	{"docs", nil},      // pages that the program quotes
	{"workflows", nil}, // experiments that the program runs; decision 62
	{"examples/internal/examplestest", []string{"sdk/wire/table"}}, // what tests of examples share
	{"bench/", []string{"bench/internal/", "sdk", "sdk/", "github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog", "google.golang.org/", "gonum.org/v1/gonum/"}},
}

// without lists what of the standard library a room may not import: the cycle knows
// neither files nor processes nor networks, and findings are texts.
var without = map[string][]string{
	"host/internal/cycle":    {"os", "os/exec", "net", "net/http", "io/fs", "path/filepath"},
	"host/internal/response": {"os", "os/exec", "net", "net/http", "io/fs", "path/filepath"},
	"host/internal/diag":     {"os", "os/exec", "net", "net/http", "io/fs"},
}

const module = "github.com/plume-da/plume"

func TestImportLaw(t *testing.T) {
	found, err := violations("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

// The law must be able to fail: a house that breaks it in five ways is found
// to break it in five ways.
func TestImportLawFindsViolations(t *testing.T) {
	found, err := violations("testdata/crooked-house")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		module + "/host/internal/cycle imports os",
		module + "/host/internal/plan imports " + module + "/sdk/nosy",
		module + "/plugins/filter-idle imports " + module + "/plugins/model-greedy",
		module + "/plugins/model-greedy imports " + module + "/host/internal/plan",
		module + "/sdk/nosy imports " + module + "/plugins/model-greedy/weights",
	}
	if !slices.Equal(found, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
}

// violations lists the imports below dir that the law forbids, sorted.
func violations(dir string) ([]string, error) {
	cmd := exec.Command("go", "list", "-e", "-f", `{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}`, "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w", dir, err)
	}
	var found []string
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		from, to, ok := strings.Cut(lines.Text(), " ")
		if ok && !allowed(strings.TrimPrefix(from, module+"/"), to) {
			found = append(found, from+" imports "+to)
		}
	}
	slices.Sort(found)
	return found, nil
}

func allowed(from, to string) bool {
	switch {
	case !external(to):
		return !slices.Contains(without[from], to)
	case to == module+"/"+from:
		return true
	}
	for _, rule := range law {
		if !matches(rule.room, from) {
			continue
		}
		return slices.ContainsFunc(rule.allow, func(a string) bool {
			return matches(a, to) || matches(module+"/"+a, to)
		})
	}
	return false
}

// external says whether a path is not one of the standard library.
func external(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

func matches(pattern, path string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(path, pattern)
	}
	ok, err := filepath.Match(pattern, path)
	return ok && err == nil
}

// The rules of depguard are those of the law, so that editors show what breaks it.
func TestLintIsTheLaw(t *testing.T) {
	const path, begin, end = "../.golangci.yml", "      rules: # made from the law in host/layout_test.go\n", "    revive:\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no %s ... %s", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	want := before + begin + depguard() + end + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s: the rules of depguard are not those of the law; run go test ./host -run Law -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// depguard returns the law as rules of depguard, in YAML. Every rule that holds a file
// counts there, so a rule leaves out what earlier ones hold.
func depguard() string {
	var b strings.Builder
	for i, rule := range law {
		files := []string{filesOf(rule.room)}
		for _, earlier := range law[:i] {
			if strings.HasSuffix(rule.room, "/") && strings.HasPrefix(earlier.room, rule.room) {
				files = append(files, "!"+filesOf(earlier.room))
			}
		}
		fmt.Fprintf(&b, "        %q:\n          list-mode: strict\n          files: [%s]\n          allow:\n            - $gostd\n",
			rule.room, quoted(append(files, "!$test")))
		for _, path := range rule.allow {
			fmt.Fprintf(&b, "            - %s\n", prefixOf(path))
		}
		if denied := without[rule.room]; len(denied) > 0 {
			b.WriteString("          deny:\n")
			for _, path := range denied {
				fmt.Fprintf(&b, "            - { pkg: %s, desc: the import law }\n", path)
			}
		}
	}
	return b.String()
}

// filesOf returns the pattern of the files of a room.
func filesOf(room string) string {
	if strings.HasSuffix(room, "/") {
		return "**/" + room + "**/*.go"
	}
	return "**/" + room + "/*.go"
}

// prefixOf returns what depguard compares an import with: a prefix, or with a dollar
// sign the whole.
func prefixOf(path string) string {
	if !external(path) {
		path = module + "/" + path
	}
	if before, _, ok := strings.Cut(path, "*"); ok {
		return before
	}
	if strings.HasSuffix(path, "/") {
		return path
	}
	return path + "$"
}

func quoted(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

// pluginFolders returns the folders of the plugins: all of plugins/ but internal.
func pluginFolders(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob("../plugins/*")
	folders = slices.DeleteFunc(folders, func(folder string) bool { return filepath.Base(folder) == "internal" })
	if err != nil || len(folders) < 6 {
		t.Fatalf("found %d plugin folders: %v", len(folders), err)
	}
	return folders
}

// Every plugin folder holds the same files, and its name is the plugin's name.
func TestPluginFolders(t *testing.T) {
	for _, folder := range pluginFolders(t) {
		name := filepath.Base(folder)
		texts := map[string]string{}
		program := filepath.Join("cmd", name, "main.go")
		for _, file := range []string{"plugin.go", program, "plugin.toml", "README.md", "conformance_test.go", doorOf(name)} {
			text, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				t.Errorf("plugins/%s: %v", name, err)
			}
			texts[file] = string(text)
		}
		if !strings.Contains(strings.Join(strings.Fields(texts["plugin.toml"]), " "), fmt.Sprintf("name = %q", name)) {
			t.Errorf("plugins/%s: plugin.toml gives another name", name)
		}
		if !strings.Contains(texts["plugin.go"], "\npackage "+packageOf(name)+"\n") {
			t.Errorf("plugins/%s: plugin.go is not of package %s", name, packageOf(name))
		}
		if lines := strings.Count(texts["plugin.go"], "\n"); lines > 20 {
			t.Errorf("plugins/%s: plugin.go has %d lines; it should only show the plugin", name, lines)
		}
		if want := fmt.Sprintf(`// Command %[1]s serves the plugin %[1]s to plume.
package main

import (
	"%[2]s/plugins/%[1]s"
	"%[2]s/sdk/serve"
)

func main() { serve.Main(%[3]s.Plugin()) }
`, name, module, packageOf(name)); texts[program] != want {
			t.Errorf("plugins/%s/%s is\n%s\nwant\n%s", name, program, texts[program], want)
		}
	}
}

// packageOf returns the name of a plugin's package.
func packageOf(plugin string) string { return strings.ReplaceAll(plugin, "-", "") }

// The program holds every plugin, by a file that is made from the folders of plugins/.
func TestBuiltinPlugins(t *testing.T) {
	var imports, entries strings.Builder
	for _, folder := range pluginFolders(t) {
		name := filepath.Base(folder)
		alias := ""
		if packageOf(name) != name {
			alias = packageOf(name) + " "
		}
		fmt.Fprintf(&imports, "\t%s\"%s/plugins/%s\"\n", alias, module, name)
		fmt.Fprintf(&entries, "\t%q: %s.Plugin,\n", name, packageOf(name))
	}
	want, err := format.Source(fmt.Appendf(nil, `// Code generated from the folders of plugins/ by go generate ./host/cmd/plume; DO NOT EDIT.

//go:build unix

package main

import (
%s	"%s/sdk"
)

// builtin are the plugins of this project, by name.
var builtin = map[string]func() (*sdk.Plugin, error){
%s}
`, &imports, module, &entries))
	if err != nil {
		t.Fatal(err)
	}
	const path = "cmd/plume/builtin.go"
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
		t.Errorf("host/%s does not hold the plugins that are there (%v); run go generate ./host/cmd/plume", path, err)
	}
}

func doorOf(name string) string {
	switch {
	case strings.HasPrefix(name, "filter-"):
		return "filter.go"
	case strings.HasPrefix(name, "obs-"):
		return "operator.go"
	}
	return "model.go"
}

// A plugin that has the means to start programs or ask servers says that it does, and
// no other: plume then gives it a process of its own, always.
func TestExternalPlugins(t *testing.T) {
	for _, folder := range pluginFolders(t) {
		name := filepath.Base(folder)
		text, err := os.ReadFile(filepath.Join(folder, "plugin.toml"))
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := sdk.ParseManifest(string(text))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "list", "-deps", "-f", `{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}`, ".")
		cmd.Dir = folder
		imports, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list in %s: %v", folder, err)
		}
		found := regexp.MustCompile(`(?m)^` + module + `/plugins/\S* (os/exec|net|net/http)$`).Find(imports)
		if manifest.External != (found != nil) {
			t.Errorf("plugins/%s: plugin.toml says external = %v, but of such imports there is %q", name, manifest.External, found)
		}
	}
}

// Host and SDK never name a plugin, but in the file that is generated: what is written
// by hand for one is in its own folder and in workflows.
func TestNobodyNamesAPlugin(t *testing.T) {
	folders := pluginFolders(t)
	for _, root := range []string{".", "../sdk"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || path == "cmd/plume/builtin.go" {
				return nil
			}
			text, err := os.ReadFile(path)
			for _, folder := range folders {
				if name := `"` + filepath.Base(folder) + `"`; strings.Contains(string(text), name) {
					t.Errorf("%s names the plugin %s", path, name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The parameter table of a plugin's README is the one its manifest gives, and the table of
// plugins in the documentation is that of their manifests.
func TestPluginPages(t *testing.T) {
	all := "| plugin | role | |\n|---|---|---|\n"
	for _, folder := range pluginFolders(t) {
		text, err := os.ReadFile(filepath.Join(folder, "plugin.toml"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := sdk.ParseManifest(string(text))
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintf("| [`%s`](../../plugins/%[1]s) | %s | %s |\n", m.Name, m.Role, m.Summary)
		between(t, filepath.Join(folder, "README.md"), "<!-- params -->\n", m.Markdown(), "<!-- /params -->")
	}
	between(t, "../docs/reference/plugins.md", "<!-- plugins -->\n", all, "<!-- /plugins -->")
}

// between holds what a page has between two marks to a text that is made; -update writes it.
func between(t *testing.T, path, begin, text, end string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), begin)
	got, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok1 || !ok2:
		t.Errorf("%s has no %s ... %s", path, strings.TrimSpace(begin), end)
	case got == text:
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+text+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: the table is not that of plugin.toml; run go test ./host -run PluginPages -update", path)
	}
}
