// Package tomltext reads TOML into trees whose values know their place in the text. It
// merges layers of texts: a file overrides the files it includes, and values of the
// command line override all of them. Faults in a text are reported with their place and
// a remedy. The packages that use this one know what the keys mean, and state a [Rule]
// for merging.
//
//	diag.Source   a file, or a value of the command line
//	scan          finds the position of every key and value, next to the decoder
//	Node          value and position of everything, in one tree
//	Merge         included files < file < other layers, such as the command line
package tomltext

import (
	"crypto/sha256"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/plume-da/plume/host/internal/diag"
)

// maxText bounds the length of a text, in bytes.
const maxText = 1 << 20

// Reader reads the texts that make up one document.
type Reader struct {
	Noun  string // what findings call the document: "workflow", for example
	Rule  Rule
	Found *diag.Findings

	Included []Included // files that have been read so far because others include them

	rank   int      // of the file that was read last
	folder string   // of the document
	chain  []string // absolute paths of the files that are being read, outermost first
}

// Included is a file that another one includes.
type Included struct {
	Path   string // absolute
	Bytes  int
	SHA256 [sha256.Size]byte
}

// Flag is an option of the command line whose values are key=value.
type Flag struct {
	Name    string // with its dashes, such as "--set"
	Example string // a correct one, such as "--set key=1"
}

// Values decodes values that were given with flag, whose ranks start with rank. A value
// after the equals sign that is not TOML is taken as a string. Findings about a value that
// was typed as another option show that one: typed has it, such as "--cycles 5", by value.
func (r *Reader) Values(flag Flag, values []string, typed map[string]string, rank int) []*Node {
	var out []*Node
	for i, text := range values {
		n := r.value(flag, diag.NewSource("", flag.Name+" "+text, rank+i, text))
		if n == nil {
			continue
		}
		if option := typed[text]; option != "" {
			_, shown, _ := strings.Cut(option, " ")
			n.write(diag.NewSource("", option, rank+i, shown))
		}
		out = append(out, n)
	}
	return out
}

func (r *Reader) value(flag Flag, src *diag.Source) *Node {
	if len(src.Text) > maxText || notText(src.Text) >= 0 {
		return r.decode(src) // which says so
	}
	marks := scan(src.Text)
	var values map[string]any
	if _, err := toml.Decode(src.Text, &values); err == nil && marks.count == 1 && len(values) == 1 && src.Text[0] != '[' {
		return newNode(values, marks.root, src)
	}
	return r.bareString(flag, src)
}

// bareString reads key=value, taking all of value as a string.
func (r *Reader) bareString(flag Flag, src *diag.Source) *Node {
	s := &scanner{text: src.Text}
	parts := s.key(0)
	s.expect("=")
	if s.stopped || strings.Contains(src.Text, "\n") {
		r.Found.Add(CodeFlag, src.Locate(0, len(src.Text)), "%s wants key=value", flag.Name).WithLabel("not key=value").
			WithHelp("write %s", flag.Example)
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
	return newNode(value, top, src)
}

// decode reads a text, or reports why it cannot.
func (r *Reader) decode(src *diag.Source) *Node {
	if len(src.Text) > maxText {
		r.Found.Add(CodeTooLarge, src.Locate(0, 0), "the %s is longer than %d bytes", r.Noun, maxText).
			WithHelp("a %s holds settings; data belongs in files of its own", r.Noun)
		return nil
	}
	if i := notText(src.Text); i >= 0 {
		what := "the byte 0x%02x is not UTF-8"
		if src.Text[i] < utf8.RuneSelf {
			what = "the control character 0x%02x is not allowed"
		}
		r.Found.Add(CodeSyntax, src.Locate(i, i+1), what, src.Text[i]).
			WithHelp("write it as UTF-8, without control characters")
		return nil
	}
	marks := scan(src.Text)
	if marks.tooDeep {
		r.Found.Add(CodeTooLarge, src.Locate(marks.pos, marks.pos+1), "tables and lists nest more than %d deep", maxDepth).
			WithHelp("a %s needs only a few levels", r.Noun)
		return nil
	}
	var values map[string]any
	if _, err := toml.Decode(src.Text, &values); err != nil {
		r.reportSyntax(src, err, marks)
		return nil
	}
	return newNode(values, marks.root, src)
}

// notText returns the offset of the first control character or byte that is not UTF-8,
// or -1. The decoder would also refuse these, but less clearly.
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
