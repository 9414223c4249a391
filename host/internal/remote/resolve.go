package remote

import (
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
)

const (
	codeUnknown diag.Code = "E414"
	codeUseless diag.Code = "E415"
)

// Codes are the findings of this package.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: codeUnknown, Means: "there is no such executor", Remedy: "name one of the site file, an engine, or local"},
		{Code: codeUseless, Means: "an executor of the site file cannot be used", Remedy: "correct what the message names"},
	}
}

// local is the name of the machine of the host.
const local = "local"

// Resolve returns the executors that w names, by name, from a site, which may be nil, and
// from the engines.
func Resolve(w *workflow.Workflow, site *workflow.Site) (map[string]launch.Executor, diag.Findings) {
	var found diag.Findings
	executors := map[string]launch.Executor{}
	w.EachExecutor(func(name string, at diag.Span) {
		if name == local || executors[name] != nil {
			return
		}
		x, faults := Named(name, at, site)
		if found = append(found, faults...); x != nil {
			executors[name] = x
		}
	})
	return executors, found
}

// Named returns the executor with a name, which is used at a place, from a site, which may be
// nil, or from the engines.
func Named(name string, at diag.Span, site *workflow.Site) (*Executor, diag.Findings) {
	if site == nil {
		site = &workflow.Site{}
	}
	var found diag.Findings
	e, known := site.Executors[name]
	switch {
	case known:
		at = site.At(name)
	case slices.Contains(Engines(), name):
		e = workflow.Executor{Engine: name}
	default:
		unknown(&found, name, at, site)
		return nil, found
	}
	x, err := New(name, &e)
	if err != nil {
		found.Add(codeUseless, at, "executor `%s` cannot be used: %v", name, err).
			WithHelp("see the site file in the reference of the workflow language")
		return nil, found
	}
	return x, nil
}

// unknown reports a name that no executor has.
func unknown(found *diag.Findings, name string, at diag.Span, site *workflow.Site) {
	names := slices.Concat(slices.Sorted(maps.Keys(site.Executors)), Engines(), []string{local})
	d := found.Add(codeUnknown, at, "there is no executor `%s`", name).WithLabel("not an executor")
	where := "there is no site file"
	if site.File != "" {
		where = "the site file is " + site.File
	}
	d.WithNote("%s", where).WithHelp("name an [executor.NAME] of the site file, an engine, or local")
	if near := diag.Suggest(name, names); near != "" {
		d.WithLabel("did you mean `%s`?", near)
	}
}
