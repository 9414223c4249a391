package workflow

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
)

// node is a value with its place in the text. Exactly one of value, table and
// items is set; an empty list has items that are not nil.
type node struct {
	value any // bool, int64, float64, string, time.Time; after the check also time.Duration
	table map[string]*node
	items []*node

	src   *diag.Source // nil for a default that was filled in
	layer string
	mark  *mark
	bad   bool // a finding about it has been reported
	axis  bool // a value of an axis, which stands over all else
}

// clone returns a copy of n and all below it.
func (n *node) clone() *node {
	c := *n
	if n.table != nil {
		c.table = make(map[string]*node, len(n.table))
		for name, child := range n.table {
			c.table[name] = child.clone()
		}
	}
	if n.items != nil {
		c.items = make([]*node, len(n.items))
		for i, item := range n.items {
			c.items[i] = item.clone()
		}
	}
	return &c
}

// join puts the decoded values and their positions into one tree.
func join(value any, m *mark, src *diag.Source) *node {
	n := &node{src: src, layer: src.Layer, mark: m}
	switch v := value.(type) {
	case map[string]any:
		n.table = make(map[string]*node, len(v))
		for name, child := range v {
			n.table[name] = join(child, m.child(name), src)
		}
	case []map[string]any:
		n.items = make([]*node, len(v))
		for i, child := range v {
			n.items[i] = join(child, m.item(i), src)
		}
	case []any:
		n.items = make([]*node, len(v))
		for i, child := range v {
			n.items[i] = join(child, m.item(i), src)
		}
	default:
		n.value = v
	}
	return n
}

// child returns the mark of a key. A mark that is not there is a bug of the
// scanner; the position of the table is then the best there is.
func (m *mark) child(name string) *mark {
	if c := m.table[name]; c != nil {
		return c
	}
	return m
}

func (m *mark) item(i int) *mark {
	if i < len(m.items) {
		return m.items[i]
	}
	return m
}

// relayer says which layer n and all below it come from.
func (n *node) relayer(layer string) {
	n.layer = layer
	for _, c := range n.table {
		c.relayer(layer)
	}
	for _, c := range n.items {
		c.relayer(layer)
	}
}

// alone returns an array of tables with n as its only item.
func (n *node) alone() *node {
	return &node{items: []*node{n}, src: n.src, layer: n.layer, mark: n.mark, bad: n.bad}
}

// real says whether n, a workflow, has observations from a file.
func (n *node) real() bool {
	o := n.table["observations"]
	if o == nil {
		return false
	}
	return slices.ContainsFunc(append(o.items, o), func(s *node) bool { return s.table["file"] != nil })
}

// label returns the label of an item of an array of tables, or "".
func (n *node) label() string {
	if c := n.table["label"]; c != nil {
		s, _ := c.value.(string)
		return s
	}
	return ""
}

// labelled says whether n is an array of tables that all have a label.
func (n *node) labelled() bool {
	for _, c := range n.items {
		if c.label() == "" {
			return false
		}
	}
	return len(n.items) > 0
}

// find returns the node a path leads to, or the last one on the way that is
// written in the text; exact says which.
func (n *node) find(path []any) (found *node, exact bool) {
	found = n
	for i, step := range path {
		var next *node
		switch step := step.(type) {
		case string:
			next = n.table[step]
		case int:
			if step >= 0 && step < len(n.items) {
				next = n.items[step]
			}
		}
		if next == nil {
			return found, false
		}
		n = next
		if n.src != nil {
			found, exact = n, i == len(path)-1
		}
	}
	return found, exact || len(path) == 0
}

// place returns where the value is.
func (n *node) place() diag.Span { return n.located(n.mark.value) }

// keyPlace returns where the key is.
func (n *node) keyPlace() diag.Span { return n.located(n.mark.key) }

// located returns the place of a part of the text n comes from, in the layer of n.
func (n *node) located(s span) diag.Span {
	at := s.in(n.src)
	at.Layer = n.layer
	return at
}

// height returns how high the layer of n lies over the others: included files,
// the file, profiles in the same order, then each --set.
func (n *node) height() int {
	if n.axis {
		return math.MaxInt
	}
	if n.src.Rank <= 0 && n.layer == n.src.Layer {
		return n.src.Rank
	}
	return maxFiles + n.src.Rank
}

// inside returns the place of the byte at offset of a string.
func (n *node) inside(text string, offset int) diag.Span {
	v := n.mark.value
	raw := n.src.Text[v.start:v.end]
	if len(raw) == len(text)+2 && raw[1:len(raw)-1] == text { // without escapes
		return n.located(span{v.start + 1 + offset, v.start + 2 + offset})
	}
	return n.place()
}

// plain returns n as plain Go values.
func (n *node) plain() any {
	switch {
	case n.table != nil:
		return n.plainTable()
	case n.items != nil:
		list := make([]any, len(n.items))
		for i, c := range n.items {
			list[i] = c.plain()
		}
		return list
	}
	return n.value
}

func (n *node) plainTable() map[string]any {
	table := make(map[string]any, len(n.table))
	for name, c := range n.table {
		table[name] = c.plain()
	}
	return table
}
