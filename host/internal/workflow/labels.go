package workflow

import (
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

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

// labelled reports whether n, which may be nil, is an array of tables that all have a label.
func labelled(n *tomltext.Node) bool {
	all := labels(n)
	return len(all) > 0 && !slices.Contains(all, "")
}

// unknownLabel reports a label that no item has.
func unknownLabel(found *diag.Findings, at diag.Span, path, label string, labels []string) {
	d := found.Add(codeReference, at, "there is no %s with the label %s", path, tomltext.Show(label))
	if meant := diag.Suggest(label, labels); meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	}
	if len(labels) > 0 {
		d.WithHelp("labels: %s", list(labels, "and"))
	}
}
