package tomltext

import (
	"maps"
	"slices"
)

// Rule is what merging must know about the language of the trees.
type Rule interface {
	// Prepare brings the tree of a file into the form in which trees are merged. It removes
	// the names of the files that this one includes and returns them: strings, the lowest
	// layer first.
	Prepare(tree *Node) (files []*Node)
	// Label returns the label of an item of an array of tables, or "".
	Label(item *Node) string
	// UnknownLabel reports that the array at path, whose items have the given labels, has
	// no item that item, with another label, could be merged into.
	UnknownLabel(item *Node, path, label string, labels []string)
}

// Merge returns base with the values of over in addition to its own or in their place.
// The result may share nodes with both; base may be nil. Tables merge key by key. Arrays
// of tables that all have a label merge by label, and so does a table over such an array:
// in filter.enkf.size = 10, enkf is a label. Everything else is replaced.
func Merge(rule Rule, base, over *Node) *Node { return (&merger{rule}).merge(base, over, "") }

type merger struct{ Rule }

func (m *merger) merge(base, over *Node, path string) *Node {
	switch {
	case base == nil:
		return over
	case base.Table != nil && over.Table != nil:
		for name, child := range over.Table {
			base.Table[name] = m.merge(base.Table[name], child, Dotted(path, name))
		}
		return base
	case m.labelled(base) && m.labelled(over):
		for _, item := range over.Items {
			if label := m.Label(item); !m.mergeItem(base, item, path, label) {
				base.Items = append(base.Items, item)
			}
		}
		return base
	case m.labelled(base) && over.Table != nil:
		m.mergeByLabel(base, over, path)
		return base
	}
	return over
}

// mergeByLabel merges the values of a table into the items of an array, by label.
func (m *merger) mergeByLabel(base, over *Node, path string) {
	for _, label := range slices.Sorted(maps.Keys(over.Table)) {
		item := over.Table[label]
		if item.Bad || m.mergeItem(base, item, path, label) {
			continue
		}
		labels := make([]string, len(base.Items))
		for i, b := range base.Items {
			labels[i] = m.Label(b)
		}
		m.UnknownLabel(item, path, label, labels)
	}
}

// mergeItem merges item into the item of an array that has a label, and returns false if
// there is none.
func (m *merger) mergeItem(base, item *Node, path, label string) bool {
	i := slices.IndexFunc(base.Items, func(b *Node) bool { return m.Label(b) == label })
	if i < 0 {
		return false
	}
	base.Items[i] = m.merge(base.Items[i], item, Dotted(path, label))
	return true
}

// labelled reports whether n is an array of tables that all have a label.
func (m *merger) labelled(n *Node) bool {
	return len(n.Items) > 0 && !slices.ContainsFunc(n.Items, func(item *Node) bool { return m.Label(item) == "" })
}
