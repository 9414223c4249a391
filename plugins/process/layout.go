package process

import (
	"encoding/csv"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/plume-da/plume/plugins/internal/cdl"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// newLayout returns the layout that the parameters of m describe.
func (m *model) newLayout() (*sdk.Layout, error) {
	names, lengths, err := cdl.Dimensions(m.Dimensions)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(m.Variables, m.Diagnostics)
	if len(m.Units) > 0 && len(m.Units) != len(all) {
		return nil, config("units", "got %d, want one for each of %d variables and diagnostics", len(m.Units), len(all))
	}
	l := &sdk.Layout{}
	for i, text := range all {
		where := "variables"
		if i >= len(m.Variables) {
			where = "diagnostics"
		}
		v, err := cdl.Variable(where, text, names, lengths)
		if err != nil {
			return nil, err
		}
		v.Diagnostic = i >= len(m.Variables)
		if v.Unit = "1"; len(m.Units) > 0 {
			v.Unit = m.Units[i]
		}
		l.Variables = append(l.Variables, v)
	}
	if err := l.CheckState(); err != nil {
		where := "variables"
		if l.Prognostic().Check() == nil {
			where = "diagnostics"
		}
		return nil, config(where, "%v", err)
	}
	l.Coordinates, err = m.coordinates(l, names)
	return l, err
}

// coordinates returns the coordinates of the values of l: a regular grid, points from a
// file, or nil if there are none.
func (m *model) coordinates(l *sdk.Layout, names []string) (*sdk.Coordinates, error) {
	var c *sdk.Coordinates
	var err error
	switch {
	case len(m.Spacing) > 0 && m.Points != "":
		return nil, config("points", "cannot be combined with spacing; want one of them")
	case len(m.Spacing) > 0:
		c, err = m.grid(l, names)
	case m.Points != "":
		c, err = readPoints(m.path(m.Points), l.Size())
	case len(m.Period) > 0:
		return nil, config("period", "is set without coordinates; want spacing or points too")
	}
	if c == nil || err != nil {
		return nil, err
	}
	if c.Period = m.Period; len(m.Period) == 0 {
		c.Period = make([]float64, len(c.Dims))
	}
	if len(c.Period) != len(c.Dims) {
		return nil, config("period", "got %d, want one for each of %s", len(c.Period), strings.Join(c.Dims, ", "))
	}
	return c, nil
}

// grid places value (i, j, ...) of every variable at i, j, ... times the spacing.
func (m *model) grid(l *sdk.Layout, names []string) (*sdk.Coordinates, error) {
	if len(m.Spacing) != len(names) {
		return nil, config("spacing", "got %d, want one for each of %d dimensions", len(m.Spacing), len(names))
	}
	points, err := sdk.NewGrid(l.Variables, names, m.Spacing)
	var lacking *sdk.Error
	if errors.As(err, &lacking) {
		return nil, lacking.WithHint("use points instead")
	}
	return &sdk.Coordinates{Dims: names, Points: points}, nil
}

func readPoints(path string, size int) (*sdk.Coordinates, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, config("points", "%v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(&bounded{Reader: f, most: mostText}).ReadAll()
	if err != nil {
		return nil, config("points", "%s: %v", path, err)
	}
	if len(rows) != size+1 {
		return nil, config("points", "%s: got %d lines, want a header and one for each of %d values", path, len(rows), size)
	}
	places := mat.NewDense(size, len(rows[0]), nil)
	c := &sdk.Coordinates{Points: places}
	for _, name := range rows[0] {
		c.Dims = append(c.Dims, strings.TrimSpace(name))
	}
	for i, row := range rows[1:] {
		if err := parseNumbers(places.RawRowView(i), row); err != nil {
			return nil, config("points", "%s: line %d: %v", path, i+2, err)
		}
		if _, j, bad := nonFinite(places.RawRowView(i)); bad {
			return nil, config("points", "%s: line %d: %s is not finite", path, i+2, c.Dims[j])
		}
	}
	return c, nil
}

func config(where, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindConfig, where, format, args...)
}
