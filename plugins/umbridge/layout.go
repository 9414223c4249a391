package umbridge

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/sdk"
)

// The notation of variables and dimensions is that of netCDF's CDL.
var (
	variableRule  = regexp.MustCompile(`^([A-Za-z_]\w*)\s*(?:\(\s*([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*\))?$`)
	dimensionRule = regexp.MustCompile(`^([A-Za-z_]\w*)\s*=\s*([1-9]\d{0,8})$`)
	commaRule     = regexp.MustCompile(`\s*,\s*`)
)

// newLayout returns the layout that the parameters of m describe or, if they do not, that
// of a single variable with the length that the server states.
func (m *model) newLayout() (*sdk.Layout, error) {
	names, lengths, err := m.dimensions()
	if err != nil {
		return nil, err
	}
	if len(m.Variables) == 0 {
		n, err := m.served()
		if err != nil {
			return nil, err
		}
		m.Variables, names, lengths = []string{"state(i)"}, append(names, "i"), append(lengths, n)
	}
	if len(m.Units) > 0 && len(m.Units) != len(m.Variables) {
		return nil, config("units", "got %d, want one for each of %d variables", len(m.Units), len(m.Variables))
	}
	l := &sdk.Layout{}
	for i, text := range m.Variables {
		v, err := variable(text, names, lengths)
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

func (m *model) dimensions() (names []string, lengths []int, err error) {
	for _, text := range m.Dimensions {
		parts := dimensionRule.FindStringSubmatch(text)
		if parts == nil {
			return nil, nil, config("dimensions", "got %q, want a name and a length", text).WithHint(`such as "y = 20"`)
		}
		if slices.Contains(names, parts[1]) {
			return nil, nil, config("dimensions", "%s is repeated", parts[1])
		}
		k, err := strconv.Atoi(parts[2])
		if err != nil {
			return nil, nil, config("dimensions", "%v", err)
		}
		names, lengths = append(names, parts[1]), append(lengths, k)
	}
	if len(names) > 0 && len(m.Variables) == 0 {
		return nil, nil, config("dimensions", "is set without variables")
	}
	return names, lengths, nil
}

func variable(text string, names []string, lengths []int) (sdk.Variable, error) {
	parts := variableRule.FindStringSubmatch(text)
	if parts == nil {
		return sdk.Variable{}, config("variables", "got %q, want a name, or a name and its dimensions", text).WithHint(`such as "x" or "h(y, x)"`)
	}
	v := sdk.Variable{Name: parts[1]}
	if parts[2] == "" {
		return v, nil
	}
	for _, name := range commaRule.Split(parts[2], -1) {
		i := slices.Index(names, name)
		if slices.Contains(v.Dims, name) {
			return v, config("variables", "%s has the dimension %s twice", v.Name, name)
		}
		if i < 0 {
			return v, config("variables", "%s has the dimension %s, whose length is not in dimensions", v.Name, name)
		}
		v.Dims, v.Shape = append(v.Dims, name), append(v.Shape, lengths[i])
	}
	return v, nil
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
