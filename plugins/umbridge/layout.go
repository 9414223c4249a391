package umbridge

import (
	"regexp"
	"slices"
	"strings"

	"github.com/plume-da/plume/plugins/internal/cdl"
	"github.com/plume-da/plume/sdk"
)

var commaRule = regexp.MustCompile(`\s*,\s*`)

// newLayout returns the layout that the parameters of m describe or, if they do not, that
// of a single variable with the length that the server states.
func (m *model) newLayout() (*sdk.Layout, error) {
	names, lengths, err := cdl.Dimensions(m.Dimensions)
	if err != nil {
		return nil, err
	}
	if len(m.Variables) == 0 {
		if len(names) > 0 {
			return nil, config("dimensions", "is set without variables")
		}
		n, err := m.served()
		if err != nil {
			return nil, err
		}
		m.Variables, names, lengths = []string{"state(i)"}, []string{"i"}, []int{n}
	}
	if len(m.Units) > 0 && len(m.Units) != len(m.Variables) {
		return nil, config("units", "got %d, want one for each of %d variables", len(m.Units), len(m.Variables))
	}
	l := &sdk.Layout{}
	for i, text := range m.Variables {
		v, err := cdl.Variable("variables", text, names, lengths)
		if err != nil {
			return nil, err
		}
		if v.Unit = "1"; len(m.Units) > 0 {
			v.Unit = m.Units[i]
		}
		if slices.Contains(slices.Concat(inputWords, outputWords), v.Name) || v.Name == "state" && len(m.Variables) > 1 {
			return nil, config("variables", "the name %s has another meaning in inputs and outputs", v.Name)
		}
		l.Variables = append(l.Variables, v)
	}
	if err := l.Check(); err != nil {
		return nil, config("variables", "%v", err)
	}
	l.Coordinates, err = m.grid(l, names)
	return l, err
}

// served returns the number of values of the server's vector for the word state in inputs.
func (m *model) served() (int, error) {
	for i, text := range m.Inputs[:min(len(m.Inputs), len(m.InputSizes))] {
		words := commaRule.Split(strings.TrimSpace(text), -1)
		if n := m.InputSizes[i] - len(words) + 1; slices.Contains(words, "state") && n > 0 {
			return n, nil
		}
	}
	return 0, config("inputs", "no item has space for the state").WithHint("the input vectors of %s have %v values", m.Model, m.InputSizes)
}

// grid places value (i, j, ...) of every variable at i, j, ... times the spacing. It returns
// nil if there is no spacing.
func (m *model) grid(l *sdk.Layout, names []string) (*sdk.Coordinates, error) {
	if len(m.Spacing) == 0 {
		if len(m.Period) > 0 {
			return nil, config("period", "is set without spacing")
		}
		return nil, nil
	}
	if len(m.Spacing) != len(names) {
		return nil, config("spacing", "got %d, want one for each of %d dimensions", len(m.Spacing), len(names))
	}
	c := &sdk.Coordinates{Dims: names, Period: m.Period}
	if len(m.Period) == 0 {
		c.Period = make([]float64, len(names))
	}
	if len(c.Period) != len(names) {
		return nil, config("period", "got %d, want one for each of %s", len(m.Period), strings.Join(names, ", "))
	}
	var err error
	c.Points, err = sdk.NewGrid(l.Variables, names, m.Spacing)
	return c, err
}
