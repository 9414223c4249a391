package workflow

import (
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Site is what a site file says: which machines there are, and how plugins get there.
// Workflows only name its executors, so that they run anywhere.
type Site struct {
	File      string              `toml:"-"`
	Executors map[string]Executor `toml:"executor,omitempty"` // by name

	root *tomltext.Node
}

// Executor says how plugins are started somewhere, and what each replica is given there.
type Executor struct {
	Engine    string        `toml:"engine"` // of plume, or the absolute path of a file; empty: Commands
	Cores     int           `toml:"cores"`  // 0: what the engine gives, as for those that follow
	Memory    Size          `toml:"memory"`
	Time      time.Duration `toml:"time"`
	GPUs      int           `toml:"gpus"`
	Args      []string      `toml:"args"`      // for the engine
	Hosts     []string      `toml:"hosts"`     // machines that may be used; none: the engine chooses
	Plume     string        `toml:"plume"`     // its path there; empty: as here
	Env       []string      `toml:"env"`       // NAME=value
	Interface string        `toml:"interface"` // of the network; empty: the one towards the host
	Ports     string        `toml:"ports"`     // FROM-TO; empty: any
	Shared    string        `toml:"shared"`    // absolute; empty: ~/.plume
	Commands
}

// Commands are those of an engine. Their words, and the script, are templates of package
// text/template.
type Commands struct {
	Inside string   `toml:"inside"` // variable that is set where Start can be used; empty: it always can
	Start  []string `toml:"start"`  // stays attached to what it starts
	Submit []string `toml:"submit"` // submits the script
	ID     string   `toml:"id"`     // pattern of the number of the job in what Submit prints
	Cancel []string `toml:"cancel"`
	Script string   `toml:"script"`
	Fault  string   `toml:"fault"` // pattern of the name of a node in what Start prints when it fails

	// Permanent are patterns of lines that Start or Submit prints when it would fail again.
	Permanent []string `toml:"permanent"`
}

// Size is a number of bytes as it is written, such as 4GB.
type Size string

var sizes = map[string]float64{"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

var size = &form{regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kMGT]B|[KMGT]iB)$`), "a number and a unit: kB, MB, GB or TB, or KiB, MiB, GiB or TiB", 40}

// Bytes returns s as a number; 0 if it is empty.
func (s Size) Bytes() int64 {
	parts := size.rule.FindStringSubmatch(string(s))
	if parts == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(parts[1], 64) // the form has been checked
	return int64(n * sizes[parts[2]])
}

// siteSchema is the language of site files.
var siteSchema = key{kind: table, keys: []key{
	{name: "executor", kind: named, form: slug, doc: "places where plugins run, by the name that workflows and --executor use", keys: []key{
		{name: "engine", kind: text, example: `"slurm"`, doc: "engine that starts plugins: slurm, pbs, lsf, grid-engine, oar, flux, hyperqueue or ssh; or the path of a file with the commands of another, relative to the site file. If omitted, the commands are here"},
		{name: "cores", kind: integer, min: one, example: "4", doc: "processor cores of each replica; if omitted, what the engine gives"},
		{name: "memory", kind: text, form: size, example: `"4GB"`, doc: "memory of each replica; likewise"},
		{name: "time", kind: duration, above: zero, example: `"2h"`, doc: "how long each replica may run; likewise"},
		{name: "gpus", kind: integer, min: one, example: "1", doc: "GPUs of each replica; if omitted, none"},
		{name: "args", kind: words, example: `["--account=abc"]`, doc: "further arguments for the command that starts or submits, such as the account and the partition"},
		{name: "hosts", kind: words, min: one, example: `["n1", "n2"]`, doc: "machines that are used in turn; required for ssh"},
		{name: "plume", kind: text, example: `"/opt/plume/bin/plume"`, doc: "path of plume on the machines; if omitted, the same as here, on a file system that they share"},
		{name: "env", kind: words, example: `["OMP_NUM_THREADS=4"]`, doc: "further environment variables of the plugins"},
		{name: "interface", kind: text, example: `"ib0"`, doc: "network interface on which a plugin listens; if omitted, the one towards the host"},
		{name: "ports", kind: text, example: `"40000-40999"`, doc: "ports that plugins, and plume where jobs call back, may listen on; if omitted, any"},
		{name: "shared", kind: text, example: `"/scratch/me/plume"`, doc: "folder on a file system that the machines share, for the files of jobs; if omitted, .plume in the home folder"},
		{name: "start", kind: words, min: one, example: `["ssh", "{{.Host}}", "{{.Shell}}"]`, doc: "command that starts a plugin and stays attached to it. Words are templates, with .Command, .Shell (the same for a shell), .Name, .Host, .Args, .Cores, .Memory.MB, .Time.Minutes, .GPUs and .Exclude"},
		{name: "inside", kind: text, example: `"SLURM_JOB_ID"`, doc: "variable that is set where start can be used; elsewhere, submit is"},
		{name: "submit", kind: words, min: one, example: `["sbatch", "--parsable", "{{.File}}"]`, doc: "command that submits a job; .File is the script, .Log where its output goes"},
		{name: "id", kind: text, example: `"Job <([0-9]+)>"`, doc: "pattern whose group is the number of the job in what submit prints; if omitted, the first word"},
		{name: "cancel", kind: words, min: one, example: `["scancel", "{{.ID}}"]`, doc: "command that cancels a job"},
		{name: "script", kind: text, doc: "the job script, a template as well"},
		{name: "fault", kind: text, doc: "pattern whose group is the name of a node in what start prints when it fails there"},
		{name: "permanent", kind: words, example: `["no such queue"]`, doc: "patterns of lines that start or submit prints when another try would fail as well, as where there is no such queue: workers then end at once rather than after five tries"},
	}},
}}

// plain is the rule of a document without includes and labels.
type plain struct{}

func (plain) Prepare(*tomltext.Node) []*tomltext.Node                { return nil }
func (plain) Label(*tomltext.Node) string                            { return "" }
func (plain) UnknownLabel(_ *tomltext.Node, _, _ string, _ []string) {}

// LoadSite reads the site file at path.
func LoadSite(path string) (*Site, diag.Findings) {
	var found diag.Findings
	text, err := tomltext.ReadFile(path)
	if err != nil {
		found.Add(tomltext.CodeUnreadable, diag.Span{File: path, Layer: diag.FileLayer}, "cannot read the site file: %v", err).
			WithHelp("check --site and $PLUME_SITE")
		return nil, found
	}
	r := &tomltext.Reader{Noun: "site file", Rule: plain{}, Found: &found}
	root := r.File(path, text)
	if len(found) == 0 {
		(&checker{found: &found, site: true}).table(root, "", &siteSchema)
	}
	if len(found) > 0 {
		found.Sort()
		return nil, found
	}
	s := &Site{File: path, root: root}
	fillStruct(reflect.ValueOf(s).Elem(), root)
	dir := tomltext.Absolute(filepath.Dir(path))
	beside := func(file string) string {
		if file == "" || filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(dir, file)
	}
	for name, e := range s.Executors {
		e.Shared = beside(e.Shared)
		if strings.ContainsRune(e.Engine, '/') {
			e.Engine = beside(e.Engine)
		}
		s.Executors[name] = e
	}
	return s, nil
}

// At returns the place of the executor called name.
func (s *Site) At(name string) diag.Span {
	n, _ := s.root.Find([]any{"executor", name})
	return n.KeyPlace()
}

// NamesExecutors reports whether the workflow names any executor.
func (w *Workflow) NamesExecutors() bool {
	names := false
	w.EachExecutor(func(string, diag.Span) { names = true })
	return names
}

// EachExecutor calls do for the executor that each part of the workflow names.
func (w *Workflow) EachExecutor(do func(name string, at diag.Span)) {
	w.eachComponent(func(c *Component, path ...any) {
		if c.Executor != "" {
			do(c.Executor, w.At(append(path, "executor")...))
		}
	})
}

// eachComponent calls do for every part of the workflow that is a plugin, and its place.
func (w *Workflow) eachComponent(do func(c *Component, path ...any)) {
	do(&w.Model.Component, "model")
	for i := range w.Observations {
		do(&w.Observations[i].Component, "observations", i)
	}
	for i := range w.Filters {
		do(&w.Filters[i].Component, "filter", i)
	}
	if w.Reference != nil {
		do(&w.Reference.Component, "reference")
	}
}
