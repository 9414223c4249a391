// Command link builds plume with plugins linked in, for `plume run --in-process`:
//
//	go run ./host/internal/link [build flags]
//
// Any folder below plugins/ whose main package has a function
//
//	func Plugin() (*sdk.Plugin, error)
//
// is linked in. A main package cannot be imported, so the compiler is shown its files
// under another package name: go build's -overlay puts changed copies in their place.
// No file of the module is written.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

const module = "github.com/plume-da/plume/"

func main() {
	if err := build(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "link:", err)
		os.Exit(1)
	}
}

// build runs go build on host with flags, which are its own.
func build(flags []string) error {
	temp, err := os.MkdirTemp("", "plume-link-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	o := &overlay{root: string(bytes.TrimSpace(root)), temp: temp, Replace: map[string]string{}}
	if err := o.fill(); err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	file := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	cmd := exec.Command("go", slices.Concat([]string{"build", "-overlay", file}, flags, []string{module + "host"})...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// overlay is what the compiler sees instead of what is there, as go build takes it.
type overlay struct {
	root, temp string            // directories of the module and of what is in Replace
	Replace    map[string]string // files by the path they are to have
}

// fill replaces the files of the plugins and adds one to package main of host.
func (o *overlay) fill() error {
	mains, err := filepath.Glob(filepath.Join(o.root, "plugins", "*", "main.go"))
	if err != nil {
		return err
	}
	imports, links := &bytes.Buffer{}, &bytes.Buffer{}
	for i, path := range mains {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !linkable.Match(text) {
			continue
		}
		folder := filepath.Dir(path)
		if err := o.rename(folder); err != nil {
			return err
		}
		fmt.Fprintf(imports, "\tp%d %q\n", i, module+"plugins/"+filepath.Base(folder))
		fmt.Fprintf(links, "\tlaunch.Link(p%d.Plugin())\n", i)
	}
	return o.put(filepath.Join(o.root, "host", "linked.go"), fmt.Appendf(nil,
		"package main\n\nimport (\n\t%q\n%s)\n\nfunc init() {\n%s}\n", module+"host/internal/launch", imports, links))
}

var (
	linkable = regexp.MustCompile(`(?m)^func Plugin\(\) \(\*sdk\.Plugin, error\)`)
	clause   = regexp.MustCompile(`(?m)^package main$`)
)

// rename replaces the Go files of a plugin by ones of package plugin.
func (o *overlay) rename(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		place := clause.FindIndex(text)
		if place == nil {
			continue // a test of another package
		}
		if err := o.put(path, slices.Concat(text[:place[0]], []byte("package plugin"), text[place[1]:])); err != nil {
			return err
		}
	}
	return nil
}

// put shows text at path.
func (o *overlay) put(path string, text []byte) error {
	file := filepath.Join(o.temp, fmt.Sprintf("%d.go", len(o.Replace)))
	o.Replace[path] = file
	return os.WriteFile(file, text, 0o600)
}
