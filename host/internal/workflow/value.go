package workflow

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// list checks a list of strings, or a number or list of them.
func (c *checker) list(n *tomltext.Node, path string, k *key) {
	item := *k
	item.kind, item.item = text, true
	if k.kind == numbers {
		item.kind = number
		if n.Items == nil {
			c.scalar(n, path, k)
			return
		}
	}
	if !c.is(n, path, k, n.Items != nil) {
		return
	}
	if len(n.Items) == 0 && (k.kind == numbers || k.min != nil) {
		n.Bad = true
		d := c.found.Add(codeRange, n.Place(), "`%s` must not be empty", path).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
		d.WithHelp("write %s", k.asked())
		if k.example != "" {
			d.WithHelp("write %s = %s", k.name, k.example)
		}
	}
	for _, child := range n.Items {
		c.scalar(child, path, &item)
		n.Bad = n.Bad || child.Bad
	}
}

// scalar checks a single value and stores it in its final Go type.
func (c *checker) scalar(n *tomltext.Node, path string, k *key) {
	if n.Bad {
		return
	}
	if (k.kind == number || k.kind == numbers || k.kind == integer || k.kind == moment || k.kind == extent || k.kind == count) && !c.evaluate(n, path) {
		return
	}
	v, ok := convert(n.Value, k.kind)
	if !c.is(n, path, k, ok) {
		return
	}
	n.Value = v
	switch v := v.(type) {
	case string:
		c.checkText(n, path, v, k)
	case int64:
		c.inRange(n, path, float64(v), k)
	case float64:
		c.inRange(n, path, v, k)
	case time.Duration:
		c.inRange(n, path, v.Seconds(), k)
	}
}

func (c *checker) inRange(n *tomltext.Node, path string, v float64, k *key) {
	finite := !math.IsNaN(v) && !math.IsInf(v, 0)
	if finite && (k.min == nil || v >= *k.min) && (k.max == nil || v <= *k.max) && (k.above == nil || v > *k.above) {
		return
	}
	n.Bad = true
	limits := k.bounds()
	if !finite {
		limits = "finite"
	}
	c.found.Add(codeRange, n.Place(), "%s must be %s, but %s %s", k.subject(path), limits, k.is(), tomltext.Show(n.Value)).
		WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).WithHelp("write %s", k.asked())
}

func (c *checker) checkText(n *tomltext.Node, path, s string, k *key) {
	switch {
	case len(k.choices) > 0 && !slices.Contains(k.choices, s):
		n.Bad = true
		d := c.found.Add(codeChoice, n.Place(), "`%s` must be %s, but is %s", path, k.noun(), tomltext.Show(s)).
			WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
		d.WithHelp("write %s", k.noun())
		if meant := diag.Suggest(s, k.choices); meant != "" {
			d.WithHelp("did you mean %q?", meant)
		}
	case k.form != nil && !k.form.fits(s):
		c.misnamed(n, n.Place(), k.subject(path), path, s, k)
	case (k.required && !k.item || k.item && !k.blank) && strings.TrimSpace(s) == "":
		n.Bad = true
		c.found.Add(codeRange, n.Place(), "%s must not be empty", k.subject(path)).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).WithHelp("write %s", k.asked())
	}
}

// params evaluates arithmetic, at any depth.
func (c *checker) params(n *tomltext.Node, path string) {
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		c.params(n.Table[name], tomltext.Dotted(path, name))
	}
	for _, item := range n.Items {
		c.params(item, path)
	}
	c.evaluate(n, path)
}

// evaluate replaces an arithmetic string by its value and reports whether n may be
// checked further.
func (c *checker) evaluate(n *tomltext.Node, path string) bool {
	s, ok := n.Value.(string)
	if !ok || !strings.HasPrefix(s, "=") || n.Bad {
		return !n.Bad
	}
	v, fault := tomltext.Arithmetic(s[1:])
	if fault != nil {
		n.Bad = true
		c.found.Add(codeArithmetic, n.Inside(s, 1+fault.Offset), "`%s`: %s", path, fault.What).
			WithHelp("arithmetic has numbers, + - * / ( ), pi, sqrt, exp, log, sin and cos")
		return false
	}
	n.Value = v
	return true
}

// axes checks that n is a table of lists; their values are checked later, each in its
// place in the workflow.
func (c *checker) axes(n *tomltext.Node, path string, k *key) {
	if !c.is(n, path, k, n.Table != nil) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		child := n.Table[name]
		values := &key{name: name, kind: axisValues, doc: k.doc, example: k.example}
		if !c.is(child, name, values, child.Items != nil) {
			continue
		}
		if len(child.Items) == 0 {
			child.Bad = true
			c.found.Add(codeRange, child.Place(), "`%s` must not be empty", name).WithLabel("%s", values.wants()).WithNote("%s: %s", path, k.doc).WithHelp("give it at least one value, or remove it")
		}
		c.params(child, name)
	}
}

// exclusions checks that n is an array of tables.
func (c *checker) exclusions(n *tomltext.Node, path string, k *key) {
	ok := n.Items != nil && !slices.ContainsFunc(n.Items, func(c *tomltext.Node) bool { return len(c.Table) == 0 })
	if c.is(n, path, k, ok) {
		c.params(n, path)
	}
}

// maxReplicates bounds the numbers of replicates.
const maxReplicates = 100_000

// replicates checks n and stores it as a Replicates.
func (c *checker) replicates(n *tomltext.Node, path string, k *key) {
	switch v := n.Value.(type) {
	case Replicates:
		return
	case string:
		from, to, ok := strings.Cut(v, "..")
		a, errA := strconv.Atoi(strings.TrimSpace(from))
		b, errB := strconv.Atoi(strings.TrimSpace(to))
		if !c.is(n, path, k, ok && errA == nil && errB == nil) {
			return
		}
		if a < 1 || b < a || b > maxReplicates {
			n.Bad = true
			c.found.Add(codeRange, n.Place(), "`%s` must ascend, from at least 1 to at most %d, but is %s", path, maxReplicates, tomltext.Show(v)).
				WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).WithHelp("write a range such as \"1..10\"")
			return
		}
		numbers := make(Replicates, 0, b-a+1)
		for r := a; r <= b; r++ {
			numbers = append(numbers, r)
		}
		n.Value = numbers
		return
	}
	if !c.is(n, path, k, len(n.Items) > 0) {
		return
	}
	item := *k
	item.kind, item.item, item.min, item.max = integer, true, one, nil
	var numbers Replicates
	for _, child := range n.Items {
		if c.scalar(child, path, &item); child.Bad {
			n.Bad = true
			continue
		}
		r := int(child.Value.(int64))
		if slices.Contains(numbers, r) || r > maxReplicates {
			n.Bad = true
			c.found.Add(codeDuplicate, child.Place(), "`%s` has %d twice, or it is above %d", path, r, maxReplicates).WithHelp("remove it")
		}
		numbers = append(numbers, r)
	}
	if !n.Bad {
		n.Value, n.Items = numbers, nil
	}
}
