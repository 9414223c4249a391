package workflow

import (
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// rule says how the layers of a workflow are put together: arrays of tables by their
// labels, files by include.
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

// label returns the label of an item of an array of tables, or "".
func label(item *tomltext.Node) string {
	if n := item.Table["label"]; n != nil {
		s, _ := n.Value.(string)
		return s
	}
	return ""
}

// labels returns the labels of the items of an array, which may be nil.
func labels(array *tomltext.Node) []string {
	var out []string
	if array != nil {
		for _, item := range array.Items {
			out = append(out, label(item))
		}
	}
	return out
}

// labelled says whether n, which may be nil, is an array of tables that all have a label.
func labelled(n *tomltext.Node) bool {
	all := labels(n)
	return len(all) > 0 && !slices.Contains(all, "")
}

// hasFile says whether n, a workflow, has observations from a file.
func hasFile(n *tomltext.Node) bool {
	o := n.Table["observations"]
	if o == nil {
		return false
	}
	return slices.ContainsFunc(append(o.Items, o), func(s *tomltext.Node) bool { return s.Table["file"] != nil })
}

// unknownLabel reports a label nothing has.
func unknownLabel(found *diag.Findings, at diag.Span, path, label string, labels []string) {
	d := found.Add(codeReference, at, "there is no %s with the label %s", path, tomltext.Show(label))
	if meant := diag.Suggest(label, labels); meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	}
	if len(labels) > 0 {
		d.WithHelp("labels: %s", list(labels, "and"))
	}
}
