package archive

import (
	"errors"
	"iter"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
)

var coordinatesColumns = packed(
	truthColumn,
	table.Column{Name: "of", Type: table.Text, About: "`state` or `observed`"},
	table.Column{Name: "variable", Type: table.Text, About: "variable of the state, or observed variable"},
	indexColumn,
	table.Column{Name: "axis", Type: table.Text, About: "name of the axis"},
	table.Column{Name: "position", Type: table.Float64, About: "position of the value on the axis"},
	table.Column{Name: "period", Type: table.Float64, About: "period of the axis; 0 if it has none"},
)

// coordinateRows bounds the rows of one batch of coordinates.
const coordinateRows = 1 << 16

// Coordinates writes the positions of the values of the state and of the observations of a
// truth, if they have any. They do not depend on the replicate.
func (r *Run) Coordinates(p *plan.Scenario) error {
	first := p.Plans[0]
	if first.Places == nil && first.Space.Layout.Coordinates == nil {
		return nil
	}
	path, err := r.Path("coordinates", partName(p.Number))
	if err != nil {
		return err
	}
	w, err := table.Create(path, coordinatesColumns, nil)
	if err != nil {
		return err
	}
	c := coordinates{table: w, truth: int32(p.Number)}
	err = c.add(State, first.State.Variables, first.Places)
	if err == nil {
		err = c.add(Observed, first.Space.Layout.Variables, first.Space.Layout.Coordinates)
	}
	if err == nil {
		err = c.flush()
	}
	if err != nil {
		return errors.Join(err, w.Abandon())
	}
	return w.Close()
}

// coordinates writes coordinates.arrow of one truth; columns are reused.
type coordinates struct {
	table *table.Writer
	truth int32

	truths, index      []int32
	of, variable, axis []string
	position, period   []float64
}

// add appends the positions of the values that at has, which are the first of variables.
func (c *coordinates) add(of string, variables []sdk.Variable, at *sdk.Coordinates) error {
	if at == nil {
		return nil
	}
	left, _ := at.Points.Dims()
	value := 0
	for _, v := range variables {
		for i := range min(v.Size(), left-value) {
			for k, axis := range at.Dims {
				c.truths, c.of, c.variable, c.index = append(c.truths, c.truth), append(c.of, of), append(c.variable, v.Name), append(c.index, int32(i))
				c.axis, c.position, c.period = append(c.axis, axis), append(c.position, at.Points.At(value, k)), append(c.period, at.Period[k])
			}
			value++
			if len(c.index) >= coordinateRows {
				if err := c.flush(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// flush writes the rows so far as one batch.
func (c *coordinates) flush() error {
	rows := len(c.index)
	if rows == 0 {
		return nil
	}
	err := c.table.Append(rows, c.truths, c.of, c.variable, c.index, c.axis, c.position, c.period)
	c.truths, c.of, c.variable, c.index, c.axis, c.position, c.period = c.truths[:0], c.of[:0], c.variable[:0], c.index[:0], c.axis[:0], c.position[:0], c.period[:0]
	return err
}

// Positions holds positions of values, one axis of a value per row.
type Positions struct {
	Truth    []int32   `column:"truth"`
	Of       []string  `column:"of"`
	Variable []string  `column:"variable"`
	Index    []int32   `column:"index"`
	Axis     []string  `column:"axis"`
	Position []float64 `column:"position"`
	Period   []float64 `column:"period"`
}

// Positions yields the positions of the values of states and observations, in the order of
// the values; none if they have no coordinates.
func (r *Reader) Positions() iter.Seq2[*Positions, error] {
	return scan[Positions](r, "coordinates")
}
