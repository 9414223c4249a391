package workflow

import (
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// rule says how the layers of a workflow are merged: arrays of tables by their labels,
// files by include.
type rule struct{ found *diag.Findings }

// Prepare implements [tomltext.Rule].
func (r rule) Prepare(tree *tomltext.Node) []*tomltext.Node {
	flatten(tree)
	files := tree.Table["include"]
	if files == nil {
		return nil
	}
	delete(tree.Table, "include")
	if (&checker{found: r.found}).value(files, "include", lookup(schema.keys, "include")); files.Bad {
		return nil
	}
	return files.Items
}

// Label implements [tomltext.Rule].
func (rule) Label(item *tomltext.Node) string { return label(item) }

// UnknownLabel implements [tomltext.Rule].
func (r rule) UnknownLabel(item *tomltext.Node, path, label string, labels []string) {
	unknownLabel(r.found, item.KeyPlace(), path, label, labels)
}

// flatten brings the axes and exclusions of a layer and of its profiles into the form
// in which layers are merged: a table of dotted keys. In [sweep.axes], ensemble.size =
// [1, 2] means the same as "ensemble.size" = [1, 2].
func flatten(n *tomltext.Node) {
	if profiles := n.Table["profile"]; profiles != nil {
		for _, p := range profiles.Table {
			flatten(p)
		}
	}
	sweep := n.Table["sweep"]
	if sweep == nil {
		return
	}
	if axes := sweep.Table["axes"]; axes != nil && axes.Table != nil {
		axes.Table = leaves(axes, "")
	}
	if exclude := sweep.Table["exclude"]; exclude != nil {
		for _, item := range exclude.Items {
			if item.Table != nil {
				item.Table = leaves(item, "")
			}
		}
	}
}

// leaves returns the values in n that are not tables, by dotted key.
func leaves(n *tomltext.Node, path string) map[string]*tomltext.Node {
	out := map[string]*tomltext.Node{}
	for name, child := range n.Table {
		if child.Table == nil {
			out[tomltext.Dotted(path, name)] = child
			continue
		}
		maps.Copy(out, leaves(child, tomltext.Dotted(path, name)))
	}
	return out
}

// asSweep returns n, the tree of a --sweep, as part of a workflow.
func asSweep(n *tomltext.Node) *tomltext.Node {
	for _, name := range []string{"replicate", "filter"} {
		if child := n.Table[name]; child != nil && child.Table == nil {
			return n.Wrap("sweep", n.Wrap(name, child))
		}
	}
	return n.Wrap("sweep", n.Wrap("axes", n))
}

// overlay removes the profiles from root and merges the chosen one and the sets into it.
// All overrides are checked here, whether they are chosen or not.
func overlay(found *diag.Findings, root *tomltext.Node, sets []*tomltext.Node, profile string) {
	profiles := root.Table["profile"]
	if profiles != nil {
		for name, p := range profiles.Table {
			p.SetLayer("profile " + name)
		}
		(&checker{found: found, base: root}).value(profiles, "profile", lookup(schema.keys, "profile"))
		delete(root.Table, "profile")
	} else {
		profiles = &tomltext.Node{}
	}
	if chosen := profiles.Table[profile]; profile != "" && chosen != nil {
		tomltext.Merge(rule{found}, root, chosen)
	} else if profile != "" {
		unknownProfile(found, profile, slices.Sorted(maps.Keys(profiles.Table)))
	}
	for _, set := range sets {
		flatten(set)
		tomltext.Merge(rule{found}, root, set)
	}
}

func unknownProfile(found *diag.Findings, name string, profiles []string) {
	src := diag.NewSource("", "--profile "+name, 1, name)
	d := found.Add(codeProfile, src.Locate(0, len(name)), "there is no profile %s", tomltext.Show(name))
	if meant := diag.Suggest(name, profiles); meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	}
	if len(profiles) == 0 {
		d.WithHelp("the workflow has no profiles; one starts with [profile.%s]", diag.Shorten(name))
		return
	}
	d.WithHelp("the profiles are %s", list(profiles, "and"))
}
