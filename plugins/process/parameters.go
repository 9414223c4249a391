package process

import (
	"slices"

	"github.com/plume-da/plume/sdk"
)

// parameter is a number that a workflow declares, and may give a value for each member.
type parameter struct {
	name  string
	value float64 // of all members, unless there is a column
	at    int     // column of the values by member; -1: none
}

// setParameters sets the declared parameters, of which perMember have a value for each member.
func (m *model) setParameters(perMember []string) {
	for _, item := range m.Parameters {
		name, value, _ := sdk.Declaration(item) // checked
		m.declared = append(m.declared, parameter{name, value, slices.Index(perMember, name)})
	}
}

// parametersOf returns the parameters of the member in row i of r, by name.
func (m *model) parametersOf(r *sdk.ForecastRequest, i int) map[string]any {
	values := map[string]any{}
	for _, p := range m.declared {
		v := p.value
		if p.at >= 0 && r.Parameters != nil {
			v = r.Parameters.At(i, p.at)
		}
		values[p.name] = plain(v)
	}
	return values
}
