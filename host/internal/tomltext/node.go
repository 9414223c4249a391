package tomltext

import (
	"math"

	"github.com/plume-da/plume/host/internal/diag"
)

// maxFiles bounds the number of files that one file may include, directly or not.
const maxFiles = 100

// Node is a value with its place in the text. At most one of Value, Table and Items
// is set; an empty list has Items that are not nil.
type Node struct {
	Value any // bool, int64, float64, string or time.Time, as decoded
	Table map[string]*Node
	Items []*Node
	Bad   bool // a finding about it has been reported

	src       *diag.Source // nil if it is in no text, as a default is
	layer     string
	key, text span // of a table with a header, text is the header
	top       bool // it overrides all layers
}

// newNode puts the decoded values and their positions into one tree.
func newNode(value any, m *mark, src *diag.Source) *Node {
	n := &Node{src: src, layer: src.Layer, key: m.key, text: m.value}
	switch v := value.(type) {
	case map[string]any:
		n.Table = make(map[string]*Node, len(v))
		for name, child := range v {
			n.Table[name] = newNode(child, m.child(name), src)
		}
	case []map[string]any:
		n.Items = newItems(v, m, src)
	case []any:
		n.Items = newItems(v, m, src)
	default:
		n.Value = v
	}
	return n
}

func newItems[T any](list []T, m *mark, src *diag.Source) []*Node {
	items := make([]*Node, len(list))
	for i, v := range list {
		items[i] = newNode(v, m.item(i), src)
	}
	return items
}

// Clone returns a copy of n and all below it.
func (n *Node) Clone() *Node {
	c := *n
	if n.Table != nil {
		c.Table = make(map[string]*Node, len(n.Table))
		for name, child := range n.Table {
			c.Table[name] = child.Clone()
		}
	}
	if n.Items != nil {
		c.Items = make([]*Node, len(n.Items))
		for i, item := range n.Items {
			c.Items[i] = item.Clone()
		}
	}
	return &c
}

// Wrap returns a table that holds child alone, at the place of n.
func (n *Node) Wrap(name string, child *Node) *Node {
	w := n.bare()
	w.Table = map[string]*Node{name: child}
	return w
}

// Listed returns a list with n as its only item, at the place of n.
func (n *Node) Listed() *Node {
	l := n.bare()
	l.Items, l.Bad = []*Node{n}, n.Bad
	return l
}

// bare returns a node without a value, at the place of n.
func (n *Node) bare() *Node {
	return &Node{src: n.src, layer: n.layer, key: n.key, text: n.text}
}

// Pick returns a copy of item i of a list as a value of its own, which has the key of
// the list and overrides all layers.
func (n *Node) Pick(i int) *Node {
	c := n.Items[i].Clone()
	c.key, c.top = n.key, true
	return c
}

// SetLayer says which layer n and all below it belong to.
func (n *Node) SetLayer(layer string) {
	n.layer = layer
	for _, c := range n.Table {
		c.SetLayer(layer)
	}
	for _, c := range n.Items {
		c.SetLayer(layer)
	}
}

// write says that n and all below it are written in src, each as the whole of it.
func (n *Node) write(src *diag.Source) {
	n.src, n.layer, n.key, n.text = src, src.Layer, span{0, len(src.Text)}, span{0, len(src.Text)}
	for _, c := range n.Table {
		c.write(src)
	}
	for _, c := range n.Items {
		c.write(src)
	}
}

// Height returns the precedence of n. From low to high it is that of included files, the
// file, layers that were set by [Node.SetLayer] in the same order, values of the command
// line, and items that were picked.
func (n *Node) Height() int {
	switch {
	case n.top:
		return math.MaxInt
	case n.src.Rank <= 0 && n.layer == n.src.Layer:
		return n.src.Rank
	}
	return maxFiles + n.src.Rank
}

// Find returns the node that a path of keys and of indices from 0 leads to, or else the
// last node on the way that is written in the text; exact says which.
func (n *Node) Find(path []any) (found *Node, exact bool) {
	found = n
	for i, step := range path {
		var next *Node
		switch step := step.(type) {
		case string:
			next = n.Table[step]
		case int:
			if step >= 0 && step < len(n.Items) {
				next = n.Items[step]
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

// File returns the name of the file that n is written in; empty for the command line.
func (n *Node) File() string { return n.src.File }

// Place returns the place of the value; for a table with a header, that of the header.
func (n *Node) Place() diag.Span { return n.located(n.text) }

// KeyPlace returns the place of the key.
func (n *Node) KeyPlace() diag.Span { return n.located(n.key) }

// Inside returns the place of the byte at offset of a string whose value is text.
func (n *Node) Inside(text string, offset int) diag.Span {
	raw := n.src.Text[n.text.start:n.text.end]
	if len(raw) == len(text)+2 && raw[1:len(raw)-1] == text { // without escapes
		start := n.text.start + 1 + offset
		return n.located(span{start, start + 1})
	}
	return n.Place()
}

// located returns the place of a part of the text, in the layer of n.
func (n *Node) located(s span) diag.Span {
	at := s.in(n.src)
	at.Layer = n.layer
	return at
}

// Plain returns n as plain Go values.
func (n *Node) Plain() any {
	switch {
	case n.Table != nil:
		return n.PlainTable()
	case n.Items != nil:
		list := make([]any, len(n.Items))
		for i, c := range n.Items {
			list[i] = c.Plain()
		}
		return list
	}
	return n.Value
}

// PlainTable returns a table as plain Go values.
func (n *Node) PlainTable() map[string]any {
	table := make(map[string]any, len(n.Table))
	for name, c := range n.Table {
		table[name] = c.Plain()
	}
	return table
}
