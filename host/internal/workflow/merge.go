package workflow

import (
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
)

// merge lays over on top of base and returns the result, which may share nodes
// with both. Tables merge key by key. Arrays of tables that all have a label
// merge by it, and a table over them is read as one by label: in
// filter.enkf.size = 10, enkf is a label. All else is replaced.
func merge(found *diag.Findings, base, over *node, path string) *node {
	switch {
	case base == nil:
		return over
	case base.table != nil && over.table != nil:
		for name, child := range over.table {
			base.table[name] = merge(found, base.table[name], child, dotted(path, name))
		}
		return base
	case base.labelled() && over.labelled():
		mergeItems(found, base, over, path)
		return base
	case base.labelled() && over.table != nil:
		mergeByLabel(found, base, over, path)
		return base
	}
	return over
}

func mergeItems(found *diag.Findings, base, over *node, path string) {
	for _, item := range over.items {
		label := item.label()
		i := slices.IndexFunc(base.items, func(b *node) bool { return b.label() == label })
		if i < 0 {
			base.items = append(base.items, item)
			continue
		}
		base.items[i] = merge(found, base.items[i], item, dotted(path, label))
	}
}

func mergeByLabel(found *diag.Findings, base, over *node, path string) {
	for _, label := range slices.Sorted(maps.Keys(over.table)) {
		item := over.table[label]
		i := slices.IndexFunc(base.items, func(b *node) bool { return b.label() == label })
		if item.bad {
			continue
		}
		if i < 0 {
			unknownLabel(found, item.keyPlace(), path, label, base.labels())
			continue
		}
		base.items[i] = merge(found, base.items[i], item, dotted(path, label))
	}
}

// labels returns the labels of the items of n, which may be nil.
func (n *node) labels() []string {
	var out []string
	if n == nil {
		return nil
	}
	for _, item := range n.items {
		out = append(out, item.label())
	}
	return out
}

// unknownLabel reports a label nothing has.
func unknownLabel(found *diag.Findings, at diag.Span, path, label string, labels []string) {
	d := found.Add(codeReference, at, "there is no %s with the label %s", path, show(label))
	if meant := diag.Suggest(label, labels); meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	}
	if len(labels) > 0 {
		d.WithHelp("labels: %s", list(labels, "and"))
	}
}
