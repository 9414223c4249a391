package workflow

import (
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// build checks a tree, fills in the defaults and returns it as a workflow, which
// must be used only if nothing was found.
func build(found *diag.Findings, root *tomltext.Node, name, profile string) *Workflow {
	(&checker{found: found, real: hasFile(root)}).table(root, "", &settings)
	if o := root.Table["observations"]; o != nil && o.Table != nil {
		root.Table["observations"] = o.Listed()
	}
	w := &Workflow{File: name, Profile: profile, root: root}
	w.fill()
	w.judge(found)
	return w
}

// hasFile reports whether n, a workflow, has observations from a file.
func hasFile(n *tomltext.Node) bool {
	o := n.Table["observations"]
	if o == nil {
		return false
	}
	return slices.ContainsFunc(append(o.Items, o), func(s *tomltext.Node) bool { return s.Table["file"] != nil })
}
