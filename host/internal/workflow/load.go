package workflow

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxText bounds the text of a workflow, in bytes.
const maxText = 1 << 20

// Options are the layers over a file.
type Options struct {
	Profile string   // name of a [profile.NAME]; empty: none
	Set     []string // key=value, applied in order over the file and the profile
	Sweep   []string // key=[values], likewise over axes, or replicate=1..10
}

// Load reads and checks the workflow file at path. It returns the workflow, or
// the findings of the first layer that has any, sorted by position.
func Load(path string, opt Options) (*Workflow, Diagnostics) {
	text, err := readFile(path)
	if err != nil {
		var ds Diagnostics
		ds.add(CodeUnreadable, Span{File: path, Layer: fileLayer}, "cannot read the workflow: %v", cause(err)).
			WithHelp("see that the path is that of a file that you may read; `plume init` writes one to start from")
		return nil, ds
	}
	return Parse(path, text, opt)
}

// Profiles returns the names of the profiles of the workflow file at path and of what it
// includes; none when it cannot be read.
func Profiles(path string) []string {
	text, err := readFile(path)
	if err != nil {
		return nil
	}
	root := (&reader{found: &Diagnostics{}}).file(newSource(path, fileLayer, 0, strings.TrimPrefix(string(text), "\ufeff")))
	if root == nil || root.table["profile"] == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(root.table["profile"].table))
}

// cause strips the path off an error of package os.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Parse does the work of [Load] on text, which is called name in findings and
// whose relative paths, also of the files it includes, start at name's folder.
func Parse(name string, text []byte, opt Options) (*Workflow, Diagnostics) {
	var found Diagnostics
	root := (&reader{found: &found}).file(newSource(name, fileLayer, 0, strings.TrimPrefix(string(text), "\ufeff")))
	sets := found.readSets("--set", opt.Set, 1)
	for _, n := range found.readSets("--sweep", opt.Sweep, 1+len(opt.Set)) {
		sets = append(sets, n.asSweep())
	}
	if len(found) > 0 {
		found.Sort()
		return nil, found
	}
	found.overlay(root, sets, opt)
	given := root.clone()
	w := found.build(root, name, opt.Profile)
	if len(found) == 0 {
		found = w.expand(given)
	}
	found.Sort()
	if len(found) > 0 {
		return nil, found
	}
	return w, nil
}

// build checks a tree, fills in the defaults and returns it as a workflow, which
// is to be used only when nothing was found.
func (ds *Diagnostics) build(root *node, name, profile string) *Workflow {
	(&checker{found: ds, real: root.real()}).table(root, "", &settings)
	if o := root.table["observations"]; o != nil && o.table != nil {
		root.table["observations"] = o.alone()
	}
	w := &Workflow{File: name, Profile: profile, root: root}
	w.fill()
	w.judge(ds)
	return w
}

// overlay takes the profiles out of root and lays the chosen one and the sets
// over it. Overrides are checked here, the chosen ones and the others.
func (ds *Diagnostics) overlay(root *node, sets []*node, opt Options) {
	profiles := root.table["profile"]
	if profiles != nil {
		for name, profile := range profiles.table {
			profile.relayer("profile " + name)
		}
		(&checker{found: ds, base: root}).value(profiles, "profile", lookup(schema.keys, "profile"))
		delete(root.table, "profile")
	} else {
		profiles = &node{}
	}
	if chosen := profiles.table[opt.Profile]; opt.Profile != "" && chosen != nil {
		ds.merge(root, chosen, "")
	} else if opt.Profile != "" {
		ds.unknownProfile(opt.Profile, slices.Sorted(maps.Keys(profiles.table)))
	}
	for _, set := range sets {
		set.flatten()
		ds.merge(root, set, "")
	}
}

func (ds *Diagnostics) unknownProfile(name string, profiles []string) {
	src := newSource("", "--profile "+name, 1, name)
	d := ds.add(CodeProfile, src.locate(span{0, len(name)}, src.layer), "there is no profile %s", show(name))
	if meant := Suggest(name, profiles); meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	}
	if len(profiles) == 0 {
		d.WithHelp("the workflow has no profiles; one starts with [profile.%s]", shorten(name))
		return
	}
	d.WithHelp("the profiles are %s", list(profiles, "and"))
}

// read decodes a source, or reports why it cannot.
func (ds *Diagnostics) read(src *source) *node {
	if len(src.text) > maxText {
		ds.add(CodeTooLarge, src.locate(span{}, src.layer), "the workflow is longer than %d bytes", maxText).
			WithHelp("a workflow holds settings; data belongs in files of its own")
		return nil
	}
	if i := notText(src.text); i >= 0 {
		what := "the byte 0x%02x is not UTF-8"
		if src.text[i] < utf8.RuneSelf {
			what = "the control character 0x%02x is not allowed"
		}
		ds.add(CodeSyntax, src.locate(span{i, i + 1}, src.layer), what, src.text[i]).
			WithHelp("write it as UTF-8, without control characters")
		return nil
	}
	marks := scan(src.text)
	if marks.tooDeep {
		ds.add(CodeTooLarge, src.locate(span{marks.pos, marks.pos + 1}, src.layer), "tables and lists nest more than %d deep", maxDepth).
			WithHelp("a workflow needs only a few levels")
		return nil
	}
	var values map[string]any
	if _, err := toml.Decode(src.text, &values); err != nil {
		ds.syntax(src, err, marks)
		return nil
	}
	return join(values, marks.root, src)
}

// notText returns where text has a byte that is not UTF-8 or a control character,
// or -1. The decoder would refuse them as well, but less clearly.
func notText(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
		lone := r == '\r' && !strings.HasPrefix(text[i+1:], "\n")
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || lone {
			return i
		}
	}
	return -1
}

// readSets decodes overrides of the form key=value that were given with flag, whose
// ranks start with rank. A value that is not TOML is a string.
func (ds *Diagnostics) readSets(flag string, sets []string, rank int) []*node {
	var out []*node
	for i, set := range sets {
		if n := ds.readSet(flag, set, rank+i); n != nil {
			out = append(out, n)
		}
	}
	return out
}

func (ds *Diagnostics) readSet(flag, set string, rank int) *node {
	src := newSource("", flag+" "+set, rank, set)
	if len(set) > maxText || notText(set) >= 0 {
		ds.read(src)
		return nil
	}
	marks := scan(set)
	var values map[string]any
	if _, err := toml.Decode(set, &values); err == nil && marks.count == 1 && len(values) == 1 && set[0] != '[' {
		return join(values, marks.root, src)
	}
	return ds.bareString(flag, src)
}

// bareString reads key=value with all of value as a string.
func (ds *Diagnostics) bareString(flag string, src *source) *node {
	s := &scanner{text: src.text}
	parts := s.key(0)
	s.expect("=")
	if s.stopped || strings.Contains(src.text, "\n") {
		at := span{0, len(src.text)}
		ds.add(CodeSet, src.locate(at, src.layer), "%s wants key=value", flag).WithLabel("not key=value").
			WithHelp("write %s", map[string]string{"--set": "--set time.cycles=50", "--sweep": "--sweep 'ensemble.size=[20, 50]'"}[flag])
		return nil
	}
	top := &mark{table: map[string]*mark{}}
	last := parts[len(parts)-1]
	m := &mark{key: last.span, value: span{s.pos, len(src.text)}}
	s.descend(top, parts).table[last.name] = m
	var value any = strings.TrimSpace(src.text[s.pos:])
	for _, p := range slices.Backward(parts) {
		value = map[string]any{p.name: value}
	}
	return join(value, top, src)
}
