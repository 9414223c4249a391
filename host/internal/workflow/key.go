package workflow

import "regexp"

// kind is the type of a value in a workflow.
type kind int

const (
	text         kind = iota
	integer           // without a fraction
	number            // arithmetic is allowed, as in the next
	numbers           // a number, or a list of them
	values            // a number, a list of them, or a table of either by variable
	words             // a list of strings
	duration          // a string such as "60s"
	table             // of keys
	tables            // an array of tables of keys
	named             // a table of tables of keys, by name
	moment            // a number, or a date
	extent            // a number, or a duration
	count             // an integer, or one of some words
	columns           // a table of column names, or lists of them, by variable
	distribution      // a table of the keys of one of its distributions, named by its key dist
	start             // a number, a list of numbers, or a distribution
	params            // a table that belongs to a plugin
	overrides         // a table of tables with the keys of the whole workflow, by name
	replicates        // a list of whole numbers, or "1..10"
	axes              // a table of lists, by dotted key
	axisValues        // one of these lists
	exclusions        // an array of tables of values, by dotted key
	kindsNumber       // the number of kinds
)

// key describes one key of the language. It is used to check the text, to fill in
// defaults, and to write messages and the reference.
type key struct {
	name     string
	kind     kind
	doc      string
	required bool
	twin     bool     // required unless observations come from files
	or       string   // key that takes the place of one that is required in a twin
	def      any      // default, as in the text; nil: none
	example  string   // what to write when a required key is missing
	min      *float64 // inclusive
	above    *float64 // exclusive
	max      *float64 // inclusive; with min alone
	choices  []string // of a count: the words
	form     *form
	auto     bool       // of a table of counts and texts: the word auto stands for one in which all are auto
	item     bool       // of a list, rather than the whole
	lone     bool       // of an array of tables: a single one may be a plain table
	blank    bool       // of a list of strings: they may be empty
	keys     []key      // of a table
	oneOf    [][]string // of a table: exactly one of each must be given
	dists    []key      // of a distribution: tables, by the value of dist
}

// form is a rule for the characters of a name.
type form struct {
	rule *regexp.Regexp
	says string
	most int // characters; 0: the rule says it
}

var (
	slug   = &form{regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`), "lower-case letters, digits, - and _", 100} // names of files are made of it
	anyOne = &form{regexp.MustCompile(`.`), "a name", 100}
	sha256 = &form{regexp.MustCompile(`^[0-9a-f]{64}$`), "64 lower-case hexadecimal digits", 0}
)

// fits says whether s has the form.
func (f *form) fits(s string) bool { return f.rule.MatchString(s) && !f.tooLong(s) }

func (f *form) tooLong(s string) bool { return f.most > 0 && len(s) > f.most }

func bound(v float64) *float64 { return &v }

var minusOne, zero, one, two = bound(-1), bound(0), bound(1), bound(2)

// lookup returns the key called name among keys, or nil.
func lookup(keys []key, name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

func names(keys []key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}

// dist returns the key that names the distribution.
func (k *key) dist() key {
	return key{name: "dist", kind: text, required: true, choices: names(k.dists), example: `"` + k.dists[0].name + `"`, doc: "name of the distribution"}
}

// under returns the keys of the distribution called name: those of all distributions
// of k if there is none with that name.
func (k *key) under(name string) *key {
	t := key{name: k.name, kind: table, doc: k.doc, keys: []key{k.dist()}}
	for _, l := range k.dists {
		if l.name == name {
			t.keys, t.oneOf = append(t.keys, l.keys...), l.oneOf
			return &t
		}
	}
	for _, l := range k.dists {
		for _, c := range l.keys {
			if lookup(t.keys, c.name) == nil {
				c.required = false
				t.keys = append(t.keys, c)
			}
		}
	}
	return &t
}
