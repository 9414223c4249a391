package umbridge

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/sdk"
)

// Part is a piece of a vector of the server's model.
type Part struct {
	Word     string // its content: a key of Values, or Skip; empty: the state, or a number
	Number   float64
	From, To int // the values of the state, From < To
	size     int
}

// Values are the values of words other than those of the state.
type Values map[string]any // float64, or int64

// Skip is the word for the rest of a vector.
const Skip = "skip"

// skipped is the size of a Skip until that of its vector is known.
const skipped = -1

// parts parses the description of one vector: words separated by commas, each the word
// state, the name of a variable, one of words, or a number. An empty text is for an empty
// vector.
func parts(text string, state *sdk.Layout, words []string) ([]Part, *sdk.Error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all []Part
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		p := Part{size: 1}
		first, isVariable := state.Offset(word)
		number, err := strconv.ParseFloat(word, 64)
		switch {
		case word == "state":
			p.To, p.size = state.Size(), state.Size()
		case isVariable:
			i := slices.IndexFunc(state.Variables, func(v sdk.Variable) bool { return v.Name == word })
			p.size = state.Variables[i].Size()
			p.From, p.To = first, first+p.size
		case slices.Contains(words, word):
			if p.Word = word; word == Skip {
				p.size = skipped
			}
		case err == nil && number-number == 0:
			p.Number = number
		default:
			return nil, config("", "got %q, want a number or one of %s", word, strings.Join(slices.Concat([]string{"state"}, names(state), words), ", "))
		}
		all = append(all, p)
	}
	return all, nil
}

func names(l *sdk.Layout) []string {
	var all []string
	for _, v := range l.Variables {
		all = append(all, v.Name)
	}
	return all
}

// Parts parses the descriptions of vectors with the given sizes: one text for each, whose
// words are concatenated in the vector. where names the parameter in errors.
func Parts(where string, texts []string, sizes []int, state *sdk.Layout, words []string) ([][]Part, error) {
	if len(texts) != len(sizes) {
		return nil, config(where, "got %d, want one for each of the %d vectors of the server's model", len(texts), len(sizes))
	}
	var all [][]Part
	for i, text := range texts {
		ps, err := parts(text, state, words)
		if err != nil {
			err.Where = where
			return nil, err
		}
		if !fit(ps, sizes[i]) {
			return nil, config(where, "item %d, %q, does not describe the %d values of vector %d of the server's model", i+1, text, sizes[i], i).
				WithHint("state has %d values: %s", state.Size(), strings.Join(names(state), ", "))
		}
		all = append(all, ps)
	}
	return all, nil
}

// fit gives one Skip the rest of a size, and reports whether the parts have that size.
func fit(ps []Part, size int) bool {
	rest, hole := size, -1
	for i, p := range ps {
		switch {
		case p.size != skipped:
			rest -= p.size
		case hole >= 0:
			return false
		default:
			hole = i
		}
	}
	if hole >= 0 && rest >= 0 {
		ps[hole].size, rest = rest, 0
	}
	return rest == 0
}

// HoldsState reports whether p is a piece of the state.
func (p Part) HoldsState() bool { return p.To > p.From }

// Pack returns the input vectors for state x.
func Pack(vectors [][]Part, x []float64, v Values) []Vector {
	var all []Vector
	for _, ps := range vectors {
		in := Vector{}
		for _, p := range ps {
			switch {
			case p.HoldsState():
				in = append(in, x[p.From:p.To]...)
			case p.Word == "":
				in = append(in, p.Number)
			default:
				in = append(in, v.number(p.Word))
			}
		}
		all = append(all, in)
	}
	return all
}

func (v Values) number(word string) float64 {
	if n, ok := v[word].(int64); ok {
		return float64(n)
	}
	return v[word].(float64)
}

// Unpack calls use with the pieces of the state in a vector: values of the state from index
// first on.
func Unpack(ps []Part, v Vector, use func(first int, values []float64)) {
	for _, p := range ps {
		if p.HoldsState() {
			use(p.From, v[:p.size])
		}
		v = v[p.size:]
	}
}
