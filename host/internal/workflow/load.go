package workflow

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/plume-da/plume/host/internal/diag"
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
func Load(path string, opt Options) (*Workflow, diag.Findings) {
	text, err := readFile(path)
	if err != nil {
		var found diag.Findings
		found.Add(codeUnreadable, diag.Span{File: path, Layer: diag.FileLayer}, "cannot read the workflow: %v", cause(err)).
			WithHelp("see that the path is that of a file that you may read; `plume init` writes one to start from")
		return nil, found
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
	root := (&reader{found: &diag.Findings{}}).file(diag.NewSource(path, diag.FileLayer, 0, strings.TrimPrefix(string(text), "\ufeff")))
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
func Parse(name string, text []byte, opt Options) (*Workflow, diag.Findings) {
	var found diag.Findings
	root := (&reader{found: &found}).file(diag.NewSource(name, diag.FileLayer, 0, strings.TrimPrefix(string(text), "\ufeff")))
	sets := readSets(&found, "--set", opt.Set, 1)
	for _, n := range readSets(&found, "--sweep", opt.Sweep, 1+len(opt.Set)) {
		sets = append(sets, n.asSweep())
	}
	if len(found) > 0 {
		found.Sort()
		return nil, found
	}
	overlay(&found, root, sets, opt)
	given := root.clone()
	w := build(&found, root, name, opt.Profile)
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
func build(found *diag.Findings, root *node, name, profile string) *Workflow {
	(&checker{found: found, real: root.real()}).table(root, "", &settings)
	if o := root.table["observations"]; o != nil && o.table != nil {
		root.table["observations"] = o.alone()
	}
	w := &Workflow{File: name, Profile: profile, root: root}
	w.fill()
	w.judge(found)
	return w
}

// overlay takes the profiles out of root and lays the chosen one and the sets
// over it. Overrides are checked here, the chosen ones and the others.
func overlay(found *diag.Findings, root *node, sets []*node, opt Options) {
	profiles := root.table["profile"]
	if profiles != nil {
		for name, profile := range profiles.table {
			profile.relayer("profile " + name)
		}
		(&checker{found: found, base: root}).value(profiles, "profile", lookup(schema.keys, "profile"))
		delete(root.table, "profile")
	} else {
		profiles = &node{}
	}
	if chosen := profiles.table[opt.Profile]; opt.Profile != "" && chosen != nil {
		merge(found, root, chosen, "")
	} else if opt.Profile != "" {
		unknownProfile(found, opt.Profile, slices.Sorted(maps.Keys(profiles.table)))
	}
	for _, set := range sets {
		set.flatten()
		merge(found, root, set, "")
	}
}

func unknownProfile(found *diag.Findings, name string, profiles []string) {
	src := diag.NewSource("", "--profile "+name, 1, name)
	d := found.Add(codeProfile, src.Locate(0, len(name)), "there is no profile %s", show(name))
	if meant := diag.Suggest(name, profiles); meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	}
	if len(profiles) == 0 {
		d.WithHelp("the workflow has no profiles; one starts with [profile.%s]", diag.Shorten(name))
		return
	}
	d.WithHelp("the profiles are %s", list(profiles, "and"))
}

// read decodes a source, or reports why it cannot.
func read(found *diag.Findings, src *diag.Source) *node {
	if len(src.Text) > maxText {
		found.Add(codeTooLarge, src.Locate(0, 0), "the workflow is longer than %d bytes", maxText).
			WithHelp("a workflow holds settings; data belongs in files of its own")
		return nil
	}
	if i := notText(src.Text); i >= 0 {
		what := "the byte 0x%02x is not UTF-8"
		if src.Text[i] < utf8.RuneSelf {
			what = "the control character 0x%02x is not allowed"
		}
		found.Add(codeSyntax, src.Locate(i, i+1), what, src.Text[i]).
			WithHelp("write it as UTF-8, without control characters")
		return nil
	}
	marks := scan(src.Text)
	if marks.tooDeep {
		found.Add(codeTooLarge, src.Locate(marks.pos, marks.pos+1), "tables and lists nest more than %d deep", maxDepth).
			WithHelp("a workflow needs only a few levels")
		return nil
	}
	var values map[string]any
	if _, err := toml.Decode(src.Text, &values); err != nil {
		syntax(found, src, err, marks)
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
func readSets(found *diag.Findings, flag string, sets []string, rank int) []*node {
	var out []*node
	for i, set := range sets {
		if n := readSet(found, flag, set, rank+i); n != nil {
			out = append(out, n)
		}
	}
	return out
}

func readSet(found *diag.Findings, flag, set string, rank int) *node {
	src := diag.NewSource("", flag+" "+set, rank, set)
	if len(set) > maxText || notText(set) >= 0 {
		read(found, src)
		return nil
	}
	marks := scan(set)
	var values map[string]any
	if _, err := toml.Decode(set, &values); err == nil && marks.count == 1 && len(values) == 1 && set[0] != '[' {
		return join(values, marks.root, src)
	}
	return bareString(found, flag, src)
}

// bareString reads key=value with all of value as a string.
func bareString(found *diag.Findings, flag string, src *diag.Source) *node {
	s := &scanner{text: src.Text}
	parts := s.key(0)
	s.expect("=")
	if s.stopped || strings.Contains(src.Text, "\n") {
		found.Add(codeSet, src.Locate(0, len(src.Text)), "%s wants key=value", flag).WithLabel("not key=value").
			WithHelp("write %s", map[string]string{"--set": "--set time.cycles=50", "--sweep": "--sweep 'ensemble.size=[20, 50]'"}[flag])
		return nil
	}
	top := &mark{table: map[string]*mark{}}
	last := parts[len(parts)-1]
	m := &mark{key: last.span, value: span{s.pos, len(src.Text)}}
	s.descend(top, parts).table[last.name] = m
	var value any = strings.TrimSpace(src.Text[s.pos:])
	for _, p := range slices.Backward(parts) {
		value = map[string]any{p.name: value}
	}
	return join(value, top, src)
}
