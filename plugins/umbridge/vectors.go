package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/sdk"
)

// part is a piece of a vector of the server's model.
type part struct {
	word     string // what it holds: a key of values, or skip; empty: the state, or a number
	number   float64
	from, to int // the values of the state, from < to
	size     int
}

// values are what words other than those of the state stand for.
type values map[string]any // float64, or int64

const skip = "skip"

// skipped is the size of a skip until that of its vector is known.
const skipped = -1

// parts reads what a text says of one vector: words between commas, each the word
// state, the name of a variable, one of words, or a number. An empty text is for an
// empty vector.
func parts(text string, state *sdk.Layout, words []string) ([]part, *sdk.Error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all []part
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		p := part{size: 1}
		first, isVariable := state.Offset(word)
		number, err := strconv.ParseFloat(word, 64)
		switch {
		case word == "state":
			p.to, p.size = state.Size(), state.Size()
		case isVariable:
			i := slices.IndexFunc(state.Variables, func(v sdk.Variable) bool { return v.Name == word })
			p.size = state.Variables[i].Size()
			p.from, p.to = first, first+p.size
		case slices.Contains(words, word):
			if p.word = word; word == skip {
				p.size = skipped
			}
		case err == nil && number-number == 0:
			p.number = number
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

// allParts reads what texts say of vectors of these sizes.
func allParts(where string, texts []string, sizes []int, state *sdk.Layout, words []string) ([][]part, error) {
	if len(texts) != len(sizes) {
		return nil, config(where, "got %d, want one for each of the %d vectors of the server's model", len(texts), len(sizes))
	}
	var all [][]part
	for i, text := range texts {
		ps, err := parts(text, state, words)
		if err != nil {
			err.Where = where
			return nil, err
		}
		if !fit(ps, sizes[i]) {
			return nil, config(where, "item %d, %q, does not make the %d values that vector %d of the server's model has", i+1, text, sizes[i], i).
				WithHint("state has %d values: %s", state.Size(), strings.Join(names(state), ", "))
		}
		all = append(all, ps)
	}
	return all, nil
}

// fit lets one skip take what the other parts leave of a size, and says whether
// they make that size.
func fit(ps []part, size int) bool {
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

// holdsState says whether p is a piece of the state.
func (p part) holdsState() bool { return p.to > p.from }

// pack returns the input vectors for state x.
func pack(vectors [][]part, x []float64, v values) []vector {
	var all []vector
	for _, ps := range vectors {
		in := vector{}
		for _, p := range ps {
			switch {
			case p.holdsState():
				in = append(in, x[p.from:p.to]...)
			case p.word == "":
				in = append(in, p.number)
			default:
				in = append(in, v.number(p.word))
			}
		}
		all = append(all, in)
	}
	return all
}

func (v values) number(word string) float64 {
	if n, ok := v[word].(int64); ok {
		return float64(n)
	}
	return v[word].(float64)
}

// unpack hands the pieces of the state that a vector holds to use: values of the
// state from index first on.
func unpack(ps []part, v vector, use func(first int, values []float64)) {
	for _, p := range ps {
		if p.holdsState() {
			use(p.from, v[:p.size])
		}
		v = v[p.size:]
	}
}
