package workflow

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Options are the layers over a file.
type Options struct {
	Profile string   // name of a [profile.NAME]; empty: none
	Set     []string // key=value, applied in order over the file and the profile
	Sweep   []string // key=[values], applied likewise over the axes, or replicate=1..10

	// Typed has what was typed in place of a value of Set or Sweep, such as "--cycles 5" for
	// time.cycles=5: findings show that.
	Typed map[string]string

	// Plugin, if it is not nil, is called for every plugin that a workflow with findings
	// names, and may add findings. Plugins in [plugins] are omitted.
	Plugin func(found *diag.Findings, name string, at diag.Span)
}

var (
	setFlag   = tomltext.Flag{Name: "--set", Example: "--set time.cycles=50"}
	sweepFlag = tomltext.Flag{Name: "--sweep", Example: "--sweep 'ensemble.size=[20, 50]'"}
)

// Load reads and checks the workflow file at path. It returns the workflow, or
// the findings of the first layer that has any, sorted by position.
func Load(path string, opt Options) (*Workflow, diag.Findings) {
	text, err := tomltext.ReadFile(path)
	if err != nil {
		var found diag.Findings
		help := "check that the file exists and that you may read it; `plume init` writes a workflow to start from"
		if inside := filepath.Join(path, "workflow.toml"); isFile(inside) {
			help = "this is a folder; the workflow in it is " + inside
		}
		found.Add(tomltext.CodeUnreadable, diag.Span{File: path, Layer: diag.FileLayer}, "cannot read the workflow: %v", err).
			WithHelp("%s", help)
		return nil, found
	}
	return Parse(path, text, opt)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func newReader(found *diag.Findings) *tomltext.Reader {
	return &tomltext.Reader{Noun: "workflow", Rule: rule{found}, Found: found}
}

// Profiles returns the names of the profiles of the workflow file at path and of the files
// it includes; none if it cannot be read.
func Profiles(path string) []string {
	text, err := tomltext.ReadFile(path)
	if err != nil {
		return nil
	}
	root := newReader(&diag.Findings{}).File(path, text)
	if root == nil || root.Table["profile"] == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(root.Table["profile"].Table))
}

// Parse does the work of [Load] on text, which is called name in findings and
// whose relative paths, also of the files it includes, start at name's folder.
func Parse(name string, text []byte, opt Options) (*Workflow, diag.Findings) {
	var found diag.Findings
	r := newReader(&found)
	root := r.File(name, text)
	sets := r.Values(setFlag, opt.Set, opt.Typed, 1)
	for _, n := range r.Values(sweepFlag, opt.Sweep, opt.Typed, 1+len(opt.Set)) {
		sets = append(sets, asSweep(n))
	}
	if len(found) > 0 {
		found.Sort()
		return nil, found
	}
	overlay(&found, root, sets, opt.Profile)
	given := root.Clone()
	w := build(&found, root, name, opt.Profile)
	w.Included = r.Included
	if len(found) == 0 {
		found = w.expand(given)
	}
	if len(found) > 0 && opt.Plugin != nil {
		eachPlugin(root, func(name string, at diag.Span) { opt.Plugin(&found, name, at) })
	}
	found.Sort()
	if len(found) > 0 {
		return nil, found
	}
	return w, nil
}

// eachPlugin calls do for every plugin that a tree names without saying how to start it.
func eachPlugin(root *tomltext.Node, do func(name string, at diag.Span)) {
	given := map[string]*tomltext.Node{}
	if plugins := root.Table["plugins"]; plugins != nil {
		given = plugins.Table
	}
	for _, part := range []string{"model", "truth", "observations", "filter", "reference"} {
		n := root.Table[part]
		if n == nil {
			continue
		}
		for _, n := range append(n.Items, n) {
			if plugin := n.Table["plugin"]; plugin != nil && !plugin.Bad {
				if name, ok := plugin.Value.(string); ok && given[name] == nil {
					do(name, plugin.Place())
				}
			}
		}
	}
}
